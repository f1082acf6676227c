//! `countersign request`: permission requests of any user.

use std::collections::HashMap;

use clap::Subcommand;
use serde::Serialize;
use serde_json::json;

use super::args::ListLimit;
use super::output::{ListItem, Output};
use super::{CliError, commit_command};
use crate::domain::bundle::BundleName;
use crate::domain::permission_request::{PermissionRequest, RequestId};
use crate::domain::timestamp::Timestamp;
use crate::domain::user::{Authority, Email, UserId};
use crate::services::admin::requests::{self, NewestRequests};
use crate::store::Store;
use crate::store::ledger::CloseRequest;

/// The subcommands of `countersign request`.
#[derive(Subcommand)]
pub enum RequestCommand {
    /// List permission requests, without their tokens
    List(ListLimit),
    /// Withdraw a pending request; its token stops working immediately
    Withdraw {
        /// The request's number
        #[arg(value_parser = clap::value_parser!(i64).range(1..))]
        id: i64,
    },
}

#[derive(Serialize)]
struct RequestListItem {
    id: i64,
    status: &'static str,
    user_allowed: Option<String>,
    user_target: Option<String>,
    bundle: i64,
    bundle_name: Option<String>,
    created_at: String,
    expires_at: String,
}

impl RequestListItem {
    fn new(
        request: &PermissionRequest,
        emails: &HashMap<UserId, Email>,
        bundle_names: &HashMap<RequestId, BundleName>,
        now: Timestamp,
    ) -> Self {
        let terms = request.terms;
        let address = |id| emails.get(&id).map(|email: &Email| email.as_str().to_owned());
        Self {
            id: request.id.0,
            status: request.status(now).name(),
            user_allowed: address(terms.grantee),
            user_target: address(terms.target),
            bundle: terms.bundle.0,
            bundle_name: bundle_names.get(&request.id).map(|name| name.as_str().to_owned()),
            created_at: request.created_at.rfc3339(),
            expires_at: request.expires_at.rfc3339(),
        }
    }
}

impl ListItem for RequestListItem {
    const HEADERS: &'static [&'static str] =
        &["ID", "STATUS", "REQUESTER", "TARGET", "BUNDLE", "CREATED", "EXPIRES"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.to_string(),
            self.status.to_owned(),
            self.user_allowed.clone().unwrap_or_default(),
            self.user_target.clone().unwrap_or_default(),
            self.bundle_name.clone().unwrap_or_default(),
            self.created_at.clone(),
            self.expires_at.clone(),
        ]
    }
}

/// Runs a subcommand.
pub fn run(command: RequestCommand, store: &Store, output: &Output) -> Result<(), CliError> {
    match command {
        RequestCommand::List(ListLimit { limit }) => list(limit, store, output),
        RequestCommand::Withdraw { id } => withdraw(RequestId(id), store, output),
    }
}

fn list(limit: i64, store: &Store, output: &Output) -> Result<(), CliError> {
    let NewestRequests { requests, emails, bundle_names, now } = store.read(requests::newest(limit + 1))?;
    let item = |request| RequestListItem::new(request, &emails, &bundle_names, now);
    output.list_newest(requests.iter().map(item).collect(), limit)
}

fn withdraw(id: RequestId, store: &Store, output: &Output) -> Result<(), CliError> {
    match commit_command(store, CloseRequest { id, by: Authority::Operator })? {
        Ok(outcome) => output.success(
            &json!({ "id": id.0, "status": outcome.name() }),
            &format!("Request {id} is {}.", outcome.name()),
        ),
        Err(_) => Err(CliError::NoPendingRequest(id)),
    }
}
