//! `countersign token`: export tokens of any user.

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::json;

use super::args::ListLimit;
use super::output::{ListItem, Output};
use super::{CliError, commit_command};
use crate::domain::export_token::ExportTokenRef;
use crate::domain::hub::HubId;
use crate::domain::timestamp::Timestamp;
use crate::domain::user::{Authority, Email};
use crate::services::admin::export_tokens;
use crate::services::export_tokens::TokensWithCreators;
use crate::store::Store;
use crate::store::export_tokens::ListedExport;
use crate::store::ledger::RevokeExport;

/// The subcommands of `countersign token`.
#[derive(Subcommand)]
pub enum TokenCommand {
    /// List export tokens, without their secrets
    List(ListTokensArgs),
    /// Revoke any export token; it stops working immediately on every replica
    Revoke {
        /// The export token or its ID
        #[arg(value_parser = parse_token_ref)]
        id: ExportTokenRef,
    },
}

/// The arguments of `countersign token list`.
#[derive(Args)]
pub struct ListTokensArgs {
    #[command(flatten)]
    limit: ListLimit,
    /// List only the tokens of this hub
    #[arg(long, value_name = "HUB_ID", value_parser = HubId::new)]
    hub: Option<HubId>,
}

/// The argument is neither an export token nor the ID of one.
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
    fn new(listed: ListedExport, creator: Option<&Email>) -> Self {
        let ListedExport { token, status, uses, last_used_at } = listed;
        Self {
            id: token.id.to_string(),
            status: status.name(),
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

/// Runs a subcommand.
pub fn run(command: TokenCommand, store: &Store, output: &Output) -> Result<(), CliError> {
    match command {
        TokenCommand::List(ListTokensArgs { limit, hub }) => list(limit.limit, hub, store, output),
        TokenCommand::Revoke { id } => revoke(id, store, output),
    }
}

fn list(limit: i64, hub: Option<HubId>, store: &Store, output: &Output) -> Result<(), CliError> {
    let TokensWithCreators { tokens, creators } = store.read(export_tokens::newest(limit + 1, hub))?;
    let item = |listed: ListedExport| {
        let creator = creators.get(&listed.token.creator);
        TokenListItem::new(listed, creator)
    };
    output.list_newest(tokens.into_iter().map(item).collect(), limit)
}

fn revoke(which: ExportTokenRef, store: &Store, output: &Output) -> Result<(), CliError> {
    match commit_command(store, RevokeExport { which, by: Authority::Operator, as_admin_of: None })? {
        Some(token) => output.success(
            &json!({ "id": token.id.to_string(), "status": "revoked" }),
            &format!("Revoked export token {}.", token.id),
        ),
        None => Err(CliError::NoSuchToken(which.id)),
    }
}
