//! Somebody at the pages: a browser's cookies, and what its forms send along.

use countersign::domain::token::{CsrfBinding, Keyring, SessionId, Token, TokenKind};
use countersign::entropy;
use countersign::store::sessions::{self, Session};
use reqwest::{Method, RequestBuilder, Response};

use crate::helpers::{SECRET, TestApp, TestUser};

/// Somebody at the pages.
#[derive(Clone, Debug)]
pub struct PageClient {
    /// The `Cookie` header.
    pub cookie: String,
    /// What each form of theirs sends along.
    pub csrf_token: String,
    /// What their forms are bound to.
    pub csrf_binding: CsrfBinding,
    /// Their session, if they are signed in.
    pub session: Option<SessionId>,
}

impl TestApp {
    /// Somebody who is not signed in, and has seen a page.
    pub fn signed_out(&self) -> PageClient {
        let browser = entropy::uuid();
        PageClient::new("browser", &browser.simple().to_string(), CsrfBinding::Browser(browser), None)
    }

    /// Somebody who is signed in, for a day.
    pub fn signed_in(&self, user: &TestUser) -> PageClient {
        let entropy = entropy::token();
        let opened = self.store.write(|conn| {
            let now = conn.now()?;
            let token = Token::random(TokenKind::Session, entropy.uuid(now), &entropy);
            let session = Session {
                id: SessionId(token.id()),
                user: user.user.id,
                created_at: now,
                expires_at: now.plus_seconds(86_400),
                ip: None,
                user_agent: None,
            };
            sessions::insert(conn, &session, &token.digest())?;
            Ok(token)
        });
        let token = opened.unwrap();
        PageClient::with_session(&token.expose())
    }
}

impl PageClient {
    /// Whom a page has made of its visitor who signed in: by the cookie that it sets.
    pub fn from_response(answer: &Response) -> Self {
        let cookie = cookie_from(answer).expect("a cookie is set");
        let token = cookie.strip_prefix("__Host-countersign_session=").expect("a session's");
        Self::with_session(token)
    }

    /// Who has this session.
    pub fn with_session(token: &str) -> Self {
        let id = SessionId(Token::parse(TokenKind::Session, token).unwrap().id());
        Self::new("session", token, CsrfBinding::Session(id), Some(id))
    }

    fn new(name: &str, value: &str, binding: CsrfBinding, session: Option<SessionId>) -> Self {
        let cookie = format!("__Host-countersign_{name}={value}");
        Self { cookie, csrf_token: String::new(), csrf_binding: binding, session }.with_server_secret(SECRET)
    }

    /// The same, at a server with this secret.
    pub fn with_server_secret(self, secret: &str) -> Self {
        let csrf = Keyring::new(secret.as_bytes(), None).unwrap().csrf_token(self.csrf_binding);
        Self { csrf_token: csrf, ..self }
    }

    /// A request of theirs.
    pub fn request(&self, app: &TestApp, method: Method, path: &str) -> RequestBuilder {
        app.request(method, path).header("cookie", &self.cookie)
    }

    /// A look at a page.
    pub fn get(&self, app: &TestApp, path: &str) -> RequestBuilder {
        self.request(app, Method::GET, path)
    }

    /// A form, filled in.
    pub fn post(&self, app: &TestApp, path: &str, fields: &[(&str, &str)]) -> RequestBuilder {
        let mut form = fields.to_vec();
        form.push(("csrf", &self.csrf_token));
        self.request(app, Method::POST, path).form(&form)
    }

    /// [`Self::get`]: its status and its body.
    pub async fn get_page(&self, app: &TestApp, path: &str) -> (u16, String) {
        told(self.get(app, path)).await
    }

    /// [`Self::post`]: its status and its body.
    pub async fn post_form(&self, app: &TestApp, path: &str, fields: &[(&str, &str)]) -> (u16, String) {
        told(self.post(app, path, fields)).await
    }
}

/// What comes of a request: its status and its body.
pub async fn told(request: RequestBuilder) -> (u16, String) {
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// The cookie that an answer sets, as a browser sends it.
pub fn cookie_from(answer: &Response) -> Option<String> {
    let cookie = answer.headers().get("set-cookie")?.to_str().unwrap();
    Some(cookie.split(';').next().unwrap().to_owned())
}
