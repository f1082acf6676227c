//! Maintenance: plain asynchronous tasks that run beside the actors. `app` starts them.
//!
//! Every replica runs them. What one replica has done, the others find done.

pub mod audit_readers;
pub mod audit_retention;
pub mod audit_stream;
pub mod expire;
pub mod export_use_counter;
pub mod link_view_counter;
pub mod mail_files;
pub mod run_sweeps;
pub mod sweep_rate_limits;
pub mod webhook_deliveries;
mod write_behind;

use crate::store::{Conn, QueryResult, Store, threads};

/// Repeats a transaction that affects a bounded number of rows until it affects none. A
/// failure is left to the next run of the task.
async fn repeat_until_done(store: &Store, step: impl Fn(&mut Conn) -> QueryResult<usize> + Send + 'static) {
    let store = store.clone();
    drop(threads::spawn(move || while matches!(store.write_in_background(&step), Ok(1..)) {}).await);
}
