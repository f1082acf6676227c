//! The threads that wait for the database: one pool for all event loops, instead of one for each.

use std::sync::LazyLock;

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

/// Only for its pool of blocking threads. It is never dropped, because that would wait for threads that are stuck.
/// `None` if the operating system did not allow it.
static POOL: LazyLock<Option<Runtime>> =
    LazyLock::new(|| Builder::new_current_thread().thread_name("database").build().ok());

/// Runs work that waits for the database on a thread of the pool.
pub(crate) fn spawn<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    match &*POOL {
        Some(pool) => pool.spawn_blocking(work),
        None => tokio::task::spawn_blocking(work),
    }
}
