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

use super::Html;
use super::error::PageError;
use super::listing::Part;
use super::view;
use super::visit::Visit;
use crate::config::{Config, is_this_machine};
use crate::http::openapi::refusals::May;
use crate::http::problem::Problem;
use crate::http::routing::get;
use crate::http::{Services, neighbour};
use crate::mail::letters::{self, Letter};

/// What a proxy adds to what it hands on, besides all that begins with `x-forwarded-`.
const HANDED_ON: [&str; 7] =
    ["forwarded", "via", "x-real-ip", "x-original-host", "x-client-ip", "true-client-ip", "cf-connecting-ip"];

pub(super) fn routes(app: &mut ServiceConfig) {
    app.service(view::resource("/mailbox", "GET, HEAD").route(get().to(list)))
        .service(view::resource("/mailbox/{id}", "GET, HEAD").route(get().to(show)));
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
    operation_id = "mailbox_page",
    security(()),
    params(("from" = Option<String>, Query, nullable = false, description = "Number of rows to skip.")),
    responses(
        (status = 200, description = "One page.", body = String, content_type = "text/html"),
        May<Html, 404>,
        May<Html, 503>,
    ),
)]
pub(super) async fn list(
    services: Data<Services>,
    request: HttpRequest,
    visit: Visit,
) -> Result<HttpResponse, PageError> {
    open(&services, &request).await?;
    let part = Part::of(&visit, "from");
    let page = part.page_and_one();
    let directory = services.config.mail_directory.clone();
    let mut found = told(spawn_blocking(move || letters::newest(&directory, page)).await)?;
    let part = part.cut(&mut found);
    let letters: Vec<Value> = found.iter().map(head).collect();
    let directory = services.config.mail_directory.display().to_string();
    Ok(visit.show("mailbox", context! { letters, part, directory }))
}

/// One mail of a server that is tried out: its plain text, whose links can be opened.
#[utoipa::path(
    get,
    path = "/mailbox/{id}",
    operation_id = "mail_page",
    security(()),
    params(("id" = String, Path, description = "The mail's id.")),
    responses(
        (status = 200, description = "The mail.", body = String, content_type = "text/html"),
        May<Html, 404>,
        May<Html, 503>,
    ),
)]
pub(super) async fn show(
    services: Data<Services>,
    request: HttpRequest,
    segment: Path<String>,
    visit: Visit,
) -> Result<HttpResponse, PageError> {
    open(&services, &request).await?;
    let id = Uuid::try_parse(&segment).map_err(|_| Problem::NotFound)?;
    let directory = services.config.mail_directory.clone();
    let letter =
        told(spawn_blocking(move || letters::read(&directory, id)).await)?.ok_or(Problem::NotFound)?;
    let stretches = letter.stretches();
    Ok(visit.show("letter", context! { letter => head(&letter), stretches => Serde(&stretches) }))
}

fn head(letter: &Letter) -> Value {
    context! {
        id => letter.id.to_string(),
        at => letter.at.micros(),
        from => &letter.from,
        to => &letter.to,
        subject => &letter.subject,
    }
}

/// What was read of the directory.
fn told<T>(read: Result<std::io::Result<T>, tokio::task::JoinError>) -> Result<T, Problem> {
    read.map_err(std::io::Error::other).flatten().map_err(|error| {
        tracing::warn!(%error, "reading the mail directory failed");
        Problem::NotDone
    })
}

/// Refuses who is not to see the mails.
async fn open(services: &Services, request: &HttpRequest) -> Result<(), Problem> {
    let closed = || Problem::NotFound;
    let peer = request.peer_addr().ok_or_else(closed)?;
    if !is_kept(&services.config) || !is_near(peer, request) {
        return Err(closed());
    }
    let ours = spawn_blocking(move || neighbour::may_read_our_files(peer)).await;
    if ours.unwrap_or(false) { Ok(()) } else { Err(closed()) }
}

/// Whether this server has a mailbox.
pub fn is_kept(config: &Config) -> bool {
    config.smtp_url.is_none() && config.bind.ip().is_loopback() && config.public_url.is_this_machine()
}

/// Whether a request comes from this machine, straight, and asks for it.
fn is_near(peer: SocketAddr, request: &HttpRequest) -> bool {
    let handed_on = |name: &str| name.starts_with("x-forwarded-") || HANDED_ON.contains(&name);
    let mut hosts = request.headers().get_all(HOST);
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().ok(),
        _ => None,
    };
    peer.ip().is_loopback()
        // As no browser speaks, but nginx does to us where nobody has told it more.
        && request.version() >= Version::HTTP_11
        && !request.headers().keys().any(|name| handed_on(name.as_str()))
        && host.and_then(host_of).is_some_and(|host| is_this_machine(&host))
}

/// The host that a `Host` header names.
fn host_of(header: &str) -> Option<Host> {
    if header.contains(['/', '\\', '@', '?', '#']) {
        return None;
    }
    Url::parse(&format!("http://{header}/")).ok()?.host().map(|host| host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn is_near_with(peer: &str, headers: &[(&'static str, &str)]) -> bool {
        let request =
            headers.iter().fold(TestRequest::get(), |request, header| request.append_header(*header));
        is_near(peer.parse().unwrap(), &request.to_http_request())
    }

    #[test]
    fn this_machine_is_near_by_its_own_names() {
        for host in
            ["127.0.0.1:8080", "127.0.0.1", "localhost", "LOCALHOST:1", "[::1]:8080", "demo.localhost:80"]
        {
            assert!(is_near_with("127.0.0.1:9", &[("host", host)]), "{host}");
            assert!(is_near_with("[::1]:9", &[("host", host)]), "{host}");
            assert!(!is_near_with("192.0.2.1:9", &[("host", host)]), "{host}");
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
            assert!(!is_near_with("127.0.0.1:9", &[("host", host)]), "{host}");
        }
        assert!(!is_near_with("127.0.0.1:9", &[]));
        assert!(!is_near_with("127.0.0.1:9", &[("host", "localhost"), ("host", "localhost")]));
    }

    #[test]
    fn what_was_handed_on_is_not_near() {
        for header in
            ["x-forwarded-for", "x-forwarded-host", "x-forwarded-anything", "forwarded", "via", "x-real-ip"]
        {
            assert!(!is_near_with("127.0.0.1:9", &[("host", "localhost"), (header, "")]), "{header}");
        }
    }
}
