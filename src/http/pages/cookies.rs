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

/// Builds and reads the cookies. On HTTPS their names have the prefix `__Host-`, so that pages
/// of other hosts cannot set them (RFC 6265bis, section 4.1.3.2).
#[derive(Clone, Copy, Debug)]
pub enum SessionCookies {
    Http,
    Https,
}

impl SessionCookies {
    /// The cookies of a server with this public URL.
    pub fn for_url(url: &PublicUrl) -> Self {
        if url.is_https() { Self::Https } else { Self::Http }
    }

    /// The cookie that holds a session's token.
    fn session_cookie_name(self) -> &'static str {
        match self {
            Self::Http => "countersign_session",
            Self::Https => "__Host-countersign_session",
        }
    }

    /// The cookie to which the forms of a signed-out browser are bound.
    fn browser_cookie_name(self) -> &'static str {
        match self {
            Self::Http => "countersign_browser",
            Self::Https => "__Host-countersign_browser",
        }
    }

    /// The cookie that opens the mails of a development server.
    fn dev_mail_cookie_name(self) -> &'static str {
        match self {
            Self::Http => "countersign_mailbox",
            Self::Https => "__Host-countersign_mailbox",
        }
    }

    /// The cookie with the page to which a user returns after resetting the password.
    fn return_cookie_name(self) -> &'static str {
        match self {
            Self::Http => "countersign_return",
            Self::Https => "__Host-countersign_return",
        }
    }

    fn build_cookie(self, name: &'static str, value: String) -> Cookie<'static> {
        let cookie = Cookie::build(name, value).path("/").http_only(true).same_site(SameSite::Lax);
        cookie.secure(matches!(self, Self::Https)).finish()
    }

    /// A cookie that lives as long as its session.
    pub fn session_cookie(self, token: &Token) -> Cookie<'static> {
        let mut cookie = self.build_cookie(self.session_cookie_name(), token.expose());
        cookie.set_max_age(Duration::seconds(SESSION_TTL_SECONDS));
        cookie
    }

    /// A cookie that makes the browser delete the session cookie.
    pub fn expired_session_cookie(self) -> Cookie<'static> {
        let mut cookie = self.build_cookie(self.session_cookie_name(), String::new());
        cookie.set_max_age(Duration::ZERO);
        cookie
    }

    /// A cookie with the path to which a user returns after resetting the password. It lives as long
    /// as the mailed link. `None`: the browser deletes it.
    pub fn return_cookie(self, path: Option<&str>) -> Cookie<'static> {
        let mut cookie =
            self.build_cookie(self.return_cookie_name(), path.map(query_encode).unwrap_or_default());
        let lifetime = path.map_or(0, |_| LinkReason::ForgottenPassword.lifetime_seconds());
        cookie.set_max_age(Duration::seconds(lifetime));
        cookie
    }

    /// The path to which the user returns, which may be any text.
    pub fn return_path(self, request: &HttpRequest) -> Option<String> {
        let value = find_cookie(request, self.return_cookie_name())?;
        form_urlencoded::parse(value.as_bytes()).next().map(|(path, _)| path.into_owned())
    }

    /// A cookie with a browser's random ID.
    pub fn browser_cookie(self, id: Uuid) -> Cookie<'static> {
        self.build_cookie(self.browser_cookie_name(), id.simple().to_string())
    }

    /// A cookie that opens the mails of a development server.
    pub fn dev_mail_cookie(self, token: String) -> Cookie<'static> {
        self.build_cookie(self.dev_mail_cookie_name(), token)
    }

    /// The token in the cookie that opens the mails of a development server.
    pub fn dev_mail_token(self, request: &HttpRequest) -> Option<&str> {
        find_cookie(request, self.dev_mail_cookie_name())
    }

    /// The session's token in a request.
    pub fn session_token(self, request: &HttpRequest) -> Option<Token> {
        Token::parse(TokenKind::Session, find_cookie(request, self.session_cookie_name())?).ok()
    }

    /// The browser's ID in a request.
    pub fn browser_id(self, request: &HttpRequest) -> Option<Uuid> {
        find_cookie(request, self.browser_cookie_name())?.parse().ok()
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

    #[test]
    fn other_cookies_do_not_hide_ours() {
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
            assert_eq!(SessionCookies::Http.browser_id(&request), Some(id), "{header:?}");
            assert_eq!(SessionCookies::Https.browser_id(&request), None, "{header:?}");
        }
        let two = TestRequest::get().append_header((COOKIE, "a=b")).append_header((COOKIE, ours));
        assert_eq!(SessionCookies::Http.browser_id(&two.to_http_request()), Some(id));
    }
}
