# Messages in English, in the order of the pages that show them. All languages have the same
# keys with the same arguments; a test compares them.

# --- Common
skip = Skip to main content
nav = Main navigation
nav-home = Home
nav-requests = Requests
nav-access = Access
nav-tokens = Export tokens
nav-keys = API keys
nav-webhooks = Webhooks
nav-account = Account
nav-staff = Administration
sign-out = Sign out
signed-in-as = You are signed in as { $email }.

datetime-format = { $day } { $month } { $year }, { $time } UTC
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

# Rights, after “they may”
right-anyone = see what anyone can see
right-read = view your data
right-get = download your data
right-write = change and delete your data
right-admin = manage your data
right-owner = have full control of your data
# Rights to another user’s data
others-right-anyone = see what anyone can see
others-right-read = view the data
others-right-get = download the data
others-right-write = change and delete the data
others-right-admin = manage the data
others-right-owner = have full control of the data

# --- Errors
error-title = Something went wrong
error-unauthenticated = You are not signed in. Sign in and try again.
error-forbidden = You do not have permission to do this, or the request came from another website. Nothing was changed.
error-not-found = Page not found. It may not exist, or you may not have access to it.
error-method-not-allowed = This page does not support this action. Go back and try again.
error-bad-request = Some of the form is missing or not valid. Nothing was changed. Go back, check your entries and try again.
error-too-large = The data you sent is too large. Nothing was changed.
error-body-timeout = The connection was too slow. Nothing was changed. Try again.
error-rate-limited = Too many requests. Nothing was changed. Wait { $duration } and try again.
error-busy = The server is busy. Nothing was changed. Wait a moment and try again.
error-unavailable = The service is unavailable at the moment. Nothing was changed. Try again in a few minutes.
error-outcome-unknown = The server took too long to respond. Your change may or may not have been saved. Check before you try again.
error-internal = There was a problem on our side. Your change may or may not have been saved. Check before you try again.
error-stale-form = This form is out of date or was already sent. Open the page again to see what is saved.
error-form-again = This form was open for too long, or in another tab. Nothing was sent. Send it again.
error-open-page-again = Open the page again

# --- Sign-in
sign-in-title = Sign in
sign-in = Sign in
sign-in-failed = Wrong email or password.
sign-in-rate-limited = Too many attempts. Wait { $duration } and try again.
email = Email
password = Password

# --- Approving a request
redeem-title = Permission request
redeem-sign-in = Someone asks for your permission. Sign in to see the request and to approve or decline it. If you do nothing, nothing changes.
redeem-intro = Someone asks for your permission:
rights-if-approved = If you approve, they can:
rights-granted = They can:
redeem-expires = This request expires on
redeem-ignore = If you do nothing, nothing changes and the request expires.
approve = Approve
decline = Decline
redeem-purpose = They give this reason:
redeem-replaces = They already have a permission. If you approve, this request replaces it. Now they can:
redeem-replaces-reduced = The new permission has fewer rights or ends earlier.
redeem-right-needed = required
redeem-end = Last day (optional)
redeem-end-open = If you leave this empty, the permission is valid until you revoke it.
redeem-end-asked = If you leave this empty, the permission ends on
redeem-statement = Full text, as the receipt records it
redeem-reason = Reason for declining (optional)
redeem-reason-hint = The other person sees it if you decline.
redeem-return = Continue to the application
redeem-error-rights = Select at least one right.
redeem-error-end = Choose a day in the future that is not later than the requested end.
redeem-error-reason = Enter at most 500 characters.
permission-ends = Ends on
permission-no-end = Valid until revoked
redeem-approved-title = Request approved
redeem-approved-text = { $by } now has your permission: { $bundle }.
redeem-approved-revoke-hint = You can revoke this permission at any time, here or under “Access”.
revoke-permission = Revoke permission
redeem-declined-title = Request declined
redeem-declined-text = No permission was given, and the link no longer works.
redeem-changed = Nothing was approved. The request or its sender has changed since this page was shown. Check it again before you decide.
redeem-was-approved-title = You approved this request
redeem-was-approved-text = This link has already been used. You approved the request of { $by } on
redeem-was-declined-title = You declined this request
redeem-was-declined-text = This link has already been used. You declined the request of { $by } on
redeem-other-account = Sign in with another account
redeem-was-approved-history = View history
redeem-was-approved-access = View permissions
redeem-inactive-title = This link is not valid
redeem-inactive-text = The link has already been used, has expired, was withdrawn, was replaced by a newer link, or is incomplete. Nothing was changed.
redeem-wrong-account-title = This link is for another account
redeem-wrong-account-text = This request was sent to another account. Nothing was changed. If you have several accounts, sign in with the email address that received the request.
redeem-request-again = Ask { $name } to send a new request
redeem-request-again-subject = Please send me a new permission request

