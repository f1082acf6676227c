//! `bundle_permission_request`: requests for a permission, and their redemption.

use actix_web::HttpResponse;
use actix_web::http::header::LOCATION;
use actix_web::web::Data;

use super::common::{ApiPrefix, ResourceKind};
use super::decisions;
use super::error::{HandlerResult, HexoApi, HexoError};
use super::fields::JsonFields;
use super::headers::IdempotencyKeyHeader;
use super::new_request::NewRequestBody;
use super::path::{RequestParam, RequestRef};
use super::query::ListQuery;
use super::resource::{self, ById, OperationDoc, Resource};
use super::schema::{FieldSchema, FilterSchema, Lookup};
use super::terms::ActingParty;
use super::view::{RequestView, ViewContext};
use crate::config::PublicUrl;
use crate::domain::permission_request::{RequestId, RequestStatus};
use crate::http::error::ApiError;
use crate::http::extract::authenticated::{Authenticated, Caller};
use crate::http::extract::body::Body;
use crate::http::openapi::error_responses::{AuthErrors, BodyErrors, Errors};
use crate::http::rate_limit;
use crate::http::routing::{Endpoint, endpoints};
use crate::http::state::AppState;
use crate::services;
use crate::services::filters::{TermsQuery, intersection};
use crate::services::requests::{LoadedRequest, LoadedRequests, RequestQuery};
use crate::store::ledger::CreatedRequest;
use crate::store::lookup::LookupKey;
use crate::store::participants::RequestParties;

const KIND: ResourceKind = ResourceKind::BundlePermissionRequest;

struct Requests;

impl Resource for Requests {
    const KIND: ResourceKind = KIND;
    const FIELDS: &'static [FieldSchema] = &[
        FieldSchema::bundle(),
        FieldSchema::datetime("created_at").readonly(),
        FieldSchema::datetime("decided_at").readonly().nullable(),
        FieldSchema::object("decision").readonly().nullable(),
        FieldSchema::datetime("expires_at").readonly(),
        FieldSchema::integer("id").readonly(),
        FieldSchema::integer("minimum").optional(),
        FieldSchema::integer("permission").optional(),
        FieldSchema::integer("permission_ttl").nullable(),
        FieldSchema::text("purpose").nullable(),
        FieldSchema::text("redeem_url").nullable(),
        FieldSchema::uri(),
        FieldSchema::text("return_url").nullable(),
        FieldSchema::list("rights").readonly(),
        FieldSchema::text("state").nullable(),
        FieldSchema::text("status").readonly(),
        FieldSchema::integer("ttl").nullable(),
        FieldSchema::user("user_allowed"),
        FieldSchema::user("user_target"),
    ];
    const FILTERS: &'static [FilterSchema] = &[
        FilterSchema { field: "bundle", lookups: &[Lookup::Exact, Lookup::In] },
        FilterSchema { field: "created_at", lookups: &[Lookup::AtOrAfter, Lookup::Before] },
        FilterSchema { field: "status", lookups: &[Lookup::Exact, Lookup::In] },
        FilterSchema { field: "user_allowed", lookups: &[Lookup::Exact, Lookup::In] },
        FilterSchema { field: "user_target", lookups: &[Lookup::Exact, Lookup::In] },
    ];
    const LIST: OperationDoc = OperationDoc::new(
        "list_requests",
        "Lists the requests to which the caller is a party; without `status`, the pending ones.",
    );
    const SCHEMA_ID: &'static str = "get_request_schema";

    type Id = i64;
    type Rows = LoadedRequests;
    type View<'a> = RequestView<'a>;

    async fn list(
        caller: &Caller,
        query: &ListQuery,
        state: &AppState,
    ) -> Result<(i64, Self::Rows), HexoError> {
        let filters = parse_filters(query, &state.config.public_url)?;
        Ok(services::requests::list_for_party(&state.store, caller.id(), filters, query.page()).await?)
    }

    fn views<'a>(
        requests: &'a Self::Rows,
        context: ViewContext<'a>,
    ) -> impl Iterator<Item = (i64, RequestView<'a>)> {
        let now = requests.read_at;
        requests.iter().map(move |LoadedRequest { request, parties, permission }| {
            (request.id.0, RequestView::new(request, parties, permission, now, context))
        })
    }
}

impl ById for Requests {
    const SET: OperationDoc = OperationDoc::new("get_requests", "Returns several requests.");
    const DETAIL: Option<OperationDoc> = None;

    async fn by_ids(caller: &Caller, ids: Vec<i64>, state: &AppState) -> Result<Self::Rows, HexoError> {
        let ids = ids.into_iter().map(RequestId).collect();
        Ok(services::requests::by_ids(&state.store, caller.id(), ids).await?)
    }
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    let mut own = endpoints![create, detail];
    own.extend(decisions::endpoints());
    own.extend(endpoints![delete]);
    resource::endpoints::<Requests>(own)
}

/// Returns a request.
///
/// Use the id as either party or as the user who created it, or the token as the target. An id
/// returns a closed request too; a token only a pending one, and stays valid.
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
            Ok(HttpResponse::Ok().json(RequestView::new(request, parties, None, now, context)))
        }
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
    let body = NewRequestBody::parse(&fields, &state.config)?;
    let resolved = body.terms.clone().resolve(KIND, ActingParty::Grantee, &caller, &state).await?;
    let new = body.into_request(resolved.terms, caller.id(), idempotency_key, &state.config);
    let limits = state.config.limits.requests.for_user(&caller.user);
    let CreatedRequest { request, now, bundle, quotas } =
        state.registry.create_request(new, limits, caller.audit_context.clone()).await?;
    let context = ViewContext { caller: &caller, prefix, state: &state };
    let created = |view: RequestView<'_>| {
        HttpResponse::Created().insert_header((LOCATION, view.resource_uri.clone())).json(view)
    };
    let Some(bundle) = &bundle else {
        // Created earlier. It may have been decided since, and its bundle changed.
        let found = Requests::by_ids(&caller, vec![request.id.0], &state).await?;
        let (_, view) = Requests::views(&found, context).next().ok_or(ApiError::NotFound)?;
        return Ok(created(view));
    };
    state.mailer.notify();
    let parties = RequestParties { bundle, ..resolved.parties() };
    let mut response = created(RequestView::new(&request, parties, None, now, context));
    rate_limit::headers::insert_without_target(response.headers_mut(), quotas);
    Ok(response)
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
        RequestRef::Id(id) => registry.withdraw(id, by, caller.audit_context).await.map(drop)?,
        RequestRef::Token(id) => registry.decline(id, by, None, None, caller.audit_context).await?,
    }
    Ok(HttpResponse::NoContent().finish())
}

fn parse_filters(query: &ListQuery, public_url: &PublicUrl) -> Result<RequestQuery, HexoError> {
    let status = |text: &str| RequestStatus::from_name(text).ok_or(HexoError::InvalidFilter);
    Ok(RequestQuery {
        statuses: intersection(query.filter_values("status", status)?),
        terms: TermsQuery::parse(query, public_url)?,
        created_from: query.time("created_at__gte")?,
        created_before: query.time("created_at__lt")?,
    })
}
