//! `countersign audit`: the seals of the audit log.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Subcommand;
use serde_json::json;

use super::output::Output;
use super::progress::Progress;
use super::{CliError, GlobalArgs};
use crate::domain::seal::Anchor;
use crate::services::seals;
use crate::store::seals::Report;

/// The subcommands of `countersign audit`.
#[derive(Subcommand)]
pub enum AuditCommand {
    /// Verify the audit log: exit status 0 if it is as it was sealed, otherwise 1
    ///
    /// Computes the seals again from the entries, and names the first entry or seal
    /// that was changed, removed, inserted or reordered. With --anchor, the log must
    /// also contain a seal that was kept in another place.
    Verify {
        /// A file with seals, one per line, as `countersign audit anchor` prints them
        #[arg(long, value_name = "FILE")]
        anchor: Option<PathBuf>,
    },
    /// Print the last seal as a line of JSON, to be kept in another place
    Anchor,
}

/// Runs a subcommand.
pub(super) fn run(command: AuditCommand, global_args: &GlobalArgs, output: &Output) -> Result<(), CliError> {
    match command {
        AuditCommand::Verify { anchor } => {
            let anchors = anchor.as_deref().map(read_anchors).transpose()?.unwrap_or_default();
            verify(anchors, global_args, output)
        }
        AuditCommand::Anchor => {
            let seal = global_args.open()?.read(seals::latest())?.ok_or(CliError::NoSeal)?;
            output.line(&seal.to_json().to_string())
        }
    }
}

fn verify(anchors: Vec<Anchor>, global_args: &GlobalArgs, output: &Output) -> Result<(), CliError> {
    let config = global_args.config(None)?;
    let store = global_args.open()?;
    let keyring = match config.missing_secret_file() {
        None => Some(Arc::new(config.keyring()?)),
        Some(_) => None,
    };
    let (is_own_key_checked, newest_anchor) =
        (keyring.is_some(), anchors.iter().map(|anchor| anchor.number).max());
    let progress = Progress::start_verifying();
    let report = store.read(seals::verify(keyring, anchors, move |read, sealed| {
        progress.set_verified(read.unsigned_abs(), sealed.unsigned_abs());
    }))?;
    let Report { seals, entries, purged_seals, purged_until, unsealed } = report?;
    let purged_until = purged_until.map(|until| until.rfc3339());
    let mut sentences = vec![format!("The audit log is as it was sealed: {seals} seals, {entries} entries.")];
    if let Some(until) = &purged_until {
        sentences
            .push(format!("The entries of the first {purged_seals} seals, until {until}, have been purged."));
    }
    if let Some(number) = newest_anchor {
        sentences.push(format!("Seal {number} is that of the anchor."));
    }
    if unsealed > 0 {
        sentences.push(format!("{unsealed} entries are not sealed yet."));
    }
    if !is_own_key_checked {
        sentences.push(
            "Without the server's secret, it is unknown whether the server made the last seal.".to_owned(),
        );
    }
    let document = json!({
        "valid": true, "seals": seals, "entries": entries, "purged_seals": purged_seals, "purged_until": purged_until,
        "unsealed": unsealed, "anchor": newest_anchor, "own_key": is_own_key_checked,
    });
    output.success(&document, &sentences.join(" "))
}

/// Reads a file of seals. Lines with other events, as in a log, are ignored.
fn read_anchors(path: &Path) -> Result<Vec<Anchor>, CliError> {
    let invalid = |reason: String| CliError::AnchorFile(path.to_owned(), reason);
    let text = fs::read_to_string(path).map_err(|error| invalid(error.to_string()))?;
    let anchors: Vec<Anchor> = text.lines().filter_map(Anchor::parse).collect();
    if anchors.is_empty() { Err(invalid("it contains no seal".to_owned())) } else { Ok(anchors) }
}