# --- Mails (ASCII only, so that a saved mail is readable as text)
weekday-and-datetime = { $day }, { $datetime }
day-1 = Monday
day-2 = Tuesday
day-3 = Wednesday
day-4 = Thursday
day-5 = Friday
day-6 = Saturday
day-7 = Sunday
mail-hello = Hello { $name },
mail-button-fallback = If the button does not work, copy this link into your browser:
# After the name of the requester
mail-request-intro = asks for your permission:
mail-request-intro-with-bundle = asks for your permission: "{ $bundle }".
mail-request-subject = { $name } asks for your permission: { $bundle }
mail-request-rights = If you approve, they can:
mail-request-purpose = Their reason:
mail-request-duration = Requested duration: { $duration }.
mail-request-until-revoked = You can revoke the permission at any time.
mail-request-button = View request
mail-request-sign-in = To approve or decline, sign in as { $email }.
mail-request-open = To view the request, and then approve or decline it, open this link and sign in as { $email }:
mail-request-link-expiry = This link works once, only for you. The request expires on { $until }.
mail-request-ignore = Don't know this person, or don't want to give permission? You can ignore this email: nothing changes, and the request expires. You can also open the link and decline.
mail-request-sender = Sent by { $server }, where this request was created.
mail-password-link-expiry = This link works once and expires on { $until }. If you request another link, only the newest one works.
mail-password-sender = Sent by { $server }.
mail-new-account-subject = Set up your account
mail-new-account-reason = An account was created for you at { $server }. You sign in as { $email }.
mail-new-account-next-step = Choose a password to start using it.
mail-new-account-button = Choose a password
mail-new-account-open = To choose a password, open this link:
mail-new-account-ignore = If you did not expect this email, you can ignore it. No one can use the account without this link.
mail-password-reset-subject = Reset your password
mail-password-reset-reason = We received a request to reset the password for { $email } at { $server }.
mail-password-reset-next-step = After you set a new password, you are signed out on all devices.
mail-password-reset-button = Reset password
mail-password-reset-open = To reset your password, open this link:
mail-password-reset-ignore = If you did not request this, you can ignore this email. Your password stays the same, and no one can change it without this link.
mail-notice-permission-received-subject = You now have a permission from { $target }: { $bundle }
mail-notice-permission-received-text = You now have the permission "{ $bundle }" to the data of { $target } ({ $target_email }).
mail-notice-permission-received-rights = You can now:
mail-notice-permission-received-next-step = You can give the permission up at any time:
mail-notice-permission-received-button = View permissions
mail-notice-permission-granted-by-staff-subject = An administrator gave { $grantee } a permission to your data: { $bundle }
mail-notice-permission-granted-by-staff-text = An administrator of this server gave { $grantee } ({ $grantee_email }) the permission "{ $bundle }" to your data. You were not asked.
mail-notice-permission-granted-by-staff-rights = They can now:
mail-notice-permission-granted-by-staff-next-step = You can revoke the permission at any time:
mail-notice-permission-granted-by-staff-button = View permissions
mail-notice-password-changed-subject = Your password was changed
mail-notice-password-changed-text = The password for { $email } at { $server } was changed. You are signed out on all other devices. Your API keys and export tokens still work.
mail-notice-password-changed-next-step = If you did not do this, reset your password now, revoke your API keys and export tokens, and contact an administrator.
mail-notice-password-changed-button = View account
mail-notice-password-changed-keys-revoked-subject = Your password was changed
mail-notice-password-changed-keys-revoked-text = The password for { $email } at { $server } was changed. You are signed out on all other devices, and all your API keys and export tokens were revoked.
mail-notice-password-changed-keys-revoked-next-step = If you did not do this, reset your password now and contact an administrator.
mail-notice-password-changed-keys-revoked-button = View account
mail-notice-api-key-created-subject = A new API key was created for your account
mail-notice-api-key-created-text = A new API key was created for the account { $email } at { $server }. Programs with this key can act on your behalf.
mail-notice-api-key-created-next-step = If you did not do this, revoke the key now, and change your password:
mail-notice-api-key-created-button = View API keys
mail-notice-account-disabled-subject = Your account was disabled
mail-notice-account-disabled-text = An administrator disabled the account { $email } at { $server }. You are signed out on all devices. Your API keys and password links were ended and do not come back.
mail-notice-account-disabled-next-step = If you have questions, contact an administrator of this server.
mail-notice-account-disabled-button = Open server
mail-notice-sign-ins-failed-subject = Failed sign-ins to your account
mail-notice-sign-ins-failed-text = Many attempts to sign in as { $email } at { $server } failed. Further attempts from unknown places are slowed down. You can still sign in where you have signed in before.
mail-notice-sign-ins-failed-next-step = If this was not you, no action is needed. Make sure that your password is long and used nowhere else:
mail-notice-sign-ins-failed-button = View account

mail-notice-webhook-disabled-subject = A webhook was disabled
mail-notice-webhook-disabled-text = A webhook of { $email } at { $server } was disabled. Its receiver responded that it wants no more events (410), or no event could be delivered for three days. Events that were waiting for it are not sent.
mail-notice-webhook-disabled-next-step = Correct the receiver, then send it a test. If it succeeds, the webhook is active again:
mail-notice-webhook-disabled-button = Open your webhooks
mail-decision-approved-subject = { $name } approved your request: { $bundle }
mail-decision-declined-subject = { $name } declined your request: { $bundle }
mail-decision-approved-text = { $name } ({ $email }) approved your request for the permission "{ $bundle }".
mail-decision-declined-text = { $name } ({ $email }) declined your request for the permission "{ $bundle }".
mail-decision-rights = You can now:
mail-decision-until = The permission ends on { $until }. It can be revoked before.
mail-decision-until-revoked = The permission has no end. It can be revoked at any time.
mail-decision-reason = The reason that { $name } gave:
mail-decisions-subject = { $count } of your requests were decided
mail-decisions-title = { $count ->
    [one] Your request was decided
   *[other] Your requests were decided
 }
mail-decisions-open = { $count ->
    [one] To see the request, open this link:
   *[other] To see the requests, open this link:
 }
