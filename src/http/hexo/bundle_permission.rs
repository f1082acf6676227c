//! `bundle_permission`: the permissions that users give each other. Only the two parties can see a
//! permission; staff cannot.

use actix_web::HttpResponse;
use actix_web::http::header::LOCATION;
use actix_web::web::Data;
use utoipa::ToSchema;

use super::common::{ApiPrefix, ResourceKind, deleted};
use super::error::{HandlerResult, HexoApi, HexoError};
use super::fields::JsonFields;
use super::path::IdParam;
use super::query::ListQuery;
use super::receipt;
use super::resource::{self, ById, OperationDoc, Resource};
use super::schema::{FieldSchema, FilterSchema, Lookup};
use super::terms::{ActingParty, TermsInput};
use super::view::{PermissionView, ViewContext};
use crate::config::PublicUrl;
use crate::domain::bundle_permission::BundlePermissionId;
use crate::domain::rights::Mask;
use crate::domain::timestamp::Timestamp;
use crate::http::error::ApiError;
use crate::http::extract::authenticated::{Authenticated, Caller};
use crate::http::extract::body::Body;
use crate::http::openapi::error_responses::{AuthErrors, BodyErrors, Errors};
use crate::http::openapi::schemas;
use crate::http::rate_limit;
use crate::http::routing::{Endpoint, endpoints};
use crate::http::state::AppState;
use crate::services;
use crate::services::filters::TermsQuery;
use crate::services::permissions::LoadedPermissions;
use crate::store::ledger::GrantPermission;

const KIND: ResourceKind = ResourceKind::BundlePermission;

struct Permissions;

impl Resource for Permissions {
    const KIND: ResourceKind = KIND;
    const FIELDS: &'static [FieldSchema] = &[
        FieldSchema::bundle(),
        FieldSchema::datetime("expires_at").nullable(),
        FieldSchema::datetime("granted_at").readonly(),
        FieldSchema::text("name").readonly(),
        FieldSchema::integer("permission").optional(),
        FieldSchema::text("receipt").readonly(),
        FieldSchema::text("request").readonly().nullable(),
        FieldSchema::uri(),
        FieldSchema::list("rights").readonly(),
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
        let filters = TermsQuery::parse(query, &state.config.public_url)?;
        let viewer = match query.single_value("all")? {
            Some("1" | "true") if caller.user.staff => None,
            Some("1" | "true") => {
                return Err(ApiError::Forbidden("Only staff can list all permissions.").into());
            }
            Some(_) | None => Some(caller.id()),
        };
        Ok(services::permissions::list(&state.store, viewer, filters, query.page()).await?)
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
    resource::endpoints::<Permissions>(endpoints![create, delete, receipt::get])
}

/// A permission to grant.
#[derive(ToSchema)]
#[schema(as = hexo::NewPermission)]
struct NewPermissionBody {
    #[schema(inline)]
    #[serde(flatten)]
    terms: TermsInput,
    /// Some or all of the rights of the bundle. Default: all.
    #[schema(schema_with = schemas::rights, required = false)]
    permission: Option<Mask>,
    /// When the permission ends (RFC 3339). Null: until revoked. The configuration may limit it.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
}

impl NewPermissionBody {
    fn parse(fields: &JsonFields, public_url: &PublicUrl) -> Result<Self, HexoError> {
        let terms = TermsInput::parse(KIND, fields, public_url)?;
        let permission = fields.mask(KIND, "permission")?;
        let expires_at = fields.timestamp(KIND, "expires_at")?;
        Ok(Self { terms, permission, expires_at })
    }
}

/// Grants a permission without a request. Requires `user_target` or staff.
///
/// The other parties get a mail. The limits are those of requests, from `user_target` to
/// `user_allowed`, and a block of one party by the other refuses it.
#[utoipa::path(
    post,
    path = "/api/bundle_permission/",
    operation_id = "grant_permission",
    request_body = NewPermissionBody,
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
    let body = NewPermissionBody::parse(&fields, &state.config.public_url)?;
    state.meter_write(&caller.user).await?;
    let resolved = body.terms.resolve(KIND, ActingParty::Target, &caller, &state).await?;
    let grant = GrantPermission {
        terms: resolved.terms,
        permission: body.permission,
        expires_at: body.expires_at,
        max_ttl: state.config.permissions.max_ttl,
    };
    let limits = state.config.limits.requests.for_user(&caller.user);
    let (permission, quotas) = state.registry.grant_permission(grant, limits, caller.audit_context).await?;
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
    deleted(state.registry.revoke_permission(BundlePermissionId(id), by, caller.audit_context).await?)
}
