//! Forms: the CSRF check, the fields, and their errors.

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Query};
use actix_web::{FromRequest, HttpRequest};
use minijinja::{Value, context};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use super::context::PageContext;
use super::error::{PageError, wait_text};
use crate::domain::rate_limit::RateLimited;
use crate::http::error::ApiError;
use crate::http::extract::body::{Body, ExtractFuture, media_type};
use crate::http::state::AppState;
use crate::i18n::Language;
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
pub struct AnonymousForm(pub Form);

impl Form {
    /// Reads a form and checks its CSRF token with `csrf_matches`.
    fn read(
        request: &HttpRequest,
        payload: &mut Payload,
        csrf_matches: fn(&PageContext, &str) -> bool,
    ) -> ExtractFuture<Self, PageError> {
        let request = request.clone();
        let body = Body::read(&request, payload);
        Box::pin(async move {
            let Body(body) = body.await?;
            if media_type(&request).as_deref() != Some("application/x-www-form-urlencoded") {
                return Err(ApiError::UnsupportedMediaType.into());
            }
            let fields = FormFields::parse(&body)?;
            let ctx = PageContext::load(&request).await?;
            if !fields.to::<CsrfForm>().is_ok_and(|form| csrf_matches(&ctx, &form.csrf)) {
                return Err(PageError::StaleForm);
            }
            // Redemptions are limited by the requests that they need.
            if let Some(SignedIn { user, .. }) = &ctx.signed_in
                && request.path() != "/redeem"
                && let Some(state) = request.app_data::<Data<AppState>>()
            {
                state.meter_write(user).await?;
            }
            Ok(Self { ctx, fields })
        })
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

    /// The values of all fields of this name.
    pub fn get_all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs.iter().filter(move |(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

impl FromRequest for Form {
    type Error = PageError;
    type Future = ExtractFuture<Self, PageError>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        Self::read(request, payload, PageContext::csrf_matches)
    }
}

impl FromRequest for AnonymousForm {
    type Error = PageError;
    type Future = ExtractFuture<Self, PageError>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let form = Form::read(request, payload, PageContext::csrf_matches_any);
        Box::pin(async move { form.await.map(Self) })
    }
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
