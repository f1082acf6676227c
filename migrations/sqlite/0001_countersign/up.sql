-- Twin of migrations/postgres/0001_countersign/up.sql; a test compares both with
-- src/store/schema.rs. Timestamps are microseconds since the Unix epoch.

CREATE TABLE users (
    id         integer PRIMARY KEY AUTOINCREMENT,
    email      text NOT NULL UNIQUE CHECK (email = lower(email)),
    first_name text NOT NULL,
    last_name  text NOT NULL,
    password   text,
    active     boolean NOT NULL,
    staff      boolean NOT NULL,
    created_at bigint NOT NULL,
    language   text,
    -- The kinds of mails that the user has turned off, a bit each.
    muted      smallint NOT NULL DEFAULT 0 CHECK (muted BETWEEN 0 AND 15)
);

CREATE INDEX users_staff ON users (id) WHERE staff AND active;

CREATE TABLE api_keys (
    id         blob PRIMARY KEY,
    user_id    bigint NOT NULL REFERENCES users,
    label      text NOT NULL,
    scope      text CHECK (scope IN ('introspect', 'check')),
    digest     blob NOT NULL CHECK (length(digest) = 32),
    created_at bigint NOT NULL,
    revoked_at bigint
);
CREATE INDEX api_keys_of_user ON api_keys (user_id, id);

-- Sessions of the pages. The cookie contains the id and a secret.
CREATE TABLE sessions (
    id         blob PRIMARY KEY,
    user_id    bigint NOT NULL REFERENCES users,
    digest     blob NOT NULL CHECK (length(digest) = 32),
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    ip         text,
    user_agent text
);
CREATE INDEX sessions_of_user ON sessions (user_id, id);

CREATE TABLE hubs (
    id         text PRIMARY KEY,
    name       text NOT NULL,
    created_at bigint NOT NULL
);

CREATE TABLE hub_members (
    hub_id  text NOT NULL REFERENCES hubs,
    user_id bigint NOT NULL REFERENCES users,
    role    text NOT NULL CHECK (role IN ('guest', 'contributor', 'designer', 'manager', 'admin', 'owner')),
    PRIMARY KEY (hub_id, user_id)
);
CREATE INDEX hub_members_user ON hub_members (user_id);

CREATE TABLE bundles (
    id          integer PRIMARY KEY AUTOINCREMENT,
    name        text NOT NULL,
    description text NOT NULL,
    permission  smallint NOT NULL CHECK (permission BETWEEN 1 AND 63)
);

-- The words and rights of a bundle before each change. A bundle that is part of a pending request or
-- an active permission cannot change, so what a closed request was about is what the bundle said
-- when the request was closed.
CREATE TABLE bundle_versions (
    bundle_id   bigint NOT NULL REFERENCES bundles ON DELETE CASCADE,
    replaced_at bigint NOT NULL,
    name        text NOT NULL,
    description text NOT NULL,
    permission  smallint NOT NULL CHECK (permission BETWEEN 1 AND 63),
    PRIMARY KEY (bundle_id, replaced_at)
);

CREATE TABLE export_tokens (
    id         blob PRIMARY KEY,
    creator    bigint NOT NULL REFERENCES users,
    hub_id     text NOT NULL REFERENCES hubs,
    node_id    text NOT NULL,
    permission smallint NOT NULL CHECK (permission BETWEEN 1 AND 63),
    digest     blob NOT NULL CHECK (length(digest) = 32),
    created_at bigint NOT NULL,
    expires_at bigint,
    revoked_at bigint
);
CREATE INDEX export_tokens_of_creator ON export_tokens (creator, id DESC);
CREATE INDEX export_tokens_of_hub ON export_tokens (hub_id, id DESC);
-- Those that expire, for the sweeps.
CREATE INDEX export_tokens_expiry ON export_tokens (expires_at, id)
    WHERE revoked_at IS NULL AND expires_at IS NOT NULL;

-- A table of its own, so that counting a use does not update the token's row.
CREATE TABLE export_uses (
    token_id     blob PRIMARY KEY REFERENCES export_tokens ON DELETE CASCADE,
    uses         bigint NOT NULL,
    last_used_at bigint NOT NULL
);

