//! The context of a page request: the visitor, their language, and how to render a page for
//! them.

use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use minijinja::{Value, context};
use uuid::Uuid;

use super::cookies::{SessionCookies, set_cookie};
use super::error::PageError;
use super::{templates, url};
use crate::domain::audit::AuditContext;
use crate::domain::token::{CsrfBinding, Keyring};
use crate::entropy;
use crate::http::error::ApiError;
use crate::http::extract::authenticated::audit_context;
use crate::http::extract::body::ExtractFuture;
use crate::http::middleware::cross_site::Initiator;
use crate::http::state::AppState;
use crate::i18n::Language;
use crate::services::sessions::{self, SignedIn};

/// The query parameter that names the result of the last action.
pub const FLASH_PARAM: &str = "flash";

/// A visitor of a page, signed in or not.
pub struct PageContext {
    pub language: Language,
    pub signed_in: Option<SignedIn>,
    pub audit: AuditContext,
    pub cookies: SessionCookies,
    /// The path and query of the requested page.
    pub current_url: String,
    initiator: Initiator,
    /// The session, or else the browser, to which forms are bound.
    csrf_binding: CsrfBinding,
    /// The ID in the browser's cookie, if it has one.
    browser_id: Option<Uuid>,
    keyring: Arc<Keyring>,
}

impl PageContext {
    /// Reads the session of a request.
    pub async fn load(request: &HttpRequest) -> Result<Self, ApiError> {
        let state = request.app_data::<Data<AppState>>().ok_or(ApiError::Unavailable)?;
        let cookies = SessionCookies::for_url(&state.config.public_url);
        let signed_in = match cookies.session_token(request) {
            Some(token) => sessions::find(&state.store, &token).await?,
            None => None,
        };
        let browser_id = cookies.browser_id(request);
        let csrf_binding = match &signed_in {
            Some(signed_in) => CsrfBinding::Session(signed_in.session.id),
            None => CsrfBinding::Browser(browser_id.unwrap_or_else(entropy::uuid)),
        };
        Ok(Self {
            language: templates::request_language(request),
            audit: audit_context(request, signed_in.as_ref().map(|signed_in| signed_in.user.id)),
            signed_in,
            cookies,
            current_url: request.uri().path_and_query().map_or("/", |url| url.as_str()).to_owned(),
            initiator: Initiator::of_request(request, &state.config.public_url),
            csrf_binding,
            browser_id,
            keyring: Arc::clone(&state.keyring),
        })
    }

    /// The signed-in user. Other visitors are sent to the sign-in page, and then back to this
    /// page.
    pub fn require_user(&self) -> Result<&SignedIn, PageError> {
        self.require_user_or_return_to(&self.current_url)
    }

    /// The signed-in user. Other visitors are sent to the sign-in page, and then to
    /// `return_path`: for form targets, which cannot be opened as pages.
    pub fn require_user_or_return_to(&self, return_path: &str) -> Result<&SignedIn, PageError> {
        self.signed_in.as_ref().ok_or_else(|| PageError::SignInRequired { next: return_path.to_owned() })
    }

    /// The signed-in administrator. For other users the page does not exist.
    pub fn require_staff(&self) -> Result<&SignedIn, PageError> {
        self.require_staff_or_return_to(&self.current_url)
    }

    /// [`Self::require_staff`] for form targets: see [`Self::require_user_or_return_to`].
    pub fn require_staff_or_return_to(&self, return_path: &str) -> Result<&SignedIn, PageError> {
        let signed_in = self.require_user_or_return_to(return_path)?;
        if signed_in.user.staff { Ok(signed_in) } else { Err(ApiError::NotFound.into()) }
    }

    /// A query parameter of the requested page.
    pub fn query_param(&self, name: &str) -> Option<String> {
        url::query_param(&self.current_url, name)
    }

    /// The message about the last action: `<key_prefix>-<flash>`, if the `flash` parameter is
    /// one of `names`. A link on another site shows no message.
    pub fn flash(&self, key_prefix: &str, names: &[&str]) -> Option<String> {
        let is_from_here = matches!(self.initiator, Initiator::SameOrigin | Initiator::Unknown);
        let flash = self.query_param(FLASH_PARAM).filter(|_| is_from_here)?;
        names.contains(&flash.as_str()).then(|| format!("{key_prefix}-{flash}"))
    }

    /// Whether this CSRF token was issued to the visitor's session, or to their browser while
    /// they are signed out.
    pub fn csrf_matches(&self, token: &str) -> bool {
        self.new_browser_id().is_none() && self.keyring.is_csrf_token(self.csrf_binding, token)
    }

    /// Like [`Self::csrf_matches`], but also accepts the browser's token after sign-in.
    pub fn csrf_matches_any(&self, token: &str) -> bool {
        let browser = self.browser_id.map(CsrfBinding::Browser);
        browser.is_some_and(|browser| self.keyring.is_csrf_token(browser, token)) || self.csrf_matches(token)
    }

    /// Whether the browser says that a page of this site caused the request.
    pub fn is_from_this_site(&self) -> bool {
        self.initiator == Initiator::SameOrigin
    }

    /// The ID of a signed-out browser that does not have the cookie yet.
    fn new_browser_id(&self) -> Option<Uuid> {
        match self.csrf_binding {
            CsrfBinding::Browser(id) => self.browser_id.is_none().then_some(id),
            CsrfBinding::Session(_) | CsrfBinding::DevMail => None,
        }
    }

    /// Renders a template for this visitor. Every template has `me` (the signed-in user's
    /// `name`, `email` and `staff`, or none), `csrf` (the token for forms), `form_id` (for forms that
    /// must not be sent twice) and `path`.
    pub fn render(&self, status: StatusCode, template: &str, context: Value) -> HttpResponse {
        let me = self.signed_in.as_ref().map(|SignedIn { user, .. }| {
            context! { name => user.display_name(), email => user.email.as_str(), staff => user.staff }
        });
        let path = self.current_url.split('?').next();
        let csrf = self.keyring.csrf_token(self.csrf_binding);
        let form_id = entropy::uuid().to_string();
        let context = context! { me, csrf, form_id, path, ..context };
        let mut page = templates::render(status, self.language, template, context);
        if let Some(id) = self.new_browser_id() {
            set_cookie(&mut page, &self.cookies.browser_cookie(id));
        }
        page
    }

    /// [`Self::render`] with status 200.
    pub fn render_ok(&self, template: &str, context: Value) -> HttpResponse {
        self.render(StatusCode::OK, template, context)
    }

    /// A page with the messages `<key>-title` and `<key>-text`.
    pub fn render_message(&self, status: StatusCode, key: &str) -> HttpResponse {
        let message = |part: &str| self.language.t(&format!("{key}-{part}"));
        self.render(status, "message", context! { title => message("title"), text => message("text") })
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
