//! Use cases that are neither HTTP nor one table: one function per use case, one transaction
//! each. `http` and `cli` call them and render their results.
//!
//! A function that the command line and the pages share returns [`DbWork`], which each of them
//! runs on its own kind of store.

pub(crate) mod access;
pub(crate) mod accounts;
pub mod admin;
pub(crate) mod api_keys;
pub(crate) mod audit_log;
pub(crate) mod blocks;
pub(crate) mod bundles;
pub mod credentials;
pub(crate) mod export_tokens;
pub(crate) mod filters;
pub(crate) mod forms;
pub(crate) mod mail_settings;
pub(crate) mod meters;
pub(crate) mod password_links;
pub(crate) mod permissions;
pub mod receipts;
pub(crate) mod requests;
pub mod seals;
pub(crate) mod sessions;
pub(crate) mod users;
pub mod webhooks;

use crate::domain::timestamp::Timestamp;
use crate::store::{Conn, QueryResult};

/// The database's time.
pub(crate) fn now() -> impl DbWork<Timestamp> {
    |conn| conn.now()
}

/// What a use case does with the database. [`Store::write`](crate::store::Store::write) and
/// [`AsyncStore::write`](crate::store::AsyncStore::write) run it as one transaction, the
/// `read` of both outside one.
///
/// It may run more than once: the stores repeat it when the connection turns out to be dead.
pub trait DbWork<T>: Fn(&mut Conn) -> QueryResult<T> + Send + 'static {}

impl<T, F: Fn(&mut Conn) -> QueryResult<T> + Send + 'static> DbWork<T> for F {}
