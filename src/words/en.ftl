# What people read in English. Keys are sorted by where they are read; each language has
# the same keys, and the same names in each message (a test compares them).

# --- Everywhere
skip = Skip to main content
nav = Main navigation
nav-home = Home
nav-requests = Requests
nav-access = Access
nav-tokens = Export tokens
nav-keys = API keys
nav-account = Account
nav-staff = Administration
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
right-anyone = see what anyone can see
right-read = view your data
right-get = download your data
right-write = change and delete your data
right-admin = manage your data
right-owner = have full control of your data
# The same, where the data is not the reader’s
others-right-anyone = see what anyone can see
others-right-read = view the data
others-right-get = download the data
others-right-write = change and delete the data
others-right-admin = manage the data
others-right-owner = have full control of the data

# --- When something went wrong
problem-title = Something went wrong
problem-unauthenticated = You are not signed in. Sign in and try again.
problem-forbidden = You do not have permission to do this, or the request came from another website. Nothing was changed.
problem-not-found = Page not found. It may not exist, or you may not have access to it.
problem-method-not-allowed = This page does not support this action. Go back and try again.
problem-bad-request = Some of the form is missing or not valid. Nothing was changed. Go back, check your entries and try again.
problem-too-large = The data you sent is too large. Nothing was changed.
problem-too-slow = The connection was too slow. Nothing was changed. Try again.
problem-too-often = Too many requests. Nothing was changed. Wait a few minutes and try again.
problem-busy = The server is busy. Nothing was changed. Wait a moment and try again.
problem-not-done = The service is unavailable at the moment. Nothing was changed. Try again in a few minutes.
problem-outcome-unknown = The server took too long to respond. Your change may or may not have been saved. Check before you try again.
problem-broken = There was a problem on our side. Your change may or may not have been saved. Check before you try again.
problem-stale = This form has expired. Nothing was changed. Reload the page and try again.

# --- Signing in
sign-in-title = Sign in
sign-in = Sign in
sign-in-wrong = Wrong email or password.
sign-in-too-often = Too many attempts. Wait a few minutes and try again.
email = Email
password = Password

# --- A request
redeem-title = Permission request
redeem-sign-in = Someone asks for your permission. Sign in to see the request and to approve or decline it. If you do nothing, nothing changes.
redeem-intro = Someone asks for your permission:
rights-intro = If you approve, they can:
rights-given = They can:
redeem-until = This request expires on
redeem-ignore = If you do nothing, nothing changes and the request expires.
approve = Approve
decline = Decline
redeem-approved-title = Request approved
redeem-approved-words = { $by } now has your permission: { $bundle }.
redeem-approved-undo = You can revoke this permission at any time, here or under “Access”.
take-back = Revoke permission
redeem-declined-title = Request declined
redeem-declined-words = No permission was given, and the link no longer works.
redeem-over-title = This link is not valid
redeem-over-words = The link has already been used, has expired, was withdrawn, was replaced by a newer link, or is incomplete. Nothing was changed.
redeem-other-title = This link is for another account
redeem-other-words = This request was sent to another account. Nothing was changed. If you have several accounts, sign in with the email address that received the request.
redeem-ask-again = Ask { $name } to send a new request
redeem-ask-again-subject = Please send me a new permission request

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
mail-no-button = If the button does not work, copy this link into your browser:
# After the name of who asks
mail-request-asks = asks for your permission:
mail-request-asks-for = asks for your permission: "{ $bundle }".
mail-request-subject = { $name } asks for your permission: { $bundle }
mail-request-rights = If you approve, they can:
mail-request-holds = You can revoke the permission at any time.
mail-request-button = View request
mail-request-there = To approve or decline, sign in as { $email }.
mail-request-open = To view the request, and then approve or decline it, open this link and sign in as { $email }:
mail-request-once = This link works once, only for you. The request expires on { $until }.
mail-request-ignore = Don't know this person, or don't want to give permission? You can ignore this email: nothing changes, and the request expires. You can also open the link and decline.
mail-request-sender = Sent by { $server }, where this request was created.
mail-password-once = This link works once and expires on { $until }. If you request another link, only the newest one works.
mail-password-sender = Sent by { $server }.
mail-first-subject = Set up your account
mail-first-what = An account was created for you at { $server }. You sign in as { $email }.
mail-first-then = Choose a password to start using it.
mail-first-button = Choose a password
mail-first-open = To choose a password, open this link:
mail-first-ignore = If you did not expect this email, you can ignore it. No one can use the account without this link.
mail-forgotten-subject = Reset your password
mail-forgotten-what = We received a request to reset the password for { $email } at { $server }.
mail-forgotten-then = After you set a new password, you are signed out on all devices.
mail-forgotten-button = Reset password
mail-forgotten-open = To reset your password, open this link:
mail-forgotten-ignore = If you did not request this, you can ignore this email. Your password stays the same, and no one can change it without this link.

