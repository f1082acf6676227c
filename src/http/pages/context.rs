//! Who looks at a page, from where, in which language.

use std::sync::Arc;

use actix_web::cookie::Cookie;
use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use minijinja::{Value, context};
use uuid::Uuid;

use super::error::PageError;
use super::session::{self, SessionCookies, SignedIn};
use super::templates;
use crate::domain::audit::AuditContext;
use crate::domain::token::{CsrfBinding, Keyring};
use crate::entropy;
use crate::http::auth;
use crate::http::error::ApiError;
use crate::http::extract::body::ExtractFuture;
use crate::http::state::AppState;
use crate::i18n::Language;

/// Somebody who looks at a page.
pub struct PageContext {
    /// Their language.
    pub language: Language,
    /// Who they are, if they are signed in.
    pub signed_in: Option<SignedIn>,
    /// Who, and from where, for the audit trail.
    pub audit: AuditContext,
    /// The cookies that their browser gets.
    pub cookies: SessionCookies,
    /// The page that they are at: its path and query.
    pub current_url: String,
    /// Whether a page of ours led them here, as far as their browser tells (`Sec-Fetch-Site`
    /// of W3C Fetch Metadata).
    pub same_origin: bool,
    /// What their forms are bound to: their session, or else their browser.
    csrf_binding: CsrfBinding,
    /// What their browser was given when nobody was signed in, if it was.
    browser_id: Option<Uuid>,
    keyring: Arc<Keyring>,
}

impl PageContext {
    /// Who sent a request.
    pub async fn load(request: &HttpRequest) -> Result<Self, ApiError> {
        let services = request.app_data::<Data<AppState>>().ok_or(ApiError::Unavailable)?;
        let cookies = SessionCookies::for_url(&services.config.public_url);
        let signed_in = session::find_signed_in(services, cookies, request).await?;
        let browser = cookies.browser_id(request);
        let binding = match &signed_in {
            Some(signed_in) => CsrfBinding::Session(signed_in.session.id),
            None => CsrfBinding::Browser(browser.unwrap_or_else(entropy::uuid)),
        };
        let site = request.headers().get("sec-fetch-site");
        let current_url =
            request.uri().path_and_query().map_or("/", |current_url| current_url.as_str()).to_owned();
        Ok(Self {
            language: templates::request_language(request),
            audit: auth::audit_context(request, signed_in.as_ref().map(|signed_in| signed_in.user.id)),
            signed_in,
            cookies,
            current_url,
            same_origin: site.is_none_or(|site| site == "same-origin"),
            csrf_binding: binding,
            browser_id: browser,
            keyring: Arc::clone(&services.keyring),
        })
    }

    /// Who is signed in; nobody is asked to sign in, and comes back.
    pub fn require_user(&self) -> Result<&SignedIn, PageError> {
        self.signed_in.as_ref().ok_or_else(|| PageError::SignInRequired { next: self.current_url.clone() })
    }

    /// Who is signed in, and administers the server; for others there is nothing here.
    pub fn require_staff(&self) -> Result<&SignedIn, PageError> {
        let signed_in = self.require_user()?;
        if signed_in.user.staff { Ok(signed_in) } else { Err(ApiError::NotFound.into()) }
    }

    /// What the address's query has under this name, if it has anything that a text can be.
    pub fn query_param(&self, name: &str) -> Option<String> {
        query_param(&self.current_url, name)
    }

    /// Whether a form was shown to this visitor, by what came with it.
    pub fn csrf_matches(&self, token: &str) -> bool {
        self.new_browser_id().is_none() && self.keyring.is_csrf_token(self.csrf_binding, token)
    }

    /// [`Self::has_form`], be it before they signed in.
    pub fn csrf_matches_any(&self, token: &str) -> bool {
        let before = self.browser_id.map(CsrfBinding::Browser);
        before.is_some_and(|before| self.keyring.is_csrf_token(before, token)) || self.csrf_matches(token)
    }

    /// Who the browser is that has yet to be told so.
    fn new_browser_id(&self) -> Option<Uuid> {
        match self.csrf_binding {
            CsrfBinding::Browser(id) => self.browser_id.is_none().then_some(id),
            CsrfBinding::Session(_) => None,
        }
    }

    /// A page of a template, for this visitor. All templates know `me` (who is signed in:
    /// `name`, `email`, `staff`; or none), `csrf` (what each form sends along) and `path`.
    pub fn render(&self, status: StatusCode, template: &str, context: Value) -> HttpResponse {
        let me = self.signed_in.as_ref().map(|SignedIn { user, .. }| {
            context! { name => user.display_name(), email => user.email.as_str(), staff => user.staff }
        });
        let path = self.current_url.split('?').next();
        let csrf = self.keyring.csrf_token(self.csrf_binding);
        let context = context! { me, csrf, path, ..context };
        let mut page = templates::render(status, self.language, template, context);
        if let Some(id) = self.new_browser_id() {
            set_cookie(&mut page, &self.cookies.browser_cookie(id));
        }
        page
    }

    /// [`Self::page`], when all is well.
    pub fn render_ok(&self, template: &str, context: Value) -> HttpResponse {
        self.render(StatusCode::OK, template, context)
    }

    /// A page that says one thing: the messages `<key>-title` and `<key>-words`.
    pub fn render_message(&self, status: StatusCode, key: &str) -> HttpResponse {
        let say = |part: &str| self.language.t(&format!("{key}-{part}"));
        self.render(status, "message", context! { title => say("title"), text => say("text") })
    }
}

impl FromRequest for PageContext {
    type Error = PageError;
    type Future = ExtractFuture<Self, PageError>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { Ok(Self::load(&request).await?) })
    }
}

/// [`Visit::parameter`], of an address.
pub fn query_param(current_url: &str, name: &str) -> Option<String> {
    let (_, query) = current_url.split_once('?')?;
    let mut found = form_urlencoded::parse(query.as_bytes()).filter(|(other, _)| other == name);
    let value = found.next().map(|(_, value)| value.into_owned());
    value.filter(|value| !value.is_empty() && !value.contains('\0'))
}

/// The token in a link that somebody opened.
pub fn query_token(request: &HttpRequest) -> Option<String> {
    form_urlencoded::parse(request.query_string().as_bytes())
        .find(|(name, token)| name == "token" && !token.is_empty())
        .map(|(_, token)| token.into_owned())
}

/// Has an answer set a cookie.
pub fn set_cookie(answer: &mut HttpResponse, cookie: &Cookie<'_>) {
    if let Err(error) = answer.add_cookie(cookie) {
        tracing::error!(%error, "setting a cookie failed");
    }
}

/// The path of ours that a text names, or the first page: nobody is led elsewhere.
pub fn safe_redirect(next: Option<&str>) -> &str {
    let is_local = |next: &&str| {
        next.starts_with('/')
            && !next.starts_with("//")
            && next.bytes().all(|c| c.is_ascii_graphic() && c != b'\\')
    };
    next.filter(is_local).unwrap_or("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_stay_on_this_site() {
        for ours in ["/", "/redeem?token=csr_x", "/a/b?c=//d"] {
            assert_eq!(safe_redirect(Some(ours)), ours);
        }
        for other in
            ["", "x", "//evil.example", "/\\evil.example", "https://evil.example", "/a\r\nx: y", "/ a", "/ä"]
        {
            assert_eq!(safe_redirect(Some(other)), "/", "{other}");
        }
        assert_eq!(safe_redirect(None), "/");
    }
}
