//! Connections to PostgreSQL. They are no longer used when another server has become the primary.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::r2d2::{self, ManageConnection, PooledConnection, R2D2Connection};

use super::timeline::{LatestTimeline, Timeline};
use crate::config::libpq_errors::redact;
use crate::config::postgres_url::Conninfo;

/// Opens connections. Neither its errors nor its `Debug` form contain a value of the URL.
#[derive(Clone)]
pub(super) struct PostgresConnector {
    keywords: String,
    /// The parameters whose values are left out of errors.
    redacted: Conninfo,
}

/// Opens the connections of a pool.
#[derive(Debug)]
pub(super) struct PostgresManager {
    connector: PostgresConnector,
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

impl PostgresConnector {
    /// Opens connections with these parameters.
    pub(super) fn new(conninfo: &Conninfo) -> Self {
        let mut redacted = conninfo.clone();
        // The server quotes it without quotation marks.
        if let Ok(options) = std::env::var("PGOPTIONS") {
            redacted.set_default("options", &options);
        }
        Self { keywords: conninfo.to_keywords(), redacted }
    }

    pub(super) fn connect(&self) -> Result<PgConnection, r2d2::Error> {
        PgConnection::establish(&self.keywords).map_err(|error| {
            ConnectionError::BadConnection(redact(&self.redacted, &error.to_string())).into()
        })
    }
}

impl fmt::Debug for PostgresConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PostgresConnector")
    }
}

impl PostgresManager {
    pub(super) fn new(
        connector: PostgresConnector,
        session: &'static str,
        latest_timeline: Arc<LatestTimeline>,
    ) -> Self {
        Self { connector, session, latest_timeline }
    }
}

impl ManageConnection for PostgresManager {
    type Connection = PostgresConnection;
    type Error = r2d2::Error;

    fn connect(&self) -> Result<PostgresConnection, r2d2::Error> {
        let mut conn = self.connector.connect()?;
        conn.batch_execute(self.session).map_err(r2d2::Error::QueryError)?;
        let timeline = self.latest_timeline.check(&mut conn).map_err(r2d2::Error::QueryError)?;
        Ok(PostgresConnection { conn, timeline })
    }

    /// Sends nothing to the server: a dead connection is detected by its first use.
    fn is_valid(&self, conn: &mut PostgresConnection) -> Result<(), r2d2::Error> {
        self.latest_timeline.check_still_latest(conn.timeline).map_err(r2d2::Error::QueryError)
    }

    fn has_broken(&self, conn: &mut PostgresConnection) -> bool {
        std::thread::panicking() || conn.conn.is_broken()
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
