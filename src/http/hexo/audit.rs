//! `audit`: the audit trail, read and never written. Staff see all of it; others what
//! they did, and what others did that concerns them.

use actix_web::HttpResponse;
use actix_web::web::{Data, ServiceConfig};
use utoipa::OpenApi;
use uuid::Uuid;

use super::error::HexoError;
use super::path::{IdSet, SetResponse, UuidParam, UuidPath, UuidsPath};
use super::query::{self, ListQuery, ListResponse, PagingParams};
use super::reference;
use super::schema::AuditFilters;
use super::view::AuditEntryView;
use super::{ApiPrefix, HandlerResult, HexoApi, ResourceKind, schema};
use crate::config::PublicUrl;
use crate::domain::audit::AuditAction;
use crate::domain::timestamp::Timestamp;
use crate::domain::user::UserId;
use crate::http::auth::Caller;
use crate::http::body::Authenticated;
use crate::http::error::ApiError;
use crate::http::openapi::error_responses::{AuthErrors, Errors};
use crate::http::routing::{get, resource};
use crate::http::state::AppState;
use crate::store::audit_log::{self, AuditEntry, AuditLogFilter};
use crate::store::lookup::UserRef;
use crate::store::{Conn, QueryResult, users};

const KIND: ResourceKind = ResourceKind::Audit;
/// The most people by whom the trail is searched at a time: each is looked up apart.
const MAX_ACTORS: usize = 20;

pub(super) fn routes(scope: &mut ServiceConfig) {
    scope
        .service(resource("/audit", "GET, HEAD").route(get().to(list)))
        .service(resource("/audit/schema", "GET, HEAD").route(get().to(schema)))
        .service(resource("/audit/set/{id}", "GET, HEAD").route(get().to(set)))
        .service(resource("/audit/{id}", "GET, HEAD").route(get().to(detail)));
}

#[derive(OpenApi)]
#[openapi(paths(list, schema, set, detail))]
pub(super) struct Document;

/// What the resource is made of, for anybody.
#[utoipa::path(
    get,
    path = "/api/audit/schema/",
    operation_id = "get_audit_schema",
    security(()),
    responses((status = 200, description = "The schema of the resource, as in django-tastypie.", body = schema::SchemaResponse)),
)]
async fn schema(prefix: ApiPrefix) -> HandlerResult {
    schema::to_response(KIND, prefix)
}

/// Lists what was done, the newest first.
///
/// Staff see all of it; others what they did themselves, and what others did that
/// concerns them: to requests and permissions that they are a party to, to their export
/// tokens, keys, roles and account. No more than 10,000 entries are counted and paged
/// through; `at__lt` leads to what is older.
#[utoipa::path(
    get,
    path = "/api/audit/",
    operation_id = "list_audit_entries",
    params(PagingParams, AuditFilters),
    responses(
        (status = 200, description = "One page of the audit log.", body = ListResponse<AuditEntryView>),
        AuthErrors<HexoApi>,
        Errors<HexoApi, 400>,
    ),
)]
async fn list(
    Authenticated(caller, query): Authenticated<ListQuery>,
    prefix: ApiPrefix,
    state: Data<AppState>,
) -> HandlerResult {
    let list_filter = AuditListFilter::parse(&query, &state.config.public_url)?;
    let (viewer, page) = (viewer(&caller), query.page());
    let listed = state.store.read(move |conn| {
        let filter = AuditLogFilter { viewer, ..list_filter.resolve(conn)? };
        audit_log::list(conn, &filter, page)
    });
    let listed = listed.await?;
    let objects = listed.rows.iter().map(|entry| AuditEntryView::new(entry, &caller.user, prefix)).collect();
    Ok(query.to_response(&prefix.list_uri(KIND), listed.total, objects))
}

/// Several entries at once.
#[utoipa::path(
    get,
    path = "/api/audit/set/{ids}/",
    operation_id = "get_audit_entries",
    params(UuidsPath),
    responses(
        (status = 200, description = "The objects found, and the ids not found.", body = SetResponse<AuditEntryView>),
        AuthErrors<HexoApi>,
        Errors<HexoApi, 400>,
    ),
)]
async fn set(
    Authenticated(caller, ids): Authenticated<IdSet>,
    prefix: ApiPrefix,
    state: Data<AppState>,
) -> HandlerResult {
    let found = state.visible_audit_entries(&caller, ids.uuids()).await?;
    let views = found.iter().map(|entry| (entry.id, AuditEntryView::new(entry, &caller.user, prefix)));
    Ok(ids.to_response_by_uuid(views))
}

