//! `bundle_permission_request`: requests for a permission, and their redemption.

use actix_web::HttpResponse;
use actix_web::http::header::LOCATION;
use actix_web::web::Data;
use url::Url;
use utoipa::ToSchema;

use super::common::{ApiPrefix, ResourceKind};
use super::error::{HandlerResult, HexoApi, HexoError};
use super::fields::JsonFields;
use super::headers::IdempotencyKeyHeader;
use super::path::{RequestParam, RequestRef};
use super::query::ListQuery;
use super::reference::Reference;
use super::resource::{self, ById, OperationDoc, Resource};
use super::schema::FieldSchema;
use super::terms::{ActingParty, TermsInput};
use super::view::{PermissionView, RequestView, ViewContext};
use crate::config::Config;
use crate::domain::bundle::BundleId;
use crate::domain::permission_request::{NewPermissionRequest, RequestId};
use crate::http::error::ApiError;
use crate::http::extract::authenticated::{Authenticated, Caller};
use crate::http::extract::body::Body;
use crate::http::openapi::error_responses::{AuthErrors, BodyErrors, Errors};
use crate::http::openapi::schemas;
use crate::http::rate_limit;
use crate::http::routing::{Endpoint, endpoints};
use crate::http::state::AppState;
use crate::services;
use crate::services::requests::LoadedRequests;
use crate::store::lookup::{LookupKey, UserRef};

const KIND: ResourceKind = ResourceKind::BundlePermissionRequest;
/// Keeps the redeem link on one line of a mail.
const MAX_REDEEM_URL_BYTES: usize = 900;

struct Requests;

impl Resource for Requests {
    const KIND: ResourceKind = KIND;
    const FIELDS: &'static [FieldSchema] = &[
        FieldSchema::bundle(),
        FieldSchema::text("redeem_url").nullable(),
        FieldSchema::uri(),
        FieldSchema::integer("ttl").nullable(),
        FieldSchema::user("user_allowed"),
        FieldSchema::user("user_target"),
    ];
    const LIST: OperationDoc =
        OperationDoc::new("list_requests", "Lists the pending requests to which the caller is a party.");
    const SCHEMA_ID: &'static str = "get_request_schema";

    type Id = i64;
    type Rows = LoadedRequests;
    type View<'a> = RequestView<'a>;

    async fn list(
        caller: &Caller,
        query: &ListQuery,
        state: &AppState,
    ) -> Result<(i64, Self::Rows), HexoError> {
        Ok(services::requests::list_pending_for_party(&state.store, caller.id(), query.page()).await?)
    }

    fn views<'a>(
        requests: &'a Self::Rows,
        context: ViewContext<'a>,
    ) -> impl Iterator<Item = (i64, RequestView<'a>)> {
        requests.iter().map(move |(request, ttl, parties)| {
            (request.id.0, RequestView::new(request, ttl, parties, context))
        })
    }
}

impl ById for Requests {
    const SET: OperationDoc = OperationDoc::new("get_requests", "Returns several requests.");
    const DETAIL: Option<OperationDoc> = None;

    async fn by_ids(caller: &Caller, ids: Vec<i64>, state: &AppState) -> Result<Self::Rows, HexoError> {
        let ids = ids.into_iter().map(RequestId).collect();
        Ok(services::requests::pending_by_ids(&state.store, caller.id(), ids).await?)
    }
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    resource::endpoints::<Requests>(endpoints![create, detail, redeem, delete])
}

