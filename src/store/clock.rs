//! The database's clock, because the clocks of replicas differ.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use diesel::prelude::*;

use super::types::{DbTimestamp, SqlTimestamp};
use super::{Backend, Conn};
use crate::domain::timestamp::Timestamp;

diesel::define_sql_function! {
    /// The current time; `now()` is the start of the transaction, before any wait for a
    /// lock.
    fn clock_timestamp() -> SqlTimestamp;
}

/// The source of the current time.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    #[default]
    Database,
    /// Set by tests: microseconds since the Unix epoch.
    Manual(Arc<AtomicI64>),
}

impl Conn {
    /// The current time. Read it after the locks of a transaction, so that no decision uses
    /// a time from before the wait for a lock.
    pub fn now(&mut self) -> QueryResult<Timestamp> {
        match (&self.clock, &mut self.backend) {
            (Clock::Manual(micros), _) => Ok(Timestamp::from_micros(micros.load(Ordering::SeqCst))),
            (Clock::Database, Backend::Postgres(conn)) => {
                diesel::select(clock_timestamp()).get_result::<DbTimestamp>(&mut **conn).map(|at| at.0)
            }
            (Clock::Database, Backend::Sqlite(_)) => Ok(system_now()),
        }
    }

    /// The time that a query returned with its rows, by this connection's clock.
    pub(super) fn resolve_now(&self, queried: DbTimestamp) -> Timestamp {
        match (&self.clock, &self.backend) {
            (Clock::Manual(micros), _) => Timestamp::from_micros(micros.load(Ordering::SeqCst)),
            (Clock::Database, Backend::Postgres(_)) => queried.0,
            (Clock::Database, Backend::Sqlite(_)) => system_now(),
        }
    }
}

/// The time of this machine's clock, which on SQLite is the database's clock. Otherwise it
/// is for display only: decisions use [`Conn::now`].
#[expect(clippy::disallowed_methods, reason = "the only use: SQLite has no clock of its own")]
pub fn system_now() -> Timestamp {
    Timestamp::from_micros(chrono::Utc::now().timestamp_micros())
}
