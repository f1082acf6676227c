//! Sessions: what keeps a person signed in. The database holds them, so that they end
//! everywhere at once; the browser has a token in a cookie, of which the database knows a
//! digest alone.

use actix_web::HttpRequest;
use actix_web::cookie::{Cookie, SameSite};
use uuid::Uuid;

use crate::config::PublicUrl;
use crate::domain::audit::{AuditAction, AuditContext};
use crate::domain::token::{SessionId, Token, TokenKind};
use crate::domain::user::{User, UserId};
use crate::entropy;
use crate::http::error::ApiError;
use crate::http::state::AppState;
use crate::i18n::Language;
use crate::store::sessions::{self, Session};
use crate::store::{Conn, QueryResult, audit_log, users};

/// For how many seconds somebody stays signed in: two weeks.
const SESSION_TTL_SECONDS: i64 = 14 * 86_400;

/// Somebody who is signed in.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// The session.
    pub session: Session,
    /// Who.
    pub user: User,
}

/// The cookies that a browser gets from us. On https their names have the prefix that
/// keeps other hosts' pages from setting them (RFC 6265bis, 4.1.3.2).
#[derive(Clone, Copy, Debug)]
pub enum SessionCookies {
    /// Plain http, on this machine.
    Http,
    /// https.
    Https,
}

impl SessionCookies {
    /// As the server is called.
    pub fn for_url(url: &PublicUrl) -> Self {
        if url.as_str().starts_with("https://") { Self::Https } else { Self::Http }
    }

    /// The session's, until then.
    fn session_cookie_name(self) -> &'static str {
        match self {
            Self::Http => "countersign_session",
            Self::Https => "__Host-countersign_session",
        }
    }

    /// The browser's while nobody is signed in, for its forms.
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

    /// A session's cookie.
    pub fn session_cookie(self, token: &Token) -> Cookie<'static> {
        let mut cookie = self.build_cookie(self.session_cookie_name(), token.expose());
        cookie.set_max_age(actix_web::cookie::time::Duration::seconds(SESSION_TTL_SECONDS));
        cookie
    }

    /// What takes the session's cookie away.
    pub fn expired_session_cookie(self) -> Cookie<'static> {
        let mut cookie = self.build_cookie(self.session_cookie_name(), String::new());
        cookie.set_max_age(actix_web::cookie::time::Duration::ZERO);
        cookie
    }

    /// A cookie that a browser's forms are bound to.
    pub fn browser_cookie(self, id: Uuid) -> Cookie<'static> {
        self.build_cookie(self.browser_cookie_name(), id.simple().to_string())
    }

    /// The session's token that came with a request.
    fn session_token(self, request: &HttpRequest) -> Option<Token> {
        Token::parse(TokenKind::Session, request.cookie(self.session_cookie_name())?.value()).ok()
    }

    /// The id that the browser was given.
    pub fn browser_id(self, request: &HttpRequest) -> Option<Uuid> {
        request.cookie(self.browser_cookie_name())?.value().parse().ok()
    }
}

/// Who is signed in, by a request's cookie.
pub async fn find_signed_in(
    services: &AppState,
    cookies: SessionCookies,
    request: &HttpRequest,
) -> Result<Option<SignedIn>, ApiError> {
    let Some(token) = cookies.session_token(request) else { return Ok(None) };
    let id = SessionId(token.id());
    let found = services.store.read(move |conn| {
        let now = conn.now()?;
        sessions::active_by_id(conn, id, now)
    });
    let matching = found.await?.filter(|(_, user, digest)| user.active && digest.matches(&token.digest()));
    Ok(matching.map(|(session, user, _)| SignedIn { session, user }))
}

/// Signs somebody in, in a transaction of the caller's, and notes the language that their
/// browser tells of, if it does; the session's token.
pub fn open(
    conn: &mut Conn,
    user: UserId,
    audit: &AuditContext,
    language: Option<Language>,
) -> QueryResult<Token> {
    let now = conn.now()?;
    if let Some(language) = language {
        users::set_language(conn, user, language)?;
    }
    let entropy = entropy::token();
    let token = Token::random(TokenKind::Session, entropy.uuid(now), &entropy);
    let session = Session {
        id: SessionId(token.id()),
        user,
        created_at: now,
        expires_at: now.plus_seconds(SESSION_TTL_SECONDS),
        ip: audit.ip.map(|address| address.to_string()),
        user_agent: audit.user_agent.clone(),
    };
    sessions::insert(conn, &session, &token.digest())?;
    audit_log::record(conn, audit, AuditAction::SessionOpened, format!("session:{}", session.id), now)?;
    Ok(token)
}

/// Ends one of a user's sessions, in a transaction of the caller's; false when there is
/// no such one.
pub fn close(conn: &mut Conn, id: SessionId, user: UserId, audit: &AuditContext) -> QueryResult<bool> {
    let closed = sessions::delete(conn, id, user)?;
    if closed {
        let now = conn.now()?;
        audit_log::record(conn, audit, AuditAction::SessionClosed, format!("session:{id}"), now)?;
    }
    Ok(closed)
}
