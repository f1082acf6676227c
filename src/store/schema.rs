//! The tables, with SQL types that both databases have. Maintained by hand, because diesel's
//! command line prints the schema of one database; a test compares this one with both.

use diesel::prelude::*;

table! {
    users (id) {
        id -> BigInt,
        email -> Text,
        first_name -> Text,
        last_name -> Text,
        password -> Nullable<Text>,
        active -> Bool,
        staff -> Bool,
        created_at -> crate::store::types::SqlTimestamp,
        language -> Nullable<Text>,
        muted -> SmallInt,
    }
}

table! {
    api_keys (id) {
        id -> crate::store::types::SqlUuid,
        user_id -> BigInt,
        label -> Text,
        scope -> Nullable<Text>,
        digest -> Binary,
        created_at -> crate::store::types::SqlTimestamp,
        revoked_at -> Nullable<crate::store::types::SqlTimestamp>,
    }
}

table! {
    sessions (id) {
        id -> crate::store::types::SqlUuid,
        user_id -> BigInt,
        digest -> Binary,
        created_at -> crate::store::types::SqlTimestamp,
        expires_at -> crate::store::types::SqlTimestamp,
        ip -> Nullable<Text>,
        user_agent -> Nullable<Text>,
    }
}

table! {
    hubs (id) {
        id -> Text,
        name -> Text,
        created_at -> crate::store::types::SqlTimestamp,
    }
}

table! {
    hub_members (hub_id, user_id) {
        hub_id -> Text,
        user_id -> BigInt,
        role -> Text,
    }
}

table! {
    bundles (id) {
        id -> BigInt,
        name -> Text,
        description -> Text,
        permission -> SmallInt,
    }
}

table! {
    bundle_versions (bundle_id, replaced_at) {
        bundle_id -> BigInt,
        replaced_at -> crate::store::types::SqlTimestamp,
        name -> Text,
        description -> Text,
        permission -> SmallInt,
    }
}

table! {
    export_tokens (id) {
        id -> crate::store::types::SqlUuid,
        creator -> BigInt,
        hub_id -> Text,
        node_id -> Text,
        permission -> SmallInt,
        digest -> Binary,
        created_at -> crate::store::types::SqlTimestamp,
        expires_at -> Nullable<crate::store::types::SqlTimestamp>,
        revoked_at -> Nullable<crate::store::types::SqlTimestamp>,
    }
}

table! {
    export_uses (token_id) {
        token_id -> crate::store::types::SqlUuid,
        uses -> BigInt,
        last_used_at -> crate::store::types::SqlTimestamp,
    }
}

table! {
    permission_requests (id) {
        id -> BigInt,
        redeem_id -> crate::store::types::SqlUuid,
        user_target -> BigInt,
        user_allowed -> BigInt,
        bundle_id -> BigInt,
        asked_by -> BigInt,
        redeem_page -> Nullable<Text>,
        purpose -> Nullable<Text>,
        permission -> SmallInt,
        minimum -> SmallInt,
        permission_ttl -> Nullable<BigInt>,
        return_url -> Nullable<Text>,
        state -> Nullable<Text>,
        created_at -> crate::store::types::SqlTimestamp,
        expires_at -> crate::store::types::SqlTimestamp,
        create_key -> Nullable<Text>,
        create_digest -> Nullable<Text>,
        closed_at -> Nullable<crate::store::types::SqlTimestamp>,
        outcome -> Nullable<Text>,
        reason -> Nullable<Text>,
        statement -> Nullable<Text>,
        decision_key -> Nullable<Text>,
        granted_permission -> Nullable<SmallInt>,
        permission_expires_at -> Nullable<crate::store::types::SqlTimestamp>,
        ended_at -> Nullable<crate::store::types::SqlTimestamp>,
        end_cause -> Nullable<Text>,
        active -> Bool,
        terms -> Text,
    }
}

// A view of the permissions that have not been marked as ended.
table! {
    bundle_permissions (id) {
        id -> BigInt,
        user_target -> BigInt,
        user_allowed -> BigInt,
        bundle_id -> BigInt,
        permission -> SmallInt,
        granted_at -> crate::store::types::SqlTimestamp,
        expires_at -> Nullable<crate::store::types::SqlTimestamp>,
        outcome -> Text,
    }
}

table! {
    user_counters (user_id) {
        user_id -> BigInt,
        open_requests -> BigInt,
        active_permissions -> BigInt,
    }
}

table! {
    blocks (user_target, user_blocked) {
        user_target -> BigInt,
        user_blocked -> BigInt,
        created_at -> crate::store::types::SqlTimestamp,
    }
}

table! {
    rate_limits (key) {
        key -> Text,
        theoretical_arrival -> crate::store::types::SqlTimestamp,
    }
}

table! {
    password_links (id) {
        id -> crate::store::types::SqlUuid,
        user_id -> BigInt,
        initial -> Bool,
        created_at -> crate::store::types::SqlTimestamp,
        expires_at -> crate::store::types::SqlTimestamp,
        used_at -> Nullable<crate::store::types::SqlTimestamp>,
        replaced_at -> Nullable<crate::store::types::SqlTimestamp>,
    }
}