/// One entry, if the caller may see it.
#[utoipa::path(
    get,
    path = "/api/audit/{id}/",
    operation_id = "get_audit_entry",
    params(UuidPath),
    responses(
        (status = 200, description = "The entry.", body = AuditEntryView),
        AuthErrors<HexoApi>,
        Errors<HexoApi, 404>,
    ),
)]
async fn detail(
    Authenticated(caller, UuidParam(id)): Authenticated<UuidParam>,
    prefix: ApiPrefix,
    state: Data<AppState>,
) -> HandlerResult {
    let found = state.visible_audit_entries(&caller, vec![id]).await?;
    let entry = found.first().ok_or(ApiError::NotFound)?;
    Ok(HttpResponse::Ok().json(AuditEntryView::new(entry, &caller.user, prefix)))
}

/// Whose entries a caller may see; `None` is everybody's.
fn viewer(caller: &Caller) -> Option<UserId> {
    (!caller.user.staff).then_some(caller.id())
}

impl AppState {
    /// Those of these entries that the caller may see.
    async fn visible_audit_entries(
        &self,
        caller: &Caller,
        ids: Vec<Uuid>,
    ) -> Result<Vec<AuditEntry>, HexoError> {
        let viewer = viewer(caller);
        Ok(self.store.read(move |conn| audit_log::by_ids(conn, &ids, viewer)).await?)
    }
}

/// What the list's filters ask for, before emails have become users.
#[derive(Debug)]
struct AuditListFilter {
    filter: AuditLogFilter,
    actors: Option<Vec<UserRef>>,
}

impl AuditListFilter {
    fn parse(query: &ListQuery, public_url: &PublicUrl) -> Result<Self, HexoError> {
        // An action that nobody knows was never done.
        let action = |text: &str| Ok(AuditAction::from_name(text));
        let mut actions = query.filter_values("action", action)?;
        if let Some(prefix) = query.single_value("action__startswith")? {
            let named = |action: &&AuditAction| action.name().starts_with(prefix);
            actions.push(AuditAction::ALL.iter().filter(named).copied().map(Some).collect());
        }
        let subject = match (query.single_value("subject")?, query.single_value("subject__exact")?) {
            // Two subjects at once are none's.
            (Some(one), Some(other)) if one != other => Some(""),
            (one, other) => one.or(other),
        };
        let user = |text: &str| reference::parse_user(text, public_url).ok_or(HexoError::InvalidFilter);
        let actors = query::intersection(query.filter_values("actor", user)?);
        if actors.as_ref().is_some_and(|actors| actors.len() > MAX_ACTORS) {
            return Err(HexoError::bad_request(format!(
                "Provide at most {MAX_ACTORS} values for 'actor__in'."
            )));
        }
        let moment = |name: &str| match query.single_value(name)? {
            Some(text) => Timestamp::from_rfc3339(text).map(Some).ok_or(HexoError::InvalidFilter),
            None => Ok(None),
        };
        let filter = AuditLogFilter {
            actions: query::intersection(actions).map(|actions| actions.into_iter().flatten().collect()),
            subject: subject.map(str::to_owned),
            from: moment("at__gte")?,
            until: moment("at__lt")?,
            ..AuditLogFilter::default()
        };
        Ok(Self { filter, actors })
    }

    /// A filter by numbers. An email of nobody is the number of nothing.
    fn resolve(&self, conn: &mut Conn) -> QueryResult<AuditLogFilter> {
        let Some(names) = &self.actors else { return Ok(self.filter.clone()) };
        let mut actors = Vec::new();
        for name in names {
            match name {
                UserRef::Id(id) => actors.push(*id),
                UserRef::Email(email) => actors.extend(users::by_email(conn, email)?.map(|user| user.id)),
            }
        }
        Ok(AuditLogFilter { actors: Some(actors), ..self.filter.clone() })
    }
}
