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

# --- Home, and what lists share
home-welcome = Hello, { $name }.
home-waiting = Waiting for you
home-nothing = Nothing waits for you
home-nothing-words = When somebody asks for your permission, you find it here and in your mail.
home-until = You can decide until
home-decide = Look and decide
home-block = Take no more requests from { $name }
home-block-words = All that { $name } asks of you is declined, now and from now on. What you have given stays. You can undo this under “Requests”.
home-block-yes = Take no more requests
home-rest = All that is yours
home-asked = What you asked for
home-asked-count = { $count ->
    [0] Nothing is waiting for an answer.
    [one] One request is waiting for an answer.
   *[other] { $count } requests are waiting for an answer.
}
home-given = Access you gave
home-given-count = { $count ->
    [0] Nobody has your permission.
    [one] You gave one permission.
   *[other] You gave { $count } permissions.
}
home-received = Access you have
home-received-count = { $count ->
    [0] Nobody has given you a permission.
    [one] You have one permission.
   *[other] You have { $count } permissions.
}
home-tokens = Export tokens
home-tokens-count = { $count ->
    [0] No token is active.
    [one] One token is active.
   *[other] { $count } tokens are active.
}
home-keys = API keys
home-keys-count = { $count ->
    [0] You have no keys.
    [one] You have one key.
   *[other] You have { $count } keys.
}
list-previous = Back
list-next = Next
list-where = { $first } to { $last } of { $total }
list-beyond = The list ends before this.
list-deeds = What you can do
back = Back
copy = Copy
copied = Copied
secret-once = Copy it now: it is shown this once, and cannot be shown again.

done-declined = Declined. Nothing was given, and the link is closed.
done-blocked = You take no more requests from them. What they had asked of you is declined.
done-asked = Asked. The mail is on its way.
done-withdrawn = Withdrawn. The link in the mail is closed.
done-resent = A mail with the same link is on its way.
done-owed = No other mail was sent: the one before is still on its way.
done-unblocked = They can ask you again.
done-taken-back = Taken back. They have this permission no more.
done-given-up = Given up. You have this permission no more.
done-token-revoked = Revoked. The token opens nothing any more.
done-key-revoked = Revoked. The key stops working within five seconds.

# --- What somebody asked for
requests-title = Requests
requests-lead = What you asked others for, and what became of the mails.
requests-waiting = You asked
requests-none = You are waiting for nobody
requests-none-words = Ask somebody for a permission: they get a mail, and decide.
requests-whom = Whom
requests-what = For what
requests-since = asked
requests-until = They can decide until
requests-mail = Mail
requests-resend = Send again
requests-withdraw = Withdraw
requests-withdraw-words = The link in the mail will lead nowhere.
requests-withdraw-yes = Withdraw the request
requests-over = Came to an end lately
requests-end = How
requests-again = Ask again
mail-none = Not known
mail-queued = Queued
mail-sending = Being sent
mail-delayed = Delayed
mail-sent = Sent
mail-refused = Refused
mail-again = Tried again on
outcome-redeemed = Approved, and taken back since
outcome-given = Given, and taken back since
outcome-declined = Declined
outcome-withdrawn = Withdrawn
outcome-replaced = Asked anew
outcome-expired = Expired
blocked-title = From whom you take no requests
blocked-words = What they ask of you is refused at once.
blocked-whom = Who
blocked-lift = Take requests again
ask-title = Ask somebody
ask-lead = They get a mail with a link, sign in, and decide. Nothing is given before that.
ask-email = Their email
ask-bundle = For what
ask-days = For how many days they can decide
ask-days-hint = { $usual } days, unless you say otherwise; { $most } at the most.
ask-send = Ask
ask-unknown = Nobody with an account here has this address.
ask-self = This is your own address.
ask-blocked = They take no requests from you.
ask-granted = You have this permission already.
ask-wrong-bundle = This can no longer be asked for. Please choose something else.
ask-wrong-days = A whole number of days is wanted, and not more than is allowed.
ask-no-bundles = There is nothing to ask for
ask-no-bundles-words = Whoever runs this server has not set up any permissions yet.

# --- What was given
access-title = Access
access-what = What
access-since = Since
access-given = Access you gave
access-given-words = Who has your permission. You can take it back at any time.
access-given-who = Who
access-given-end = Take it back
access-given-end-words = { $name } will no longer have your permission: { $bundle }. To have it again, they must ask you.
access-given-none = Nobody has your permission
access-given-none-words = When you approve a request, you find it here.
access-received = Access you have
access-received-words = What others have permitted you.
access-received-who = By whom
access-received-end = Give it up
access-received-end-words = You will no longer have { $name }’s permission: { $bundle }. To have it again, you must ask.
access-received-none = You have no permissions yet
access-received-none-words = When somebody approves what you asked for, you find it here.

# --- Export tokens
tokens-title = Export tokens
tokens-lead = A token opens one thing in a hub for whoever has it, until it ends or you revoke it.
tokens-none = You have made no tokens
tokens-none-words = Make one to let somebody in without an account.
token-new = New token
token-create = Make the token
token-made = The token is made
token-it = The token
token-list = All your tokens
token-qr = The token as a QR code
token-hub = Hub
token-in-hub = in hub { $hub }
token-node = File or folder
token-node-hint = Its id in the hub, as the file server tells it.
token-rights = Rights
token-rights-legend = Whoever has the token may
token-right-anyone = see what anyone may see
token-right-read = look at it
token-right-get = download it
token-right-write = change and delete it
token-right-admin = administer it
token-right-owner = own it
token-hours = Until
token-hours-1 = In an hour
token-hours-24 = In a day
token-hours-168 = In a week
token-hours-720 = In thirty days
token-hours-8760 = In a year
token-hours-0 = Never: until you revoke it
token-status = State
token-active = Active
token-expired = Expired
token-revoked = Revoked
token-until = until
token-forever = until you revoke it
token-uses = Used
token-used = { $count ->
    [0] Never
    [one] Once
   *[other] { $count } times
}
token-last = last on
token-revoke = Revoke
token-revoke-words = Whoever has this token is locked out at once. This cannot be undone.
token-wrong-hub = You cannot give these rights in this hub: you must administer it, and hold them yourself.
token-wrong-node = The id of a file or folder is wanted, of 255 characters at the most.
token-wrong-rights = Please choose one at least.
token-wrong-hours = Please choose one of these.
token-no-hubs = You administer no hub
token-no-hubs-words = Tokens are made by who administers a hub. Ask whoever owns it.

# --- API keys
keys-title = API keys
keys-lead = A key lets a program act for you without your password.
keys-none = You have no API keys
keys-none-words = Make one for each program, so that you can revoke one without the others.
key-new = New key
key-create = Make the key
key-made = The key is made
key-it = The key
key-list = All your keys
key-label = What it is for
key-label-hint = For you alone, so that you know it again.
key-unnamed = Without a name
key-scope = May
key-scope-all = All that you may
key-scope-all-hint = For programs that act for you.
key-scope-introspect = Check export tokens, and nothing else
key-scope-introspect-hint = For file servers that ask whether a token is good.
key-since = Since
key-status = State
key-active = Active
key-revoked = Revoked
key-revoke = Revoke
key-revoke-words = Whatever uses this key is locked out. This cannot be undone.
key-wrong-label = At most 100 characters on one line are wanted.
