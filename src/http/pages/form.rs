//! Forms: the CSRF check, the fields, and their errors.

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Query};
use actix_web::{FromRequest, HttpRequest};
use minijinja::{Value, context};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;
use uuid::Uuid;

use super::context::PageContext;
use super::error::{PageError, wait_text};
use crate::domain::rate_limit::RateLimited;
use crate::domain::token::Keyring;
use crate::domain::user::UserId;
use crate::http::error::ApiError;
use crate::http::extract::body::{Body, ExtractFuture, media_type};
use crate::http::state::AppState;
use crate::i18n::Language;
use crate::services::forms;
use crate::services::sessions::SignedIn;

/// A form with no other field than its button.
#[derive(Deserialize, ToSchema)]
#[schema(as = page::CsrfForm)]
pub struct CsrfForm {
    csrf: String,
}

/// A form that a page of this site showed to the visitor's browser.
pub struct Form {
    pub ctx: PageContext,
    pub fields: FormFields,
}

/// A [`Form`] for signed-out visitors. It is also valid if the visitor signed in in another
/// window in the meantime.
pub struct AnonymousForm {
    pub form: Form,
    /// Whether the form is of this browser. Otherwise the handler must do nothing but show it
    /// again, with what the visitor has typed: on a first visit, a second tab replaces the cookie
    /// that the first one's form is bound to. A form that the browser says is of this site is
    /// accepted all the same.
    pub is_current: bool,
}

impl Form {
    /// Reads a form, and whether its CSRF token matches.
    fn read(
        request: &HttpRequest,
        payload: &mut Payload,
        csrf_matches: fn(&PageContext, &str) -> bool,
    ) -> ExtractFuture<(Self, bool), PageError> {
        let request = request.clone();
        let body = Body::read(&request, payload);
        Box::pin(async move {
            let Body(body) = body.await?;
            if media_type(&request).as_deref() != Some("application/x-www-form-urlencoded") {
                return Err(ApiError::UnsupportedMediaType.into());
            }
            let fields = FormFields::parse(&body)?;
            let ctx = PageContext::load(&request).await?;
            let is_current = fields.to::<CsrfForm>().is_ok_and(|form| csrf_matches(&ctx, &form.csrf));
            // Redemptions are limited by the requests that they need.
            if let Some(SignedIn { user, .. }) = ctx.signed_in.as_ref().filter(|_| is_current)
                && request.path() != "/redeem"
                && let Some(state) = request.app_data::<Data<AppState>>()
            {
                state.meter_write(user).await?;
            }
            Ok((Self { ctx, fields }, is_current))
        })
    }

    /// Runs `create`, unless this form was sent before: then the result is `None`. A form that
    /// created nothing can be sent again.
    pub async fn create_once<T, E>(
        &self,
        state: &AppState,
        user: UserId,
        create: impl Future<Output = Result<Result<T, E>, PageError>>,
    ) -> Result<Option<Result<T, E>>, PageError> {
        let form_id = self.fields.optional("form_id").and_then(|text| Uuid::try_parse(text).ok());
        if let Some(form_id) = form_id
            && !forms::claim(&state.store, user, form_id).await?
        {
            return Ok(None);
        }
        let created = create.await;
        if let (Some(form_id), Ok(Err(_)) | Err(_)) = (form_id, &created)
            && !matches!(created, Err(PageError::Api(ApiError::OutcomeUnknown)))
        {
            forms::release(&state.store, user, form_id).await?;
        }
        created.map(Some)
    }

    /// The signed-in user. Other visitors are sent to the sign-in page, and then to
    /// `return_path`.
    pub fn require_user(&self, return_path: &str) -> Result<&SignedIn, PageError> {
        self.ctx.require_user_or_return_to(return_path)
    }
}

/// The fields of a form, in order. Checkboxes of one name occur more than once. Not `Debug`:
/// some are secret.
pub struct FormFields {
    text: String,
    pairs: Vec<(String, String)>,
}