# --- Passwords and the account
sign-in-forgotten = Forgot your password?
forgot-title = Reset your password
forgot-intro = Enter the email address of your account. We will send you a link to set a new password. This also works if you do not have a password yet.
forgot-send = Send link
forgot-back = Back to sign-in
forgot-sent-title = Check your email
forgot-sent-words = If there is an account with this address, we have sent it a link to set a new password. The link works once. If you request another one, only the newest link works. The email can take a few minutes. Check your spam folder too.
set-password-title = Choose a password
set-password-intro = You will use this password to sign in.
set-password-set = Save password
set-password-then = When you save it, you are signed in here and signed out on all other devices.
set-password-over-title = This link is not valid
set-password-over-words = The link has already been used, has expired, was replaced by a newer link, or is incomplete. Nothing was changed. You can request a new link at any time.
set-password-over-again = Send a new link
password-new = New password
password-rule = At least 8 characters. Several unrelated words are easy to remember and hard to guess.
password-again = Confirm new password
password-too-short = The password is too short. Use at least 8 characters.
password-too-long = The password is too long. Use a shorter one.
password-unusable = The password contains a character that is not allowed, such as a line break. Remove it and try again.
password-differs = The passwords do not match. Enter the same password twice.
account-title = Your account
account-sessions = Signed-in devices
account-this = This device
account-since = Signed in on
account-from = IP address { $address }
account-end = Sign out
account-end-of = Sign out: { $client }
account-end-others = Sign out on all other devices
account-more = { $count ->
    [one] And 1 more device.
   *[other] And { $count } more devices.
 }
account-password = Change your password
account-current = Current password
account-wrong-password = The current password is wrong. Try again.
account-password-then = When you change it, you are signed out on all other devices.
account-change = Change password
account-done-password = Your password was changed. You are signed out on all other devices.
account-done-session = The device was signed out.
account-done-sessions = You are signed out on all other devices.
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
staff-mail = Email
staff-name = Name
staff-first-name = First name
staff-last-name = Last name
staff-description = Description
staff-state = Status
staff-role = Role
staff-deed = Actions
staff-add = Add
staff-save = Save
staff-search = Search
staff-date = { $day } { $month }
staff-day = Day
staff-declined = Declined
staff-expired = Expired
staff-error-email = Enter an email address in the correct format, like name@example.com.
staff-error-email-taken = A user with this email address already exists.
staff-error-person-name = Enter a name on one line, with at most 150 characters.
staff-error-nobody = No user has this email address. Add the user first, under “Users”.
staff-error-hub-id = Enter an ID with 1 to 64 characters.
staff-error-hub-taken = A hub with this ID already exists. Choose another ID.
staff-error-name = Enter a name on one line, with at most 100 characters.
staff-error-bundle-name = Enter a name on one line, with 1 to 100 characters.
staff-error-description = Enter a description on one line, with at most 1,000 characters.
staff-error-rights = Select at least one right.

