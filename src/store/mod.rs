//! Everything that countersign stores, in PostgreSQL or SQLite. Only this module uses
//! `diesel`.
//!
//! - `connection`, `migrate`, [`AsyncStore`], [`Clock`]: the database itself.
//! - [`ledger`]: every change to tokens, requests, permissions and blocks.
//! - [`lookup`]: batched lookups by key.
//! - The other files are one table group each. Their functions take a [`Conn`] and run
//!   inside [`Store::read`] or [`Store::write`].

mod async_store;
mod bulk;
mod by_keys;
mod clock;
mod connection;
mod error;
mod migrate;
mod page;
mod requests_with_parties;
mod schema;
mod text_search;
mod timeline;
mod types;
mod user_counters;
mod user_row;

pub mod access;
pub mod api_keys;
pub mod audit_log;
pub mod blocks;
pub mod bundles;
pub mod capped_counts;
pub mod claimed_mails;
pub mod daily_mails;
pub mod daily_stats;
pub mod decision_mails;
pub mod export_tokens;
pub mod hubs;
pub mod import;
pub mod ledger;
pub mod link_views;
pub mod lookup;
pub mod mail_settings;
mod named_parties;
pub mod outbox;
pub mod participants;
pub mod password_links;
pub mod permissions;
mod pools;
mod postgres_connections;
pub mod purge;
pub mod rate_limits;
pub mod readiness;
pub mod requests;
pub mod seals;
pub mod sessions;
pub mod signing_keys;
pub mod sweeps;
pub(crate) mod threads;
pub mod users;
pub mod webhook_deliveries;
pub mod webhook_secrets;
pub mod webhooks;

pub use async_store::AsyncStore;
pub use clock::{Clock, system_now};
pub use connection::{Conn, Store};
/// Re-exported, so that callers do not depend on diesel.
pub use diesel::{QueryResult, result::Error as QueryError};
pub use error::StoreError;
pub use page::{LimitOffset, Paginated, TermsFilter};
