//! The cookies of the pages.

use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::http::header::COOKIE;
use actix_web::{HttpRequest, HttpResponse};
use uuid::Uuid;

use super::url::query_encode;
use crate::config::PublicUrl;
use crate::domain::password_link::LinkReason;
use crate::domain::token::{Token, TokenKind};
use crate::services::sessions::SESSION_TTL_SECONDS;

/// Holds a session's token.
const SESSION: &str = "countersign_session";
/// The forms of a signed-out browser are bound to it.
const BROWSER: &str = "countersign_browser";
/// Opens the mails of a development server.
const MAILBOX: &str = "countersign_mailbox";
/// Holds the page to which a user returns after resetting the password.
const RETURN: &str = "countersign_return";

/// Builds and reads the cookies. On HTTPS their names have the prefix `__Host-`, so that pages
/// of other hosts cannot set them (RFC 6265bis, section 4.1.3.2). It requires the path `/`: below
/// another path the prefix is `__Secure-`, so that browsers do not send the cookies to the other
/// applications of the host.
#[derive(Clone, Debug)]
pub struct SessionCookies {
    name_prefix: &'static str,
    path: String,
}

impl SessionCookies {
    /// The cookies of a server with this public URL.
    pub fn for_url(url: &PublicUrl) -> Self {
        let (name_prefix, path) = match (url.is_https(), url.path()) {
            (true, "") => ("__Host-", "/"),
            (true, path) => ("__Secure-", path),
            (false, "") => ("", "/"),
            (false, path) => ("", path),
        };
        Self { name_prefix, path: path.to_owned() }
    }

    fn build(&self, name: &str, value: String) -> Cookie<'static> {
        let cookie = Cookie::build(format!("{}{name}", self.name_prefix), value).path(self.path.clone());
        cookie.http_only(true).same_site(SameSite::Lax).secure(!self.name_prefix.is_empty()).finish()
    }

    fn find<'a>(&self, request: &'a HttpRequest, name: &str) -> Option<&'a str> {
        find_cookie(request, &format!("{}{name}", self.name_prefix))
    }

    /// A cookie that lives as long as its session.
    pub fn session_cookie(&self, token: &Token) -> Cookie<'static> {
        let mut cookie = self.build(SESSION, token.expose());
        cookie.set_max_age(Duration::seconds(SESSION_TTL_SECONDS));
        cookie
    }

    /// A cookie that makes the browser delete the session cookie.
    pub fn expired_session_cookie(&self) -> Cookie<'static> {
        let mut cookie = self.build(SESSION, String::new());
        cookie.set_max_age(Duration::ZERO);
        cookie
    }

    /// A cookie with the path to which a user returns after resetting the password. It lives as long
    /// as the mailed link. `None`: the browser deletes it.
    pub fn return_cookie(&self, path: Option<&str>) -> Cookie<'static> {
        let mut cookie = self.build(RETURN, path.map(query_encode).unwrap_or_default());
        let lifetime = path.map_or(0, |_| LinkReason::ForgottenPassword.lifetime_seconds());
        cookie.set_max_age(Duration::seconds(lifetime));
        cookie
    }

    /// The path to which the user returns, which may be any text.
    pub fn return_path(&self, request: &HttpRequest) -> Option<String> {
        let value = self.find(request, RETURN)?;
        form_urlencoded::parse(value.as_bytes()).next().map(|(path, _)| path.into_owned())
    }

    /// A cookie with a browser's random ID.
    pub fn browser_cookie(&self, id: Uuid) -> Cookie<'static> {
        self.build(BROWSER, id.simple().to_string())
    }

    /// A cookie that opens the mails of a development server.
    pub fn dev_mail_cookie(&self, token: String) -> Cookie<'static> {
        self.build(MAILBOX, token)
    }

    /// The token in the cookie that opens the mails of a development server.
    pub fn dev_mail_token<'a>(&self, request: &'a HttpRequest) -> Option<&'a str> {
        self.find(request, MAILBOX)
    }

    /// The session's token in a request.
    pub fn session_token(&self, request: &HttpRequest) -> Option<Token> {
        Token::parse(TokenKind::Session, self.find(request, SESSION)?).ok()
    }

    /// The browser's ID in a request.
    pub fn browser_id(&self, request: &HttpRequest) -> Option<Uuid> {
        self.find(request, BROWSER)?.parse().ok()
    }
}

/// The value of the first cookie with this name. The other cookies of the host, which are not this
/// server's, may contain any bytes.
fn find_cookie<'a>(request: &'a HttpRequest, name: &str) -> Option<&'a str> {
    let pairs = request.headers().get_all(COOKIE).flat_map(|header| header.as_bytes().split(|c| *c == b';'));
    pairs.map(<[u8]>::trim_ascii).find_map(|pair| {
        let value = pair.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        std::str::from_utf8(value).ok()
    })
}

/// Adds a cookie to a response.
pub fn set_cookie(response: &mut HttpResponse, cookie: &Cookie<'_>) {
    if let Err(error) = response.add_cookie(cookie) {
        tracing::error!(%error, "setting a cookie failed");
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;
    use actix_web::test::TestRequest;

    use super::*;

    fn cookies(public_url: &str) -> SessionCookies {
        SessionCookies::for_url(&public_url.parse().unwrap())
    }

    #[test]
    fn cookies_are_for_the_path_of_the_public_url() {
        for (public_url, name, attributes) in [
            ("http://a.test", "countersign_browser", "HttpOnly; SameSite=Lax; Path=/"),
            ("https://a.test", "__Host-countersign_browser", "HttpOnly; SameSite=Lax; Secure; Path=/"),
            ("http://a.test/x/y/", "countersign_browser", "HttpOnly; SameSite=Lax; Path=/x/y"),
            ("https://a.test/x", "__Secure-countersign_browser", "HttpOnly; SameSite=Lax; Secure; Path=/x"),
        ] {
            let id = Uuid::from_u128(7);
            let cookie = cookies(public_url).browser_cookie(id).to_string();
            assert_eq!(cookie, format!("{name}={}; {attributes}", id.simple()), "{public_url}");
            let request = TestRequest::get().insert_header((COOKIE, cookie)).to_http_request();
            assert_eq!(cookies(public_url).browser_id(&request), Some(id), "{public_url}");
        }
    }

    #[test]
    fn other_cookies_do_not_hide_ours() {
        let (http, https) = (cookies("http://a.test"), cookies("https://a.test"));
        let id = Uuid::from_u128(7);
        let ours = format!("countersign_browser={}", id.simple());
        for (before, after) in [
            (&b""[..], &b""[..]),
            (b"x=\xe9; ", b"; y=\xff"),
            (b"x; =; ;;", b";"),
            (b"x=\"a; ", b""),
            (b"countersign_browser=\xe9; ", b""),
            (b"countersign_browserx=1;", b""),
        ] {
            let header = HeaderValue::from_bytes(&[before, ours.as_bytes(), after].concat()).unwrap();
            let request = TestRequest::get().insert_header((COOKIE, header.clone())).to_http_request();
            assert_eq!(http.browser_id(&request), Some(id), "{header:?}");
            assert_eq!(https.browser_id(&request), None, "{header:?}");
        }
        let two = TestRequest::get().append_header((COOKIE, "a=b")).append_header((COOKIE, ours));
        assert_eq!(http.browser_id(&two.to_http_request()), Some(id));
    }
}
