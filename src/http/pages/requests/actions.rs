//! Actions on a request by one of its parties, and unblocking.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};

use crate::actors::registry::CommandError;
use crate::domain::block::Block;
use crate::domain::permission_request::{PermissionRequest, RequestId, RequestOutcome};
use crate::domain::user::UserId;
use crate::http::error::ApiError;
use crate::http::openapi::error_responses::Errors;
use crate::http::pages::error::PageError;
use crate::http::pages::form::{CsrfForm, Form};
use crate::http::pages::responses::{FormErrors, HtmlErrors};
use crate::http::pages::url::{parse_number, see_other};
use crate::http::state::AppState;
use crate::services::requests;
use crate::store::ledger::ResendMailError;

/// Closes a request: its target declines it, its requester withdraws it.
#[utoipa::path(
    post,
    path = "/requests/{id}/close",
    operation_id = "close_request_form",
    security(()),
    params(("id" = String, Path, description = "The request's number.")),
    request_body(content = CsrfForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 303, description = "Closed. Redirects to the list, or to the sign-in page."),
        FormErrors,
        Errors<HtmlErrors, 404>,
    ),
)]
pub(super) async fn close(
    state: Data<AppState>,
    id: Path<String>,
    form: Form,
) -> Result<HttpResponse, PageError> {
    let me = form.require_user("/")?.user.id;
    let id = RequestId(parse_number(&id)?);
    match state.registry.withdraw(id, me, form.ctx.audit).await {
        Ok(RequestOutcome::Declined) => Ok(see_other("/?flash=declined")),
        Ok(_) => Ok(see_other("/requests?flash=withdrawn")),
        // A repetition shows what is so now.
        Err(CommandError::Rejected(_)) => match requests::closed_by(&state.store, id, me).await? {
            Some(RequestOutcome::Declined) => Ok(see_other("/?flash=declined")),
            Some(RequestOutcome::Withdrawn) => Ok(see_other("/requests?flash=withdrawn")),
            Some(_) => Ok(see_other(&format!("/requests/{id}"))),
            None => Err(ApiError::NotFound.into()),
        },
        Err(CommandError::Unavailable(error)) => Err(error.into()),
    }
}

/// Queues a request's mail again, with the same link. Counts toward the limits of requests.
#[utoipa::path(
    post,
    path = "/requests/{id}/resend",
    operation_id = "resend_request_mail",
    security(()),
    params(("id" = String, Path, description = "The request's number.")),
    request_body(content = CsrfForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 303, description = "Queued. Redirects to the list, or to the sign-in page."),
        FormErrors,
        Errors<HtmlErrors, 404>,
        Errors<HtmlErrors, 429>,
    ),
)]
pub(super) async fn resend(
    state: Data<AppState>,
    id: Path<String>,
    form: Form,
) -> Result<HttpResponse, PageError> {
    let me = &form.require_user("/requests")?.user;
    let request = find_pending(&state, &id, me.id).await?;
    let limits = state.config.limits.requests.for_user(me);
    let audit = form.ctx.audit.clone();
    match state.registry.resend_mail(request.id, request.terms, me.id, limits, audit).await {
        Ok(()) => {
            state.mailer.notify();
            Ok(see_other("/requests?flash=resent"))
        }
        Err(CommandError::Rejected(ResendMailError::AlreadyPending)) => {
            Ok(see_other("/requests?flash=mail-pending"))
        }
        Err(CommandError::Rejected(ResendMailError::Request(_))) => Err(ApiError::NotFound.into()),
        Err(CommandError::Rejected(ResendMailError::RateLimited(limit))) => Err(limit.into()),
        Err(CommandError::Unavailable(error)) => Err(error.into()),
    }
}

/// Blocks a request's requester, as its target, and declines their pending requests.
#[utoipa::path(
    post,
    path = "/requests/{id}/block",
    operation_id = "block_requester_form",
    security(()),
    params(("id" = String, Path, description = "The request's number.")),
    request_body(content = CsrfForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 303, description = "Blocked. Redirects to the list, or to the sign-in page."),
        FormErrors,
        Errors<HtmlErrors, 404>,
    ),
)]
pub(super) async fn block(
    state: Data<AppState>,
    id: Path<String>,
    form: Form,
) -> Result<HttpResponse, PageError> {
    let me = form.require_user("/")?.user.id;
    let request = find_pending(&state, &id, me).await?;
    if request.terms.target != me {
        return Err(ApiError::NotFound.into());
    }
    state.registry.block(Block::from_terms(request.terms), form.ctx.audit).await?;
    Ok(see_other("/?flash=blocked"))
}

/// Unblocks a user.
#[utoipa::path(
    post,
    path = "/blocks/{user}/delete",
    operation_id = "unblock_form",
    security(()),
    params(("user" = i64, Path, description = "The number of the blocked user.")),
    request_body(content = CsrfForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 303, description = "Unblocked. Redirects to the list, or to the sign-in page."),
        FormErrors,
        Errors<HtmlErrors, 404>,
    ),
)]
pub(super) async fn unblock(
    state: Data<AppState>,
    user: Path<String>,
    form: Form,
) -> Result<HttpResponse, PageError> {
    let target = form.require_user("/requests")?.user.id;
    let block = Block { target, blocked: UserId(parse_number(&user)?) };
    // Whether or not there was a block, there is none now.
    state.registry.unblock(block, form.ctx.audit).await?;
    Ok(see_other("/requests?flash=unblocked"))
}

/// The pending request with this number, if the user is a party to it.
async fn find_pending(state: &AppState, number: &str, party: UserId) -> Result<PermissionRequest, ApiError> {
    let id = RequestId(parse_number(number)?);
    requests::find_pending(&state.store, id, party).await?.ok_or(ApiError::NotFound)
}
