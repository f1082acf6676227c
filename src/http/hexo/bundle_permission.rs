//! `bundle_permission`: what users have given each other. A row is for its two
//! parties alone, staff included.

use actix_web::HttpResponse;
use actix_web::http::header::LOCATION;
use actix_web::web::{self, Data, ServiceConfig};
use utoipa::OpenApi;

use super::error::HexoError;
use super::fields::JsonFields;
use super::path::{IdParam, IdPath, IdSet, IdsPath, SetResponse};
use super::query::{self, ListQuery, ListResponse, PagingParams};
use super::reference;
use super::schema::PermissionFilters;
use super::terms::{ActingParty, TermsInput, TermsSchema};
use super::view::PermissionView;
use super::{ApiPrefix, HandlerResult, HexoApi, ResourceKind, schema};
use crate::config::PublicUrl;
use crate::domain::bundle_permission::{BundlePermission, BundlePermissionId};
use crate::domain::user::{Email, User, UserId};
use crate::http::error::ApiError;
use crate::http::extract::authenticated::{Authenticated, Caller};
use crate::http::extract::body::Body;
use crate::http::openapi::error_responses::{AuthErrors, BodyErrors, Errors};
use crate::http::routing::{get, resource};
use crate::http::state::AppState;
use crate::store::lookup::UserRef;
use crate::store::participants::Participants;
use crate::store::permissions::{self, PermissionFilter};
use crate::store::{Conn, QueryResult, users};

const KIND: ResourceKind = ResourceKind::BundlePermission;

pub(super) fn routes(scope: &mut ServiceConfig) {
    scope
        .service(
            resource("/bundle_permission", "GET, HEAD, POST")
                .route(get().to(list))
                .route(web::post().to(create)),
        )
        .service(resource("/bundle_permission/schema", "GET, HEAD").route(get().to(schema)))
        .service(resource("/bundle_permission/set/{id}", "GET, HEAD").route(get().to(set)))
        .service(
            resource("/bundle_permission/{id}", "GET, HEAD, DELETE")
                .route(get().to(detail))
                .route(web::delete().to(delete)),
        );
}

#[derive(OpenApi)]
#[openapi(paths(list, create, schema, set, detail, delete))]
pub(super) struct Document;

/// What the resource is made of, for anybody.
#[utoipa::path(
    get,
    path = "/api/bundle_permission/schema/",
    operation_id = "get_permission_schema",
    security(()),
    responses((status = 200, description = "The schema of the resource, as in django-tastypie.", body = schema::SchemaResponse)),
)]
async fn schema(prefix: ApiPrefix) -> HandlerResult {
    schema::to_response(KIND, prefix)
}

/// Lists the permissions to which the caller is a party.
#[utoipa::path(
    get,
    path = "/api/bundle_permission/",
    operation_id = "list_permissions",
    params(PagingParams, PermissionFilters),
    responses(
        (status = 200, description = "One page.", body = ListResponse<PermissionView>),
        AuthErrors<HexoApi>,
        Errors<HexoApi, 400>,
    ),
)]
async fn list(
    Authenticated(caller, query): Authenticated<ListQuery>,
    prefix: ApiPrefix,
    state: Data<AppState>,
) -> HandlerResult {
    let (viewer, page) = (caller.id(), query.page());
    let list_filter = PermissionListFilter::parse(&query, &state.config.public_url)?;
    let listed = state.store.read(move |conn| {
        let filter = list_filter.resolve(conn)?;
        let listed = permissions::list_for_party(conn, viewer, &filter, page)?;
        let participants = Participants::load(conn, listed.rows.iter().map(|grant| grant.terms))?;
        Ok((listed, participants))
    });
    let (listed, participants) = listed.await?;
    let objects = views(&listed.rows, &participants, prefix).map(|(_, view)| view).collect();
    Ok(query.to_response(&prefix.list_uri(KIND), listed.total, objects))
}

/// Several permissions at once.
#[utoipa::path(
    get,
    path = "/api/bundle_permission/set/{ids}/",
    operation_id = "get_permissions",
    params(IdsPath),
    responses(
        (status = 200, description = "The objects found, and the ids not found.", body = SetResponse<PermissionView>),
        AuthErrors<HexoApi>,
        Errors<HexoApi, 400>,
    ),
)]
async fn set(
    Authenticated(caller, ids): Authenticated<IdSet>,
    prefix: ApiPrefix,
    state: Data<AppState>,
) -> HandlerResult {
    let (found, participants) = state.visible_permissions(&caller, ids.integer_ids()).await?;
    Ok(ids.to_response(views(&found, &participants, prefix)))
}

/// One permission, for its parties.
#[utoipa::path(
    get,
    path = "/api/bundle_permission/{id}/",
    operation_id = "get_permission",
    params(IdPath),
    responses(
        (status = 200, description = "The permission.", body = PermissionView),
        AuthErrors<HexoApi>,
        Errors<HexoApi, 404>,
    ),
)]
async fn detail(
    Authenticated(caller, IdParam(id)): Authenticated<IdParam>,
    prefix: ApiPrefix,
    state: Data<AppState>,
) -> HandlerResult {
    let (found, participants) = state.visible_permissions(&caller, vec![id]).await?;
    let (_, view) = views(&found, &participants, prefix).next().ok_or(ApiError::NotFound)?;
    Ok(HttpResponse::Ok().json(view))
}

