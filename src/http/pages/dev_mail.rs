//! `/mailbox`: the mails of a server that writes them to files, for whoever tries it on
//! their own machine and wants to open a mail's link.
//!
//! Mails hold links that are meant for one reader each, so this shows nothing to anybody
//! who could not read the files themself. Nobody signs in for it: the first password comes
//! by mail. It is there only if
//!
//! - mail goes to files, and the server listens on this machine alone, and is called by a
//!   name that is this machine's: one behind a proxy, with a name of its own, has none;
//! - a request comes from this machine and from a program of the same user's, or root's (on
//!   Linux, which tells whose it is): not from somebody else's on a machine that many use,
//!   nor from a proxy's, which has a user of its own;
//! - no header tells that it was handed on, nor does its HTTP/1.0, which nginx speaks unless
//!   told otherwise;
//! - it asks for this machine by a name of its own: a page of some site whose name leads
//!   here all of a sudden (DNS rebinding) asks for that site.
//!
//! For all others there is nothing here.

use std::net::SocketAddr;

use actix_web::http::Version;
use actix_web::http::header::HOST;
use actix_web::web::{Data, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use minijinja::value::Serde;
use minijinja::{Value, context};
use tokio::task::spawn_blocking;
use url::{Host, Url};
use utoipa::OpenApi;
use uuid::Uuid;

use super::HtmlErrors;
use super::context::PageContext;
use super::error::PageError;
use super::pager::Pager;
use super::templates;
use crate::config::{Config, is_loopback_host};
use crate::http::error::ApiError;
use crate::http::openapi::error_responses::Errors;
use crate::http::peer_uid;
use crate::http::routing::get;
use crate::http::state::AppState;
use crate::mail::mail_directory::{self, StoredMail};

/// What a proxy adds to what it hands on, besides all that begins with `x-forwarded-`.
const PROXY_HEADERS: [&str; 7] =
    ["forwarded", "via", "x-real-ip", "x-original-host", "x-client-ip", "true-client-ip", "cf-connecting-ip"];

pub(super) fn routes(app: &mut ServiceConfig) {
    app.service(templates::resource("/mailbox", "GET, HEAD").route(get().to(list)))
        .service(templates::resource("/mailbox/{id}", "GET, HEAD").route(get().to(show)));
}

#[derive(OpenApi)]
#[openapi(paths(list, show))]
pub(super) struct Document;

/// The mails of a server that is tried out, the newest first.
///
/// Only where mail is written to files, and only for who may read them: on the same
/// machine, as the same user, through no proxy.
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
pub(super) async fn list(
    services: Data<AppState>,
    request: HttpRequest,
    ctx: PageContext,
) -> Result<HttpResponse, PageError> {
    require_local_owner(&services, &request).await?;
    let pagination = Pager::new(&ctx, "offset");
    let page = pagination.limit_plus_one();
    let directory = services.config.mail_directory.clone();
    let mut found = directory_result(spawn_blocking(move || mail_directory::list(&directory, page)).await)?;
    let pagination = pagination.finish(&mut found);
    let mails: Vec<Value> = found.iter().map(mail_context).collect();
    let directory = services.config.mail_directory.display().to_string();
    Ok(ctx.render_ok("dev-mail", context! { mails, pagination, directory }))
}

/// One mail of a server that is tried out: its plain text, whose links can be opened.
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
pub(super) async fn show(
    services: Data<AppState>,
    request: HttpRequest,
    segment: Path<String>,
    ctx: PageContext,
) -> Result<HttpResponse, PageError> {
    require_local_owner(&services, &request).await?;
    let id = Uuid::try_parse(&segment).map_err(|_| ApiError::NotFound)?;
    let directory = services.config.mail_directory.clone();
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

/// What was read of the directory.
fn directory_result<T>(read: Result<std::io::Result<T>, tokio::task::JoinError>) -> Result<T, ApiError> {
    read.map_err(std::io::Error::other).flatten().map_err(|error| {
        tracing::warn!(%error, "reading the mail directory failed");
        ApiError::Unavailable
    })
}

/// Refuses who is not to see the mails.
async fn require_local_owner(services: &AppState, request: &HttpRequest) -> Result<(), ApiError> {
    let not_found = || ApiError::NotFound;
    let peer = request.peer_addr().ok_or_else(not_found)?;
    if !is_enabled(&services.config) || !is_direct_local_request(peer, request) {
        return Err(not_found());
    }
    let is_same_user = spawn_blocking(move || peer_uid::is_same_user(peer)).await;
    if is_same_user.unwrap_or(false) { Ok(()) } else { Err(not_found()) }
}

/// Whether this server has a mailbox.
pub fn is_enabled(config: &Config) -> bool {
    config.smtp_url.is_none() && config.bind.ip().is_loopback() && config.public_url.is_loopback()
}

/// Whether a request comes from this machine, straight, and asks for it.
fn is_direct_local_request(peer: SocketAddr, request: &HttpRequest) -> bool {
    let is_proxy_header = |name: &str| name.starts_with("x-forwarded-") || PROXY_HEADERS.contains(&name);
    let mut hosts = request.headers().get_all(HOST);
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().ok(),
        _ => None,
    };
    peer.ip().is_loopback()
        // As no browser speaks, but nginx does to us where nobody has told it more.
        && request.version() >= Version::HTTP_11
        && !request.headers().keys().any(|name| is_proxy_header(name.as_str()))
        && host.and_then(parse_host).is_some_and(|host| is_loopback_host(&host))
}

/// The host that a `Host` header names.
fn parse_host(header: &str) -> Option<Host> {
    if header.contains(['/', '\\', '@', '?', '#']) {
        return None;
    }
    Url::parse(&format!("http://{header}/")).ok()?.host().map(|host| host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn is_local_with(peer: &str, headers: &[(&'static str, &str)]) -> bool {
        let request =
            headers.iter().fold(TestRequest::get(), |request, header| request.append_header(*header));
        is_direct_local_request(peer.parse().unwrap(), &request.to_http_request())
    }

    #[test]
    fn only_loopback_hosts_count_as_local() {
        for host in
            ["127.0.0.1:8080", "127.0.0.1", "localhost", "LOCALHOST:1", "[::1]:8080", "demo.localhost:80"]
        {
            assert!(is_local_with("127.0.0.1:9", &[("host", host)]), "{host}");
            assert!(is_local_with("[::1]:9", &[("host", host)]), "{host}");
            assert!(!is_local_with("192.0.2.1:9", &[("host", host)]), "{host}");
        }
        for host in [
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "x@localhost",
            "localhost/",
            "",
            "[",
            "10.0.0.1",
        ] {
            assert!(!is_local_with("127.0.0.1:9", &[("host", host)]), "{host}");
        }
        assert!(!is_local_with("127.0.0.1:9", &[]));
        assert!(!is_local_with("127.0.0.1:9", &[("host", "localhost"), ("host", "localhost")]));
    }

    #[test]
    fn proxied_requests_are_not_local() {
        for header in
            ["x-forwarded-for", "x-forwarded-host", "x-forwarded-anything", "forwarded", "via", "x-real-ip"]
        {
            assert!(!is_local_with("127.0.0.1:9", &[("host", "localhost"), (header, "")]), "{header}");
        }
    }
}
