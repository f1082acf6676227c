//! `bundle_permission_request`: asking for a permission, and the token's loop.

use actix_web::HttpResponse;
use actix_web::http::header::LOCATION;
use actix_web::web::{self, Data, ServiceConfig};
use url::Url;
use utoipa::{OpenApi, ToSchema};

use super::error::HexoError;
use super::fields::JsonFields;
use super::headers::{IdempotencyKeyHeader, IdempotencyKeyParams};
use super::path::{IdOrTokenPath, IdSet, IdsPath, RequestParam, SetResponse};
use super::query::{ListQuery, ListResponse, PagingParams};
use super::terms::{ActingParty, TermsInput};
use super::view::{PermissionView, RequestView, ViewContext};
use super::{ApiPrefix, HandlerResult, HexoApi, ResourceKind, schema};
use crate::config::Config;
use crate::domain::permission_request::{NewPermissionRequest, PermissionRequest, RequestId};
use crate::domain::rate_limit::QuotaStatus;
use crate::domain::timestamp::Timestamp;
use crate::http::error::ApiError;
use crate::http::extract::authenticated::{Authenticated, Caller};
use crate::http::extract::body::Body;
use crate::http::openapi::error_responses::{AuthErrors, BodyErrors, Errors};
use crate::http::openapi::schemas;
use crate::http::rate_limit;
use crate::http::routing::{get, resource};
use crate::http::state::AppState;
use crate::store::lookup::LookupKey;
use crate::store::participants::Participants;
use crate::store::requests;

const KIND: ResourceKind = ResourceKind::BundlePermissionRequest;
/// The most bytes in the URL of a page, so that the link fits into one line of a mail.
const MAX_REDEEM_URL_BYTES: usize = 900;

pub(super) fn routes(scope: &mut ServiceConfig) {
    scope
        .service(
            resource("/bundle_permission_request", "GET, HEAD, POST")
                .route(get().to(list))
                .route(web::post().to(create)),
        )
        .service(resource("/bundle_permission_request/schema", "GET, HEAD").route(get().to(schema)))
        .service(resource("/bundle_permission_request/set/{id}", "GET, HEAD").route(get().to(set)))
        .service(
            resource("/bundle_permission_request/{id}", "GET, HEAD, PUT, DELETE")
                .route(get().to(detail))
                .route(web::put().to(redeem))
                .route(web::delete().to(delete)),
        );
}

#[derive(OpenApi)]
#[openapi(paths(list, create, schema, set, detail, redeem, delete))]
pub(super) struct Document;

/// What the resource is made of, for anybody.
#[utoipa::path(
    get,
    path = "/api/bundle_permission_request/schema/",
    operation_id = "get_request_schema",
    security(()),
    responses((status = 200, description = "The schema of the resource, as in django-tastypie.", body = schema::SchemaResponse)),
)]
async fn schema(prefix: ApiPrefix) -> HandlerResult {
    schema::to_response(KIND, prefix)
}

/// Lists the live requests to which the caller is a party.
#[utoipa::path(
    get,
    path = "/api/bundle_permission_request/",
    operation_id = "list_requests",
    params(PagingParams),
    responses(
        (status = 200, description = "One page.", body = ListResponse<RequestView>),
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
    let listed = state.store.read(move |conn| {
        let now = conn.now()?;
        let listed = requests::pending_of_party(conn, viewer, page, now)?;
        let participants = Participants::load(conn, listed.rows.iter().map(|request| request.terms))?;
        Ok((listed.total, LoadedRequests { requests: listed.rows, participants, now }))
    });
    let (total, found) = listed.await?;
    let context = ViewContext { viewer, prefix, state: &state };
    Ok(query.to_response(&prefix.list_uri(KIND), total, found.views(context).map(|(_, view)| view).collect()))
}

/// Several requests at once.
#[utoipa::path(
    get,
    path = "/api/bundle_permission_request/set/{ids}/",
    operation_id = "get_requests",
    params(IdsPath),
    responses(
        (status = 200, description = "The objects found, and the ids not found.", body = SetResponse<RequestView>),
        AuthErrors<HexoApi>,
        Errors<HexoApi, 400>,
    ),
)]
async fn set(
    Authenticated(caller, ids): Authenticated<IdSet>,
    prefix: ApiPrefix,
    state: Data<AppState>,
) -> HandlerResult {
    let numbers = ids.integer_ids().into_iter().map(RequestId).collect();
    let found = state.live_requests(&caller, numbers).await?;
    let context = ViewContext { viewer: caller.id(), prefix, state: &state };
    Ok(ids.to_response(found.views(context)))
}

