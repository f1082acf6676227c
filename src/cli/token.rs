//! `countersign token`: export tokens, whoever made them.

use clap::Subcommand;
use serde::Serialize;
use serde_json::json;

use super::args::ListLimit;
use super::output::{ListItem, Output};
use super::{CliError, commit_command};
use crate::domain::export_token::{ExportTokenRef, ExportTokenStatus};
use crate::domain::timestamp::Timestamp;
use crate::domain::user::Authority;
use crate::domain::user::Email;
use crate::store::export_tokens::{self, ExportFilter, ListedExport};
use crate::store::ledger::RevokeExport;
use crate::store::{Store, users};

/// What can be done about export tokens.
#[derive(Subcommand)]
pub enum TokenCommand {
    /// List export tokens, without their secrets
    List(ListLimit),
    /// Revoke any export token; it stops working immediately on every replica
    Revoke {
        /// The export token or its ID
        #[arg(value_parser = parse_token_ref)]
        id: ExportTokenRef,
    },
}

/// Not an export token, nor the id of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be an export token or its ID")]
pub struct InvalidExportTokenRef;

fn parse_token_ref(text: &str) -> Result<ExportTokenRef, InvalidExportTokenRef> {
    ExportTokenRef::parse(text).ok_or(InvalidExportTokenRef)
}

#[derive(Serialize)]
struct TokenListItem {
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

impl TokenListItem {
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

impl ListItem for TokenListItem {
    const HEADERS: &'static [&'static str] =
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
pub fn run(command: TokenCommand, store: &Store, output: &Output) -> Result<(), CliError> {
    match command {
        TokenCommand::List(ListLimit { limit }) => list(limit, store, output),
        TokenCommand::Revoke { id } => revoke(id, store, output),
    }
}

fn list(limit: i64, store: &Store, output: &Output) -> Result<(), CliError> {
    let filter = ExportFilter {
        creator: None,
        statuses: vec![ExportTokenStatus::Active, ExportTokenStatus::Expired, ExportTokenStatus::Revoked],
        before: None,
        limit: limit + 1,
        offset: 0,
    };
    let lines = store.read(|conn| {
        let now = conn.now()?;
        let tokens = export_tokens::list(conn, &filter, now)?;
        let creators = users::emails_by_id(conn, tokens.iter().map(|listed| listed.token.creator).collect())?;
        let line = |listed: ListedExport| {
            let creator = creators.get(&listed.token.creator);
            TokenListItem::new(listed, creator, now)
        };
        Ok(tokens.into_iter().map(line).collect())
    })?;
    output.list_newest::<TokenListItem>(lines, limit)
}

fn revoke(which: ExportTokenRef, store: &Store, output: &Output) -> Result<(), CliError> {
    match commit_command(store, RevokeExport { which, by: Authority::Operator })? {
        Some(token) => output.success(
            &json!({ "id": token.id.to_string(), "status": "revoked" }),
            &format!("Revoked export token {}.", token.id),
        ),
        None => Err(CliError::NoSuchToken(which.id)),
    }
}