# --- Staff: the overview
staff-chart-title = Requests in the last 30 days
staff-chart-words = Total: { $asked } created, { $redeemed } approved, { $declined } declined, { $expired } expired, { $dead } emails rejected. The table below shows the figures for each day.
staff-chart-day = { $date }: { $asked } created, { $redeemed } approved, { $declined } declined, { $expired } expired, { $dead } emails rejected
staff-chart-empty = No requests yet.
staff-chart-most = Maximum: { $count } a day
staff-chart-asked = Created
staff-chart-redeemed = Approved
staff-chart-unmet = Declined or expired
staff-chart-dead = Emails rejected
staff-chart-each = These figures are estimates: 1 in { $each } requests was counted and multiplied by { $each }.
staff-chart-table = Show as table
staff-numbers = At a glance
staff-number-users = Users
staff-number-unsent = Emails in queue
staff-number-oldest = Oldest since
staff-number-dead = Rejected emails
staff-number-dead-see = View rejected emails
staff-health = System status
staff-health-database = Database
staff-health-registry = Registry
staff-health-mailer = Email delivery
staff-health-well = Working
staff-health-ill = Not working

# --- Staff: users
staff-users-search = Search by email or name
staff-users-none = No users found.
staff-users-added = User added.
staff-users-disabled = User disabled. Their sessions, API keys and export tokens no longer work.
staff-users-enabled = User enabled.
staff-users-not-yourself = You cannot disable your own account. Ask another administrator.
staff-user-add = Add a user
staff-user-staff = Administrator
staff-user-staff-hint = Administrators can see these pages and create permission requests on behalf of any user.
staff-user-active = Active
staff-user-disabled = Disabled
staff-user-is-staff = Administrator
staff-user-me = You
staff-user-disable = Disable
staff-user-disable-whom = Disable { $email }
staff-user-enable = Enable
staff-user-enable-whom = Enable { $email }

# --- Staff: hubs
staff-hubs-intro = A hub is a workspace. Its admins and owner can create export tokens.
staff-hubs-search = Search by ID or name
staff-hubs-none = No hubs found.
staff-hubs-all = All hubs
staff-hub-title = Hub { $id }
staff-hub-add = Add a hub
staff-hub-id = ID
staff-hub-id-hint = Clients and file servers use this ID. You cannot change it later.
staff-hub-owner = Owner’s email
staff-hub-none = This hub has no members.
staff-hub-give = Assign role
staff-hub-give-hint = If the user already has a role in this hub, the new role replaces it.
staff-hub-take = Remove role
staff-hub-take-whose = Remove the role of { $email }
staff-hub-added = Hub added.
staff-hub-given = Role assigned.
staff-hub-taken = Role removed. The user’s export tokens for this hub no longer work.
staff-hub-had-none = This user has no role in this hub. Nothing was changed.

# --- Staff: bundles
staff-bundles-intro = A bundle is a named set of rights that users can request from each other.
staff-bundles-none = No bundles yet. Add one so that users can request permissions.
staff-bundles-all = All bundles
staff-bundles-added = Bundle added.
staff-bundles-changed = Bundle saved.
staff-bundles-deleted = Bundle deleted.
staff-bundle-title = Bundle { $id }
staff-bundle-add = Add a bundle
staff-bundle-name-hint = This name appears in emails, for example “Sleep”.
staff-bundle-rights = Rights
staff-bundle-change-hint = You can change the name and description at any time. You cannot change the rights while the bundle is part of an active permission or a pending request.
staff-bundle-rights-in-use = Nothing was changed. These rights are part of an active permission or a pending request. To offer other rights, add another bundle.
staff-bundle-delete = Delete bundle
staff-bundle-delete-words = This also deletes all past requests for this bundle. This cannot be undone.
staff-bundle-in-use = Nothing was deleted. This bundle is part of an active permission or a pending request.

# --- Staff: mail
staff-mail-filter = Filter emails
staff-mail-filter-all = All
staff-mail-filter-unsent = In queue
staff-mail-filter-dead = Rejected
staff-mail-filter-sent = Sent
staff-mail-to = To
staff-mail-created = Created
staff-mail-attempts = Attempts
staff-mail-error = Last error
staff-mail-due = Next attempt:
staff-mail-retry = Send now
staff-mail-retried = The email is next in the queue.
staff-mail-not-retried = Nothing was changed. This email cannot be sent now: it was already sent, is being sent, or was cancelled.
staff-mail-none-all = No emails yet.
staff-mail-none-unsent = No emails in the queue.
staff-mail-none-dead = No rejected emails.
staff-mail-none-sent = No emails sent yet.
mail-state-waiting = In queue
mail-state-sending = Sending
mail-state-sent = Sent
mail-state-dead = Rejected
mail-state-cancelled = Cancelled

