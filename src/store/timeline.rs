//! Recognising a previous primary: a promotion starts a new timeline of PostgreSQL's log.

use std::sync::{Mutex, MutexGuard, PoisonError};

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::result::Error;
use diesel::sql_types::{BigInt, Integer};

/// The identity of a cluster and all its standbys.
const SYSTEM: &str = "(SELECT system_identifier FROM pg_control_system())";
/// The first eight digits of the name of a log file.
const NUMBER: &str = "('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::integer";

/// The timeline of a server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timeline {
    system: i64,
    number: i32,
}

/// The latest timeline that a connection of this process has seen.
#[derive(Debug, Default)]
pub(super) struct LatestTimeline(Mutex<Option<Timeline>>);

impl LatestTimeline {
    /// The timeline of a server, which becomes the latest one. `None` if the server has none.
    /// Refuses a server that another one has replaced as the primary: it may not have what the
    /// other has committed since.
    pub(super) fn check(&self, conn: &mut PgConnection) -> QueryResult<Option<Timeline>> {
        // A standby has no current position, and a service derived from PostgreSQL may lack
        // the functions.
        let row = diesel::select((sql::<BigInt>(SYSTEM), sql::<Integer>(NUMBER))).get_result(conn);
        let Ok((system, number)) = row else { return Ok(None) };
        let timeline = Timeline { system, number };
        let mut latest = self.lock();
        timeline.check_not_replaced_by(*latest)?;
        *latest = Some(timeline);
        Ok(Some(timeline))
    }

    /// Refuses a connection that was opened before another server became the primary.
    pub(super) fn check_still_latest(&self, timeline: Option<Timeline>) -> QueryResult<()> {
        timeline.map_or(Ok(()), |timeline| timeline.check_not_replaced_by(*self.lock()))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Timeline>> {
        // No code that can panic runs under this lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Timeline {
    fn check_not_replaced_by(self, latest: Option<Self>) -> QueryResult<()> {
        match latest {
            Some(latest) if latest.system == self.system && latest.number > self.number => {
                let (number, latest) = (self.number, latest.number);
                let why = format!("the server is a previous primary: its timeline is {number}, not {latest}");
                Err(Error::QueryBuilderError(why.into()))
            }
            _ => Ok(()),
        }
    }
}