mail-decisions-button = { $count ->
    [one] View request
   *[other] View requests
 }
mail-daily-title = Reminders
mail-daily-preheader = { $count ->
    [one] 1 reminder
   *[other] { $count } reminders
 }
mail-daily-subject-several = { $count } reminders from { $server }
mail-daily-subject-pending = Reminder: { $name } asks for your permission: { $bundle }
mail-daily-subject-granted = Your permission for { $name } ends soon: { $bundle }
mail-daily-subject-received = Your permission from { $name } ends soon: { $bundle }
mail-daily-subject-export = Your export token for { $node } ends soon
mail-daily-subject-expired = Your request to { $name } has expired: { $bundle }
mail-daily-pending = These requests wait for your decision:
mail-daily-pending-item = { $name } ({ $email }) asks for your permission: "{ $bundle }". The request expires on { $until }.
mail-daily-granted = These permissions that you gave end soon. You need not do anything:
mail-daily-received = These permissions that you have end soon. You can ask for them again:
mail-daily-permission-item = "{ $bundle }", { $name } ({ $email }), ends on { $until }
mail-daily-exports = These export tokens end soon. After that they do not work any more:
mail-daily-exports-item = { $node } in hub { $hub }, ends on { $until }
mail-daily-expired = These requests of yours have expired without a decision. You can ask again:
mail-daily-expired-item = "{ $bundle }" of { $name } ({ $email }), expired on { $until }
mail-daily-more = { $count ->
    [one] And 1 more. It is on the pages of the server.
   *[other] And { $count } more. They are on the pages of the server.
 }
mail-daily-open = To see all of them, open this link and sign in as { $email }:
mail-daily-button = Open server
mail-daily-sign-in = Sign in as { $email }.
mail-unsubscribe = You get this email because you have not turned it off. To turn it off:
mail-unsubscribe-button = Turn off

# --- Passwords and the account
sign-in-forgot-password = Forgot your password?
forgot-title = Reset your password
forgot-intro = Enter the email address of your account. We will send you a link to set a new password. This also works if you do not have a password yet.
forgot-send = Send link
forgot-back = Back to sign-in
forgot-sent-title = Check your email
forgot-sent-text = If there is an account with this address, we have sent it a link to set a new password. The link works once. If you request another one, only the newest link works. The email can take a few minutes. Check your spam folder too.
set-password-title = Choose a password
set-password-intro = You will use this password to sign in.
set-password-revoke = Revoke all my API keys and export tokens
set-password-revoke-hint = Leave this on if someone else may know your password. Programs that use the keys need new ones.
set-password-submit = Save password
set-password-hint = When you save it, you are signed in here and signed out on all other devices.
set-password-inactive-title = This link is not valid
set-password-inactive-text = The link has already been used, has expired, was replaced by a newer link, or is incomplete. Nothing was changed. You can request a new link at any time.
set-password-new-link = Send a new link
password-new = New password
password-rule = At least 8 characters. Several unrelated words are easy to remember and hard to guess.
password-confirm = Confirm new password
password-too-short = The password is too short. Use at least 8 characters.
password-too-long = The password is too long. Use a shorter one.
password-weak = This password is easy to guess. Use four or more unrelated words, or a password that your browser suggests. Avoid names, dates, keyboard patterns and your email address.
password-same = This is already your password. Choose a different one.
password-unusable = The password contains a character that is not allowed, such as a line break. Remove it and try again.
password-mismatch = The passwords do not match. Enter the same password twice.
account-title = Your account
account-sessions = Signed-in devices
account-current-session = This device
account-since = Signed in on
account-address = IP address { $address }
account-end-session = Sign out
account-end-session-label = Sign out: { $client }
account-end-other-sessions = Sign out on all other devices
account-more-sessions = { $count ->
    [one] And 1 more device.
   *[other] And { $count } more devices.
 }
account-password = Change your password
account-current-password = Current password
account-wrong-password = The current password is wrong. Try again.
account-password-hint = When you change it, you are signed out on all other devices.
account-change-password = Change password
account-flash-password = Your password was changed. You are signed out on all other devices.
account-flash-session = The device was signed out.
account-flash-sessions = You are signed out on all other devices.
account-mails = Emails
account-mails-legend = Email me when
account-mails-hint = You always get requests for your permission, and notices about your account.
account-mails-save = Save
account-flash-mails = Your choice of emails was saved.
# After “Email me when”, and in lists
mail-kind-decisions = someone approves or declines my request
mail-kind-expired = my request expires
mail-kind-reminders = a request still waits for my decision
mail-kind-endings = a permission or an export token ends soon
unsubscribe-title = Turn off emails
unsubscribe-text = Stop the emails that say when:
unsubscribe-submit = Turn off
unsubscribed-title = Emails turned off
unsubscribed-text = You no longer get an email when:
unsubscribed-hint = You can turn these emails on again at any time under “Account”.
unsubscribed-account = Open account
unsubscribe-inactive-title = This link is not valid
unsubscribe-inactive-text = The link is incomplete or out of date. Nothing was changed. You can choose your emails under “Account”.
client-on-system = { $client } on { $system }
client-unknown = Unknown browser

# --- Roles in a hub
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
staff-actions = Actions
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
staff-error-unknown-user = No user has this email address. Add the user first, under “Users”.
staff-error-hub-id = Enter an ID with 1 to 64 characters.
staff-error-hub-taken = A hub with this ID already exists. Choose another ID.
staff-error-name = Enter a name on one line, with at most 100 characters.
staff-error-bundle-name = Enter a name on one line, with 1 to 100 characters.
staff-error-description = Enter a description on one line, with at most 1,000 characters.
staff-error-rights = Select at least one right.