# --- The mails of a server that is tried out
mailbox-title = Mailbox
mailbox-intro = This server has no SMTP server configured. It saves emails as files in { $directory }, and this page shows all of them. Only someone on this computer can see this page, and it disappears when you configure an SMTP server.
mailbox-none = No emails yet. An email appears here when someone requests a permission.
mailbox-all = All emails
mailbox-subject = Subject
mailbox-no-subject = (no subject)
mailbox-from = From
mailbox-to = To
mailbox-at = Date
mailbox-text-only = This is the plain-text version. Email programs show the same content as HTML.

# --- What became of a request
timeline-title = Request { $number }
timeline-of = { $allowed } asks { $target } for this permission.
timeline-of-given = { $target } gave { $allowed } this permission.
timeline-heading = History
timeline-staff = An administrator
timeline-operator = The server operator
timeline-asked = { $who } created the request.
timeline-given = { $who } gave this permission directly, without a request.
timeline-queued = An email with the link was queued.
timeline-sent = The email was sent.
timeline-dead = The email was rejected and will not be sent again.
timeline-cancelled = The email was cancelled because the request was already closed.
timeline-deferred = The email could not be sent. The next attempt is at this time.
timeline-why-mailbox = The recipient’s mailbox did not accept it.
timeline-why-server = The mail server did not accept it or could not be reached.
timeline-tries = { $count ->
    [one] 1 attempt so far.
   *[other] { $count } attempts so far.
 }
timeline-fetched = { $count ->
    [one] The link was opened once.
   *[other] The link was opened { $count } times, most recently at this time.
 }
timeline-fetched-by = Email programs and virus scanners also open links. This does not change the request.
timeline-looked = { $count ->
    [one] { $who } viewed the request.
   *[other] { $who } viewed the request { $count } times, most recently at this time.
 }
timeline-waits = The request expires at this time unless { $who } decides before.
timeline-redeemed = { $who } approved the request.
timeline-declined = { $who } declined the request.
timeline-withdrawn = { $who } withdrew the request.
timeline-replaced = A newer request for the same permission replaced this one.
timeline-expired = The request expired before { $who } decided.
timeline-taken-back = { $who } revoked the permission.
timeline-returned = { $who } gave up the permission.
timeline-over = The permission has since been revoked.
timeline-stands = The permission is active. It was also given in another way.
timeline-audit = View in audit log

# --- The audit trail
trail-title = Audit log
trail-intro = Who did what, when and from where. Newest first. Dates are in UTC.
trail-own-title = Activity
trail-own-intro = What you did, and what others did that concerns you. Newest first. Dates are in UTC. Only you and administrators can see the IP addresses of your own activity.
trail-action = Action
trail-any = All actions
trail-person = User (email or number)
trail-subject = Subject
trail-subject-hint = For example, request:12
trail-from = From date
trail-to = To date
trail-search = Search
trail-wrong-action = Unknown action. Choose one from the list.
trail-wrong-person = No user has this email or number.
trail-wrong-from = Enter a date like 2030-01-31.
trail-wrong-to = Enter a date like 2030-01-31.
trail-none = No entries found. Try a different search.
trail-newest = Newest
trail-older = Older
trail-you = You
trail-stranger = Someone who was not signed in
did-export-created = Export token created
did-export-revoked = Export token revoked
did-request-created = Request created
did-request-resent = Request email sent again
did-request-replaced = Request replaced by a newer one
did-request-redeemed = Request approved
did-request-declined = Request declined
did-request-withdrawn = Request withdrawn
did-grant-created = Permission given
did-grant-deleted = Permission revoked or given up
did-block-created = User blocked
did-block-deleted = User unblocked
did-deed-abandoned = Operation abandoned before it was completed
did-user-added = User added
did-user-renamed = User name changed
did-user-password-set = Password set
did-user-password-linked = Password link emailed
did-user-disabled = User disabled
did-user-enabled = User enabled
did-session-opened = Signed in
did-session-closed = Signed out
did-key-created = API key created
did-key-revoked = API key revoked
did-hub-added = Hub added
did-hub-granted = Hub role assigned
did-hub-revoked = Hub role removed
did-bundle-added = Bundle added
did-bundle-changed = Bundle changed
did-bundle-deleted = Bundle deleted
did-mail-retried = Email queued again
did-users-imported = Users imported
did-requests-imported = Requests imported
did-records-purged = Old records deleted

