-- Twin of migrations/sqlite/0001_countersign/up.sql; a test compares both with
-- src/store/schema.rs.

CREATE TABLE users (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email      text NOT NULL UNIQUE CHECK (email = lower(email)),
    first_name text NOT NULL,
    last_name  text NOT NULL,
    password   text,
    active     boolean NOT NULL,
    staff      boolean NOT NULL,
    created_at timestamptz NOT NULL,
    language   text
);

CREATE TABLE api_keys (
    id         uuid PRIMARY KEY,
    user_id    bigint NOT NULL REFERENCES users,
    label      text NOT NULL,
    scope      text CHECK (scope IN ('introspect')),
    digest     bytea NOT NULL CHECK (length(digest) = 32),
    created_at timestamptz NOT NULL,
    revoked_at timestamptz
);
CREATE INDEX api_keys_of_user ON api_keys (user_id, id);

-- Who is signed in at the pages, by the cookie of this id.
CREATE TABLE sessions (
    id         uuid PRIMARY KEY,
    user_id    bigint NOT NULL REFERENCES users,
    digest     bytea NOT NULL CHECK (length(digest) = 32),
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    ip    text,
    user_agent     text
);
CREATE INDEX sessions_of_user ON sessions (user_id, id);

CREATE TABLE hubs (
    id         text PRIMARY KEY,
    name       text NOT NULL,
    created_at timestamptz NOT NULL
);

CREATE TABLE hub_members (
    hub_id  text NOT NULL REFERENCES hubs,
    user_id bigint NOT NULL REFERENCES users,
    role    text NOT NULL CHECK (role IN ('guest', 'contributor', 'designer', 'manager', 'admin', 'owner')),
    PRIMARY KEY (hub_id, user_id)
);
CREATE INDEX hub_members_user ON hub_members (user_id);

CREATE TABLE bundles (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL,
    description text NOT NULL,
    permission  smallint NOT NULL CHECK (permission BETWEEN 1 AND 63)
);

CREATE TABLE export_tokens (
    id         uuid PRIMARY KEY,
    creator    bigint NOT NULL REFERENCES users,
    hub_id     text NOT NULL REFERENCES hubs,
    node_id    text NOT NULL,
    permission smallint NOT NULL CHECK (permission BETWEEN 1 AND 63),
    digest     bytea NOT NULL CHECK (length(digest) = 32),
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    revoked_at timestamptz
);
CREATE INDEX export_tokens_of_creator ON export_tokens (creator, id DESC);

-- Apart from the tokens, so that counting a use never touches a token's row.
CREATE TABLE export_uses (
    token_id     uuid PRIMARY KEY REFERENCES export_tokens ON DELETE CASCADE,
    uses         bigint NOT NULL,
    last_used_at timestamptz NOT NULL
);

-- A permission, from being asked for to its end, in one row: that a request is
-- redeemed and that the permission stands are one write, and cannot come apart.
CREATE TABLE permission_requests (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    redeem_id    uuid NOT NULL UNIQUE,
    user_target  bigint NOT NULL REFERENCES users,
    user_allowed bigint NOT NULL REFERENCES users,
    bundle_id    bigint NOT NULL REFERENCES bundles,
    asked_by     bigint NOT NULL REFERENCES users,
    redeem_page  text,
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    create_key  text,
    closed_at    timestamptz,
    outcome      text CHECK (outcome IN ('approved', 'granted', 'declined', 'withdrawn', 'replaced', 'expired')),
    redeem_key  text,
    active       boolean NOT NULL DEFAULT false,
    terms        text COLLATE "C" NOT NULL GENERATED ALWAYS AS
        (user_target::text || ':' || user_allowed::text || ':' || bundle_id::text) STORED,
    CHECK (user_target <> user_allowed),
    CHECK ((closed_at IS NULL) = (outcome IS NULL)),
    CHECK (NOT active OR outcome IN ('approved', 'granted'))
);
-- Each question has an index whose condition no other question's implies, so that
-- a plan has nothing to choose. (`closed_at` and `outcome` are null together.)
-- At most one open request, and one that stands, of the same terms.
CREATE UNIQUE INDEX permission_requests_open_terms ON permission_requests (terms) WHERE closed_at IS NULL;
CREATE UNIQUE INDEX permission_requests_active_terms ON permission_requests (terms) WHERE active;
-- By who posted it and their key, as `<user>:<key>`.
CREATE UNIQUE INDEX permission_requests_create_key ON permission_requests (create_key) WHERE create_key IS NOT NULL;
-- A party's open requests, and what they give and receive.
CREATE INDEX permission_requests_open_target ON permission_requests (user_target, id) WHERE outcome IS NULL;
CREATE INDEX permission_requests_open_allowed ON permission_requests (user_allowed, id) WHERE outcome IS NULL;
CREATE INDEX permission_requests_active_target
    ON permission_requests (user_target, id) WHERE active AND outcome IS NOT NULL;
CREATE INDEX permission_requests_active_allowed
    ON permission_requests (user_allowed, id) WHERE active AND outcome IS NOT NULL;
-- What they gave and received once.
CREATE INDEX permission_requests_ended_target
    ON permission_requests (user_target, id) WHERE outcome = 'approved' AND NOT active;
CREATE INDEX permission_requests_ended_allowed
    ON permission_requests (user_allowed, id) WHERE outcome = 'approved' AND NOT active;
-- What they have asked for that came to nothing, or stands no longer.
CREATE INDEX permission_requests_inactive_allowed
    ON permission_requests (user_allowed, id) WHERE NOT active AND outcome IS NOT NULL;
