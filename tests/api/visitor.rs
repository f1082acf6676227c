//! Somebody at the pages: a browser's cookies, and what its forms send along.

use countersign::domain::token::{Binding, Keyring, Kind, SessionId, Token};
use countersign::entropy;
use countersign::store::sessions::{self, Session};
use reqwest::{Method, RequestBuilder, Response};

use crate::helpers::{SECRET, TestApp, TestUser};

/// Somebody at the pages.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// The `Cookie` header.
    pub cookie: String,
    /// What each form of theirs sends along.
    pub csrf: String,
    /// What their forms are bound to.
    pub binding: Binding,
    /// Their session, if they are signed in.
    pub session: Option<SessionId>,
}

impl TestApp {
    /// Somebody who is not signed in, and has seen a page.
    pub fn visitor(&self) -> Visitor {
        let browser = entropy::uuid();
        Visitor::new("browser", &browser.simple().to_string(), Binding::Browser(browser), None)
    }

    /// Somebody who is signed in, for a day.
    pub fn signed_in(&self, user: &TestUser) -> Visitor {
        let entropy = entropy::token();
        let opened = self.store.write(|conn| {
            let now = conn.now()?;
            let token = Token::random(Kind::Session, entropy.uuid(now), &entropy);
            let session = Session {
                id: SessionId(token.id()),
                user: user.user.id,
                created_at: now,
                expires_at: now.plus_seconds(86_400),
                address: None,
                client: None,
            };
            sessions::insert(conn, &session, &token.digest())?;
            Ok(token)
        });
        let token = opened.unwrap();
        Visitor::with_session(&token.reveal())
    }
}

impl Visitor {
    /// Whom a page has made of its visitor who signed in: by the cookie that it sets.
    pub fn of(answer: &Response) -> Self {
        let cookie = set_cookie(answer).expect("a cookie is set");
        let token = cookie.strip_prefix("__Host-countersign_session=").expect("a session's");
        Self::with_session(token)
    }

    /// Who has this session.
    pub fn with_session(token: &str) -> Self {
        let id = SessionId(Token::parse(Kind::Session, token).unwrap().id());
        Self::new("session", token, Binding::Session(id), Some(id))
    }

    fn new(name: &str, value: &str, binding: Binding, session: Option<SessionId>) -> Self {
        let cookie = format!("__Host-countersign_{name}={value}");
        Self { cookie, csrf: String::new(), binding, session }.of_server(SECRET)
    }

    /// The same, at a server with this secret.
    pub fn of_server(self, secret: &str) -> Self {
        let csrf = Keyring::new(secret.as_bytes(), None).unwrap().form_token(self.binding);
        Self { csrf, ..self }
    }

    /// A request of theirs.
    pub fn asks(&self, app: &TestApp, method: Method, path: &str) -> RequestBuilder {
        app.request(method, path).header("cookie", &self.cookie)
    }

    /// A look at a page.
    pub fn get(&self, app: &TestApp, path: &str) -> RequestBuilder {
        self.asks(app, Method::GET, path)
    }

    /// A form, filled in.
    pub fn post(&self, app: &TestApp, path: &str, fields: &[(&str, &str)]) -> RequestBuilder {
        let mut form = fields.to_vec();
        form.push(("csrf", &self.csrf));
        self.asks(app, Method::POST, path).form(&form)
    }

    /// [`Self::get`]: its status and its body.
    pub async fn sees(&self, app: &TestApp, path: &str) -> (u16, String) {
        told(self.get(app, path)).await
    }

    /// [`Self::post`]: its status and its body.
    pub async fn sends(&self, app: &TestApp, path: &str, fields: &[(&str, &str)]) -> (u16, String) {
        told(self.post(app, path, fields)).await
    }
}

/// What comes of a request: its status and its body.
pub async fn told(request: RequestBuilder) -> (u16, String) {
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// The cookie that an answer sets, as a browser sends it.
pub fn set_cookie(answer: &Response) -> Option<String> {
    let cookie = answer.headers().get("set-cookie")?.to_str().unwrap();
    Some(cookie.split(';').next().unwrap().to_owned())
}
