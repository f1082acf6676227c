//! Decisions on a request by its token: approving as asked, approving a part, and declining.

use actix_web::HttpResponse;
use actix_web::web::Data;
use utoipa::ToSchema;

use super::common::{ApiPrefix, ResourceKind};
use super::error::{HandlerResult, HexoApi, HexoError};
use super::fields::JsonFields;
use super::headers::IdempotencyKeyHeader;
use super::path::{RequestParam, RequestRef};
use super::view::PermissionView;
use crate::actors::registry::CommandError;
use crate::domain::approval::{Approval, ApprovedEnd, InvalidApproval, MAX_PERMISSION_TTL_SECONDS, Reason};
use crate::domain::permission_request::RequestError;
use crate::domain::rights::Mask;
use crate::domain::timestamp::Timestamp;
use crate::domain::token::RedeemId;
use crate::domain::validated_text::IdempotencyKey;
use crate::http::error::ApiError;
use crate::http::extract::authenticated::{Authenticated, Caller};
use crate::http::extract::body::Body;
use crate::http::openapi::error_responses::{AuthErrors, BodyErrors, Errors};
use crate::http::openapi::schemas;
use crate::http::routing::{Endpoint, endpoints};
use crate::http::state::AppState;

const KIND: ResourceKind = ResourceKind::BundlePermissionRequest;

pub(super) fn endpoints() -> Vec<Endpoint> {
    endpoints![redeem, approve, decline]
}

impl RequestRef {
    /// Only a token allows a decision.
    fn token(self) -> Result<RedeemId, HexoError> {
        match self {
            Self::Token(id) => Ok(id),
            Self::Id(_) => Err(ApiError::NotFound.into()),
        }
    }
}

/// Approves a request as asked, with its token. Requires the target.
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
    grant(id_or_token.token()?, Approval::AS_ASKED, idempotency_key, caller, prefix, &state).await
}

/// What the target grants.
#[derive(ToSchema)]
#[schema(as = hexo::Approval)]
struct ApprovalBody {
    /// Some or all of the rights that were asked for, with the minimum. Default: all.
    #[schema(schema_with = schemas::rights, required = false)]
    permission: Option<Mask>,
    /// When the permission ends (RFC 3339), no later than asked. Default: as asked.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// Instead of `expires_at`: seconds from now.
    #[schema(schema_with = schemas::seconds, required = false)]
    permission_ttl: Option<i64>,
}

impl ApprovalBody {
    fn parse(fields: &JsonFields) -> Result<Approval, HexoError> {
        let Self { permission, expires_at, permission_ttl } = Self {
            permission: fields.mask(KIND, "permission")?,
            expires_at: fields.timestamp(KIND, "expires_at")?,
            permission_ttl: fields.integer(KIND, "permission_ttl")?,
        };
        let end = match (expires_at, permission_ttl) {
            (None, None) => ApprovedEnd::AsAsked,
            (Some(at), None) => ApprovedEnd::At(at),
            (None, Some(seconds @ 1..=MAX_PERMISSION_TTL_SECONDS)) => ApprovedEnd::After(seconds),
            (None, Some(_)) => {
                let reason =
                    format!("Provide a whole number of seconds from 1 to {MAX_PERMISSION_TTL_SECONDS}.");
                return Err(HexoError::invalid_field(KIND, "permission_ttl", reason));
            }
            (Some(_), Some(_)) => {
                let reason = "Provide either expires_at or permission_ttl.";
                return Err(HexoError::invalid_field(KIND, "permission_ttl", reason));
            }
        };
        Ok(Approval { permission, end, max_ttl: None })
    }
}

/// Approves a request with fewer rights or for a shorter time, with its token. Requires the target.
///
/// Rights and end that were not asked for are 400, and leave the request pending.
#[utoipa::path(
    post,
    path = "/api/bundle_permission_request/{id_or_token}/approve/",
    operation_id = "approve_request",
    params(RequestParam, IdempotencyKeyHeader),
    request_body = ApprovalBody,
    responses(
        (status = 200, description = "The permission.", body = PermissionView),
        AuthErrors<HexoApi>,
        BodyErrors<HexoApi>,
        Errors<HexoApi, 404>,
        Errors<HexoApi, 422>,
    ),
)]
async fn approve(
    Authenticated(caller, (RequestParam { id_or_token }, IdempotencyKeyHeader { idempotency_key }, fields)): Authenticated<
        (RequestParam, IdempotencyKeyHeader, JsonFields),
    >,
    prefix: ApiPrefix,
    state: Data<AppState>,
) -> HandlerResult {
    let approval = ApprovalBody::parse(&fields)?;
    grant(id_or_token.token()?, approval, idempotency_key, caller, prefix, &state).await
}

/// Why the target declines.
#[derive(ToSchema)]
#[schema(as = hexo::Decline)]
struct DeclineBody {
    /// The requester sees it.
    #[schema(value_type = Option<String>, max_length = 500)]
    reason: Option<Reason>,
}

/// Declines a request, with its token. Requires the target.
#[utoipa::path(
    post,
    path = "/api/bundle_permission_request/{id_or_token}/decline/",
    operation_id = "decline_request",
    params(RequestParam, IdempotencyKeyHeader),
    request_body = DeclineBody,
    responses(
        (status = 204, description = "Declined. The token no longer works."),
        AuthErrors<HexoApi>,
        BodyErrors<HexoApi>,
        Errors<HexoApi, 404>,
        Errors<HexoApi, 422>,
    ),
)]
async fn decline(
    Authenticated(caller, (RequestParam { id_or_token }, IdempotencyKeyHeader { idempotency_key }, fields)): Authenticated<
        (RequestParam, IdempotencyKeyHeader, JsonFields),
    >,
    state: Data<AppState>,
) -> HandlerResult {
    let DeclineBody { reason } = DeclineBody { reason: fields.non_blank_text(KIND, "reason", Reason::new)? };
    let id = id_or_token.token()?;
    let by = caller.id();
    state.registry.decline(id, by, reason, idempotency_key, caller.audit_context).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn grant(
    id: RedeemId,
    approval: Approval,
    idempotency_key: Option<IdempotencyKey>,
    caller: Caller,
    prefix: ApiPrefix,
    state: &AppState,
) -> HandlerResult {
    let by = caller.id();
    let approval = Approval { max_ttl: state.config.permissions.max_ttl, ..approval };
    let approved =
        state.registry.approve(id, by, (approval, None), idempotency_key, caller.audit_context).await;
    let (permission, participants) = approved.map_err(|error| match (error, approval.end) {
        (
            CommandError::Rejected(RequestError::InvalidApproval(InvalidApproval::EndLaterThanAsked)),
            ApprovedEnd::After(_),
        ) => HexoError::invalid_field(KIND, "permission_ttl", "Provide a time no longer than asked."),
        (error, _) => error.into(),
    })?;
    let parties = participants.parties(permission.terms).ok_or(ApiError::NotFound)?;
    Ok(HttpResponse::Ok().json(PermissionView::new(&permission, parties, prefix)))
}