# --- Home, and what lists share
home-welcome = Hello, { $name }.
home-waiting = Waiting for you
home-nothing = No requests are waiting for you
home-nothing-words = When someone asks for your permission, the request appears here and in your email.
home-until = This request expires on
home-decide = View request
home-block = Block requests from { $name }
home-block-words = Pending requests from { $name } will be declined, and { $name } cannot send you new ones. Permissions you have given stay active. You can unblock { $name } under “Requests”.
home-block-yes = Block requests
home-rest = Your account at a glance
home-asked = Your requests
home-asked-count = { $count ->
    [0] No pending requests.
    [one] 1 pending request.
   *[other] { $count } pending requests.
}
home-given = Permissions you gave
home-given-count = { $count ->
    [0] No active permissions.
    [one] 1 active permission.
   *[other] { $count } active permissions.
}
home-received = Permissions you have
home-received-count = { $count ->
    [0] No active permissions.
    [one] 1 active permission.
   *[other] { $count } active permissions.
}
home-tokens = Export tokens
home-tokens-count = { $count ->
    [0] No active tokens.
    [one] 1 active token.
   *[other] { $count } active tokens.
}
home-keys = API keys
home-keys-count = { $count ->
    [0] No active API keys.
    [one] 1 active API key.
   *[other] { $count } active API keys.
}
list-nav = Pagination
list-rows = { $first } to { $last }
list-previous = Previous
list-next = Next
list-where = { $first } to { $last } of { $total }
list-beyond = There are no more entries. Go back to the previous page.
list-deeds = Actions
back = Back
copy = Copy
copied = Copied
secret-once = Copy it now. You will not be able to see it again.

done-declined = Request declined. No permission was given.
done-blocked = User blocked. Their pending requests were declined.
done-asked = Request created. The email will be sent shortly.
done-withdrawn = Request withdrawn. The link in the email no longer works.
done-resent = We are sending the email again, with the same link.
done-owed = No new email was sent. The previous one is still in the queue.
done-unblocked = User unblocked. They can send you requests again.
done-taken-back = Permission revoked.
done-given-up = You gave up this permission.
done-token-revoked = Token revoked. It no longer works.
done-key-revoked = API key revoked. It stops working within 5 seconds.

# --- What somebody asked for
requests-title = Requests
requests-lead = Permissions that you have requested from other users.
requests-waiting = Pending
requests-none = No pending requests
requests-none-words = Request a permission, and the other person gets an email to approve or decline it.
requests-whom = User
requests-what = Permission
requests-since = Requested on
requests-until = Expires on
requests-mail = Email
requests-resend = Resend email
requests-withdraw = Withdraw
requests-withdraw-words = The link in the email will stop working.
requests-withdraw-yes = Withdraw request
requests-over = Recently closed
requests-end = Outcome
requests-again = Request again
mail-none = Unknown
mail-queued = Queued
mail-sending = Sending
mail-delayed = Delayed
mail-sent = Sent
mail-refused = Rejected
mail-again = Next attempt on
outcome-redeemed = Approved, since revoked
outcome-stands = Approved, active
outcome-given = Given directly, since revoked
outcome-declined = Declined
outcome-withdrawn = Withdrawn
outcome-replaced = Replaced
outcome-expired = Expired
blocked-title = Blocked users
blocked-words = These users cannot send you requests.
blocked-whom = User
blocked-lift = Unblock
ask-title = Request a permission
ask-lead = The other person gets an email with a link, signs in, and approves or declines. You get no access before they approve.
ask-email = Email of the other person
ask-bundle = Permission
ask-days = Expires after (days)
ask-days-hint = { $usual } if you leave this empty, { $most } at most.
ask-no-days = The request expires after { $usual }.
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
ask-send = Send request
ask-unknown = There is no account with this email. Check the address.
ask-self = This is your own email. Enter the email of another person.
ask-blocked = This user does not accept requests from you.
ask-granted = You already have this permission.
ask-wrong-bundle = This permission is no longer available. Choose another one.
ask-wrong-days = Enter a whole number of days within the allowed range.
ask-no-bundles = No permissions available
ask-no-bundles-words = An administrator has to set up permissions first.

