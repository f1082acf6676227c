//! `/mailbox`: the mails of a server that writes them to files, for a developer who wants to
//! open their links. It needs no sign-in, because the first password arrives by mail, but the link
//! that the server prints at its start.
//!
//! Mails contain secret links, so [`local_access`] admits only requests of users who could read
//! the files anyway. For all others the pages do not exist.

mod local_access;
mod mail_directory;
mod peer_uid;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use local_access::{is_token, require_local_owner};
use mail_directory::StoredMail;
use minijinja::value::Serde;
use minijinja::{Value, context};
use tokio::task::spawn_blocking;
use uuid::Uuid;

use super::context::PageContext;
use super::cookies::set_cookie;
use super::error::PageError;
use super::pager::Pager;
use super::responses::HtmlErrors;
use super::url::see_other;
use crate::http::error::ApiError;
use crate::http::openapi::error_responses::Errors;
use crate::http::routing::{Endpoint, endpoints};
use crate::http::state::AppState;

pub(crate) use local_access::{is_enabled, secret_url};

pub(super) fn endpoints() -> Vec<Endpoint> {
    endpoints![list, show]
}

/// Lists the mails of a development server, newest first.
///
/// Available only if mail is written to files, and only to requests from the same machine and
/// user, without a proxy.
#[utoipa::path(
    get,
    path = "/mailbox",
    operation_id = "dev_mail_page",
    security(()),
    params(
        ("offset" = Option<String>, Query, nullable = false, description = "Number of rows to skip."),
        ("token" = Option<String>, Query, nullable = false, description = "The token of the link that the server prints at its start."),
    ),
    responses(
        (status = 200, description = "One page.", body = String, content_type = "text/html"),
        (status = 303, description = "The token is in a cookie now."),
        Errors<HtmlErrors, 403>,
        Errors<HtmlErrors, 404>,
        Errors<HtmlErrors, 503>,
    ),
)]
async fn list(
    state: Data<AppState>,
    request: HttpRequest,
    ctx: PageContext,
) -> Result<HttpResponse, PageError> {
    require_local_owner(&state, &request).await?;
    if let Some(response) = ask_for_token(&ctx, &state, &request) {
        return Ok(response);
    }
    let pager = Pager::new(&ctx, "offset");
    let page = pager.limit_plus_one();
    let directory = state.config.mail_directory.clone();
    let mut found = directory_result(spawn_blocking(move || mail_directory::list(&directory, page)).await)?;
    let pagination = pager.finish(&mut found);
    let mails: Vec<Value> = found.iter().map(mail_context).collect();
    let directory = state.config.mail_directory.display().to_string();
    Ok(ctx.render_ok("dev-mail", context! { mails, pagination, directory }))
}

/// Shows the plain text of a mail of a development server, with its links.
#[utoipa::path(
    get,
    path = "/mailbox/{id}",
    operation_id = "dev_mail_message_page",
    security(()),
    params(
        ("id" = String, Path, description = "The mail's id."),
        ("token" = Option<String>, Query, nullable = false, description = "The token of the link that the server prints at its start."),
    ),
    responses(
        (status = 303, description = "The token is in a cookie now."),
        (status = 200, description = "The mail.", body = String, content_type = "text/html"),
        Errors<HtmlErrors, 403>,
        Errors<HtmlErrors, 404>,
        Errors<HtmlErrors, 503>,
    ),
)]
async fn show(
    state: Data<AppState>,
    request: HttpRequest,
    segment: Path<String>,
    ctx: PageContext,
) -> Result<HttpResponse, PageError> {
    require_local_owner(&state, &request).await?;
    if let Some(response) = ask_for_token(&ctx, &state, &request) {
        return Ok(response);
    }
    let id = Uuid::try_parse(&segment).map_err(|_| ApiError::NotFound)?;
    let directory = state.config.mail_directory.clone();
    let mail = directory_result(spawn_blocking(move || mail_directory::read(&directory, id)).await)?
        .ok_or(ApiError::NotFound)?;
    let spans = mail.text_spans();
    Ok(ctx.render_ok("dev-mail-message", context! { mail => mail_context(&mail), spans => Serde(&spans) }))
}

/// Moves the token of the printed link into a cookie, and refuses browsers without that cookie.
fn ask_for_token(ctx: &PageContext, state: &AppState, request: &HttpRequest) -> Option<HttpResponse> {
    if let Some(token) = ctx.query_param("token").filter(|token| is_token(state, token)) {
        let mut redirect = see_other(request.path());
        set_cookie(&mut redirect, &ctx.cookies.dev_mail_cookie(token));
        return Some(redirect);
    }
    let has_cookie = ctx.cookies.dev_mail_token(request).is_some_and(|token| is_token(state, token));
    (!has_cookie).then(|| ctx.render_message(StatusCode::FORBIDDEN, "mailbox-locked"))
}

fn mail_context(mail: &StoredMail) -> Value {
    context! {
        id => mail.id.to_string(),
        at => mail.written_at.micros(),
        from => &mail.from,
        to => &mail.to,
        subject => &mail.subject,
    }
}

/// Maps a failure to read the directory to 503.
fn directory_result<T>(read: Result<std::io::Result<T>, tokio::task::JoinError>) -> Result<T, ApiError> {
    read.map_err(std::io::Error::other).flatten().map_err(|error| {
        tracing::warn!(%error, "reading the mail directory failed");
        ApiError::Unavailable
    })
}
