//! `audit`: the audit log, read-only. Staff see every entry. Other users see the entries of their
//! own actions and of actions by others that affect them.

use uuid::Uuid;

use super::common::ResourceKind;
use super::error::HexoError;
use super::query::ListQuery;
use super::reference;
use super::resource::{self, ById, OperationDoc, Resource};
use super::schema::{FieldSchema, FilterSchema, Lookup};
use super::view::{AuditEntryView, ViewContext};
use crate::config::PublicUrl;
use crate::domain::audit::AuditAction;
use crate::domain::user::UserId;
use crate::http::extract::authenticated::Caller;
use crate::http::routing::Endpoint;
use crate::http::state::AppState;
use crate::services;
use crate::services::filters::intersection;
use crate::store::audit_log::{AuditEntry, AuditLogFilter};
use crate::store::lookup::UserRef;

/// The maximum number of actors in a filter. Each of them needs a query of its own.
const MAX_ACTORS: usize = 20;

struct AuditEntries;

impl Resource for AuditEntries {
    const KIND: ResourceKind = ResourceKind::Audit;
    const FIELDS: &'static [FieldSchema] = &[
        FieldSchema::text("action").readonly(),
        FieldSchema::user("actor").nullable().readonly(),
        FieldSchema::text("address").nullable().readonly(),
        FieldSchema::datetime("at").readonly(),
        FieldSchema::text("client").nullable().readonly(),
        FieldSchema::text("id").readonly(),
        FieldSchema::uri(),
        FieldSchema::text("subject").readonly(),
        FieldSchema::text("subject_uri").nullable().readonly(),
    ];
    const FILTERS: &'static [FilterSchema] = &[
        FilterSchema { field: "action", lookups: &[Lookup::Exact, Lookup::In, Lookup::StartsWith] },
        FilterSchema { field: "actor", lookups: &[Lookup::Exact, Lookup::In] },
        FilterSchema { field: "at", lookups: &[Lookup::AtOrAfter, Lookup::Before] },
        FilterSchema { field: "subject", lookups: &[Lookup::Exact] },
    ];
    const LIST: OperationDoc = OperationDoc {
        id: "list_audit_entries",
        summary: "Lists audit log entries, newest first.",
        description: Some(
            "Staff see every entry. Other users see their own actions, and actions by others on their \
                 requests, permissions, export tokens, API keys, roles and account. The list counts and \
                 pages through at most 10,000 entries; use `at__lt` to reach older ones.",
        ),
    };
    const SCHEMA_ID: &'static str = "get_audit_schema";

    type Id = Uuid;
    type Rows = Vec<AuditEntry>;
    type View<'a> = AuditEntryView<'a>;

    async fn list(
        caller: &Caller,
        query: &ListQuery,
        state: &AppState,
    ) -> Result<(i64, Self::Rows), HexoError> {
        let (filter, actors) = parse_filter(query, &state.config.public_url)?;
        let filter = AuditLogFilter { viewer: viewer(caller), ..filter };
        let listed = services::audit_log::list(&state.store, filter, actors, query.page()).await?;
        Ok((listed.total, listed.rows))
    }

    fn views<'a>(
        entries: &'a Self::Rows,
        ViewContext { caller, prefix, .. }: ViewContext<'a>,
    ) -> impl Iterator<Item = (Uuid, AuditEntryView<'a>)> {
        entries.iter().map(move |entry| (entry.id, AuditEntryView::new(entry, &caller.user, prefix)))
    }
}

impl ById for AuditEntries {
    const SET: OperationDoc = OperationDoc::new("get_audit_entries", "Returns several audit log entries.");
    const DETAIL: Option<OperationDoc> =
        Some(OperationDoc::new("get_audit_entry", "Returns an audit log entry."));

    async fn by_ids(caller: &Caller, ids: Vec<Uuid>, state: &AppState) -> Result<Self::Rows, HexoError> {
        Ok(services::audit_log::by_ids(&state.store, viewer(caller), ids).await?)
    }
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    resource::endpoints::<AuditEntries>(Vec::new())
}

/// The user whose entries the caller can see; `None` for the entries of all users.
fn viewer(caller: &Caller) -> Option<UserId> {
    (!caller.user.staff).then_some(caller.id())
}

/// Parses the filter of a list, and its actors, which the filter takes as ids.
fn parse_filter(
    query: &ListQuery,
    public_url: &PublicUrl,
) -> Result<(AuditLogFilter, Option<Vec<UserRef>>), HexoError> {
    // An unknown action matches no entry.
    let action = |text: &str| Ok(AuditAction::from_name(text));
    let mut actions = query.filter_values("action", action)?;
    if let Some(prefix) = query.single_value("action__startswith")? {
        let starts_with = |action: &&AuditAction| action.name().starts_with(prefix);
        actions.push(AuditAction::ALL.iter().filter(starts_with).copied().map(Some).collect());
    }
    let subject = match (query.single_value("subject")?, query.single_value("subject__exact")?) {
        // No entry has two subjects.
        (Some(short), Some(exact)) if short != exact => Some(""),
        (short, exact) => short.or(exact),
    };
    let user = |text: &str| reference::parse_user(text, public_url).ok_or(HexoError::InvalidFilter);
    let actors = intersection(query.filter_values("actor", user)?);
    if actors.as_ref().is_some_and(|actors| actors.len() > MAX_ACTORS) {
        return Err(HexoError::bad_request(format!("Provide at most {MAX_ACTORS} values for 'actor__in'.")));
    }
    let filter = AuditLogFilter {
        actions: intersection(actions).map(|actions| actions.into_iter().flatten().collect()),
        subject: subject.map(str::to_owned),
        from: query.time("at__gte")?,
        until: query.time("at__lt")?,
        ..AuditLogFilter::default()
    };
    Ok((filter, actors))
}
