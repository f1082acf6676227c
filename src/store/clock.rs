//! The clock: the database's, since replicas' own clocks differ.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use diesel::prelude::*;

use super::types::{At, Instant};
use super::{Conn, Link};
use crate::domain::clock::Timestamp;
use crate::faults::planted;

diesel::define_sql_function! {
    /// The moment of the call; `now()` would be that of the transaction's begin,
    /// which predates the wait for a lock.
    fn clock_timestamp() -> Instant;
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
        match (&self.clock, &mut self.link) {
            (Clock::Manual(micros), _) => Ok(Timestamp::from_micros(micros.load(Ordering::SeqCst))),
            (Clock::Database, Link::Postgres(_)) if planted("clock.own") => Ok(machine_now()),
            (Clock::Database, Link::Postgres(conn)) => {
                diesel::select(clock_timestamp()).get_result::<At>(&mut **conn).map(|at| at.0)
            }
            (Clock::Database, Link::Sqlite(_)) => Ok(machine_now()),
        }
    }

    /// The moment that a query told beside its rows, by the clock that counts.
    pub(super) fn moment(&self, told: At) -> Timestamp {
        match (&self.clock, &self.link) {
            (Clock::Manual(micros), _) => Timestamp::from_micros(micros.load(Ordering::SeqCst)),
            (Clock::Database, Link::Postgres(_)) if planted("clock.own") => machine_now(),
            (Clock::Database, Link::Postgres(_)) => told.0,
            (Clock::Database, Link::Sqlite(_)) => machine_now(),
        }
    }
}

/// The moment by this machine's clock, which on SQLite is the database's too.
/// Elsewhere it is for display only: nothing is ever decided by it.
#[expect(clippy::disallowed_methods, reason = "the one place: SQLite has no other clock")]
pub fn machine_now() -> Timestamp {
    Timestamp::from_micros(chrono::Utc::now().timestamp_micros())
}
