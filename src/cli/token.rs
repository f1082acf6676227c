//! `countersign token`: export tokens, whoever made them.

use clap::Subcommand;
use serde::Serialize;
use serde_json::json;

use super::argument::Newest;
use super::output::{Line, Output};
use super::{CliError, commit};
use crate::domain::clock::Timestamp;
use crate::domain::export::{ExportRef, ExportStatus};
use crate::domain::user::Authority;
use crate::domain::user::Email;
use crate::store::exports::{self, ExportFilter, ListedExport};
use crate::store::ledger::{Deed, Verdict};
use crate::store::{Store, StoreError, users};

/// What can be done about export tokens.
#[derive(Subcommand)]
pub enum Verb {
    /// List export tokens, without their secrets
    List(Newest),
    /// Revoke any export token; it stops working immediately on every replica
    Revoke {
        /// The export token or its ID
        #[arg(value_parser = reference)]
        id: ExportRef,
    },
}

/// Not an export token, nor the id of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be an export token or its ID")]
pub struct InvalidReference;

fn reference(text: &str) -> Result<ExportRef, InvalidReference> {
    ExportRef::parse(text).ok_or(InvalidReference)
}

#[derive(Serialize)]
struct TokenLine {
    id: String,
    hub_id: String,
    node_id: String,
    permission: u8,
    creator: Option<String>,
    status: &'static str,
    created_at: String,
    expires_at: Option<String>,
    uses: i64,
    last_used_at: Option<String>,
}

impl TokenLine {
    fn new(listed: ListedExport, creator: Option<&Email>, now: Timestamp) -> Self {
        let ListedExport { token, uses, last_used_at } = listed;
        Self {
            id: token.id.to_string(),
            status: token.status(now).name(),
            hub_id: token.hub.as_str().to_owned(),
            node_id: token.node.as_str().to_owned(),
            permission: token.mask.bits(),
            creator: creator.map(|email| email.as_str().to_owned()),
            created_at: token.created_at.rfc3339(),
            expires_at: token.expires_at.map(Timestamp::rfc3339),
            uses,
            last_used_at: last_used_at.map(Timestamp::rfc3339),
        }
    }
}

impl Line for TokenLine {
    const TITLES: &'static [&'static str] =
        &["ID", "STATUS", "CREATOR", "HUB", "NODE", "MASK", "CREATED", "EXPIRES", "USES"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            self.status.to_owned(),
            self.creator.clone().unwrap_or_default(),
            self.hub_id.clone(),
            self.node_id.clone(),
            self.permission.to_string(),
            self.created_at.clone(),
            self.expires_at.clone().unwrap_or_else(|| "never".to_owned()),
            self.uses.to_string(),
        ]
    }
}

/// Does it.
pub fn run(verb: Verb, store: &Store, output: &Output) -> Result<(), CliError> {
    match verb {
        Verb::List(Newest { limit }) => list(limit, store, output),
        Verb::Revoke { id } => revoke(id, store, output),
    }
}

fn list(limit: i64, store: &Store, output: &Output) -> Result<(), CliError> {
    let filter = ExportFilter {
        creator: None,
        statuses: vec![ExportStatus::Active, ExportStatus::Expired, ExportStatus::Revoked],
        before: None,
        limit: limit + 1,
        offset: 0,
    };
    let lines = store.read(|conn| {
        let now = conn.now()?;
        let tokens = exports::list(conn, &filter, now)?;
        let creators = users::addresses(conn, tokens.iter().map(|listed| listed.token.creator).collect())?;
        let line = |listed: ListedExport| {
            let creator = creators.get(&listed.token.creator);
            TokenLine::new(listed, creator, now)
        };
        Ok(tokens.into_iter().map(line).collect())
    })?;
    output.newest::<TokenLine>(lines, limit)
}

fn revoke(which: ExportRef, store: &Store, output: &Output) -> Result<(), CliError> {
    match commit(store, Deed::RevokeExport { which, by: Authority::Operator })? {
        Verdict::ExportRevoked(Some(token)) => output.done(
            &json!({ "id": token.id.to_string(), "status": "revoked" }),
            &format!("Revoked export token {}.", token.id),
        ),
        Verdict::ExportRevoked(None) => Err(CliError::NoSuchToken(which.id)),
        _ => Err(StoreError::Unknown.into()),
    }
}