-- A request and the permission that results from it are one row, so that approving the request
-- and granting the permission are one write. `permission`, `minimum` and `permission_ttl` are
-- the request, `granted_permission` and `permission_expires_at` the approval. `active`: granted and not
-- ended; if an approved request is neither, another permission with the same terms stayed in force. A
-- permission whose time is over is marked as ended within seconds.
-- `create_key` and `decision_key` are idempotency keys: `<user>:<key>`, and the key alone.
-- `create_digest` is a fingerprint of what the client sent with the `create_key`.
-- `statement` names the text that the page showed: `<language>/<version>`.
CREATE TABLE permission_requests (
    id                    integer PRIMARY KEY AUTOINCREMENT,
    redeem_id             blob NOT NULL UNIQUE,
    user_target           bigint NOT NULL REFERENCES users,
    user_allowed          bigint NOT NULL REFERENCES users,
    bundle_id             bigint NOT NULL REFERENCES bundles,
    asked_by              bigint NOT NULL REFERENCES users,
    redeem_page           text,
    purpose               text,
    permission            smallint NOT NULL CHECK (permission BETWEEN 1 AND 63),
    minimum               smallint NOT NULL DEFAULT 0 CHECK (minimum & ~permission = 0),
    permission_ttl        bigint,
    return_url            text,
    state                 text CHECK (state IS NULL OR return_url IS NOT NULL),
    created_at            bigint NOT NULL,
    expires_at            bigint NOT NULL,
    create_key            text,
    create_digest         text,
    closed_at             bigint,
    outcome               text CHECK (outcome IN ('approved', 'granted', 'declined', 'withdrawn', 'replaced', 'expired')),
    reason                text,
    statement             text,
    decision_key          text,
    granted_permission    smallint CHECK (granted_permission & ~permission = 0),
    permission_expires_at bigint,
    ended_at              bigint,
    end_cause             text CHECK (end_cause IN ('revoked', 'replaced', 'expired')),
    active                boolean NOT NULL DEFAULT false,
    terms                 text NOT NULL GENERATED ALWAYS AS
        (user_target || ':' || user_allowed || ':' || bundle_id) STORED,
    CHECK (user_target <> user_allowed),
    CHECK ((closed_at IS NULL) = (outcome IS NULL)),
    CHECK ((ended_at IS NULL) = (end_cause IS NULL)),
    CHECK (granted_permission IS NULL OR outcome IN ('approved', 'granted')),
    CHECK (NOT active OR (granted_permission IS NOT NULL AND ended_at IS NULL)),
    CHECK (active OR ended_at IS NOT NULL OR outcome <> 'granted'),
    CHECK ((create_key IS NULL) = (create_digest IS NULL))
);
-- Each query has an index of its own, and no index's condition implies another's, so that the
-- planner has no choice. (`closed_at` and `outcome` are always null together,
-- and never null in the row of an active permission.)
-- At most one open request and one active permission per terms.
CREATE UNIQUE INDEX permission_requests_open_terms ON permission_requests (terms) WHERE closed_at IS NULL;
CREATE UNIQUE INDEX permission_requests_active_terms
    ON permission_requests (user_allowed, user_target, bundle_id) WHERE active AND closed_at IS NOT NULL;
-- Idempotency: a replay is found by `<user>:<key>`.
CREATE UNIQUE INDEX permission_requests_create_key ON permission_requests (create_key) WHERE create_key IS NOT NULL;
-- The idempotency keys with which a target decides on requests: one request per key.
CREATE UNIQUE INDEX permission_requests_decision_key
    ON permission_requests (user_target, decision_key) WHERE decision_key IS NOT NULL;
-- Open requests and active permissions of one side.
CREATE INDEX permission_requests_open_target ON permission_requests (user_target, id) WHERE outcome IS NULL;
CREATE INDEX permission_requests_open_allowed ON permission_requests (user_allowed, id) WHERE outcome IS NULL;
CREATE INDEX permission_requests_active_target
    ON permission_requests (user_target, id) WHERE active AND outcome IS NOT NULL;
CREATE INDEX permission_requests_active_allowed
    ON permission_requests (user_allowed, id) WHERE active AND outcome IS NOT NULL;
-- Ended permissions of one side.
CREATE INDEX permission_requests_ended_target
    ON permission_requests (user_target, id) WHERE outcome = 'approved' AND NOT active;
