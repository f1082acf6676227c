//! `countersign permission`: permissions of any user.

use std::collections::HashMap;

use clap::Subcommand;
use serde::Serialize;
use serde_json::json;

use super::args::ListLimit;
use super::output::{ListItem, Output};
use super::{CliError, commit_command};
use crate::domain::bundle_permission::{BundlePermission, BundlePermissionId};
use crate::domain::timestamp::Timestamp;
use crate::domain::user::{Authority, Email, UserId};
use crate::services::admin::permissions::{self, NewestPermissions};
use crate::store::Store;
use crate::store::ledger::RevokePermission;

/// The subcommands of `countersign permission`.
#[derive(Subcommand)]
pub enum PermissionCommand {
    /// List active permissions, newest first
    List(ListLimit),
    /// Revoke an active permission; it stops working immediately
    Revoke {
        /// The permission's number
        #[arg(value_parser = clap::value_parser!(i64).range(1..))]
        id: i64,
    },
}

#[derive(Serialize)]
struct PermissionListItem {
    id: i64,
    user_target: Option<String>,
    user_allowed: Option<String>,
    bundle: i64,
    bundle_name: Option<String>,
    permission: u8,
    rights: String,
    granted_at: String,
    expires_at: Option<String>,
}

impl ListItem for PermissionListItem {
    const HEADERS: &'static [&'static str] =
        &["ID", "TARGET", "GRANTEE", "BUNDLE", "RIGHTS", "GRANTED", "EXPIRES"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.to_string(),
            self.user_target.clone().unwrap_or_default(),
            self.user_allowed.clone().unwrap_or_default(),
            self.bundle_name.clone().unwrap_or_default(),
            self.rights.clone(),
            self.granted_at.clone(),
            self.expires_at.clone().unwrap_or_else(|| "never".to_owned()),
        ]
    }
}

/// Runs a subcommand.
pub fn run(command: PermissionCommand, store: &Store, output: &Output) -> Result<(), CliError> {
    match command {
        PermissionCommand::List(ListLimit { limit }) => list(limit, store, output),
        PermissionCommand::Revoke { id } => revoke(BundlePermissionId(id), store, output),
    }
}

fn list(limit: i64, store: &Store, output: &Output) -> Result<(), CliError> {
    let NewestPermissions { permissions, emails, bundle_names } =
        store.read(permissions::newest(limit + 1))?;
    let address =
        |emails: &HashMap<UserId, Email>, id| emails.get(&id).map(|email| email.as_str().to_owned());
    let item = |permission: &BundlePermission| PermissionListItem {
        id: permission.id.0,
        user_target: address(&emails, permission.terms.target),
        user_allowed: address(&emails, permission.terms.grantee),
        bundle: permission.terms.bundle.0,
        bundle_name: bundle_names.get(&permission.terms.bundle).map(|name| name.as_str().to_owned()),
        permission: permission.permission.bits(),
        rights: permission.permission.to_string(),
        granted_at: permission.granted_at.rfc3339(),
        expires_at: permission.expires_at.map(Timestamp::rfc3339),
    };
    output.list_newest(permissions.iter().map(item).collect(), limit)
}

fn revoke(id: BundlePermissionId, store: &Store, output: &Output) -> Result<(), CliError> {
    if commit_command(store, RevokePermission { id, by: Authority::Operator })? {
        return output
            .success(&json!({ "id": id.0, "status": "revoked" }), &format!("Permission {id} is revoked."));
    }
    Err(CliError::NoActivePermission(id))
}