/// One live request.
///
/// Consumes nothing. A number is for either party, a token for the target.
#[utoipa::path(
    get,
    path = "/api/bundle_permission_request/{id_or_token}/",
    operation_id = "get_request",
    params(IdOrTokenPath),
    responses(
        (status = 200, description = "The request.", body = RequestView),
        AuthErrors<HexoApi>,
        Errors<HexoApi, 404>,
    ),
)]
async fn detail(
    Authenticated(caller, name): Authenticated<RequestParam>,
    prefix: ApiPrefix,
    state: Data<AppState>,
) -> HandlerResult {
    let viewer = caller.id();
    let context = ViewContext { viewer, prefix, state: &state };
    match name {
        RequestParam::Id(id) => {
            let found = state.live_requests(&caller, vec![id]).await?;
            let (_, view) = found.views(context).next().ok_or(ApiError::NotFound)?;
            Ok(HttpResponse::Ok().json(view))
        }
        RequestParam::Token(id) => {
            let found = state.registry.look_up(LookupKey::Request(id)).await?;
            let (request, parties, now) = found.request(id, viewer).ok_or(ApiError::NotFound)?;
            Ok(HttpResponse::Ok().json(RequestView::new(
                request,
                request.seconds_left(now),
                parties,
                context,
            )))
        }
    }
}

/// What asks for a permission, as it is documented.
#[derive(ToSchema)]
#[schema(as = hexo::NewRequest)]
#[expect(dead_code, reason = "parsed by `create`; declared for the OpenAPI schema")]
struct NewRequestSchema {
    /// A bundle: its URI or its id.
    #[schema(schema_with = schemas::uri_or_id)]
    bundle: String,
    /// Who asks, and receives: a URI, an id or an email.
    #[schema(schema_with = schemas::uri_or_id)]
    user_allowed: String,
    /// Who is asked: a URI, an id or an email.
    #[schema(schema_with = schemas::uri_or_id)]
    user_target: String,
    /// Seconds that it is to live: no more than the server's configuration allows.
    #[schema(schema_with = schemas::ttl_seconds)]
    ttl: Option<i64>,
    /// The page that the mail leads to, at an origin that the operator allows.
    #[schema(max_length = 900)]
    redeem_url: Option<String>,
}

/// Asks for a permission, and mails `user_target`: as `user_allowed` or staff.
#[utoipa::path(
    post,
    path = "/api/bundle_permission_request/",
    operation_id = "create_request",
    params(IdempotencyKeyParams),
    request_body = NewRequestSchema,
    responses(
        (status = 201, description = "The request.", body = RequestView,
            headers(("Location" = String, description = "Its URI. It does not contain the token."))),
        AuthErrors<HexoApi>,
        BodyErrors<HexoApi>,
        Errors<HexoApi, 422>,
    ),
)]
async fn create(
    Authenticated(caller, (IdempotencyKeyHeader(idempotency_key), fields)): Authenticated<(
        IdempotencyKeyHeader,
        JsonFields,
    )>,
    prefix: ApiPrefix,
    state: Data<AppState>,
) -> HandlerResult {
    let config = &state.config;
    let input = TermsInput::parse(KIND, &fields, &config.public_url)?;
    let lifetime_seconds = parse_ttl(&fields, config)?;
    let redeem_page = fields.text_or_blank(KIND, "redeem_url", |text| parse_redeem_url(text, config))?;
    let resolved = input.resolve(KIND, ActingParty::Grantee, &caller, &state).await?;
    let viewer = caller.id();
    let new = NewPermissionRequest {
        terms: resolved.terms,
        asked_by: viewer,
        lifetime_seconds,
        redeem_page,
        idempotency_key,
    };
    let limits = config.limits.requests.for_user(&caller.user);
    let (request, ttl, quotas) = state.registry.create_request(new, limits, caller.audit_context).await?;
    state.mailer.notify();
    let view =
        RequestView::new(&request, ttl, resolved.parties(), ViewContext { viewer, prefix, state: &state });
    let mut response =
        HttpResponse::Created().insert_header((LOCATION, view.resource_uri.clone())).json(view);
    // How often others ask the target is nobody's business but theirs.
    let visible_quotas: Vec<QuotaStatus> =
        quotas.into_iter().filter(|quota| quota.policy_name != "target").collect();
    rate_limit::headers::insert(response.headers_mut(), &visible_quotas);
    Ok(response)
}

