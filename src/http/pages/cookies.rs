//! The cookies of the pages.

use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::{HttpRequest, HttpResponse};
use uuid::Uuid;

use crate::config::PublicUrl;
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
        if url.as_str().starts_with("https://") { Self::Https } else { Self::Http }
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

    /// A cookie with a browser's random ID.
    pub fn browser_cookie(self, id: Uuid) -> Cookie<'static> {
        self.build_cookie(self.browser_cookie_name(), id.simple().to_string())
    }

    /// The session's token in a request.
    pub fn session_token(self, request: &HttpRequest) -> Option<Token> {
        Token::parse(TokenKind::Session, request.cookie(self.session_cookie_name())?.value()).ok()
    }

    /// The browser's ID in a request.
    pub fn browser_id(self, request: &HttpRequest) -> Option<Uuid> {
        request.cookie(self.browser_cookie_name())?.value().parse().ok()
    }
}

/// Adds a cookie to a response.
pub fn set_cookie(response: &mut HttpResponse, cookie: &Cookie<'_>) {
    if let Err(error) = response.add_cookie(cookie) {
        tracing::error!(%error, "setting a cookie failed");
    }
}