# --- What was given
access-title = Access
access-what = Permission
access-since = Active since
access-given = Permissions you gave
access-given-words = These users have your permission. You can revoke it at any time.
access-given-who = User
access-given-end = Revoke
access-given-end-words = { $name } will no longer have your permission: { $bundle }. To get it back, they must send you a new request.
access-given-none = You have not given any permissions
access-given-none-words = When you approve a request, the permission appears here.
access-received = Permissions you have
access-received-words = These users have given you permission.
access-received-who = User
access-received-end = Give up
access-received-end-words = You will no longer have this permission from { $name }: { $bundle }. To get it back, you must send a new request.
access-received-none = You have no permissions yet
access-received-none-words = When someone approves your request, the permission appears here.

# --- Export tokens
tokens-title = Export tokens
tokens-lead = An export token gives anyone who has it access to one file or folder in a hub, until it expires or you revoke it.
tokens-none = No export tokens yet
tokens-none-words = Create a token to share a file or folder with someone who has no account.
token-new = New token
token-create = Create token
token-made = Token created
token-it = Token
token-list = All tokens
token-qr = QR code of the token
token-hub = Hub
token-in-hub = in hub { $hub }
token-node = File or folder
token-node-hint = The ID of the file or folder in the hub.
token-rights = Rights
token-rights-legend = Anyone with this token can
token-right-anyone = see what anyone can see
token-right-read = view it
token-right-get = download it
token-right-write = change and delete it
token-right-admin = manage it
token-right-owner = have full control of it
token-hours = Expires
token-hours-1 = In 1 hour
token-hours-24 = In 1 day
token-hours-168 = In 7 days
token-hours-720 = In 30 days
token-hours-8760 = In 1 year
token-hours-0 = Never
token-status = Status
token-active = Active
token-expired = Expired
token-revoked = Revoked
token-until = expires on
token-forever = does not expire
token-uses = Used
token-used = { $count ->
    [0] Never
    [one] Once
   *[other] { $count } times
}
token-last = last used on
token-revoke = Revoke
token-revoke-words = The token will stop working immediately. This cannot be undone.
token-wrong-hub = You cannot create a token with these rights in this hub. You must be an admin of the hub and have these rights yourself.
token-wrong-node = Enter the ID of a file or folder, with at most 255 characters.
token-wrong-rights = Select at least one right.
token-wrong-hours = Choose when the token expires.
token-no-hubs = You are not an admin of any hub
token-no-hubs-words = Only admins and owners of a hub can create tokens. Ask the hub’s owner to give you the admin role.

# --- API keys
keys-title = API keys
keys-lead = An API key lets a program act on your behalf without your password.
keys-none = No API keys yet
keys-none-words = Create one key for each program, so that you can revoke them separately.
key-new = New API key
key-create = Create API key
key-made = API key created
key-it = API key
key-list = All API keys
key-label = Name
key-label-hint = What you use the key for. Only you can see this.
key-unnamed = Unnamed
key-scope = Scope
key-scope-all = Full access
key-scope-all-hint = The key can do everything that you can do.
key-scope-introspect = Check export tokens only
key-scope-introspect-hint = For file servers that check whether a token is valid.
key-since = Created on
key-status = Status
key-active = Active
key-revoked = Revoked
key-revoke = Revoke
key-revoke-words = Programs that use this key will lose access. This cannot be undone.
key-wrong-label = Enter a name on one line, with at most 100 characters.
