//! The tables, in the SQL types that both databases have. Written by hand:
//! diesel's command line prints a schema for one database, and a test compares
//! this one with both.

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
        created_at -> crate::store::types::Instant,
        language -> Nullable<Text>,
    }
}

table! {
    api_keys (id) {
        id -> crate::store::types::Id,
        user_id -> BigInt,
        label -> Text,
        scope -> Nullable<Text>,
        digest -> Binary,
        created_at -> crate::store::types::Instant,
        revoked_at -> Nullable<crate::store::types::Instant>,
    }
}

table! {
    sessions (id) {
        id -> crate::store::types::Id,
        user_id -> BigInt,
        digest -> Binary,
        created_at -> crate::store::types::Instant,
        expires_at -> crate::store::types::Instant,
        address -> Nullable<Text>,
        client -> Nullable<Text>,
    }
}

table! {
    hubs (id) {
        id -> Text,
        name -> Text,
        created_at -> crate::store::types::Instant,
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
    export_tokens (id) {
        id -> crate::store::types::Id,
        creator -> BigInt,
        hub_id -> Text,
        node_id -> Text,
        permission -> SmallInt,
        digest -> Binary,
        created_at -> crate::store::types::Instant,
        expires_at -> Nullable<crate::store::types::Instant>,
        revoked_at -> Nullable<crate::store::types::Instant>,
    }
}

table! {
    export_uses (token_id) {
        token_id -> crate::store::types::Id,
        uses -> BigInt,
        last_used_at -> crate::store::types::Instant,
    }
}

table! {
    permission_requests (id) {
        id -> BigInt,
        redeem_id -> crate::store::types::Id,
        user_target -> BigInt,
        user_allowed -> BigInt,
        bundle_id -> BigInt,
        asked_by -> BigInt,
        redeem_page -> Nullable<Text>,
        created_at -> crate::store::types::Instant,
        expires_at -> crate::store::types::Instant,
        create_once -> Nullable<Text>,
        closed_at -> Nullable<crate::store::types::Instant>,
        outcome -> Nullable<Text>,
        redeem_once -> Nullable<Text>,
        stands -> Bool,
        terms -> Text,
    }
}

// A view: the requests that stand.
table! {
    bundle_permissions (id) {
        id -> BigInt,
        user_target -> BigInt,
        user_allowed -> BigInt,
        bundle_id -> BigInt,
        created_at -> crate::store::types::Instant,
    }
}

table! {
    tallies (user_id) {
        user_id -> BigInt,
        open -> BigInt,
        standing -> BigInt,
    }
}

table! {
    blocks (user_target, user_blocked) {
        user_target -> BigInt,
        user_blocked -> BigInt,
        created_at -> crate::store::types::Instant,
    }
}

table! {
    meters (key) {
        key -> Text,
        until -> crate::store::types::Instant,
    }
}

table! {
    password_links (id) {
        id -> crate::store::types::Id,
        user_id -> BigInt,
        first -> Bool,
        created_at -> crate::store::types::Instant,
        expires_at -> crate::store::types::Instant,
        used_at -> Nullable<crate::store::types::Instant>,
        replaced_at -> Nullable<crate::store::types::Instant>,
    }
}

table! {
    outbox (id) {
        id -> crate::store::types::Id,
        request_id -> Nullable<BigInt>,
        password_link_id -> Nullable<crate::store::types::Id>,
        created_at -> crate::store::types::Instant,
        due_at -> crate::store::types::Instant,
        attempts -> Integer,
        lease -> Nullable<crate::store::types::Id>,
        finished_at -> Nullable<crate::store::types::Instant>,
        result -> Nullable<Text>,
        last_error -> Nullable<Text>,
    }
}

table! {
    link_views (redeem_id) {
        redeem_id -> crate::store::types::Id,
        fetches -> BigInt,
        last_fetched_at -> crate::store::types::Instant,
        looks -> BigInt,
        last_looked_at -> Nullable<crate::store::types::Instant>,
    }
}

table! {
    events (id) {
        id -> crate::store::types::Id,
        at -> crate::store::types::Instant,
        actor -> Nullable<BigInt>,
        action -> Text,
        subject -> Text,
        address -> Nullable<Text>,
        client -> Nullable<Text>,
        concerns -> Nullable<BigInt>,
        concerns_too -> Nullable<BigInt>,
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
allow_tables_to_appear_in_same_query!(
    users,
    api_keys,
    sessions,
    hubs,
    hub_members,
    bundles,
    export_tokens,
    export_uses,
    permission_requests,
    bundle_permissions,
    password_links,
    outbox,
    link_views,
);
