//! Recognising a previous primary: a promotion starts a new timeline of PostgreSQL's log.

use std::sync::{Mutex, PoisonError};

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::result::Error;
use diesel::sql_types::{BigInt, Integer};

/// The identity of a cluster and all its standbys.
const SYSTEM: &str = "(SELECT system_identifier FROM pg_control_system())";
/// The first eight digits of the name of a log file.
const TIMELINE: &str = "('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::integer";

/// The latest timeline that a connection of this process has seen, with its cluster.
#[derive(Debug, Default)]
pub(super) struct LatestTimeline(Mutex<Option<(i64, i32)>>);

impl LatestTimeline {
    /// Refuses a server that another one has replaced as the primary: it may not have what the
    /// other has committed since.
    pub(super) fn check(&self, conn: &mut PgConnection) -> QueryResult<()> {
        // A standby has no current position, and a service derived from PostgreSQL may lack
        // the functions.
        let Ok((system, timeline)) =
            diesel::select((sql::<BigInt>(SYSTEM), sql::<Integer>(TIMELINE))).get_result::<(i64, i32)>(conn)
        else {
            return Ok(());
        };
        // No code that can panic runs under this lock.
        let mut latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match *latest {
            Some((same, later)) if same == system && later > timeline => {
                let why =
                    format!("the server is a previous primary: its timeline is {timeline}, not {later}");
                Err(Error::QueryBuilderError(why.into()))
            }
            _ => {
                *latest = Some((system, timeline));
                Ok(())
            }
        }
    }
}
