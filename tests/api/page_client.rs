//! A client of the pages: a browser's cookie and its CSRF token.

use countersign::domain::token::{CsrfBinding, Keyring, SessionId, Token, TokenKind};
use countersign::entropy;
use countersign::store::sessions::{self, Session};
use reqwest::{Method, RequestBuilder, Response};

use crate::helpers::{SECRET, TestApp, TestUser};

/// A client of the pages.
#[derive(Clone, Debug)]
pub struct PageClient {
    /// The `Cookie` header.
    pub cookie: String,
    /// The CSRF token of its forms.
    pub csrf_token: String,
    /// What the CSRF token is bound to.
    pub csrf_binding: CsrfBinding,
    /// The session, if the client is signed in.
    pub session: Option<SessionId>,
}

impl TestApp {
    /// A signed-out client that has loaded a page.
    pub fn signed_out(&self) -> PageClient {
        let browser = entropy::uuid();
        PageClient::new("browser", &browser.simple().to_string(), CsrfBinding::Browser(browser), None)
    }

    /// A client with a session that expires after a day.
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
    /// The client with the session cookie that this response sets.
    pub fn from_response(answer: &Response) -> Self {
        let cookie = cookie_from(answer).expect("a cookie is set");
        let token = cookie.strip_prefix("__Host-countersign_session=").expect("a session cookie");
        Self::with_session(token)
    }

    /// The client with this session token.
    pub fn with_session(token: &str) -> Self {
        let id = SessionId(Token::parse(TokenKind::Session, token).unwrap().id());
        Self::new("session", token, CsrfBinding::Session(id), Some(id))
    }

    fn new(name: &str, value: &str, binding: CsrfBinding, session: Option<SessionId>) -> Self {
        let cookie = format!("__Host-countersign_{name}={value}");
        Self { cookie, csrf_token: String::new(), csrf_binding: binding, session }.with_server_secret(SECRET)
    }

    /// The same client at a server with this secret.
    pub fn with_server_secret(self, secret: &str) -> Self {
        let csrf = Keyring::new(secret.as_bytes(), None).unwrap().csrf_token(self.csrf_binding);
        Self { csrf_token: csrf, ..self }
    }

    /// A request with the client's cookie.
    pub fn request(&self, app: &TestApp, method: Method, path: &str) -> RequestBuilder {
        app.request(method, path).header("cookie", &self.cookie)
    }

    /// A GET request for a page.
    pub fn get(&self, app: &TestApp, path: &str) -> RequestBuilder {
        self.request(app, Method::GET, path)
    }

    /// A POST of a form with the CSRF token.
    pub fn post(&self, app: &TestApp, path: &str, fields: &[(&str, &str)]) -> RequestBuilder {
        let mut form = fields.to_vec();
        form.push(("csrf", &self.csrf_token));
        self.request(app, Method::POST, path).form(&form)
    }

    /// [`Self::get`], sent: the status and the body.
    pub async fn get_page(&self, app: &TestApp, path: &str) -> (u16, String) {
        send_for_text(self.get(app, path)).await
    }

    /// [`Self::post`], sent: the status and the body.
    pub async fn post_form(&self, app: &TestApp, path: &str, fields: &[(&str, &str)]) -> (u16, String) {
        send_for_text(self.post(app, path, fields)).await
    }
}

/// Sends a request and returns the status and the body.
pub async fn send_for_text(request: RequestBuilder) -> (u16, String) {
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// The cookie that a response sets, as a browser sends it back.
pub fn cookie_from(answer: &Response) -> Option<String> {
    let cookie = answer.headers().get("set-cookie")?.to_str().unwrap();
    Some(cookie.split(';').next().unwrap().to_owned())
}
