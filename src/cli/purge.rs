//! `countersign purge`: deletes records that ended long ago.

use std::thread;
use std::time::Instant;

use clap::Args;
use serde::Serialize;

use super::CliError;
use super::output::Output;
use crate::config::AuditSettings;
use crate::domain::audit::AuditContext;
use crate::services::admin::purge;
use crate::store::Store;
use crate::store::purge::PurgeCounts;

const SECONDS_PER_DAY: i64 = 24 * 3_600;

/// The arguments of `countersign purge`.
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

/// Deletes batches until none is left. If `audit.keep_days` is set, it decides which entries
/// of the audit log are deleted.
pub fn run(args: &PurgeArgs, audit: AuditSettings, store: &Store, output: &Output) -> Result<(), CliError> {
    let now = store.read(purge::now())?;
    let cutoff = now.plus_seconds(-args.older_than * SECONDS_PER_DAY);
    let audit_cutoff = audit.cutoff(now).unwrap_or(cutoff);
    let before = cutoff.rfc3339();
    let mut total = PurgeCounts::default();
    loop {
        let started = Instant::now();
        let audit = total.is_empty().then_some(AuditContext::OPERATOR);
        let purged = store.write(purge::delete_batch(cutoff, audit_cutoff, audit))?;
        if purged.is_empty() {
            break;
        }
        total += purged;
        // SQLite's write lock is not fair. A pause as long as the transaction lets a running
        // server write.
        thread::sleep(started.elapsed());
    }
    let sentence = format!(
        "Deleted records that ended before {before}: {} export tokens, {} requests, {} mails, {} API keys, {} sessions, {} password links, {} webhook deliveries, {} audit log entries.",
        total.export_tokens,
        total.requests,
        total.mails,
        total.api_keys,
        total.sessions,
        total.password_links,
        total.webhook_deliveries,
        total.audit_entries
    );
    output.success(&PurgeSummary { before, purged: total }, &sentence)
}
