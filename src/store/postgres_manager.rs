//! Opens the connections to PostgreSQL.

use std::fmt;

use diesel::prelude::*;
use diesel::r2d2::{self, ManageConnection, R2D2Connection};

use crate::config::libpq_errors::redact;
use crate::config::postgres_url::Conninfo;

/// Opens connections. Neither its errors nor its `Debug` form contain a value of the URL.
#[derive(Clone)]
pub(super) struct PostgresManager {
    keywords: String,
    /// The parameters whose values are left out of errors.
    redacted: Conninfo,
}

impl PostgresManager {
    /// Opens connections with these parameters.
    pub(super) fn new(conninfo: &Conninfo) -> Self {
        let mut redacted = conninfo.clone();
        // The server quotes it without quotation marks.
        if let Ok(options) = std::env::var("PGOPTIONS") {
            redacted.set_default("options", &options);
        }
        Self { keywords: conninfo.to_keywords(), redacted }
    }
}

impl fmt::Debug for PostgresManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PostgresManager")
    }
}

impl ManageConnection for PostgresManager {
    type Connection = PgConnection;
    type Error = r2d2::Error;

    fn connect(&self) -> Result<PgConnection, r2d2::Error> {
        PgConnection::establish(&self.keywords).map_err(|error| {
            ConnectionError::BadConnection(redact(&self.redacted, &error.to_string())).into()
        })
    }

    fn is_valid(&self, conn: &mut PgConnection) -> Result<(), r2d2::Error> {
        conn.ping().map_err(r2d2::Error::QueryError)
    }

    fn has_broken(&self, conn: &mut PgConnection) -> bool {
        std::thread::panicking() || conn.is_broken()
    }
}
