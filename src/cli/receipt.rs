//! `countersign receipt`: receipts of consents, and the key that signs them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Subcommand;
use serde_json::{Value, json};

use super::output::Output;
use super::{CliError, GlobalArgs};
use crate::domain::jws::JwkSet;
use crate::receipt;
use crate::services::receipts;

/// The subcommands of `countersign receipt`.
#[derive(Subcommand)]
pub enum ReceiptCommand {
    /// Verify a receipt: exit status 0 if it is valid, otherwise 1
    ///
    /// By default, the keys are those in the server's database. With --jwks, the
    /// command needs neither the database nor the server.
    Verify {
        /// The file with the receipt
        file: PathBuf,
        /// Verify with the keys in this file, a copy of /.well-known/jwks.json
        #[arg(long, value_name = "FILE")]
        jwks: Option<PathBuf>,
    },
    /// Replace the key that signs receipts
    ///
    /// Earlier receipts stay valid: their public keys are kept, and their private
    /// keys are deleted. A running server uses the new key at once.
    Rotate,
}

/// Runs a subcommand.
pub(super) fn run(
    command: ReceiptCommand,
    global_args: &GlobalArgs,
    output: &Output,
) -> Result<(), CliError> {
    match command {
        ReceiptCommand::Verify { file, jwks } => {
            let keys = match jwks {
                Some(path) => read_keys(&path)?,
                None => global_args.open()?.read(receipts::public_keys())?,
            };
            verify(&file, &keys, output)
        }
        ReceiptCommand::Rotate => rotate(global_args, output),
    }
}

fn verify(file: &Path, keys: &JwkSet, output: &Output) -> Result<(), CliError> {
    let text = fs::read_to_string(file).map_err(|error| CliError::ReceiptFile(file.to_owned(), error))?;
    let claims = receipt::verify(&text, keys).map_err(|error| CliError::Receipt(file.to_owned(), error))?;
    let claim = |pointer: &str| claims.pointer(pointer).and_then(Value::as_str).unwrap_or("?").to_owned();
    let last = claims.pointer("/record/events").and_then(Value::as_array).and_then(|events| events.last());
    let event = |name: &str| last.and_then(|event| event[name].as_str()).unwrap_or("?").to_owned();
    let sentence = format!(
        "The receipt is valid. {}: permission of {} for {}, {} at {}.",
        claim("/record/record_id"),
        claim("/sub"),
        claim("/aud"),
        event("event_type"),
        event("event_time"),
    );
    output.success(&json!({ "valid": true, "claims": claims }), &sentence)
}

fn read_keys(path: &Path) -> Result<JwkSet, CliError> {
    let invalid = |reason: String| CliError::JwksFile(path.to_owned(), reason);
    let text = fs::read_to_string(path).map_err(|error| invalid(error.to_string()))?;
    serde_json::from_str(&text).map_err(|_| invalid("it is not a JSON Web Key Set".to_owned()))
}

fn rotate(global_args: &GlobalArgs, output: &Output) -> Result<(), CliError> {
    let config = global_args.config(None)?;
    let store = global_args.open()?;
    // A new secret could not open the key on the server.
    if let Some(path) = config.missing_secret_file() {
        return Err(CliError::NoSecretFile(path.to_owned()));
    }
    let kid = store.write(receipts::rotate_key(Arc::new(config.keyring()?)))?;
    let kid = kid.ok_or(CliError::KeyReplacedMeanwhile)?;
    output.success(&json!({ "kid": kid }), &format!("Receipts are now signed with the key {kid}."))
}