table! {
    signing_keys (kid) {
        kid -> Text,
        public_key -> Binary,
        private_key -> Nullable<Binary>,
        created_at -> crate::store::types::SqlTimestamp,
        retired_at -> Nullable<crate::store::types::SqlTimestamp>,
    }
}

table! {
    webhooks (id) {
        id -> BigInt,
        owner -> BigInt,
        url -> Text,
        events -> Text,
        scope -> Text,
        description -> Text,
        created_at -> crate::store::types::SqlTimestamp,
        secret -> Binary,
        previous_secret -> Nullable<Binary>,
        previous_secret_ends_at -> Nullable<crate::store::types::SqlTimestamp>,
        disabled_at -> Nullable<crate::store::types::SqlTimestamp>,
        disabled_reason -> Nullable<Text>,
        failures -> Integer,
        failing_since -> Nullable<crate::store::types::SqlTimestamp>,
        paused_until -> Nullable<crate::store::types::SqlTimestamp>,
    }
}

table! {
    webhook_deliveries (id) {
        id -> crate::store::types::SqlUuid,
        webhook -> BigInt,
        event_id -> crate::store::types::SqlUuid,
        event_type -> Text,
        created_at -> crate::store::types::SqlTimestamp,
        due_at -> crate::store::types::SqlTimestamp,
        attempts -> Integer,
        lease -> Nullable<crate::store::types::SqlUuid>,
        finished_at -> Nullable<crate::store::types::SqlTimestamp>,
        result -> Nullable<Text>,
        http_status -> Nullable<Integer>,
        duration_ms -> Nullable<Integer>,
        reason -> Nullable<Text>,
    }
}

table! {
    outbox (id) {
        id -> crate::store::types::SqlUuid,
        kind -> Text,
        request_id -> Nullable<BigInt>,
        password_link_id -> Nullable<crate::store::types::SqlUuid>,
        notice -> Nullable<Text>,
        user_id -> Nullable<BigInt>,
        day -> Nullable<Integer>,
        decided_requests -> Nullable<Text>,
        created_at -> crate::store::types::SqlTimestamp,
        due_at -> crate::store::types::SqlTimestamp,
        attempts -> Integer,
        lease -> Nullable<crate::store::types::SqlUuid>,
        finished_at -> Nullable<crate::store::types::SqlTimestamp>,
        result -> Nullable<Text>,
        last_error -> Nullable<Text>,
    }
}

table! {
    sweep_cursors (name) {
        name -> Text,
        position -> crate::store::types::SqlTimestamp,
        last_id -> Text,
    }
}

table! {
    audit_cursors (name) {
        name -> Text,
        position -> BigInt,
        last_id -> crate::store::types::SqlUuid,
        holder -> Nullable<crate::store::types::SqlUuid>,
        held_until -> Nullable<crate::store::types::SqlTimestamp>,
        started_at -> Nullable<crate::store::types::SqlTimestamp>,
        seal -> BigInt,
    }
}

table! {
    link_views (redeem_id) {
        redeem_id -> crate::store::types::SqlUuid,
        fetches -> BigInt,
        last_fetched_at -> crate::store::types::SqlTimestamp,
        target_views -> BigInt,
        last_target_view_at -> Nullable<crate::store::types::SqlTimestamp>,
    }
}

table! {
    audit_log (id) {
        id -> crate::store::types::SqlUuid,
        position -> BigInt,
        at -> crate::store::types::SqlTimestamp,
        actor -> Nullable<BigInt>,
        action -> Text,
        subject -> Text,
        ip -> Nullable<Text>,
        user_agent -> Nullable<Text>,
        affected_user_1 -> Nullable<BigInt>,
        affected_user_2 -> Nullable<BigInt>,
        salt -> Nullable<Binary>,
        commitment -> Nullable<Binary>,
    }
}

table! {
    seals (number) {
        number -> BigInt,
        first_position -> BigInt,
        first_id -> crate::store::types::SqlUuid,
        last_position -> BigInt,
        last_id -> crate::store::types::SqlUuid,
        entries -> BigInt,
        newest_at -> crate::store::types::SqlTimestamp,
        root -> Binary,
        previous -> Binary,
        continues -> Bool,
        purged -> BigInt,
        sealed_at -> crate::store::types::SqlTimestamp,
        kid -> Text,
        signature -> Text,
        leaves -> Nullable<Binary>,
    }
}

joinable!(api_keys -> users (user_id));
joinable!(sessions -> users (user_id));
joinable!(hub_members -> hubs (hub_id));
joinable!(hub_members -> users (user_id));
joinable!(export_tokens -> users (creator));
joinable!(export_uses -> export_tokens (token_id));
joinable!(outbox -> permission_requests (request_id));
joinable!(password_links -> users (user_id));
joinable!(permission_requests -> bundles (bundle_id));
joinable!(webhooks -> users (owner));
allow_tables_to_appear_in_same_query!(
    users,
    api_keys,
    sessions,
    hubs,
    hub_members,
    bundles,
    bundle_versions,
    export_tokens,
    export_uses,
    permission_requests,
    bundle_permissions,
    password_links,
    outbox,
    link_views,
    webhooks,
    webhook_deliveries,
);
