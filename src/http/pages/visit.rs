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
use super::session::{self, Jar, SignedIn};
use super::view;
use crate::domain::event::Origin;
use crate::domain::token::{Binding, Keyring};
use crate::entropy;
use crate::http::Services;
use crate::http::auth;
use crate::http::body::Extracted;
use crate::http::problem::Problem;
use crate::words::Language;

/// Somebody who looks at a page.
pub struct Visit {
    /// Their language.
    pub language: Language,
    /// Who they are, if they are signed in.
    pub signed_in: Option<SignedIn>,
    /// Who, and from where, for the audit trail.
    pub origin: Origin,
    /// The cookies that their browser gets.
    pub jar: Jar,
    /// The page that they are at: its path and query.
    pub here: String,
    /// Whether a page of ours led them here, as far as their browser tells (`Sec-Fetch-Site`
    /// of W3C Fetch Metadata).
    pub led_here: bool,
    /// What their forms are bound to: their session, or else their browser.
    binding: Binding,
    /// What their browser was given when nobody was signed in, if it was.
    browser: Option<Uuid>,
    keyring: Arc<Keyring>,
}

impl Visit {
    /// Who sent a request.
    pub async fn of(request: &HttpRequest) -> Result<Self, Problem> {
        let services = request.app_data::<Data<Services>>().ok_or(Problem::NotDone)?;
        let jar = Jar::of(&services.config.public_url);
        let signed_in = session::find(services, jar, request).await?;
        let browser = jar.browser_id(request);
        let binding = match &signed_in {
            Some(signed_in) => Binding::Session(signed_in.session.id),
            None => Binding::Browser(browser.unwrap_or_else(entropy::uuid)),
        };
        let site = request.headers().get("sec-fetch-site");
        let here = request.uri().path_and_query().map_or("/", |here| here.as_str()).to_owned();
        Ok(Self {
            language: view::language_of(request),
            origin: auth::origin(request, signed_in.as_ref().map(|signed_in| signed_in.user.id)),
            signed_in,
            jar,
            here,
            led_here: site.is_none_or(|site| site == "same-origin"),
            binding,
            browser,
            keyring: Arc::clone(&services.keyring),
        })
    }

    /// Who is signed in; nobody is asked to sign in, and comes back.
    pub fn user(&self) -> Result<&SignedIn, PageError> {
        self.signed_in.as_ref().ok_or_else(|| PageError::SignIn { next: self.here.clone() })
    }

    /// Who is signed in, and administers the server; for others there is nothing here.
    pub fn staff(&self) -> Result<&SignedIn, PageError> {
        let signed_in = self.user()?;
        if signed_in.user.staff { Ok(signed_in) } else { Err(Problem::NotFound.into()) }
    }

    /// What the address's query has under this name, if it has anything that a text can be.
    pub fn parameter(&self, name: &str) -> Option<String> {
        parameter(&self.here, name)
    }

    /// Whether a form was shown to this visitor, by what came with it.
    pub fn has_form(&self, token: &str) -> bool {
        self.new_browser().is_none() && self.keyring.is_form_token(self.binding, token)
    }

    /// [`Self::has_form`], be it before they signed in.
    pub fn has_had_form(&self, token: &str) -> bool {
        let before = self.browser.map(Binding::Browser);
        before.is_some_and(|before| self.keyring.is_form_token(before, token)) || self.has_form(token)
    }

    /// Who the browser is that has yet to be told so.
    fn new_browser(&self) -> Option<Uuid> {
        match self.binding {
            Binding::Browser(id) => self.browser.is_none().then_some(id),
            Binding::Session(_) => None,
        }
    }

    /// A page of a template, for this visitor. All templates know `me` (who is signed in:
    /// `name`, `email`, `staff`; or none), `csrf` (what each form sends along) and `path`.
    pub fn page(&self, status: StatusCode, template: &str, context: Value) -> HttpResponse {
        let me = self.signed_in.as_ref().map(|SignedIn { user, .. }| {
            context! { name => user.display_name(), email => user.email.as_str(), staff => user.staff }
        });
        let path = self.here.split('?').next();
        let csrf = self.keyring.form_token(self.binding);
        let context = context! { me, csrf, path, ..context };
        let mut page = view::page(status, self.language, template, context);
        if let Some(id) = self.new_browser() {
            set_cookie(&mut page, &self.jar.keep_browser(id));
        }
        page
    }

    /// [`Self::page`], when all is well.
    pub fn show(&self, template: &str, context: Value) -> HttpResponse {
        self.page(StatusCode::OK, template, context)
    }

    /// A page that says one thing: the messages `<key>-title` and `<key>-words`.
    pub fn say(&self, status: StatusCode, key: &str) -> HttpResponse {
        let say = |part: &str| self.language.say(&format!("{key}-{part}"));
        self.page(status, "said", context! { title => say("title"), words => say("words") })
    }
}

impl FromRequest for Visit {
    type Error = PageError;
    type Future = Extracted<Self, PageError>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { Ok(Self::of(&request).await?) })
    }
}

/// [`Visit::parameter`], of an address.
pub fn parameter(here: &str, name: &str) -> Option<String> {
    let (_, query) = here.split_once('?')?;
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
pub fn local(next: Option<&str>) -> &str {
    let ours = |next: &&str| {
        next.starts_with('/')
            && !next.starts_with("//")
            && next.bytes().all(|c| c.is_ascii_graphic() && c != b'\\')
    };
    next.filter(ours).unwrap_or("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_led_elsewhere() {
        for ours in ["/", "/redeem?token=csr_x", "/a/b?c=//d"] {
            assert_eq!(local(Some(ours)), ours);
        }
        for other in
            ["", "x", "//evil.example", "/\\evil.example", "https://evil.example", "/a\r\nx: y", "/ a", "/ä"]
        {
            assert_eq!(local(Some(other)), "/", "{other}");
        }
        assert_eq!(local(None), "/");
    }
}
