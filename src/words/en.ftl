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

# --- Pages of a list
pages-nav = Pages of this list
pages-previous = Previous
pages-next = Next
pages-number = Page { $number }

# --- What a user is in a hub
role-guest = Guest
role-contributor = Contributor
role-designer = Designer
role-manager = Manager
role-admin = Admin
role-owner = Owner

# --- Staff
staff-nav = Administration
staff-overview = Overview
staff-users = Users
staff-hubs = Hubs
staff-bundles = Bundles
staff-mail = Mail
staff-name = Name
staff-first-name = First name
staff-last-name = Last name
staff-description = Description
staff-state = State
staff-role = Role
staff-deed = What to do
staff-add = Add
staff-save = Save
staff-search = Search
staff-date = { $day } { $month }
staff-day = Day
staff-declined = Declined
staff-expired = Expired
staff-error-email = This is no mail address.
staff-error-email-taken = There is a user with this address already.
staff-error-person-name = A name has at most 150 characters, on one line.
staff-error-nobody = There is no user with this address. Add them first, under “Users”.
staff-error-hub-id = A hub’s id has 1 to 64 characters.
staff-error-hub-taken = There is a hub with this id already.
staff-error-name = A name has at most 100 characters, on one line.
staff-error-bundle-name = A bundle’s name has 1 to 100 characters, on one line.
staff-error-description = A description has at most 1,000 characters, on one line.
staff-error-rights = Tick one right at the least.

# --- Staff: the overview
staff-chart-title = Requests in the last 30 days
staff-chart-words = In all: { $asked } asked, { $redeemed } approved, { $declined } declined, { $expired } expired, { $dead } mails refused. Each day’s figures are in the table below.
staff-chart-day = { $date }: { $asked } asked, { $redeemed } approved, { $declined } declined, { $expired } expired, { $dead } mails refused
staff-chart-empty = Nobody has asked for anything yet.
staff-chart-most = At most { $count } a day
staff-chart-asked = Asked
staff-chart-redeemed = Approved
staff-chart-unmet = Declined or expired
staff-chart-dead = Mails refused
staff-chart-each = There are so many requests that one in { $each } was counted, for all { $each }: the figures are near, not exact.
staff-chart-table = The same as a table
staff-numbers = At a glance
staff-number-users = Users
staff-number-unsent = Mails that wait to be sent
staff-number-oldest = The oldest since
staff-number-dead = Mails that the mail server refused
staff-number-dead-see = See them
staff-health = Is all in order?
staff-health-database = Database
staff-health-registry = Registry
staff-health-mailer = Mailer
staff-health-well = In order
staff-health-ill = Out of order

# --- Staff: users
staff-users-search = Look for an address or a name
staff-users-none = Nobody was found.
staff-users-added = The user was added.
staff-users-disabled = The user was disabled: their sessions, keys and export tokens do not work any more.
staff-users-enabled = The user was enabled.
staff-users-not-yourself = You cannot disable yourself: you could not undo it. Somebody else of the staff can.
staff-user-add = Add a user
staff-user-staff = Administers this server
staff-user-staff-hint = Staff see these pages, and may ask for permissions in anybody’s name.
staff-user-active = Active
staff-user-disabled = Disabled
staff-user-is-staff = Staff
staff-user-me = You
staff-user-disable = Disable
staff-user-disable-whom = Disable { $email }
staff-user-enable = Enable
staff-user-enable-whom = Enable { $email }

# --- Staff: hubs
staff-hubs-intro = A hub is a workspace. Who is an admin or the owner of one may make export tokens there.
staff-hubs-search = Look for an id or a name
staff-hubs-none = No hub was found.
staff-hubs-all = All hubs
staff-hub-title = Hub { $id }
staff-hub-add = Add a hub
staff-hub-id = Id
staff-hub-id-hint = By this, clients and file servers know the hub. It cannot be changed later.
staff-hub-owner = The owner’s mail address
staff-hub-none = Nobody has a role here.
staff-hub-give = Give a role
staff-hub-give-hint = Who has a role here already gets this one in its place.
staff-hub-take = Take the role
staff-hub-take-whose = Take the role of { $email }
staff-hub-added = The hub was added.
staff-hub-given = The role was given.
staff-hub-taken = The role was taken, and what the user’s export tokens may do here with it.
staff-hub-had-none = The user had no role here.

# --- Staff: bundles
staff-bundles-intro = A bundle is what people ask each other for: a set of rights with a name.
staff-bundles-none = There is no bundle yet. Add one, and people can ask each other for it.
staff-bundles-all = All bundles
staff-bundles-added = The bundle was added.
staff-bundles-changed = The bundle was changed.
staff-bundles-deleted = The bundle was deleted.
staff-bundle-title = Bundle { $id }
staff-bundle-add = Add a bundle
staff-bundle-name-hint = As the mail says it, e.g. “Sleep”.
staff-bundle-rights = Rights
staff-bundle-change-hint = Name and description can be changed at any time. The rights cannot while a permission or an open request is about them: they are what people agreed to.
staff-bundle-rights-in-use = Nothing was changed: somebody has agreed to these rights, or is asked to just now. Add another bundle for others.
staff-bundle-delete = Delete the bundle
staff-bundle-delete-words = This deletes the past requests for it, too. It cannot be undone.
staff-bundle-in-use = Nothing was deleted: somebody holds this bundle’s permission, or is asked for it just now.

