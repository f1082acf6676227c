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
