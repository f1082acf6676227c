//! Use cases that are neither HTTP nor one table. Each function is one use case and describes
//! one [`DbWork`]: the callers below `http` and `cli` run it and render its result.

pub mod admin;
pub mod export_tokens;

use crate::store::{Conn, QueryResult};

/// What a use case does with the database. [`Store::write`](crate::store::Store::write) and
/// [`AsyncStore::write`](crate::store::AsyncStore::write) run it as one transaction, the
/// `read` of both outside one.
///
/// It may run more than once: the stores repeat it when the connection turns out to be dead.
pub trait DbWork<T>: Fn(&mut Conn) -> QueryResult<T> + Send + 'static {}

impl<T, F: Fn(&mut Conn) -> QueryResult<T> + Send + 'static> DbWork<T> for F {}