# --- Staff: the overview
staff-chart-title = Requests in the last 30 days
staff-chart-text = Total: { $requested } created, { $approved } approved, { $declined } declined, { $expired } expired, { $mail_failed } emails failed. The table below shows the figures for each day.
staff-chart-day = { $date }: { $requested } created, { $approved } approved, { $declined } declined, { $expired } expired, { $mail_failed } emails failed
staff-chart-empty = No requests yet.
staff-chart-max = Maximum: { $count } a day
staff-chart-requested = Created
staff-chart-approved = Approved
staff-chart-not-granted = Declined or expired
staff-chart-mail-failed = Emails failed
staff-chart-sampled = These figures are estimates: 1 in { $weight } requests was counted and multiplied by { $weight }.
staff-chart-table = Show as table
staff-numbers = At a glance
staff-number-users = Users
staff-number-unsent-mails = Emails in queue
staff-number-oldest = Oldest since
staff-number-failed-mails = Failed emails
staff-number-failed-mails-link = View failed emails
staff-health = System status
staff-health-database = Database
staff-health-registry = Registry
staff-health-mailer = Email delivery
staff-health-ok = Working
staff-health-failing = Not working

# --- Staff: users
staff-users-search = Search by email or name
staff-users-empty = No users found.
staff-users-added = User added.
staff-users-disabled = User disabled. Their sessions, API keys and export tokens no longer work.
staff-users-enabled = User enabled.
staff-users-last-staff = Nothing was changed. This is the last active administrator.
staff-users-ended = Ended: { $sessions } sessions, { $keys } API keys, { $links } password links, { $tokens } export tokens.
staff-user-revoke-tokens = Also revoke export tokens
staff-users-not-yourself = You cannot disable your own account. Ask another administrator.
staff-user-add = Add a user
staff-user-staff = Administrator
staff-user-staff-hint = Administrators can see these pages and create permission requests on behalf of any user.
staff-user-active = Active
staff-user-disabled = Disabled
staff-user-staff-badge = Administrator
staff-user-you = You
staff-user-disable = Disable
staff-user-disable-label = Disable { $email }
staff-user-enable = Enable
staff-user-enable-label = Enable { $email }
staff-users-all = All users
staff-user-title = User { $email }
staff-user-no-keys = This user has no API keys.
staff-user-no-sessions = This user is not signed in.
staff-user-end-sessions = Sign out on all devices
staff-user-key-revoked = API key revoked. It no longer works.
staff-user-session-ended = The device was signed out.
staff-user-sessions-ended = The user was signed out on all devices.

# --- Staff: hubs
staff-hubs-intro = A hub is a workspace. Its admins and owner can create export tokens.
staff-hubs-search = Search by ID or name
staff-hubs-empty = No hubs found.
staff-hubs-all = All hubs
staff-hub-title = Hub { $id }
staff-hub-add = Add a hub
staff-hub-id = ID
staff-hub-id-hint = Clients and file servers use this ID. You cannot change it later.
staff-hub-owner = Owner’s email
staff-hub-empty = This hub has no members.
staff-hub-grant = Assign role
staff-hub-grant-hint = If the user already has a role in this hub, the new role replaces it.
staff-hub-revoke = Remove role
staff-hub-revoke-label = Remove the role of { $email }
staff-hub-added = Hub added.
staff-hub-granted = Role assigned.
staff-hub-revoked = Role removed. The user’s export tokens for this hub no longer work.
staff-hub-last-owner = Nothing was changed. This user is the last owner of the hub. Give another user the role of owner first.
staff-hub-no-role = This user has no role in this hub. Nothing was changed.

# --- Staff: bundles
staff-permissions = Permissions
staff-permissions-search = Email of the user whose data it is
staff-permissions-target = Data of
staff-permissions-grantee = Given to
staff-permissions-empty = No active permissions
staff-bundles-intro = A bundle is a named set of rights that users can request from each other.
staff-bundles-empty = No bundles yet. Add one so that users can request permissions.
staff-bundles-all = All bundles
staff-bundles-added = Bundle added.
staff-bundles-changed = Bundle saved.
staff-bundles-deleted = Bundle deleted.
staff-bundle-title = Bundle { $id }
staff-bundle-add = Add a bundle
staff-bundle-name-hint = This name appears in emails, for example “Sleep”.
staff-bundle-rights = Rights
staff-bundle-change-hint = You cannot change a bundle while it is part of an active permission or a pending request. Closed requests keep the name, description and rights that they were about.
staff-bundle-change-in-use = Nothing was changed. This bundle is part of an active permission or a pending request. To offer something else, add another bundle.
staff-bundle-versions = Previous versions
staff-bundle-version-until = Valid until
staff-bundle-delete = Delete bundle
staff-bundle-delete-text = This also deletes all past requests for this bundle. This cannot be undone.
staff-bundle-in-use = Nothing was deleted. This bundle is part of an active permission or a pending request.

