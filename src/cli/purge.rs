//! `countersign purge`: deletes what has been over for long.

use std::thread;
use std::time::Instant;

use clap::Args;
use serde::Serialize;

use super::output::Output;
use super::{CliError, transact};
use crate::config::Audit;
use crate::domain::event::{Action, Origin};
use crate::store::purge::{self, Purged};
use crate::store::{Store, events};

/// The most rows of a table that one transaction deletes.
const STEP: i64 = 1_000;
/// Seconds in a day.
const DAY: i64 = 24 * 3_600;

/// How long to keep what is over. The audit trail has a term of its own, if the
/// configuration says so (`audit.keep_days`).
#[derive(Args)]
pub struct Retention {
    /// Number of days to keep records after they end
    #[arg(long, value_name = "DAYS", default_value_t = 90, value_parser = clap::value_parser!(i64).range(1..=36_500))]
    older_than: i64,
}

#[derive(Serialize)]
struct Report {
    before: String,
    #[serde(flatten)]
    purged: Purged,
}

/// Does it.
pub fn run(retention: &Retention, audit: Audit, store: &Store, output: &Output) -> Result<(), CliError> {
    let now = store.read(|conn| conn.now())?;
    let cutoff = now.plus_seconds(-retention.older_than * DAY);
    let trail = audit.cutoff(now).unwrap_or(cutoff);
    let before = cutoff.rfc3339();
    let mut sum = Purged::default();
    loop {
        let started = Instant::now();
        let purged = transact(store, |conn, now| {
            let purged = purge::step(conn, cutoff, trail, STEP)?;
            // One entry for the whole, with the first of what it did.
            if sum.is_empty() && !purged.is_empty() {
                let subject = format!("before:{before}");
                events::record(conn, &Origin::OPERATOR, Action::RecordsPurged, subject, now)?;
            }
            Ok(purged)
        })?;
        if purged.is_empty() {
            break;
        }
        sum += purged;
        // SQLite's write lock goes to whoever asks at the right moment: rest for
        // as long as it was held, so that a server gets its turn.
        thread::sleep(started.elapsed());
    }
    let sentence = format!(
        "Deleted records that ended before {before}: {} export tokens, {} requests, {} mails, {} API keys, {} sessions, {} password links, {} audit log entries.",
        sum.export_tokens, sum.requests, sum.mails, sum.keys, sum.sessions, sum.password_links, sum.events
    );
    output.done(&Report { before, purged: sum }, &sentence)
}