/// Gives a permission unasked, as `user_target` or staff.
#[utoipa::path(
    post,
    path = "/api/bundle_permission/",
    operation_id = "grant_permission",
    request_body = TermsSchema,
    responses(
        (status = 201, description = "The permission.", body = PermissionView,
            headers(("Location" = String, description = "Its URI."))),
        AuthErrors<HexoApi>,
        BodyErrors<HexoApi>,
    ),
)]
async fn create(
    Authenticated(caller, fields): Authenticated<JsonFields>,
    prefix: ApiPrefix,
    state: Data<AppState>,
) -> HandlerResult {
    let input = TermsInput::parse(KIND, &fields, &state.config.public_url)?;
    let resolved = input.resolve(KIND, ActingParty::Target, &caller, &state).await?;
    let given = state.registry.grant_permission(resolved.terms, caller.audit_context).await?;
    let grant = given
        .ok_or_else(|| HexoError::invalid_field(KIND, "bundle", "This permission is already active."))?;
    let view = PermissionView::new(&grant, resolved.parties(), prefix);
    Ok(HttpResponse::Created().insert_header((LOCATION, view.resource_uri.clone())).json(view))
}

/// Takes a permission back, or gives it up: by either party.
#[utoipa::path(
    delete,
    path = "/api/bundle_permission/{id}/",
    operation_id = "revoke_permission",
    params(IdPath),
    responses(
        (status = 204, description = "Deleted."),
        AuthErrors<HexoApi>,
        Errors<HexoApi, 404>,
    ),
)]
async fn delete(
    Authenticated(caller, (IdParam(id), _)): Authenticated<(IdParam, Body)>,
    state: Data<AppState>,
) -> HandlerResult {
    let by = caller.id();
    match state.registry.revoke_permission(BundlePermissionId(id), by, caller.audit_context).await? {
        true => Ok(HttpResponse::NoContent().finish()),
        false => Err(ApiError::NotFound.into()),
    }
}

impl AppState {
    /// The permissions of these numbers to which the caller is a party.
    async fn visible_permissions(
        &self,
        caller: &Caller,
        ids: Vec<i64>,
    ) -> Result<(Vec<BundlePermission>, Participants), HexoError> {
        let viewer = caller.id();
        let ids: Vec<BundlePermissionId> = ids.into_iter().map(BundlePermissionId).collect();
        let found = self.store.read(move |conn| {
            let found = permissions::by_ids(conn, &ids, viewer)?;
            let participants = Participants::load(conn, found.iter().map(|grant| grant.terms))?;
            Ok((found, participants))
        });
        Ok(found.await?)
    }
}

fn views<'a>(
    found: &'a [BundlePermission],
    participants: &'a Participants,
    prefix: ApiPrefix,
) -> impl Iterator<Item = (i64, PermissionView<'a>)> {
    let view = move |grant: &BundlePermission| {
        let parties = participants.parties(grant.terms)?;
        Some((grant.id.0, PermissionView::new(grant, parties, prefix)))
    };
    found.iter().filter_map(view)
}

/// What a list's filters ask for, before emails have become users.
#[derive(Debug)]
struct PermissionListFilter {
    bundles: Option<Vec<i64>>,
    grantees: Vec<Vec<UserRef>>,
    targets: Vec<Vec<UserRef>>,
}

impl PermissionListFilter {
    fn parse(query: &ListQuery, public_url: &PublicUrl) -> Result<Self, HexoError> {
        let bundle = |text: &str| {
            reference::parse_bundle(text, public_url).map(|id| id.0).ok_or(HexoError::InvalidFilter)
        };
        let user = |text: &str| reference::parse_user(text, public_url).ok_or(HexoError::InvalidFilter);
        Ok(Self {
            bundles: query::intersection(query.filter_values("bundle", bundle)?),
            grantees: query.filter_values("user_allowed", user)?,
            targets: query.filter_values("user_target", user)?,
        })
    }

    /// A filter by numbers. An email of nobody is the number of nothing.
    fn resolve(&self, conn: &mut Conn) -> QueryResult<PermissionFilter> {
        let names = || self.grantees.iter().chain(&self.targets).flatten();
        let emails: Vec<Email> = names()
            .filter_map(|name| match name {
                UserRef::Email(email) => Some(email.clone()),
                UserRef::Id(_) => None,
            })
            .collect();
        let people = if emails.is_empty() { Vec::new() } else { users::by_emails(conn, &emails)? };
        let ids = |conditions: &[Vec<UserRef>]| {
            let ids = |names: &Vec<UserRef>| names.iter().filter_map(|name| user_id(name, &people)).collect();
            query::intersection(conditions.iter().map(ids).collect())
        };
        Ok(PermissionFilter {
            bundles: self.bundles.clone(),
            grantees: ids(&self.grantees),
            targets: ids(&self.targets),
        })
    }
}

fn user_id(name: &UserRef, people: &[User]) -> Option<i64> {
    match name {
        UserRef::Id(UserId(id)) => Some(*id),
        UserRef::Email(email) => people.iter().find(|user| user.email == *email).map(|user| user.id.0),
    }
}