/// Redeems a request's token, as its target.
///
/// The body is never looked at, and a number never redeems. What is wrong with a
/// token is not told: used, expired, unknown and somebody else's are one answer.
#[utoipa::path(
    put,
    path = "/api/bundle_permission_request/{id_or_token}/",
    operation_id = "redeem_request",
    params(IdOrTokenPath, IdempotencyKeyParams),
    responses(
        (status = 200, description = "The permission.", body = PermissionView),
        AuthErrors<HexoApi>,
        Errors<HexoApi, 400>,
        Errors<HexoApi, 404>,
    ),
)]
async fn redeem(
    Authenticated(caller, (name, IdempotencyKeyHeader(idempotency_key), _)): Authenticated<(
        RequestParam,
        IdempotencyKeyHeader,
        Body,
    )>,
    prefix: ApiPrefix,
    state: Data<AppState>,
) -> HandlerResult {
    let RequestParam::Token(id) = name else { return Err(ApiError::NotFound.into()) };
    let by = caller.id();
    let (grant, participants) = state.registry.redeem(id, by, idempotency_key, caller.audit_context).await?;
    let parties = participants.parties(grant.terms).ok_or(ApiError::NotFound)?;
    Ok(HttpResponse::Ok().json(PermissionView::new(&grant, parties, prefix)))
}

/// Ends a request: its target declines, its requester withdraws.
#[utoipa::path(
    delete,
    path = "/api/bundle_permission_request/{id_or_token}/",
    operation_id = "close_request",
    params(IdOrTokenPath),
    responses(
        (status = 204, description = "Closed. Its token no longer works."),
        AuthErrors<HexoApi>,
        Errors<HexoApi, 404>,
    ),
)]
async fn delete(
    Authenticated(caller, (name, _)): Authenticated<(RequestParam, Body)>,
    state: Data<AppState>,
) -> HandlerResult {
    let (by, registry) = (caller.id(), &state.registry);
    match name {
        RequestParam::Id(id) => registry.withdraw(id, by, caller.audit_context).await?,
        RequestParam::Token(id) => registry.decline(id, by, caller.audit_context).await?,
    };
    Ok(HttpResponse::NoContent().finish())
}

/// Live requests, with all that it takes to write them.
struct LoadedRequests {
    requests: Vec<PermissionRequest>,
    participants: Participants,
    now: Timestamp,
}

impl LoadedRequests {
    fn views<'a>(&'a self, context: ViewContext<'a>) -> impl Iterator<Item = (i64, RequestView<'a>)> {
        self.requests.iter().filter_map(move |request| {
            let parties = self.participants.parties(request.terms)?;
            Some((request.id.0, RequestView::new(request, request.seconds_left(self.now), parties, context)))
        })
    }
}

impl AppState {
    /// The live requests of these numbers that are the caller's, either way.
    async fn live_requests(&self, caller: &Caller, ids: Vec<RequestId>) -> Result<LoadedRequests, HexoError> {
        let viewer = caller.id();
        let found = self.store.read(move |conn| {
            let now = conn.now()?;
            let requests = requests::pending_by_ids(conn, &ids, viewer, now)?;
            let participants = Participants::load(conn, requests.iter().map(|request| request.terms))?;
            Ok(LoadedRequests { requests, participants, now })
        });
        Ok(found.await?)
    }
}

/// Seconds that the request is to live.
fn parse_ttl(fields: &JsonFields, config: &Config) -> Result<i64, HexoError> {
    let asked = fields.integer(KIND, "ttl")?;
    config.requests.allowed_lifetime(asked).ok_or_else(|| {
        let max_ttl = config.requests.max_ttl;
        HexoError::invalid_field(
            KIND,
            "ttl",
            format!("Provide a whole number of seconds from 60 to {max_ttl}."),
        )
    })
}

/// Not a page that a link may lead to.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("must be an http or https URL whose origin the operator allows, without a token, user or fragment")]
struct RedeemUrlNotAllowed;

/// The page that the mail is to lead to, as a browser reads its URL.
fn parse_redeem_url(text: &str, config: &Config) -> Result<String, RedeemUrlNotAllowed> {
    let whole = text.contains("://") && !text.contains(|c: char| c.is_whitespace() || c.is_control());
    let url = Url::parse(text).map_err(|_| RedeemUrlNotAllowed)?;
    let bare = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    let free = url.query_pairs().all(|(name, _)| name != "token");
    let ours = matches!(url.scheme(), "http" | "https") && config.is_allowed_redeem_url(&url);
    let short = url.as_str().len() <= MAX_REDEEM_URL_BYTES;
    if whole && bare && free && ours && short { Ok(url.into()) } else { Err(RedeemUrlNotAllowed) }
}
