# What people read in English. Keys are sorted by where they are read; each language has
# the same keys, and the same names in each message (a test compares them).

# --- Everywhere
skip = Skip to the content
nav = Pages
nav-home = Home
nav-requests = Requests
nav-access = Access
nav-tokens = Export tokens
nav-keys = API keys
nav-account = Account
nav-staff = Staff
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
# The same, where the data is not the reader’s
others-right-anyone = see what anyone may see
others-right-read = look at the data
others-right-get = download the data
others-right-write = change and delete the data
others-right-admin = administer the data
others-right-owner = own the data

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
rights-given = They may:
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
staff-hubs-intro = A hub is a workspace. Whoever is an admin or the owner of one may make export tokens there.
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
staff-hub-give-hint = Whoever has a role here already gets this one in its place.
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
staff-mail-not-retried = Nothing was changed: that mail cannot be sent now.
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
timeline-of-given = A permission for { $allowed } from { $target }.
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
timeline-why-server = The mail server did not take it, or could not be reached.
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
timeline-stands = The permission stands; it was given by other means, too.
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
trail-stranger = Somebody who was not signed in
did-export-created = An export token was made
did-export-revoked = An export token was revoked
did-request-created = A permission was asked for
did-request-resent = A request’s mail was sent again
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
did-user-password-linked = A link to set a password was mailed
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
did-records-purged = What had been over for a long time was deleted

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
list-nav = Pages of this list
list-rows = { $first } to { $last }
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
outcome-stands = Approved; the permission stands
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
ask-days-hint = { $usual }, unless you say otherwise; { $most } at the most.
ask-no-days = They can decide for { $usual }.
span-days = { $count ->
    [one] 1 day
   *[other] { $count } days
 }
span-hours = { $count ->
    [one] 1 hour
   *[other] { $count } hours
 }
span-minutes = { $count ->
    [one] 1 minute
   *[other] { $count } minutes
 }
span-seconds = { $count } seconds
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
token-no-hubs-words = Tokens are made by whoever is an admin or the owner of a hub. Ask whoever owns it.

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