impl FormFields {
    /// Reads `application/x-www-form-urlencoded`. A U+0000 is an error.
    pub(super) fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let pairs: Vec<_> = form_urlencoded::parse(body).into_owned().collect();
        if pairs.iter().any(|(name, value)| name.contains('\0') || value.contains('\0')) {
            return Err(ApiError::BadRequest("A field contains a character that is not allowed.".to_owned()));
        }
        Ok(Self { text: String::from_utf8_lossy(body).into_owned(), pairs })
    }

    /// Whether there is a CSRF token, of any binding.
    fn has_csrf_token(&self) -> bool {
        self.optional("csrf").is_some_and(Keyring::is_csrf_token_shape)
    }

    /// The fields as `T`, the struct that the OpenAPI document describes. A field that `T`
    /// names must not occur more than once.
    pub fn to<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        match Query::<T>::from_query(&self.text) {
            Ok(fields) => Ok(fields.into_inner()),
            Err(_) => Err(ApiError::BadRequest("The form is incomplete or not valid.".to_owned())),
        }
    }

    /// The value of a required field, perhaps empty.
    pub fn required<'a>(&'a self, name: &'a str) -> Result<&'a str, ApiError> {
        let mut values = self.get_all(name);
        match (values.next(), values.next()) {
            (Some(value), None) => Ok(value),
            (None, _) | (Some(_), Some(_)) => Err(ApiError::BadRequest("The form is incomplete.".to_owned())),
        }
    }

    /// The value of a field that any form may have. `None` if it is absent or empty.
    pub fn optional<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.get_all(name).next().filter(|value| !value.is_empty())
    }

    /// The values of all fields of this name.
    pub fn get_all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs.iter().filter(move |(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

impl FromRequest for Form {
    type Error = PageError;
    type Future = ExtractFuture<Self, PageError>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let page = page_of_form(request.path());
        let form = Self::read(request, payload, PageContext::csrf_matches);
        Box::pin(async move {
            let (form, is_current) = form.await?;
            // A form of a session that is over does nothing but lead to the sign-in page, and then
            // back.
            let is_of_another_session = form.ctx.signed_in.is_none() && form.fields.has_csrf_token();
            if is_current || is_of_another_session { Ok(form) } else { Err(PageError::StaleForm { page }) }
        })
    }
}

impl FromRequest for AnonymousForm {
    type Error = PageError;
    type Future = ExtractFuture<Self, PageError>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let form = Form::read(request, payload, PageContext::csrf_matches_any);
        Box::pin(async move {
            let (form, is_current) = form.await?;
            let is_of_this_site = form.ctx.is_from_this_site() && form.fields.has_csrf_token();
            Ok(Self { form, is_current: is_current || is_of_this_site })
        })
    }
}

/// The page that shows the form with this target.
pub fn page_of_form(path: &str) -> &'static str {
    const PAGES: [(&str, &str); 17] = [
        ("/account", "/account"),
        ("/keys/new", "/keys/new"),
        ("/keys", "/keys"),
        ("/tokens/new", "/tokens/new"),
        ("/tokens", "/tokens"),
        ("/hub/tokens", "/tokens"),
        ("/webhooks/new", "/webhooks/new"),
        ("/webhooks", "/webhooks"),
        ("/access", "/access"),
        ("/requests/new", "/requests/new"),
        ("/requests", "/requests"),
        ("/blocks", "/requests"),
        ("/staff/users", "/staff/users"),
        ("/staff/bundles", "/staff/bundles"),
        ("/staff/hub", "/staff/hubs"),
        ("/staff/mail", "/staff/mail"),
        ("/staff", "/staff"),
    ];
    PAGES.into_iter().find(|(prefix, _)| path.starts_with(prefix)).map_or("/", |(_, page)| page)
}

/// What is wrong with a field of a form.
#[derive(Clone, Copy, Debug)]
pub struct FieldError {
    pub field: &'static str,
    /// The key of the message.
    pub message: &'static str,
    pub status: StatusCode,
    /// The limit that the visitor exceeded. The message has its waiting time as `$duration`.
    rate_limited: Option<RateLimited>,
}

impl FieldError {
    /// The value is not valid.
    pub const fn new(field: &'static str, message: &'static str) -> Self {
        Self { field, message, status: StatusCode::BAD_REQUEST, rate_limited: None }
    }

    /// The visitor is not allowed to use the value.
    pub const fn forbidden(field: &'static str, message: &'static str) -> Self {
        Self { field, message, status: StatusCode::FORBIDDEN, rate_limited: None }
    }

    /// The visitor has tried too often.
    pub const fn rate_limited(field: &'static str, message: &'static str, limit: RateLimited) -> Self {
        Self { field, message, status: StatusCode::TOO_MANY_REQUESTS, rate_limited: Some(limit) }
    }

    /// `field` and `message` for a template, both empty if there is no error.
    pub fn to_context(error: Option<Self>, language: Language) -> Value {
        let (field, message) = error.map_or(("", String::new()), |error| {
            let message = match error.rate_limited {
                Some(limit) => wait_text(error.message, limit, language),
                None => language.t(error.message),
            };
            (error.field, message)
        });
        context! { field, message }
    }
}

/// For [`crate::fuzzing::page_form`].
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz(bytes: &[u8]) {
    if let Ok(fields) = FormFields::parse(bytes) {
        for (name, _) in &fields.pairs {
            assert!(fields.get_all(name).next().is_some());
            assert!(fields.required(name).is_ok() || fields.get_all(name).count() > 1);
        }
    }
}