-- What has expired, to be closed.
CREATE INDEX permission_requests_expiry ON permission_requests (expires_at) WHERE outcome IS NULL;
CREATE INDEX permission_requests_bundle ON permission_requests (bundle_id);

-- Raises a check violation for what is not so: a statement that decides by what was
-- read before it ends with this.
CREATE DOMAIN assert_true AS boolean CHECK (VALUE);

-- The permissions that stand: each is the request that was redeemed for it, or
-- the row of one given unasked.
CREATE VIEW bundle_permissions AS
    SELECT id, user_target, user_allowed, bundle_id, closed_at AS created_at
    FROM permission_requests WHERE active AND outcome IS NOT NULL;

-- How many open requests and standing permissions each user is a party to, as sums
-- of rows: a list's total is told without reading the list. Each batch adds one row
-- a party, so that two replicas never wait for each other here; who finds many of
-- them adds them up.
CREATE TABLE user_counters (
    user_id  bigint NOT NULL,
    open_requests     bigint NOT NULL,
    active_permissions bigint NOT NULL
);
CREATE INDEX user_counters_user ON user_counters (user_id);

-- Whom each user takes no requests from.
CREATE TABLE blocks (
    user_target  bigint NOT NULL REFERENCES users,
    user_blocked bigint NOT NULL REFERENCES users,
    created_at   timestamptz NOT NULL,
    PRIMARY KEY (user_target, user_blocked),
    CHECK (user_target <> user_blocked)
);

-- How far the meters of the limits have risen: when each will have run down. One that
-- has is as good as none, and is swept. (No index on the moment: it would be written
-- with every rise, for a sweep a minute.)
CREATE TABLE rate_limits (
    key   text COLLATE "C" PRIMARY KEY NOT NULL,
    theoretical_arrival timestamptz NOT NULL
);

-- The mailed links by which people set their passwords. Of the link itself there is
-- nothing here: the server's key makes it of the id.
CREATE TABLE password_links (
    id          uuid PRIMARY KEY,
    user_id     bigint NOT NULL REFERENCES users,
    initial       boolean NOT NULL,
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    used_at     timestamptz,
    replaced_at timestamptz,
    CHECK (used_at IS NULL OR replaced_at IS NULL)
);
-- At most one of each user that may yet be used.
CREATE UNIQUE INDEX password_links_open
    ON password_links (user_id) WHERE used_at IS NULL AND replaced_at IS NULL;

-- The mails that are owed: a row is written in the transaction of the deed that owes it.
-- Who sends one takes a lease: an id of its own, and a due_at that lies ahead.
CREATE TABLE outbox (
    id               uuid PRIMARY KEY,
    request_id       bigint REFERENCES permission_requests ON DELETE CASCADE,
    password_link_id uuid REFERENCES password_links ON DELETE CASCADE,
    created_at       timestamptz NOT NULL,
    due_at           timestamptz NOT NULL,
    attempts         integer NOT NULL,
    lease            uuid,
    finished_at      timestamptz,
    result           text CHECK (result IN ('sent', 'failed', 'cancelled')),
    last_error       text,
    CHECK ((request_id IS NULL) <> (password_link_id IS NULL)),
    CHECK ((finished_at IS NULL) = (result IS NULL))
);
CREATE INDEX outbox_due ON outbox (due_at) WHERE finished_at IS NULL;
CREATE INDEX outbox_failed ON outbox (id) WHERE result = 'failed';
CREATE INDEX outbox_request ON outbox (request_id);
CREATE INDEX outbox_password_link ON outbox (password_link_id) WHERE password_link_id IS NOT NULL;

-- How often a request's link was fetched, and looked at by its target. No foreign key:
-- a look touches no other row than its own.
CREATE TABLE link_views (
    redeem_id       uuid PRIMARY KEY,
    fetches         bigint NOT NULL,
    last_fetched_at timestamptz NOT NULL,
    target_views           bigint NOT NULL,
    last_target_view_at  timestamptz
);

-- Who did what to what, when, from where, and whom it concerns besides: the parties who
-- did not do it themselves. No foreign keys: the trail outlives what it tells of. An id
-- begins with its moment, so that the order of ids is that of time.
CREATE TABLE audit_log (
    id           uuid PRIMARY KEY,
    at           timestamptz NOT NULL,
    actor        bigint,
    action       text COLLATE "C" NOT NULL,
    subject      text COLLATE "C" NOT NULL,
    ip      text,
    user_agent       text,
    affected_user_1     bigint,
    affected_user_2 bigint
);
-- By what was done to it, who did it, whom it concerns, and what was done: the newest
-- first. Redemptions are in none of these, since each of them would cost as much again
-- as the rest of it: they are found by their requests, which know when they were redeemed.
CREATE INDEX audit_log_subject ON audit_log (subject, id) WHERE action <> 'request.approved';
CREATE INDEX audit_log_actor ON audit_log (actor, id) WHERE actor IS NOT NULL AND action <> 'request.approved';
CREATE INDEX audit_log_affected_user_1 ON audit_log (affected_user_1, id)
    WHERE affected_user_1 IS NOT NULL AND action <> 'request.approved';
CREATE INDEX audit_log_affected_user_2 ON audit_log (affected_user_2, id)
    WHERE affected_user_2 IS NOT NULL AND action <> 'request.approved';
CREATE INDEX audit_log_action ON audit_log (action, id) WHERE action <> 'request.approved';
