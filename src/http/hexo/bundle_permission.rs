//! `bundle_permission`: the permissions that users give each other. Only the two parties can see a
//! permission; staff cannot.

use actix_web::HttpResponse;
use actix_web::http::header::LOCATION;
use actix_web::web::Data;

use super::common::{ApiPrefix, ResourceKind};
use super::error::{HandlerResult, HexoApi, HexoError};
use super::fields::JsonFields;
use super::path::IdParam;
use super::query::ListQuery;
use super::reference;
use super::resource::{self, ById, OperationDoc, Resource};
use super::schema::{FieldSchema, FilterSchema, Lookup};
use super::terms::{ActingParty, TermsInput};
use super::view::{PermissionView, ViewContext};
use crate::config::PublicUrl;
use crate::domain::bundle_permission::BundlePermissionId;
use crate::http::error::ApiError;
use crate::http::extract::authenticated::{Authenticated, Caller};
use crate::http::extract::body::Body;
use crate::http::openapi::error_responses::{AuthErrors, BodyErrors, Errors};
use crate::http::rate_limit;
use crate::http::routing::{Endpoint, endpoints};
use crate::http::state::AppState;
use crate::services;
use crate::services::filters::intersection;
use crate::services::permissions::{LoadedPermissions, PermissionQuery};

const KIND: ResourceKind = ResourceKind::BundlePermission;

struct Permissions;

impl Resource for Permissions {
    const KIND: ResourceKind = KIND;
    const FIELDS: &'static [FieldSchema] = &[
        FieldSchema::bundle(),
        FieldSchema::text("name").readonly(),
        FieldSchema::uri(),
        FieldSchema::user("user_allowed"),
        FieldSchema::user("user_target"),
    ];
    const FILTERS: &'static [FilterSchema] = &[
        FilterSchema { field: "bundle", lookups: &[Lookup::Exact, Lookup::In] },
        FilterSchema { field: "user_allowed", lookups: &[Lookup::Exact, Lookup::In] },
        FilterSchema { field: "user_target", lookups: &[Lookup::Exact, Lookup::In] },
    ];
    const LIST: OperationDoc =
        OperationDoc::new("list_permissions", "Lists the permissions to which the caller is a party.");
    const SCHEMA_ID: &'static str = "get_permission_schema";

    type Id = i64;
    type Rows = LoadedPermissions;
    type View<'a> = PermissionView<'a>;

    async fn list(
        caller: &Caller,
        query: &ListQuery,
        state: &AppState,
    ) -> Result<(i64, Self::Rows), HexoError> {
        let filters = parse_filters(query, &state.config.public_url)?;
        Ok(services::permissions::list_for_party(&state.store, caller.id(), filters, query.page()).await?)
    }

    fn views<'a>(
        permissions: &'a Self::Rows,
        ViewContext { prefix, .. }: ViewContext<'a>,
    ) -> impl Iterator<Item = (i64, PermissionView<'a>)> {
        permissions.iter().map(move |(permission, parties)| {
            (permission.id.0, PermissionView::new(permission, parties, prefix))
        })
    }
}

impl ById for Permissions {
    const SET: OperationDoc = OperationDoc::new("get_permissions", "Returns several permissions.");
    const DETAIL: Option<OperationDoc> =
        Some(OperationDoc::new("get_permission", "Returns a permission to one of its parties."));

    async fn by_ids(caller: &Caller, ids: Vec<i64>, state: &AppState) -> Result<Self::Rows, HexoError> {
        let ids = ids.into_iter().map(BundlePermissionId).collect();
        Ok(services::permissions::by_ids(&state.store, caller.id(), ids).await?)
    }
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    resource::endpoints::<Permissions>(endpoints![create, delete])
}

/// Grants a permission without a request. Requires `user_target` or staff.
///
/// The other parties get a mail. The limits are those of requests, from `user_target` to
/// `user_allowed`, and a block of one party by the other refuses it.
#[utoipa::path(
    post,
    path = "/api/bundle_permission/",
    operation_id = "grant_permission",
    request_body = TermsInput,
    responses(
        (status = 201, description = "The permission.", body = PermissionView,
            headers(("Location" = String, description = "The URI of the permission."))),
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
    state.meter_write(&caller.user).await?;
    let resolved = input.resolve(KIND, ActingParty::Target, &caller, &state).await?;
    let limits = state.config.limits.requests.for_user(&caller.user);
    let (permission, quotas) =
        state.registry.grant_permission(resolved.terms, limits, caller.audit_context).await?;
    state.mailer.notify();
    let view = PermissionView::new(&permission, resolved.parties(), prefix);
    let mut response =
        HttpResponse::Created().insert_header((LOCATION, view.resource_uri.clone())).json(view);
    rate_limit::headers::insert_without_target(response.headers_mut(), quotas);
    Ok(response)
}

/// Revokes a permission. Requires one of its parties.
#[utoipa::path(
    delete,
    path = "/api/bundle_permission/{id}/",
    operation_id = "revoke_permission",
    params(IdParam<i64>),
    responses(
        (status = 204, description = "Revoked."),
        AuthErrors<HexoApi>,
        Errors<HexoApi, 404>,
    ),
)]
async fn delete(
    Authenticated(caller, (IdParam(id), _)): Authenticated<(IdParam<i64>, Body)>,
    state: Data<AppState>,
) -> HandlerResult {
    state.meter_write(&caller.user).await?;
    let by = caller.id();
    match state.registry.revoke_permission(BundlePermissionId(id), by, caller.audit_context).await? {
        true => Ok(HttpResponse::NoContent().finish()),
        false => Err(ApiError::NotFound.into()),
    }
}

fn parse_filters(query: &ListQuery, public_url: &PublicUrl) -> Result<PermissionQuery, HexoError> {
    let bundle =
        |text: &str| reference::parse_bundle(text, public_url).map(|id| id.0).ok_or(HexoError::InvalidFilter);
    let user = |text: &str| reference::parse_user(text, public_url).ok_or(HexoError::InvalidFilter);
    Ok(PermissionQuery {
        bundles: intersection(query.filter_values("bundle", bundle)?),
        grantees: query.filter_values("user_allowed", user)?,
        targets: query.filter_values("user_target", user)?,
    })
}