/// Returns a pending request.
///
/// Use the id as either party, or the token as the target. The token stays valid.
#[utoipa::path(
    get,
    path = "/api/bundle_permission_request/{id_or_token}/",
    operation_id = "get_request",
    params(RequestParam),
    responses(
        (status = 200, description = "The request.", body = RequestView),
        AuthErrors<HexoApi>,
        Errors<HexoApi, 404>,
    ),
)]
async fn detail(
    Authenticated(caller, RequestParam { id_or_token }): Authenticated<RequestParam>,
    prefix: ApiPrefix,
    state: Data<AppState>,
) -> HandlerResult {
    let context = ViewContext { caller: &caller, prefix, state: &state };
    match id_or_token {
        RequestRef::Id(RequestId(id)) => {
            let found = Requests::by_ids(&caller, vec![id], &state).await?;
            let (_, view) = Requests::views(&found, context).next().ok_or(ApiError::NotFound)?;
            Ok(HttpResponse::Ok().json(view))
        }
        RequestRef::Token(id) => {
            let found = state.registry.look_up(LookupKey::Request(id)).await?;
            let (request, parties, now) = found.request(id, caller.id()).ok_or(ApiError::NotFound)?;
            let ttl = request.seconds_left(now);
            Ok(HttpResponse::Ok().json(RequestView::new(request, ttl, parties, context)))
        }
    }
}

/// A new request.
#[derive(ToSchema)]
#[schema(as = hexo::NewRequest)]
struct NewRequestBody {
    #[schema(schema_with = schemas::uri_or_id)]
    bundle: Reference<BundleId>,
    /// The user who receives the permission.
    #[schema(schema_with = schemas::uri_or_id)]
    user_allowed: Reference<UserRef>,
    /// The user who grants the permission.
    #[schema(schema_with = schemas::uri_or_id)]
    user_target: Reference<UserRef>,
    /// The lifetime in seconds. The server's configuration limits it.
    #[schema(schema_with = schemas::ttl_seconds, required = false)]
    ttl: i64,
    /// The page that the mail links to. The configuration lists the allowed origins.
    #[schema(max_length = 900)]
    redeem_url: Option<String>,
}

impl NewRequestBody {
    fn parse(fields: &JsonFields, config: &Config) -> Result<Self, HexoError> {
        let TermsInput { bundle, user_allowed, user_target } =
            TermsInput::parse(KIND, fields, &config.public_url)?;
        let ttl = parse_ttl(fields, config)?;
        let redeem_url = fields.non_blank_text(KIND, "redeem_url", |text| parse_redeem_url(text, config))?;
        Ok(Self { bundle, user_allowed, user_target, ttl, redeem_url })
    }
}

/// Creates a request, and sends a mail to `user_target`. Requires `user_allowed` or staff.
#[utoipa::path(
    post,
    path = "/api/bundle_permission_request/",
    operation_id = "create_request",
    params(IdempotencyKeyHeader),
    request_body = NewRequestBody,
    responses(
        (status = 201, description = "The request.", body = RequestView,
            headers(("Location" = String, description = "The URI of the request. It does not contain the token."))),
        AuthErrors<HexoApi>,
        BodyErrors<HexoApi>,
        Errors<HexoApi, 422>,
    ),
)]
async fn create(
    Authenticated(caller, (IdempotencyKeyHeader { idempotency_key }, fields)): Authenticated<(
        IdempotencyKeyHeader,
        JsonFields,
    )>,
    prefix: ApiPrefix,
    state: Data<AppState>,
) -> HandlerResult {
    let NewRequestBody { bundle, user_allowed, user_target, ttl, redeem_url } =
        NewRequestBody::parse(&fields, &state.config)?;
    let input = TermsInput { bundle, user_allowed, user_target };
    let resolved = input.resolve(KIND, ActingParty::Grantee, &caller, &state).await?;
    let new = NewPermissionRequest {
        terms: resolved.terms,
        asked_by: caller.id(),
        lifetime_seconds: ttl,
        redeem_page: redeem_url,
        idempotency_key,
    };
    let limits = state.config.limits.requests.for_user(&caller.user);
    let (request, ttl, quotas) =
        state.registry.create_request(new, limits, caller.audit_context.clone()).await?;
    state.mailer.notify();
    let context = ViewContext { caller: &caller, prefix, state: &state };
    let view = RequestView::new(&request, ttl, resolved.parties(), context);
    let mut response =
        HttpResponse::Created().insert_header((LOCATION, view.resource_uri.clone())).json(view);
    rate_limit::headers::insert_without_target(response.headers_mut(), quotas);
    Ok(response)
}

