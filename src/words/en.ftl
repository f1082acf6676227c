# What people read in English. Keys are sorted by where they are read; each language has
# the same keys, and the same names in each message (a test compares them).

# --- Everywhere
skip = Skip to the content
nav = Pages
nav-home = Home
sign-out = Sign out
signed-in-as = You are signed in as { $email }.

moment = { $day } { $month } { $year }, { $time } UTC
month-1 = January
month-2 = February
month-3 = March
month-4 = April
month-5 = May
month-6 = June
month-7 = July
month-8 = August
month-9 = September
month-10 = October
month-11 = November
month-12 = December

# What a right lets somebody do, after “they may”
right-anyone = see what anyone may see
right-read = look at your data
right-get = download your data
right-write = change and delete your data
right-admin = administer your data
right-owner = own your data

# --- When something went wrong
problem-title = That did not work
problem-unauthenticated = You are not signed in.
problem-forbidden = You may not do this, or another site’s page sent you here.
problem-not-found = There is nothing here, or nothing for you.
problem-method-not-allowed = This page cannot be used like that.
problem-bad-request = The form was not complete, or something in it cannot be read. Nothing was changed.
problem-too-large = What you sent is too large. Nothing was changed.
problem-too-slow = What you sent did not arrive in time. Nothing was changed.
problem-too-often = That was too often. Nothing was changed; please try again later.
problem-busy = The server is busy. Nothing was changed; please try again.
problem-not-done = The server cannot do this just now. Nothing was changed; please try again.
problem-outcome-unknown = The server did not get an answer in time: it may have been done or not. Please look before you try again.
problem-broken = Something went wrong here. It may have been done or not. Please look before you try again.
problem-stale = This form is too old, or was not shown to you. Nothing was changed. Please open the page again.

# --- Signing in
sign-in-title = Sign in
sign-in = Sign in
sign-in-wrong = Email and password do not fit together.
sign-in-too-often = That was too often. Please wait for a while before you try again.
email = Email
password = Password

# --- A request
redeem-title = A request for you
redeem-sign-in = Somebody asks you for a permission. Sign in to see who asks for what, and to decide. Ignoring it changes nothing.
redeem-intro = Somebody asks for your permission:
rights-intro = If you approve, they may:
redeem-until = You can decide until
redeem-ignore = If you do nothing, nothing changes, and the request dies by itself.
approve = Approve
decline = Decline
redeem-approved-title = Approved
redeem-approved-words = { $by } has your permission now: { $bundle }.
redeem-approved-undo = You can take it back at any time, here or under “Access”.
take-back = Take it back
redeem-declined-title = Declined
redeem-declined-words = Nothing was given, and the link is closed.
redeem-over-title = Nothing to decide here
redeem-over-words = This link has been used, has expired, was withdrawn or replaced by a newer one, or is not complete. Nothing was changed.
redeem-other-title = This link is for somebody else
redeem-other-words = The request behind this link was sent to another account. Nothing was changed. If you have several, sign in with the one whose mail it came to.
redeem-ask-again = Ask { $name } again
redeem-ask-again-subject = Please send me your request again

# --- Mails (in plain ASCII, so that a mail in a file can be read there)
day-and-moment = { $day }, { $moment }
day-1 = Monday
day-2 = Tuesday
day-3 = Wednesday
day-4 = Thursday
day-5 = Friday
day-6 = Saturday
day-7 = Sunday
mail-hello = Hello { $name },
mail-no-button = If the button does not work, copy this address into your browser:
# After the name of who asks
mail-request-asks = asks for your permission:
mail-request-asks-for = asks for your permission: "{ $bundle }".
mail-request-subject = { $name } asks for your permission: { $bundle }
mail-request-rights = If you approve, they may:
mail-request-holds = That holds until you take it back, which you can do at any time.
mail-request-button = See the request
mail-request-there = There you approve or decline it, signed in as { $email }.
mail-request-open = To see the request, and then to approve or decline it, open this link and sign in as { $email }:
mail-request-once = The link works once, for you alone, until { $until }.
mail-request-ignore = You don't know them, or you don't want this? Then just do nothing: nothing changes, and the request dies by itself. To say no at once, decline it behind the same link.
mail-request-sender = Sent by { $server }, where this request was made.
mail-password-once = The link works once, until { $until }. A newer one takes its place.
mail-password-sender = Sent by { $server }.
mail-first-subject = Your new account: choose a password
mail-first-what = An account was made for you at { $server }; you sign in there as { $email }.
mail-first-then = All that is missing is a password, which you choose yourself.
mail-first-button = Choose a password
mail-first-open = To choose it, open this link:
mail-first-ignore = You did not expect this? Then you can simply ignore it: nobody can use the account without this link.
mail-forgotten-subject = Set a new password
mail-forgotten-what = Somebody, most likely you, asked for a new password for { $email } at { $server }.
mail-forgotten-then = When you have set it, you are signed out wherever you were signed in.
mail-forgotten-button = Set a new password
mail-forgotten-open = To set it, open this link:
mail-forgotten-ignore = It was not you? Then do nothing: your password stays as it is, and nobody can change it without this link.

# --- Passwords and the account
sign-in-forgotten = Forgotten your password, or never had one?
forgot-title = A new password
forgot-intro = Tell us the address of your account. We send a mail there with a link by which you set a password.
forgot-send = Send the link
forgot-back = Back to signing in
forgot-sent-title = Look into your mail
forgot-sent-words = If there is an account with this address, a mail with a link is on its way to it. The link works once; if you ask for another one, the newest counts. It can take some minutes, and the mail may have ended up among the junk.
set-password-title = Choose a password
set-password-intro = This is the password by which you sign in from now on.
set-password-set = Set the password
set-password-then = You are signed in then, and signed out wherever else you were signed in.
set-password-over-title = This link sets no password
set-password-over-words = It has been used, has expired, was replaced by a newer one, or is not complete. Nothing was changed. You can have a new link sent to you at any time.
set-password-over-again = Send me a new link
password-new = New password
password-rule = At least 8 characters. Several words that belong together only for you are easy to remember and hard to guess.
password-again = The same once more
password-too-short = That password is too short. At least 8 characters are needed.
password-too-long = That password is too long.
password-unusable = That password has a character that cannot be used, such as a line break.
password-differs = The new password is not the same both times.
account-title = Your account
account-sessions = Where you are signed in
account-this = here
account-since = Since
account-from = From { $address }
account-end = Sign out
account-end-of = Sign out: { $client }
account-end-others = Sign out everywhere else
account-more = { $count ->
    [one] And one more.
   *[other] And { $count } more.
 }
account-password = Change your password
account-current = Current password
account-wrong-password = The current password is not right.
account-password-then = You are signed out everywhere else then.
account-change = Change the password
account-done-password = Your password is set. You are signed out everywhere else.
account-done-session = You are signed out there.
account-done-sessions = You are signed out everywhere else.
client-on-system = { $client } on { $system }
client-unknown = Unknown browser