# --- Staff: mail
staff-mail-filter = Filter emails
staff-mail-filter-all = All
staff-mail-filter-unsent = In queue
staff-mail-filter-failed = Failed
staff-mail-filter-sent = Sent
staff-mail-to = To
staff-mail-created = Created
staff-mail-attempts = Attempts
staff-mail-error = Last error
staff-mail-next-attempt = Next attempt:
staff-mail-retry = Send now
staff-mail-retry-all = Send all unsent emails now
staff-mail-retried-all = All unsent emails are next in the queue.
staff-mail-retried = The email is next in the queue.
staff-mail-not-retried = Nothing was changed. This email cannot be sent now: it was already sent, is being sent, or was cancelled.
staff-mail-empty-all = No emails yet.
staff-mail-empty-unsent = No emails in the queue.
staff-mail-empty-failed = No failed emails.
staff-mail-empty-sent = No emails sent yet.
mail-state-waiting = In queue
mail-state-sending = Sending
mail-state-sent = Sent
mail-state-failed = Failed
mail-state-cancelled = Cancelled

# --- Saved mails of a server without SMTP
mailbox-title = Mailbox
mailbox-intro = This server has no SMTP server configured. It saves emails as files in { $directory }, and this page shows all of them. Only someone on this computer who has the link from the server’s output can see this page, and it disappears when you configure an SMTP server.
mailbox-locked-title = Open the link from the server’s output
mailbox-locked-text = The server printed a link to this page when it started. The link contains a secret, which allows you to read the emails.
mailbox-empty = No emails yet. An email appears here when someone requests a permission.
mailbox-all = All emails
mailbox-subject = Subject
mailbox-no-subject = (no subject)
mailbox-from = From
mailbox-to = To
mailbox-date = Date
mailbox-text-only = This is the plain-text version. Email programs show the same content as HTML.

# --- History of a request
timeline-title = Request { $number }
timeline-summary = { $allowed } asks { $target } for this permission.
timeline-summary-direct = { $target } gave { $allowed } this permission.
timeline-decide = View and decide
timeline-heading = History
timeline-staff = An administrator
timeline-operator = The server operator
timeline-requested = { $who } created the request.
timeline-summary-staff = An administrator gave { $allowed } this permission to the data of { $target }.
timeline-granted-directly = { $who } gave this permission directly, without a request.
timeline-mail-queued = An email with the link was queued.
timeline-mail-sent = The email was sent.
timeline-mail-failed = The email could not be delivered and will not be sent again.
timeline-mail-cancelled = The email was cancelled because the request was already closed.
timeline-mail-deferred = The email could not be sent. The next attempt is at this time.
timeline-mail-error-mailbox = The recipient’s mailbox did not accept it.
timeline-mail-error-server = The mail server did not accept it or could not be reached.
timeline-mail-attempts = { $count ->
    [one] 1 attempt so far.
   *[other] { $count } attempts so far.
 }
timeline-link-opened = { $count ->
    [one] The link was opened once.
   *[other] The link was opened { $count } times, most recently at this time.
 }
timeline-link-opened-hint = Email programs and virus scanners also open links. This does not change the request.
timeline-viewed = { $count ->
    [one] { $who } viewed the request.
   *[other] { $who } viewed the request { $count } times, most recently at this time.
 }
timeline-pending = The request expires at this time unless { $who } decides before.
timeline-approved = { $who } approved the request.
timeline-declined = { $who } declined the request.
timeline-withdrawn = { $who } withdrew the request.
timeline-replaced = A newer request for the same permission replaced this one.
timeline-expired = The request expired before { $who } decided.
timeline-revoked = { $who } revoked the permission.
timeline-given-up = { $who } gave up the permission.
timeline-asked = Requested rights:
timeline-permission-ends = The permission ends at this time.
timeline-permission-expired = The permission has expired.
timeline-permission-replaced = A newer permission has replaced this one.
timeline-inactive = The permission has since been revoked.
timeline-still-active = The permission is active. It was also given in another way.
timeline-receipt = Download the receipt of this permission
timeline-audit-link = View in audit log

# --- Audit log
audit-title = Audit log
audit-intro = Who did what, when and from where. Newest first. Dates are in UTC.
activity-title = Activity
activity-intro = What you did, and what others did that concerns you. Newest first. Dates are in UTC. Only you and administrators can see the IP addresses of your own activity.
audit-action = Action
audit-any-action = All actions
audit-actor = User (email or number)
audit-subject = Subject
audit-subject-hint = For example, request:12
audit-from = From date
audit-to = To date
audit-search = Search
audit-error-action = Unknown action. Choose one from the list.
audit-error-person = No user has this email or number.
audit-error-from = Enter a date like 2030-01-31.
audit-error-to = Enter a date like 2030-01-31.
audit-empty = No entries found. Try a different search.
audit-newest = Newest
audit-older = Older
audit-you = You
audit-automatic = Automatic
audit-anonymous = Someone who was not signed in
audit-action-export-created = Export token created
audit-action-export-revoked = Export token revoked
audit-action-export-expired = Export token expired
audit-action-export-first-used = Export token used for the first time
audit-action-request-created = Request created
audit-action-request-resent = Request email sent again
audit-action-request-replaced = Request replaced by a newer one
audit-action-request-approved = Request approved
audit-action-request-declined = Request declined
audit-action-request-withdrawn = Request withdrawn
audit-action-request-expired = Request expired
audit-action-permission-expired = Permission expired
audit-action-permission-replaced = Permission replaced by a newer one
audit-action-permissions-imported = Permissions imported
audit-action-permission-granted = Permission given
audit-action-permission-revoked = Permission revoked or given up
audit-action-block-created = User blocked
audit-action-block-deleted = User unblocked
audit-action-operation-abandoned = Operation abandoned before it was completed
audit-action-user-added = User added
audit-action-user-renamed = User name changed
audit-action-user-password-set = Password set
audit-action-user-password-link-sent = Password link emailed
audit-action-user-disabled = User disabled
audit-action-user-enabled = User enabled
audit-action-session-opened = Signed in
audit-action-session-closed = Signed out
audit-action-key-created = API key created
audit-action-key-revoked = API key revoked
audit-action-signing-key-created = Key for receipts created
audit-action-signing-key-rotated = Key for receipts replaced
audit-action-hub-added = Hub added
audit-action-hub-granted = Hub role assigned
audit-action-hub-revoked = Hub role removed
audit-action-bundle-added = Bundle added
audit-action-bundle-changed = Bundle changed
audit-action-bundle-deleted = Bundle deleted
audit-action-webhook-created = Webhook created
audit-action-webhook-changed = Webhook changed
audit-action-webhook-deleted = Webhook deleted
audit-action-webhook-secret-rotated = Secret of a webhook replaced
audit-action-webhook-disabled = Webhook disabled after failures
audit-action-webhook-enabled = Webhook enabled by a test
audit-action-mail-retried = Email queued again
audit-action-users-imported = Users imported
audit-action-requests-imported = Requests imported
audit-action-records-purged = Old records deleted