CREATE INDEX permission_requests_ended_allowed
    ON permission_requests (user_allowed, id) WHERE outcome = 'approved' AND NOT active;
-- Closed requests of one side without an active permission.
CREATE INDEX permission_requests_inactive_target
    ON permission_requests (user_target, id) WHERE NOT active AND outcome IS NOT NULL;
CREATE INDEX permission_requests_inactive_allowed
    ON permission_requests (user_allowed, id) WHERE NOT active AND outcome IS NOT NULL;
-- Expired requests that are still to be closed.
CREATE INDEX permission_requests_expiry ON permission_requests (expires_at) WHERE outcome IS NULL;
-- Expired requests of a requester, for the daily mail.
CREATE INDEX permission_requests_expired_allowed
    ON permission_requests (user_allowed, expires_at) WHERE outcome = 'expired';
-- Permissions that end, among them those that are still to be marked as ended.
CREATE INDEX permission_requests_permission_expiry
    ON permission_requests (permission_expires_at, id) WHERE active AND permission_expires_at IS NOT NULL;
CREATE INDEX permission_requests_bundle ON permission_requests (bundle_id);

-- Permissions that have not been marked as ended: from approved requests, and permissions that were
-- granted without a request. A reader compares `expires_at` with the clock.
CREATE VIEW bundle_permissions AS
    SELECT id, user_target, user_allowed, bundle_id, granted_permission AS permission,
        closed_at AS granted_at, permission_expires_at AS expires_at, outcome
    FROM permission_requests WHERE active AND outcome IS NOT NULL;

-- Numbers of open requests and active permissions per user, as deltas: a user's total is the sum
-- of their rows, so that a list's total needs no count. Each batch inserts one row per party, so
-- that replicas do not wait for each other. A reader that finds many rows replaces them by their
-- sum.
CREATE TABLE user_counters (
    user_id            bigint NOT NULL,
    open_requests      bigint NOT NULL,
    active_permissions bigint NOT NULL
);
CREATE INDEX user_counters_user ON user_counters (user_id);

-- `user_target` refuses requests from `user_blocked`.
CREATE TABLE blocks (
    user_target  bigint NOT NULL REFERENCES users,
    user_blocked bigint NOT NULL REFERENCES users,
    created_at   bigint NOT NULL,
    PRIMARY KEY (user_target, user_blocked),
    CHECK (user_target <> user_blocked)
);

-- State of the rate limits (GCRA). Rows whose time has passed have no effect, and are deleted
-- every minute. (An index on the time would be updated by every request, for one query a minute.)
CREATE TABLE rate_limits (
    key                 text PRIMARY KEY NOT NULL,
    theoretical_arrival bigint NOT NULL
);

-- Mailed links for setting a password. The secret is not stored: it is derived from the id and
-- the server's key.
CREATE TABLE password_links (
    id          blob PRIMARY KEY,
    user_id     bigint NOT NULL REFERENCES users,
    initial     boolean NOT NULL,
    created_at  bigint NOT NULL,
    expires_at  bigint NOT NULL,
    used_at     bigint,
    replaced_at bigint,
    CHECK (used_at IS NULL OR replaced_at IS NULL)
);
-- At most one usable link per user.
CREATE UNIQUE INDEX password_links_open
    ON password_links (user_id) WHERE used_at IS NULL AND replaced_at IS NULL;

-- The keys that sign receipts. Public keys are kept for ever, because receipts have no end. The
-- private key is sealed under the server's secret, and deleted when another key replaces it.
CREATE TABLE signing_keys (
    kid         text PRIMARY KEY NOT NULL,
    public_key  blob NOT NULL CHECK (length(public_key) = 32),
    private_key blob,
    created_at  bigint NOT NULL,
    retired_at  bigint,
    CHECK ((private_key IS NULL) = (retired_at IS NOT NULL))
);
-- At most one key is current.
CREATE UNIQUE INDEX signing_keys_current ON signing_keys ((retired_at IS NULL)) WHERE retired_at IS NULL;

