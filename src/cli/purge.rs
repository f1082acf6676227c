//! `countersign purge`: deletes what has been over for long.

use std::thread;
use std::time::Instant;

use clap::Args;
use serde::Serialize;

use super::output::Output;
use super::{CliError, in_transaction};
use crate::config::AuditSettings;
use crate::domain::audit::{AuditAction, AuditContext};
use crate::store::purge::{self, PurgeCounts};
use crate::store::{Store, audit_log};

/// The most rows of a table that one transaction deletes.
const BATCH_SIZE: i64 = 1_000;
/// Seconds in a day.
const SECONDS_PER_DAY: i64 = 24 * 3_600;

/// How long to keep what is over. The audit trail has a term of its own, if the
/// configuration says so (`audit.keep_days`).
#[derive(Args)]
pub struct PurgeArgs {
    /// Number of days to keep records after they end
    #[arg(long, value_name = "DAYS", default_value_t = 90, value_parser = clap::value_parser!(i64).range(1..=36_500))]
    older_than: i64,
}

#[derive(Serialize)]
struct PurgeSummary {
    before: String,
    #[serde(flatten)]
    purged: PurgeCounts,
}

/// Does it.
pub fn run(
    retention: &PurgeArgs,
    audit: AuditSettings,
    store: &Store,
    output: &Output,
) -> Result<(), CliError> {
    let now = store.read(|conn| conn.now())?;
    let cutoff = now.plus_seconds(-retention.older_than * SECONDS_PER_DAY);
    let audit_cutoff = audit.cutoff(now).unwrap_or(cutoff);
    let before = cutoff.rfc3339();
    let mut total = PurgeCounts::default();
    loop {
        let started = Instant::now();
        let purged = in_transaction(store, |conn, now| {
            let purged = purge::purge_batch(conn, cutoff, audit_cutoff, BATCH_SIZE)?;
            // One entry for the whole, with the first of what it did.
            if total.is_empty() && !purged.is_empty() {
                let subject = format!("before:{before}");
                audit_log::record(conn, &AuditContext::OPERATOR, AuditAction::RecordsPurged, subject, now)?;
            }
            Ok(purged)
        })?;
        if purged.is_empty() {
            break;
        }
        total += purged;
        // SQLite's write lock goes to whoever asks at the right moment: rest for
        // as long as it was held, so that a server gets its turn.
        thread::sleep(started.elapsed());
    }
    let sentence = format!(
        "Deleted records that ended before {before}: {} export tokens, {} requests, {} mails, {} API keys, {} sessions, {} password links, {} audit log entries.",
        total.export_tokens,
        total.requests,
        total.mails,
        total.api_keys,
        total.sessions,
        total.password_links,
        total.audit_entries
    );
    output.success(&PurgeSummary { before, purged: total }, &sentence)
}
