//! Connections to PostgreSQL, which end when another server has become the primary.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use diesel::connection::SimpleConnection;
use diesel::pg::PgConnection;
use diesel::r2d2::{self, ConnectionManager, ManageConnection, PooledConnection};

use super::timeline::{LatestTimeline, Timeline};

/// Opens the connections of a pool.
#[derive(Debug)]
pub(super) struct PostgresManager {
    manager: ConnectionManager<PgConnection>,
    /// The statements to run on each new connection.
    session: &'static str,
    latest_timeline: Arc<LatestTimeline>,
}

/// A connection, and the timeline of its server when it was opened.
pub(super) struct PostgresConnection {
    conn: PgConnection,
    timeline: Option<Timeline>,
}

/// A connection that goes back to its pool when it is dropped.
pub(super) struct PooledPostgres(PooledConnection<PostgresManager>);

impl PostgresManager {
    pub(super) fn new(conninfo: &str, session: &'static str, latest_timeline: Arc<LatestTimeline>) -> Self {
        Self { manager: ConnectionManager::new(conninfo), session, latest_timeline }
    }
}

impl ManageConnection for PostgresManager {
    type Connection = PostgresConnection;
    type Error = r2d2::Error;

    fn connect(&self) -> Result<PostgresConnection, r2d2::Error> {
        let mut conn = self.manager.connect()?;
        let timeline = self.latest_timeline.check(&mut conn).map_err(r2d2::Error::QueryError)?;
        conn.batch_execute(self.session).map_err(r2d2::Error::QueryError)?;
        Ok(PostgresConnection { conn, timeline })
    }

    /// Sends nothing to the server: a dead connection is detected by its first use.
    fn is_valid(&self, conn: &mut PostgresConnection) -> Result<(), r2d2::Error> {
        self.latest_timeline.check_still_latest(conn.timeline).map_err(r2d2::Error::QueryError)
    }

    fn has_broken(&self, conn: &mut PostgresConnection) -> bool {
        self.manager.has_broken(&mut conn.conn)
    }
}

impl From<PooledConnection<PostgresManager>> for PooledPostgres {
    fn from(pooled: PooledConnection<PostgresManager>) -> Self {
        Self(pooled)
    }
}

impl Deref for PooledPostgres {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.0.conn
    }
}

impl DerefMut for PooledPostgres {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.0.conn
    }
}