# --- Staff: mail
staff-mail-filter = Which mails
staff-mail-filter-all = All
staff-mail-filter-unsent = Not sent yet
staff-mail-filter-dead = Refused
staff-mail-filter-sent = Sent
staff-mail-to = To
staff-mail-created = Since
staff-mail-attempts = Tries
staff-mail-error = What the mail server said
staff-mail-due = next try:
staff-mail-retry = Send now
staff-mail-retried = The mail is next in the queue.
staff-mail-not-retried = That mail has been sent already, or is being sent right now.
staff-mail-none-all = There has been no mail yet.
staff-mail-none-unsent = No mail waits to be sent.
staff-mail-none-dead = No mail was refused.
staff-mail-none-sent = No mail has been sent yet.
mail-state-waiting = Waits
mail-state-sending = Is being sent
mail-state-sent = Sent
mail-state-dead = Refused
mail-state-cancelled = Not needed any more

# --- The mails of a server that is tried out
mailbox-title = Mailbox
mailbox-intro = This server has no mail relay yet: it writes its mails to files in { $directory }. Here you can read them, whomever they are for. With a relay, or for anybody else, this page is not there.
mailbox-none = There is no mail yet. It comes here as soon as somebody asks for something.
mailbox-all = All mails
mailbox-subject = Subject
mailbox-no-subject = (no subject)
mailbox-from = From
mailbox-to = To
mailbox-at = At
mailbox-text-only = This is the mail’s text. Mail programs show the same as HTML.

# --- What became of a request
timeline-title = Request { $number }
timeline-of = { $allowed } asks { $target } for this permission.
timeline-heading = What became of it
timeline-staff = An administrator
timeline-operator = The operator
timeline-asked = { $who } asked.
timeline-given = { $who } gave this permission without being asked.
timeline-queued = A mail with a link was queued.
timeline-sent = The mail server took the mail.
timeline-dead = The mail was refused for good.
timeline-cancelled = The mail was not sent: by then there was nothing left to decide.
timeline-deferred = The mail could not be sent yet. It is tried again at this time.
timeline-why-mailbox = The mailbox did not take it.
timeline-why-server = The mail server was busy, or could not be reached.
timeline-tries = { $count ->
    [one] There was one attempt so far.
   *[other] There were { $count } attempts so far.
 }
timeline-fetched = { $count ->
    [one] The link was opened once.
   *[other] The link was opened { $count } times; this was the last time.
 }
timeline-fetched-by = Mail programs and virus scanners open links too. That changes nothing.
timeline-looked = { $count ->
    [one] { $who } looked at the request.
   *[other] { $who } looked at the request { $count } times; this was the last time.
 }
timeline-waits = { $who } can decide until then.
timeline-redeemed = { $who } approved.
timeline-declined = { $who } declined.
timeline-withdrawn = { $who } withdrew the request.
timeline-replaced = A newer request for the same took its place.
timeline-expired = The request expired before { $who } decided.
timeline-taken-back = { $who } took the permission back.
timeline-returned = { $who } gave the permission back.
timeline-over = The permission has been taken back since.
timeline-audit = All entries of the audit trail

# --- The audit trail
trail-title = Audit trail
trail-intro = Who did what, when, and from where. The newest first; days are in UTC.
trail-own-title = Activity
trail-own-intro = What you did, and what others did that concerns you. The newest first; days are in UTC. Only you and the administrators see where your own visits came from.
trail-action = What was done
trail-any = Anything
trail-person = By whom (email or number)
trail-subject = To what
trail-subject-hint = For example request:12
trail-from = From this day
trail-to = To this day
trail-search = Search
trail-wrong-action = Nobody can do this.
trail-wrong-person = There is nobody of this address or number.
trail-wrong-from = This is no day. It should look like 2030-01-31.
trail-wrong-to = This is no day. It should look like 2030-01-31.
trail-none = Nothing was found. Perhaps there is nothing yet, or the search leaves out too much.
trail-newest = The newest
trail-older = Older ones
trail-you = You
did-export-created = An export token was made
did-export-revoked = An export token was revoked
did-request-created = A permission was asked for
did-request-replaced = A request was replaced by a newer one
did-request-redeemed = A request was approved
did-request-declined = A request was declined
did-request-withdrawn = A request was withdrawn
did-grant-created = A permission was given
did-grant-deleted = A permission was taken or given back
did-block-created = Somebody was blocked
did-block-deleted = Somebody was unblocked
did-deed-abandoned = Something was given up before it was done
did-user-added = A user was added
did-user-renamed = A user’s name was changed
did-user-password-set = A password was set
did-user-disabled = A user was disabled
did-user-enabled = A user was enabled
did-session-opened = Somebody signed in
did-session-closed = Somebody signed out
did-key-created = An API key was made
did-key-revoked = An API key was revoked
did-hub-added = A hub was added
did-hub-granted = A role in a hub was given
did-hub-revoked = A role in a hub was taken
did-bundle-added = A bundle was added
did-bundle-changed = A bundle was changed
did-bundle-deleted = A bundle was deleted
did-mail-retried = A mail was put back in the queue
did-users-imported = Users were imported
did-requests-imported = Requests were imported
did-records-purged = What had been over for long was deleted
