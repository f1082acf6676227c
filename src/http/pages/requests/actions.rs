//! What is done about requests by their numbers, as a party to them.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};

use super::super::HtmlErrors;
use super::super::error::{PageError, see_other};
use super::super::form::{CsrfForm, Form};
use super::super::pager::parse_number;
use crate::actors::registry::CommandError;
use crate::domain::block::Block;
use crate::domain::permission_request::{PermissionRequest, RequestId, RequestOutcome};
use crate::domain::user::UserId;
use crate::http::error::ApiError;
use crate::http::openapi::error_responses::{BodyErrors, Errors};
use crate::http::state::AppState;
use crate::store::ledger::ResendMailError;
use crate::store::requests;

/// Ends a request: its target declines, its requester withdraws.
#[utoipa::path(
    post,
    path = "/requests/{id}/close",
    operation_id = "close_request_form",
    security(()),
    params(("id" = String, Path, description = "The request's number.")),
    request_body(content = CsrfForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 303, description = "Closed. Redirects to the list, or to the sign-in page."),
        BodyErrors<HtmlErrors>,
        Errors<HtmlErrors, 403>,
        Errors<HtmlErrors, 404>,
        Errors<HtmlErrors, 503>,
    ),
)]
pub(super) async fn close(
    services: Data<AppState>,
    id: Path<String>,
    form: Form,
) -> Result<HttpResponse, PageError> {
    let me = form.require_user("/")?.user.id;
    let id = RequestId(parse_number(&id)?);
    match services.registry.withdraw(id, me, form.ctx.audit).await {
        Ok(RequestOutcome::Declined) => Ok(see_other("/?flash=declined")),
        Ok(_) => Ok(see_other("/requests?flash=withdrawn")),
        Err(CommandError::Rejected(_)) => Err(ApiError::NotFound.into()),
        Err(CommandError::Unavailable(error)) => Err(error.into()),
    }
}

/// Has a request's mail sent anew, with the same link, within the limits of asking.
#[utoipa::path(
    post,
    path = "/requests/{id}/resend",
    operation_id = "resend_request_mail",
    security(()),
    params(("id" = String, Path, description = "The request's number.")),
    request_body(content = CsrfForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 303, description = "Queued. Redirects to the list, or to the sign-in page."),
        BodyErrors<HtmlErrors>,
        Errors<HtmlErrors, 403>,
        Errors<HtmlErrors, 404>,
        Errors<HtmlErrors, 429>,
        Errors<HtmlErrors, 503>,
    ),
)]
pub(super) async fn resend(
    services: Data<AppState>,
    id: Path<String>,
    form: Form,
) -> Result<HttpResponse, PageError> {
    let me = &form.require_user("/requests")?.user;
    let request = services.live_request(&id, me.id).await?;
    let limits = services.config.limits.requests.for_user(me);
    let audit = form.ctx.audit.clone();
    match services.registry.resend_mail(request.id, request.terms, me.id, limits, audit).await {
        Ok(()) => {
            services.mailer.notify();
            Ok(see_other("/requests?flash=resent"))
        }
        Err(CommandError::Rejected(ResendMailError::AlreadyPending)) => {
            Ok(see_other("/requests?flash=mail-pending"))
        }
        Err(CommandError::Rejected(ResendMailError::Request(_))) => Err(ApiError::NotFound.into()),
        Err(CommandError::Rejected(ResendMailError::RateLimited(exceeded))) => Err(exceeded.into()),
        Err(CommandError::Unavailable(error)) => Err(error.into()),
    }
}

/// Takes no more requests from whom a request comes from, as its target; those that wait
/// are declined.
#[utoipa::path(
    post,
    path = "/requests/{id}/block",
    operation_id = "block_requester_form",
    security(()),
    params(("id" = String, Path, description = "The request's number.")),
    request_body(content = CsrfForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 303, description = "Blocked. Redirects to the list, or to the sign-in page."),
        BodyErrors<HtmlErrors>,
        Errors<HtmlErrors, 403>,
        Errors<HtmlErrors, 404>,
        Errors<HtmlErrors, 503>,
    ),
)]
pub(super) async fn block(
    services: Data<AppState>,
    id: Path<String>,
    form: Form,
) -> Result<HttpResponse, PageError> {
    let me = form.require_user("/")?.user.id;
    let request = services.live_request(&id, me).await?;
    if request.terms.target != me {
        return Err(ApiError::NotFound.into());
    }
    services.registry.block(Block::from_terms(request.terms), form.ctx.audit).await?;
    Ok(see_other("/?flash=blocked"))
}

/// Takes requests from somebody again.
#[utoipa::path(
    post,
    path = "/blocks/{user}/delete",
    operation_id = "unblock_form",
    security(()),
    params(("user" = i64, Path, description = "The number of the blocked user.")),
    request_body(content = CsrfForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 303, description = "Unblocked. Redirects to the list, or to the sign-in page."),
        BodyErrors<HtmlErrors>,
        Errors<HtmlErrors, 403>,
        Errors<HtmlErrors, 404>,
        Errors<HtmlErrors, 503>,
    ),
)]
pub(super) async fn unblock(
    services: Data<AppState>,
    user: Path<String>,
    form: Form,
) -> Result<HttpResponse, PageError> {
    let target = form.require_user("/requests")?.user.id;
    let block = Block { target, blocked: UserId(parse_number(&user)?) };
    match services.registry.unblock(block, form.ctx.audit).await? {
        true => Ok(see_other("/requests?flash=unblocked")),
        false => Err(ApiError::NotFound.into()),
    }
}

impl AppState {
    /// The live request of this number to which somebody is a party.
    async fn live_request(&self, id: &str, party: UserId) -> Result<PermissionRequest, ApiError> {
        let id = RequestId(parse_number(id)?);
        let found = self.store.read(move |conn| {
            let now = conn.now()?;
            requests::pending_by_ids(conn, &[id], party, now)
        });
        found.await?.pop().ok_or(ApiError::NotFound)
    }
}
