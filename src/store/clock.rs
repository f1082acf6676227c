//! The clock: the database's, since replicas' own clocks differ.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use diesel::prelude::*;

use super::types::{DbTimestamp, SqlTimestamp};
use super::{Backend, Conn};
use crate::domain::timestamp::Timestamp;

diesel::define_sql_function! {
    /// The moment of the call; `now()` would be that of the transaction's begin,
    /// which predates the wait for a lock.
    fn clock_timestamp() -> SqlTimestamp;
}

/// Where `now` comes from.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The database.
    #[default]
    Database,
    /// Set by hand, for tests: microseconds since the Unix epoch.
    Manual(Arc<AtomicI64>),
}

impl Conn {
    /// The moment, by the database's clock. Taken after the locks of a
    /// transaction, so that nothing is decided by a stale one.
    pub fn now(&mut self) -> QueryResult<Timestamp> {
        match (&self.clock, &mut self.backend) {
            (Clock::Manual(micros), _) => Ok(Timestamp::from_micros(micros.load(Ordering::SeqCst))),
            (Clock::Database, Backend::Postgres(conn)) => {
                diesel::select(clock_timestamp()).get_result::<DbTimestamp>(&mut **conn).map(|at| at.0)
            }
            (Clock::Database, Backend::Sqlite(_)) => Ok(system_now()),
        }
    }

    /// The moment that a query told beside its rows, by the clock that counts.
    pub(super) fn resolve_now(&self, queried: DbTimestamp) -> Timestamp {
        match (&self.clock, &self.backend) {
            (Clock::Manual(micros), _) => Timestamp::from_micros(micros.load(Ordering::SeqCst)),
            (Clock::Database, Backend::Postgres(_)) => queried.0,
            (Clock::Database, Backend::Sqlite(_)) => system_now(),
        }
    }
}

/// The moment by this machine's clock, which on SQLite is the database's too.
/// Elsewhere it is for display only: nothing is ever decided by it.
#[expect(clippy::disallowed_methods, reason = "the one place: SQLite has no other clock")]
pub fn system_now() -> Timestamp {
    Timestamp::from_micros(chrono::Utc::now().timestamp_micros())
}
