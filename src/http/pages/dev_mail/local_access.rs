//! Access to the mails of a development server, without sign-in.
//!
//! The pages exist only if mail is written to files, the server listens on a loopback address,
//! and its public URL names this machine. A request must then
//!
//! - have the token of the link that the server prints at its start, or the cookie that this link
//!   sets: a proxy on this machine may run as root and add no header;
//! - come from this machine, and on Linux from a process of the server's user or of root: not
//!   from another user of the machine, nor from a proxy, which has a user of its own;
//! - have no header that a proxy adds, and not be HTTP/1.0, which nginx uses by default;
//! - have a `Host` that names this machine. A website whose name resolves to this machine (DNS
//!   rebinding) sends its own name.

use std::net::SocketAddr;

use actix_web::HttpRequest;
use actix_web::http::Version;
use actix_web::http::header::HOST;
use tokio::task::spawn_blocking;
use url::{Host, Url};

use super::peer_uid;
use crate::config::{Config, is_loopback_host};
use crate::domain::token::{CsrfBinding, Keyring};
use crate::http::error::ApiError;
use crate::http::extract::client_ip;
use crate::http::state::AppState;

/// Whether this server has the pages.
pub(crate) fn is_enabled(config: &Config) -> bool {
    config.smtp_url.is_none() && config.bind.ip().is_loopback() && config.public_url.is_loopback()
}

/// The URL that opens the pages.
pub(crate) fn secret_url(config: &Config, keyring: &Keyring) -> String {
    format!("{}/mailbox?token={}", config.public_url, keyring.csrf_token(CsrfBinding::DevMail))
}

/// Whether a token is that of [`secret_url`].
pub(super) fn is_token(state: &AppState, token: &str) -> bool {
    state.keyring.is_csrf_token(CsrfBinding::DevMail, token)
}

/// Fails with [`ApiError::NotFound`] unless the request comes directly from the server's user on
/// this machine.
pub(super) async fn require_local_owner(state: &AppState, request: &HttpRequest) -> Result<(), ApiError> {
    let peer = request.peer_addr().ok_or(ApiError::NotFound)?;
    if !is_enabled(&state.config) || !is_direct_local_request(peer, request) {
        return Err(ApiError::NotFound);
    }
    let is_same_user = spawn_blocking(move || peer_uid::is_same_user(peer)).await;
    if is_same_user.unwrap_or(false) { Ok(()) } else { Err(ApiError::NotFound) }
}

/// Whether a request comes from this machine without a proxy, and names it.
fn is_direct_local_request(peer: SocketAddr, request: &HttpRequest) -> bool {
    let mut hosts = request.headers().get_all(HOST);
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().ok(),
        (None, _) | (Some(_), Some(_)) => None,
    };
    peer.ip().is_loopback()
        && request.version() >= Version::HTTP_11
        && !client_ip::is_forwarded(request)
        && host.and_then(parse_host).is_some_and(|host| is_loopback_host(&host))
}

/// The host of a `Host` header, without its port.
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
