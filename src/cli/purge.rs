//! `countersign purge`: deletes records that ended long ago.

use std::thread;
use std::time::Instant;

use clap::Args;
use serde::Serialize;

use super::output::Output;
use super::{CliError, GlobalArgs};
use crate::domain::audit::AuditContext;
use crate::services::admin::purge;
use crate::store::purge::PurgeCounts;
use crate::store::seals;

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
pub(super) fn run(args: &PurgeArgs, global_args: &GlobalArgs, output: &Output) -> Result<(), CliError> {
    let config = global_args.config(None)?;
    let store = global_args.open()?;
    let now = store.read(purge::now())?;
    let cutoff = now.plus_seconds(-args.older_than * SECONDS_PER_DAY);
    let audit_cutoff = config.audit.cutoff(now).unwrap_or(cutoff);
    let before = cutoff.rfc3339();
    let mut total = PurgeCounts::default();
    if store.read(purge::has_old_audit_entries(audit_cutoff))? {
        // A seal records the purge. A new secret could not open the key that signs it.
        if let Some(path) = config.missing_secret_file() {
            return Err(CliError::NoSecretFile(path.to_owned()));
        }
        total.audit_entries = seals::purge_all(&store, &config.keyring()?, audit_cutoff)?;
        if total.audit_entries > 0 {
            store.write(purge::audit_purge(cutoff, AuditContext::OPERATOR))?;
        }
    }
    loop {
        let started = Instant::now();
        let audit = total.is_empty().then_some(AuditContext::OPERATOR);
        let purged = store.write(purge::delete_batch(cutoff, audit))?;
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