# --- Home and lists
home-welcome = Hello, { $name }.
home-pending = Waiting for you
home-empty = No requests are waiting for you
home-empty-text = When someone asks for your permission, the request appears here and in your email.
home-expires = This request expires on
home-review = View request
home-block = Block requests from { $name }
home-block-text = Pending requests from { $name } will be declined, and { $name } cannot send you new ones. Permissions you have given stay active. You can unblock { $name } under “Requests”.
home-block-confirm = Block requests
home-overview = Your account at a glance
home-requests = Your requests
home-requests-count = { $count ->
    [0] No pending requests.
    [one] 1 pending request.
   *[other] { $count } pending requests.
}
home-granted = Permissions you gave
home-granted-count = { $count ->
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
list-range = { $first } to { $last }
list-previous = Previous
list-next = Next
list-range-of-total = { $first } to { $last } of { $total }
list-past-end = There are no more entries. Go back to the previous page.
list-actions = Actions
back = Back
copy = Copy
copied = Copied
shown-once-notice = Copy it now. You will not be able to see it again.

flash-declined = Request declined. No permission was given.
flash-blocked = User blocked. Their pending requests were declined.
flash-requested = Request created. The email will be sent shortly.
flash-withdrawn = Request withdrawn. The link in the email no longer works.
flash-resent = We are sending the email again, with the same link.
flash-mail-pending = No new email was sent. The previous one is still in the queue.
flash-unblocked = User unblocked. They can send you requests again.
flash-revoked = Permission revoked.
flash-given-up = You gave up this permission.
flash-token-revoked = Token revoked. It no longer works.
flash-key-created-before = This key was created when the form was first sent. Its secret was shown then.
flash-token-created-before = This token was created when the form was first sent. Its secret was shown then.
flash-key-revoked = API key revoked. It stops working within 5 seconds.

# --- Requests
requests-title = Requests
requests-intro = Permissions that you have requested from other users.
requests-pending = Pending
requests-empty = No pending requests
requests-empty-text = Request a permission, and the other person gets an email to approve or decline it.
requests-target = User
requests-bundle = Permission
requests-created = Requested on
requests-expires = Expires on
requests-mail = Email
requests-resend = Resend email
requests-withdraw = Withdraw
requests-withdraw-text = The link in the email will stop working.
requests-withdraw-confirm = Withdraw request
requests-closed = Recently closed
requests-outcome = Outcome
requests-request-again = Request again
request-mail-none = Unknown
request-mail-queued = Queued
request-mail-sending = Sending
request-mail-delayed = Delayed
request-mail-sent = Sent
request-mail-failed = Failed
request-mail-next-attempt = Next attempt on
outcome-approved = Approved, since revoked
outcome-active = Approved, active
outcome-granted = Given directly, since revoked
outcome-ended = Approved, since expired
outcome-superseded = Approved, since replaced by a newer permission
outcome-declined = Declined
outcome-withdrawn = Withdrawn
outcome-replaced = Replaced
outcome-expired = Expired
blocked-title = Blocked users
blocked-text = These users cannot send you requests.
blocked-user = User
blocked-unblock = Unblock
new-request-title = Request a permission
new-request-intro = The other person gets an email with a link, signs in, and approves or declines. You get no access before they approve.
new-request-email = Email of the other person
new-request-bundle = Permission
new-request-days = Expires after (days)
new-request-days-hint = { $default } if you leave this empty, { $max } at most.
new-request-fixed-expiry = The request expires after { $default }.
duration-days = { $count ->
    [one] 1 day
   *[other] { $count } days
 }
duration-hours = { $count ->
    [one] 1 hour
   *[other] { $count } hours
 }
duration-minutes = { $count ->
    [one] 1 minute
   *[other] { $count } minutes
 }
duration-seconds = { $count ->
    [one] 1 second
   *[other] { $count } seconds
 }
new-request-purpose = Reason (optional)
new-request-purpose-hint = The other person sees it in the email and when they decide.
new-request-permission-days = Duration of the permission in days (optional)
new-request-permission-days-hint = If you leave this empty, the permission is valid until it is revoked.
new-request-submit = Send request
new-request-error-unknown-user = There is no account with this email. Check the address.
new-request-error-self = This is your own email. Enter the email of another person.
new-request-error-blocked = This user does not accept requests from you.
new-request-error-granted = You already have this permission.
new-request-error-bundle = This permission is no longer available. Choose another one.
new-request-rights-summary = Ask for some of the rights only
new-request-rights = Requested rights
new-request-rights-hint = If you select nothing, you request all rights of the permission.
new-request-needed = Required rights
new-request-needed-hint = The other person cannot deselect these when they approve.
new-request-error-rights = This permission does not contain all rights that you selected.
new-request-error-needed = Select the required rights as requested rights too.
new-request-error-days = Enter a whole number of days within the allowed range.
new-request-empty = No permissions available
new-request-empty-text = An administrator has to set up permissions first.

# --- Permissions
access-title = Access
access-bundle = Permission
access-granted-at = Active since
access-receipt = Receipt
access-granted = Permissions you gave
access-granted-text = These users have your permission. You can revoke it at any time.
access-granted-party = User
access-granted-revoke = Revoke
access-granted-revoke-text = { $name } will no longer have your permission: { $bundle }. To get it back, they must send you a new request.
access-granted-empty = You have not given any permissions
access-granted-empty-text = When you approve a request, the permission appears here.
access-received = Permissions you have
access-received-text = These users have given you permission.
access-received-party = User
access-received-revoke = Give up
access-received-revoke-text = You will no longer have this permission from { $name }: { $bundle }. To get it back, you must send a new request.
access-received-empty = You have no permissions yet
access-received-empty-text = When someone approves your request, the permission appears here.

# --- Export tokens
tokens-title = Export tokens
tokens-intro = An export token gives anyone who has it access to one file or folder in a hub, until it expires or you revoke it.
tokens-empty = No export tokens yet
tokens-empty-text = Create a token to share a file or folder with someone who has no account.
token-new = New token
token-create = Create token
token-created = Token created
token-value = Token
token-back = All tokens
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
token-creator = by
hub-tokens-title = Tokens of hub { $id }
hub-tokens-intro = All export tokens of this hub, no matter who created them.
hub-tokens-all = Tokens of everyone, by hub
hub-tokens-empty = This hub has no export tokens.
token-status = Status
token-active = Active
token-suspended = Suspended
token-suspended-text = You no longer have these rights in the hub.
token-expired = Expired
token-revoked = Revoked
token-expires = expires on
token-no-expiry = does not expire
token-uses = Used
token-use-count = { $count ->
    [0] Never
    [one] Once
   *[other] { $count } times
}
token-last-used = last used on
token-revoke = Revoke
token-revoke-text = The token will stop working immediately. This cannot be undone.
token-error-hub = You cannot create a token with these rights in this hub. You must be an admin of the hub and have these rights yourself.
token-error-node = Enter the ID of a file or folder, with at most 255 characters.
token-error-rights = Select at least one right.
token-error-hours = Choose when the token expires.
token-no-hubs = You are not an admin of any hub
token-no-hubs-text = Only admins and owners of a hub can create tokens. Ask the hub’s owner to give you the admin role.

# --- API keys
keys-title = API keys
keys-intro = An API key lets a program act on your behalf without your password.
keys-empty = No API keys yet
keys-empty-text = Create one key for each program, so that you can revoke them separately.
key-new = New API key
key-create = Create API key
key-created = API key created
key-value = API key
key-back = All API keys
key-label = Name
key-label-hint = What you use the key for. Only you can see this.
key-unnamed = Unnamed
key-scope = Scope
key-scope-all = Full access
key-scope-all-hint = The key can do everything that you can do.
key-scope-check = Access decisions only
key-scope-check-hint = For services that ask whether a person or an export token may do something.
key-scope-introspect = Check export tokens only
key-scope-introspect-hint = For file servers that check whether a token is valid. Includes access decisions.
key-created-at = Created on
key-status = Status
key-active = Active
key-revoked = Revoked
key-revoke = Revoke
key-revoke-text = Programs that use this key will lose access. This cannot be undone.
key-error-scope = Only administrators can create a key with this scope.
key-error-label = Enter a name on one line, with at most 100 characters.

# --- Webhooks
webhooks-title = Webhooks
webhooks-intro = A webhook is the address of a program that receives events, such as an approved request, as soon as they happen.
webhooks-empty = No webhooks yet
webhooks-empty-text = Create one for each program that should receive events.
webhook-new = New webhook
webhook-create = Create webhook
webhook-created = Webhook created
webhook-title = Webhook { $id }
webhook-open = Open the webhook
webhook-back = Back to the webhook
webhook-all = All webhooks
webhook-url = URL
webhook-url-hint = An address that starts with https://, of a server that can be reached from the internet.
webhook-description = Description
webhook-scope = Whose events
webhook-scope-own = Only what concerns me
webhook-scope-own-hint = The events of your activity list.
webhook-scope-all = Everything
webhook-scope-all-hint = The events of all users. For administrators.
webhook-events = Events
webhook-events-hint = The program receives only these. “All” also includes events that later versions add.
webhook-group-all = All
webhook-group-single = Choose single events
webhook-group-request = Requests
webhook-group-permission = Permissions
webhook-group-export = Export tokens
webhook-group-key = API keys
webhook-group-block = Blocked users
webhook-group-session = Sign-ins
webhook-group-user = Account
webhook-group-hub = Hubs
webhook-group-webhook = Webhooks
webhook-group-bundle = Bundles
webhook-group-signing_key = Keys for receipts
webhook-group-mail = Emails
webhook-group-users = Import of users
webhook-group-requests = Import of requests
webhook-group-permissions = Import of permissions
webhook-group-records = Old records
webhook-status = Status
webhook-active = Active
webhook-active-hint = Events are sent. Turning it on also forgets its failures.
webhook-failing = Failing
webhook-disabled = Disabled
webhook-reason-short-owner = Turned off
webhook-reason-short-gone = Receiver gone
webhook-reason-short-failing = Too many failures
webhook-disabled-owner = You turned this webhook off.
webhook-disabled-gone = The server disabled this webhook: its receiver responded that it wants no more events (410).
webhook-disabled-failing = The server disabled this webhook: no event could be delivered for three days.
webhook-enable-owner = Events are not queued for it. To turn it on, open “Change” below and select “Active”.
webhook-enable-test = Events are not queued for it. Correct the receiver, then send a test. If it succeeds, the webhook is active again. You can then send again what was not delivered.
webhook-failing-text = { $count ->
    [one] The last attempt failed. The server will try again. Failing since
   *[other] The last { $count } attempts failed. The server will try again. Failing since
}
webhook-last-delivered = Last success
webhook-none-delivered = None in the last 30 days
webhook-created-at = Created on
webhook-test = Send a test
webhook-test-hint = Sends the event webhook.test. Its result is listed below; reload the page to see it.
webhook-event-test = Test
webhook-secret = Secret
webhook-verify = How to verify deliveries
webhook-verify-header = Join the header webhook-id, the header webhook-timestamp and the body, as they were received, with a dot between them, and compute the HMAC-SHA256. Its base64, after “v1,”, must be one of the signatures in the header webhook-signature, which are separated by spaces. Reject a time that differs by more than five minutes.
webhook-verify-key = The key of the HMAC is the base64 that follows whsec_ in the secret, decoded.
webhook-verify-once = Respond with 2xx within 15 seconds, and ignore a webhook-id that you have seen: an event can be sent more than once.
webhook-verify-libraries = Libraries of Standard Webhooks
webhook-manage = Manage
webhook-change = Change
webhook-save = Save
webhook-rotate = New secret
webhook-rotate-hint = With a new secret, deliveries have two signatures for 24 hours: by the new secret and by the one before. Replace it in your program within this time.
webhook-rotate-text = The new secret is shown once. The current one also signs for 24 hours; one that was replaced before stops signing now.
webhook-rotated = New secret
webhook-rotated-text = For 24 hours, deliveries are signed with both secrets. Replace the secret in your program within this time.
webhook-delete = Delete
webhook-delete-text = Events that were not delivered yet will not be sent. This cannot be undone.
webhook-deliveries = Deliveries
webhook-event = Event
webhook-queued = Queued on
webhook-delivery-status = Status
webhook-attempts = Attempts
webhook-any-status = Any status
webhook-any-event = All events
webhook-filter = Filter
webhook-delivery-waiting = Waiting
webhook-delivery-sending = Being sent
webhook-delivery-delivered = Delivered
webhook-delivery-failed = Failed
webhook-delivery-cancelled = Cancelled
webhook-http-status = Response { $status }
webhook-duration = { $milliseconds } ms
webhook-next-attempt = Next attempt on
webhook-no-deliveries = No deliveries yet
webhook-no-deliveries-text = The deliveries of the last 30 days are listed here.
webhook-no-such-deliveries = No deliveries found. Try a different filter.
webhook-replay = Send again
webhook-replay-label = Send again: { $event }, { $id }
webhook-replay-since = Send again what was not delivered
webhook-replay-since-button = Send again
webhook-since = Since
webhook-since-hint = The day in UTC. Everything that failed or was cancelled since then is sent again.
webhook-replay-delivered = Also what was delivered
webhook-reason-url-refused = The address is not allowed
webhook-reason-name-not-found = Unknown host name
webhook-reason-connection-failed = No connection
webhook-reason-certificate-invalid = Invalid certificate
webhook-reason-tls-failed = TLS failed
webhook-reason-proxy-failed = The proxy failed
webhook-reason-timeout = No response within 15 seconds
webhook-reason-response-invalid = Invalid response
webhook-reason-redirected = Redirects are not followed
webhook-reason-error-status = Error response
webhook-reason-body-invalid = The event could not be written
webhook-reason-secret-unreadable = The server cannot read the secret; create a new one
webhook-error-url = Enter an address that starts with https:// and leads to a server that can be reached from the internet, without a user name, a port or a #.
webhook-error-events = Select at least one event and at most 50. For more, select “All” of a group.
webhook-error-description = Enter a description on one line, with at most 1,000 characters.
webhook-error-scope = Only administrators can receive the events of all users.
webhook-error-too-many = You have 20 webhooks, which is the limit. Delete one first.
webhook-error-since = Enter a date like 2030-01-31.
flash-webhook-deleted = Webhook deleted. Nothing more is sent to it.
flash-webhook-created-before = This webhook was created when the form was first sent. Its secret was shown then.
flash-webhook-changed = Webhook changed.
flash-webhook-tested = A test is being sent. Reload the page in a moment to see its result.
flash-webhook-rotated-before = The secret was replaced when the form was first sent. The new one was shown then.
flash-webhook-is-off = The webhook is disabled. Nothing was queued.
flash-webhook-replayed = The event is being sent again.
flash-webhook-replayed-all = { $count ->
    [0] There is nothing to send again.
    [one] One event is being sent again.
   *[other] { $count } events are being sent again.
}
flash-webhook-replayed-some = { $count } events are being sent again. There are more: once they have been sent, repeat it.