-- Secrets are sealed under the server's secret. During a rotation both secrets sign. After failures there is no attempt
-- before `paused_until`.
CREATE TABLE webhooks (
    id                      integer PRIMARY KEY AUTOINCREMENT,
    owner                   bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    url                     text NOT NULL,
    events                  text NOT NULL,
    scope                   text NOT NULL CHECK (scope IN ('own', 'all')),
    description             text NOT NULL,
    created_at              bigint NOT NULL,
    secret                  blob NOT NULL,
    previous_secret         blob,
    previous_secret_ends_at bigint,
    disabled_at             bigint,
    disabled_reason         text CHECK (disabled_reason IN ('owner', 'gone', 'failing')),
    failures                integer NOT NULL DEFAULT 0,
    failing_since           bigint,
    paused_until            bigint,
    CHECK ((disabled_at IS NULL) = (disabled_reason IS NULL)),
    CHECK ((previous_secret IS NULL) = (previous_secret_ends_at IS NULL))
);
CREATE INDEX webhooks_owner ON webhooks (owner, id);

-- Events for webhooks. The content is made from the audit entry at each attempt. A claim sets a `lease` and a `due_at`
-- in the future: the end of the lease. No foreign keys, so that a webhook with many deliveries can be deleted: rows are
-- deleted when they are 30 days old.
CREATE TABLE webhook_deliveries (
    id          blob PRIMARY KEY,
    webhook     bigint NOT NULL,
    event_id    blob NOT NULL,
    event_type  text NOT NULL,
    created_at  bigint NOT NULL,
    due_at      bigint NOT NULL,
    attempts    integer NOT NULL,
    lease       blob,
    finished_at bigint,
    result      text CHECK (result IN ('delivered', 'failed', 'cancelled')),
    http_status integer,
    duration_ms integer,
    reason      text,
    CHECK ((finished_at IS NULL) = (result IS NULL))
);
-- A claim reads the first entries of one webhook: however many are due for another one, it does not see them.
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (webhook, due_at) WHERE finished_at IS NULL;
-- The deliveries in flight, of which a claim counts those of one webhook.
CREATE INDEX webhook_deliveries_leased ON webhook_deliveries (webhook) WHERE lease IS NOT NULL;
CREATE INDEX webhook_deliveries_webhook ON webhook_deliveries (webhook, id);
CREATE INDEX webhook_deliveries_result ON webhook_deliveries (webhook, result, id);

-- Deliveries that are to be made, inserted in the transaction of their cause. `kind` selects the
-- worker that makes them. The subject is a request or a password link, or else a `notice` to
-- `user_id`, about a permission if `request_id` is set; the notice `daily` is the daily mail of a
-- `day`, in days since 1970-01-01; the notice `decisions` is about `decided_requests`, e.g. `12 15 +204`: two
-- requests and 204 more. A claim sets a `lease` and a `due_at` in the future: the end of the lease.
CREATE TABLE outbox (
    id               blob PRIMARY KEY,
    kind             text NOT NULL CHECK (kind IN ('mail')),
    request_id       bigint REFERENCES permission_requests ON DELETE CASCADE,
    password_link_id blob REFERENCES password_links ON DELETE CASCADE,
    notice           text,
    user_id          bigint REFERENCES users ON DELETE CASCADE,
    day              integer,
    decided_requests text,
    created_at       bigint NOT NULL,
    due_at           bigint NOT NULL,
    attempts         integer NOT NULL,
    lease            blob,
    finished_at      bigint,
    result           text CHECK (result IN ('sent', 'failed', 'cancelled')),
    last_error       text,
    CHECK ((notice IS NULL) = (user_id IS NULL)),
    CHECK (notice IS NOT NULL OR (request_id IS NULL) <> (password_link_id IS NULL)),
    CHECK (notice IS NULL OR password_link_id IS NULL),
    CHECK ((day IS NULL) = (notice IS NULL OR notice <> 'daily')),
    CHECK ((decided_requests IS NULL) = (notice IS NULL OR notice <> 'decisions')),
    CHECK ((finished_at IS NULL) = (result IS NULL))
);
CREATE INDEX outbox_due ON outbox (kind, due_at) WHERE finished_at IS NULL;
CREATE INDEX outbox_failed ON outbox (kind, id) WHERE result = 'failed';
-- One daily mail per user and day.
CREATE UNIQUE INDEX outbox_daily ON outbox (user_id, day) WHERE day IS NOT NULL;
-- A condition on `decided_requests` would put each of its changes into all indexes of the table.
CREATE INDEX outbox_decisions ON outbox (user_id, created_at) WHERE notice = 'decisions';
CREATE INDEX outbox_request ON outbox (request_id);
CREATE INDEX outbox_password_link ON outbox (password_link_id) WHERE password_link_id IS NOT NULL;

