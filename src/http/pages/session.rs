//! Sessions: what keeps a person signed in. The database holds them, so that they end
//! everywhere at once; the browser has a token in a cookie, of which the database knows a
//! digest alone.

use actix_web::HttpRequest;
use actix_web::cookie::{Cookie, SameSite};
use uuid::Uuid;

use crate::config::PublicUrl;
use crate::domain::event::{Action, Origin};
use crate::domain::token::{Kind, SessionId, Token};
use crate::domain::user::{User, UserId};
use crate::entropy;
use crate::http::Services;
use crate::http::problem::Problem;
use crate::store::sessions::{self, Session};
use crate::store::{Conn, QueryResult, events, users};
use crate::words::Language;

/// For how many seconds somebody stays signed in: two weeks.
const LIFETIME: i64 = 14 * 86_400;

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
pub enum Jar {
    /// Plain http, on this machine.
    Open,
    /// https.
    Secure,
}

impl Jar {
    /// As the server is called.
    pub fn of(url: &PublicUrl) -> Self {
        if url.as_str().starts_with("https://") { Self::Secure } else { Self::Open }
    }

    /// The session's, until then.
    fn session(self) -> &'static str {
        match self {
            Self::Open => "countersign_session",
            Self::Secure => "__Host-countersign_session",
        }
    }

    /// The browser's while nobody is signed in, for its forms.
    fn browser(self) -> &'static str {
        match self {
            Self::Open => "countersign_browser",
            Self::Secure => "__Host-countersign_browser",
        }
    }

    fn cookie(self, name: &'static str, value: String) -> Cookie<'static> {
        let cookie = Cookie::build(name, value).path("/").http_only(true).same_site(SameSite::Lax);
        cookie.secure(matches!(self, Self::Secure)).finish()
    }

    /// A session's cookie.
    pub fn keep_session(self, token: &Token) -> Cookie<'static> {
        let mut cookie = self.cookie(self.session(), token.reveal());
        cookie.set_max_age(actix_web::cookie::time::Duration::seconds(LIFETIME));
        cookie
    }

    /// What takes the session's cookie away.
    pub fn drop_session(self) -> Cookie<'static> {
        let mut cookie = self.cookie(self.session(), String::new());
        cookie.set_max_age(actix_web::cookie::time::Duration::ZERO);
        cookie
    }

    /// A cookie that a browser's forms are bound to.
    pub fn keep_browser(self, id: Uuid) -> Cookie<'static> {
        self.cookie(self.browser(), id.simple().to_string())
    }

    /// The session's token that came with a request.
    fn token(self, request: &HttpRequest) -> Option<Token> {
        Token::parse(Kind::Session, request.cookie(self.session())?.value()).ok()
    }

    /// The id that the browser was given.
    pub fn browser_id(self, request: &HttpRequest) -> Option<Uuid> {
        request.cookie(self.browser())?.value().parse().ok()
    }
}

/// Who is signed in, by a request's cookie.
pub async fn find(services: &Services, jar: Jar, request: &HttpRequest) -> Result<Option<SignedIn>, Problem> {
    let Some(token) = jar.token(request) else { return Ok(None) };
    let id = SessionId(token.id());
    let found = services.directory.read(move |conn| {
        let now = conn.now()?;
        sessions::live(conn, id, now)
    });
    let right = found.await?.filter(|(_, user, digest)| user.active && digest.matches(&token.digest()));
    Ok(right.map(|(session, user, _)| SignedIn { session, user }))
}

/// Signs somebody in, in a transaction of the caller's, and notes the language that their
/// browser tells of, if it does; the session's token.
pub fn open(
    conn: &mut Conn,
    user: UserId,
    origin: &Origin,
    language: Option<Language>,
) -> QueryResult<Token> {
    let now = conn.now()?;
    if let Some(language) = language {
        users::set_language(conn, user, language)?;
    }
    let entropy = entropy::token();
    let token = Token::random(Kind::Session, entropy.uuid(now), &entropy);
    let session = Session {
        id: SessionId(token.id()),
        user,
        created_at: now,
        expires_at: now.plus_seconds(LIFETIME),
        address: origin.address.map(|address| address.to_string()),
        client: origin.client.clone(),
    };
    sessions::insert(conn, &session, &token.digest())?;
    events::record(conn, origin, Action::SessionOpened, format!("session:{}", session.id), now)?;
    Ok(token)
}

/// Ends one of a user's sessions, in a transaction of the caller's; false when there is
/// no such one.
pub fn close(conn: &mut Conn, id: SessionId, user: UserId, origin: &Origin) -> QueryResult<bool> {
    let closed = sessions::delete(conn, id, user)?;
    if closed {
        let now = conn.now()?;
        events::record(conn, origin, Action::SessionClosed, format!("session:{id}"), now)?;
    }
    Ok(closed)
}