/// Redeems the token of a request. Requires the target.
///
/// The body is ignored. An id does not redeem a request. The response is the same for a token that
/// is used, expired, unknown or for another user.
#[utoipa::path(
    put,
    path = "/api/bundle_permission_request/{id_or_token}/",
    operation_id = "redeem_request",
    params(RequestParam, IdempotencyKeyHeader),
    responses(
        (status = 200, description = "The permission.", body = PermissionView),
        AuthErrors<HexoApi>,
        Errors<HexoApi, 400>,
        Errors<HexoApi, 404>,
        Errors<HexoApi, 422>,
    ),
)]
async fn redeem(
    Authenticated(caller, (RequestParam { id_or_token }, IdempotencyKeyHeader { idempotency_key }, _)): Authenticated<(
        RequestParam,
        IdempotencyKeyHeader,
        Body,
    )>,
    prefix: ApiPrefix,
    state: Data<AppState>,
) -> HandlerResult {
    let RequestRef::Token(id) = id_or_token else { return Err(ApiError::NotFound.into()) };
    let by = caller.id();
    let (permission, participants) =
        state.registry.redeem(id, by, idempotency_key, caller.audit_context).await?;
    let parties = participants.parties(permission.terms).ok_or(ApiError::NotFound)?;
    Ok(HttpResponse::Ok().json(PermissionView::new(&permission, parties, prefix)))
}

/// Closes a request: the target declines it, the requester withdraws it.
#[utoipa::path(
    delete,
    path = "/api/bundle_permission_request/{id_or_token}/",
    operation_id = "close_request",
    params(RequestParam),
    responses(
        (status = 204, description = "Closed. The token no longer works."),
        AuthErrors<HexoApi>,
        Errors<HexoApi, 404>,
    ),
)]
async fn delete(
    Authenticated(caller, (RequestParam { id_or_token }, _)): Authenticated<(RequestParam, Body)>,
    state: Data<AppState>,
) -> HandlerResult {
    state.meter_write(&caller.user).await?;
    let (by, registry) = (caller.id(), &state.registry);
    match id_or_token {
        RequestRef::Id(id) => registry.withdraw(id, by, caller.audit_context).await?,
        RequestRef::Token(id) => registry.decline(id, by, caller.audit_context).await?,
    };
    Ok(HttpResponse::NoContent().finish())
}

fn parse_ttl(fields: &JsonFields, config: &Config) -> Result<i64, HexoError> {
    let ttl = fields.integer(KIND, "ttl")?;
    config.requests.allowed_lifetime(ttl).ok_or_else(|| {
        let max_ttl = config.requests.max_ttl;
        HexoError::invalid_field(
            KIND,
            "ttl",
            format!("Provide a whole number of seconds from 60 to {max_ttl}."),
        )
    })
}

/// Why a redeem URL is rejected.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("must be an http or https URL whose origin the operator allows, without a token, user or fragment")]
struct RedeemUrlNotAllowed;

/// Parses a redeem URL as a browser does.
fn parse_redeem_url(text: &str, config: &Config) -> Result<String, RedeemUrlNotAllowed> {
    let is_absolute = text.contains("://") && !text.contains(|c: char| c.is_whitespace() || c.is_control());
    let url = Url::parse(text).map_err(|_| RedeemUrlNotAllowed)?;
    let has_no_credentials_or_fragment =
        url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    let has_no_token = url.query_pairs().all(|(name, _)| name != "token");
    let is_allowed = matches!(url.scheme(), "http" | "https") && config.is_allowed_redeem_url(&url);
    let is_short = url.as_str().len() <= MAX_REDEEM_URL_BYTES;
    let is_valid = is_absolute && has_no_credentials_or_fragment && has_no_token && is_allowed && is_short;
    if is_valid { Ok(url.into()) } else { Err(RedeemUrlNotAllowed) }
}
