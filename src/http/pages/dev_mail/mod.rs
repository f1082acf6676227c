//! `/mailbox`: the mails of a server that writes them to files, for a developer who wants to
//! open their links. It needs no sign-in: the first password arrives by mail.
//!
//! Mails contain secret links, so [`local_access`] admits only requests of users who could read
//! the files anyway. For all others the pages do not exist.

mod local_access;
mod mail_directory;
mod peer_uid;

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use local_access::require_local_owner;
use mail_directory::StoredMail;
use minijinja::value::Serde;
use minijinja::{Value, context};
use tokio::task::spawn_blocking;
use uuid::Uuid;

use super::context::PageContext;
use super::error::PageError;
use super::pager::Pager;
use super::responses::HtmlErrors;
use crate::http::error::ApiError;
use crate::http::openapi::error_responses::Errors;
use crate::http::routing::{Endpoint, endpoints};
use crate::http::state::AppState;

pub(crate) use local_access::is_enabled;

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
    params(("offset" = Option<String>, Query, nullable = false, description = "Number of rows to skip.")),
    responses(
        (status = 200, description = "One page.", body = String, content_type = "text/html"),
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
    params(("id" = String, Path, description = "The mail's id.")),
    responses(
        (status = 200, description = "The mail.", body = String, content_type = "text/html"),
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
    let id = Uuid::try_parse(&segment).map_err(|_| ApiError::NotFound)?;
    let directory = state.config.mail_directory.clone();
    let mail = directory_result(spawn_blocking(move || mail_directory::read(&directory, id)).await)?
        .ok_or(ApiError::NotFound)?;
    let spans = mail.text_spans();
    Ok(ctx.render_ok("dev-mail-message", context! { mail => mail_context(&mail), spans => Serde(&spans) }))
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