-- How far the sweeps have come (`store/sweeps.rs`): each has handled what is due until `position`, and
-- of the rows that are due at that moment, those up to `last_id`, or all if it is empty.
CREATE TABLE sweep_cursors (
    name     text PRIMARY KEY NOT NULL,
    position bigint NOT NULL,
    last_id  text NOT NULL
);

-- How far each reader of the audit log has come (`store/audit_log/tail.rs`). The row `stream` exists while a stream is
-- on (`store/audit_log/stream.rs`): one server at a time, the `holder`, writes to it. `started_at` is set until the
-- stream has its first line. `seal` is the last seal in the stream.
CREATE TABLE audit_cursors (
    name       text PRIMARY KEY NOT NULL,
    position   bigint NOT NULL,
    last_id    blob NOT NULL,
    holder     blob,
    held_until bigint,
    started_at bigint,
    seal       bigint NOT NULL DEFAULT 0,
    CHECK ((holder IS NULL) = (held_until IS NULL))
);
INSERT INTO audit_cursors (name, position, last_id) VALUES ('decision_mails', 0, x'00000000000000000000000000000000');
INSERT INTO audit_cursors (name, position, last_id) VALUES ('webhooks', 0, x'00000000000000000000000000000000');
INSERT INTO audit_cursors (name, position, last_id) VALUES ('seals', 0, x'00000000000000000000000000000000');

-- Fetches of a request's link, and views by the request's target. No foreign key, so that
-- counting touches no other row.
CREATE TABLE link_views (
    redeem_id           blob PRIMARY KEY,
    fetches             bigint NOT NULL,
    last_fetched_at     bigint NOT NULL,
    target_views        bigint NOT NULL,
    last_target_view_at bigint
);

-- Affected users are the parties other than the actor. No foreign keys: entries outlive their
-- subjects. Ids start with the time (UUID version 7), so that they are ordered by time. The order of
-- `position` is that of the commits. A number is not used again after a purge. A seal contains a commitment to `ip` and
-- `user_agent`, made with `salt`. When these three are erased, `commitment` replaces them.
CREATE TABLE audit_log (
    position        integer PRIMARY KEY AUTOINCREMENT,
    id              blob NOT NULL UNIQUE,
    at              bigint NOT NULL,
    actor           bigint,
    action          text NOT NULL,
    subject         text NOT NULL,
    ip              text,
    user_agent      text,
    affected_user_1 bigint,
    affected_user_2 bigint,
    salt            blob,
    commitment      blob
);
-- Approvals are in none of these indexes, which would double the cost of a redemption. They are
-- found through their requests, whose `closed_at` is the time of the entry.
CREATE INDEX audit_log_subject ON audit_log (subject, id) WHERE action <> 'request.approved';
CREATE INDEX audit_log_actor ON audit_log (actor, id) WHERE actor IS NOT NULL AND action <> 'request.approved';
CREATE INDEX audit_log_affected_user_1 ON audit_log (affected_user_1, id)
    WHERE affected_user_1 IS NOT NULL AND action <> 'request.approved';
CREATE INDEX audit_log_affected_user_2 ON audit_log (affected_user_2, id)
    WHERE affected_user_2 IS NOT NULL AND action <> 'request.approved';
CREATE INDEX audit_log_action ON audit_log (action, id) WHERE action <> 'request.approved';

-- The sealed audit log (`domain/seal`). A seal covers the entries after those of the seal before it, up to its last place. Its
-- `leaves` are the hashes of these entries, which show what is wrong with them; a purge deletes the leaves with the entries.
CREATE TABLE seals (
    number         bigint PRIMARY KEY,
    first_position bigint NOT NULL,
    first_id       blob NOT NULL,
    last_position  bigint NOT NULL,
    last_id        blob NOT NULL,
    entries        bigint NOT NULL,
    newest_at      bigint NOT NULL,
    root           blob NOT NULL,
    previous       blob NOT NULL,
    continues      boolean NOT NULL,
    purged         bigint NOT NULL,
    sealed_at      bigint NOT NULL,
    kid            text NOT NULL,
    signature      text NOT NULL,
    leaves         blob
);
