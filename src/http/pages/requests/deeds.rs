//! What is done about requests by their numbers, as a party to them.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};

use super::super::Html;
use super::super::error::{PageError, see_other};
use super::super::listing::number;
use super::super::post::{Csrf, Post};
use crate::domain::block::Block;
use crate::domain::request::{Outcome, PermissionRequest, RequestId};
use crate::domain::user::UserId;
use crate::http::Services;
use crate::http::openapi::refusals::{AnyBody, May};
use crate::http::problem::Problem;
use crate::store::ledger::ResendRefusal;
use crate::store::requests;

/// Ends a request: its target declines, its requester withdraws.
#[utoipa::path(
    post,
    path = "/requests/{id}/end",
    operation_id = "end_by_page",
    security(()),
    params(("id" = String, Path, description = "The request's number.")),
    request_body(content = Csrf, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 303, description = "Closed. Redirects to the list, or to the sign-in page."),
        AnyBody<Html>,
        May<Html, 403>,
        May<Html, 404>,
        May<Html, 503>,
    ),
)]
pub(super) async fn end(
    services: Data<Services>,
    id: Path<String>,
    post: Post,
) -> Result<HttpResponse, PageError> {
    let me = post.user("/")?.user.id;
    let id = RequestId(number(&id)?);
    match services.registry.withdraw(id, me, post.visit.origin).await? {
        Ok(Outcome::Declined) => Ok(see_other("/?done=declined")),
        Ok(_) => Ok(see_other("/requests?done=withdrawn")),
        Err(_) => Err(Problem::NotFound.into()),
    }
}

/// Has a request's mail sent anew, with the same link, within the limits of asking.
#[utoipa::path(
    post,
    path = "/requests/{id}/resend",
    operation_id = "resend",
    security(()),
    params(("id" = String, Path, description = "The request's number.")),
    request_body(content = Csrf, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 303, description = "Queued. Redirects to the list, or to the sign-in page."),
        AnyBody<Html>,
        May<Html, 403>,
        May<Html, 404>,
        May<Html, 429>,
        May<Html, 503>,
    ),
)]
pub(super) async fn resend(
    services: Data<Services>,
    id: Path<String>,
    post: Post,
) -> Result<HttpResponse, PageError> {
    let me = &post.user("/requests")?.user;
    let request = services.live_request(&id, me.id).await?;
    let limits = services.config.limits.asking.of(me);
    let origin = post.visit.origin.clone();
    match services.registry.resend(request.id, request.terms, me.id, limits, origin).await? {
        Ok(()) => {
            services.mailer.hint();
            Ok(see_other("/requests?done=resent"))
        }
        Err(ResendRefusal::Owed) => Ok(see_other("/requests?done=owed")),
        Err(ResendRefusal::Request(_)) => Err(Problem::NotFound.into()),
        Err(ResendRefusal::TooOften(exceeded)) => Err(exceeded.into()),
    }
}

/// Takes no more requests from whom a request comes from, as its target; those that wait
/// are declined.
#[utoipa::path(
    post,
    path = "/requests/{id}/block",
    operation_id = "block_by_page",
    security(()),
    params(("id" = String, Path, description = "The request's number.")),
    request_body(content = Csrf, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 303, description = "Blocked. Redirects to the list, or to the sign-in page."),
        AnyBody<Html>,
        May<Html, 403>,
        May<Html, 404>,
        May<Html, 503>,
    ),
)]
pub(super) async fn block(
    services: Data<Services>,
    id: Path<String>,
    post: Post,
) -> Result<HttpResponse, PageError> {
    let me = post.user("/")?.user.id;
    let request = services.live_request(&id, me).await?;
    if request.terms.target != me {
        return Err(Problem::NotFound.into());
    }
    services.registry.block(Block::of(request.terms), post.visit.origin).await?;
    Ok(see_other("/?done=blocked"))
}

/// Takes requests from somebody again.
#[utoipa::path(
    post,
    path = "/blocks/{user}/lift",
    operation_id = "unblock_by_page",
    security(()),
    params(("user" = i64, Path, description = "The number of the blocked user.")),
    request_body(content = Csrf, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 303, description = "Unblocked. Redirects to the list, or to the sign-in page."),
        AnyBody<Html>,
        May<Html, 403>,
        May<Html, 404>,
        May<Html, 503>,
    ),
)]
pub(super) async fn lift(
    services: Data<Services>,
    user: Path<String>,
    post: Post,
) -> Result<HttpResponse, PageError> {
    let target = post.user("/requests")?.user.id;
    let block = Block { target, blocked: UserId(number(&user)?) };
    match services.registry.unblock(block, post.visit.origin).await? {
        true => Ok(see_other("/requests?done=unblocked")),
        false => Err(Problem::NotFound.into()),
    }
}

impl Services {
    /// The live request of this number to which somebody is a party.
    async fn live_request(&self, id: &str, party: UserId) -> Result<PermissionRequest, Problem> {
        let id = RequestId(number(id)?);
        let found = self.directory.read(move |conn| {
            let now = conn.now()?;
            requests::live_by_ids(conn, &[id], party, now)
        });
        found.await?.pop().ok_or(Problem::NotFound)
    }
}
