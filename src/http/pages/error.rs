//! What a page is answered with that cannot be shown.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{ACCEPT, LOCATION};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use minijinja::context;

use super::templates::{current_language, render};
use crate::http::error::{ApiError, ErrorContext, ErrorRenderer};
use crate::i18n::Language;

/// Why there is no page, or another one.
#[derive(Debug)]
pub enum PageError {
    /// What may go wrong with any request.
    Api(ApiError),
    /// Nobody is signed in; afterwards they want to go there.
    SignInRequired {
        /// A path of ours.
        next: String,
    },
    /// A form that was not shown to this browser, or is too old.
    StaleForm,
}

impl<T: Into<ApiError>> From<T> for PageError {
    fn from(problem: T) -> Self {
        Self::Api(problem.into())
    }
}

impl fmt::Display for PageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Api(problem) => problem.fmt(f),
            Self::SignInRequired { .. } => f.write_str("not signed in"),
            Self::StaleForm => f.write_str("CSRF token does not match"),
        }
    }
}

impl ResponseError for PageError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Api(problem) => problem.status(),
            Self::SignInRequired { .. } => StatusCode::SEE_OTHER,
            Self::StaleForm => StatusCode::FORBIDDEN,
        }
    }

    fn error_response(&self) -> HttpResponse {
        match self {
            Self::Api(problem) => problem.with_headers(error_page(problem, current_language())),
            Self::SignInRequired { next } => see_other(&format!("/sign-in?next={}", query_encode(next))),
            Self::StaleForm => message_page(StatusCode::FORBIDDEN, current_language(), "stale-form"),
        }
    }
}

/// The renderer of the pages' errors.
pub(super) const ERROR_RENDERER: ErrorRenderer = ErrorRenderer(|error, context| {
    let language = context.accept_language.as_ref().and_then(|header| header.to_str().ok());
    error_page(error, language.map(Language::accepted).unwrap_or_default())
});

/// Responds to a path that does not exist: browsers get a page, other clients JSON.
pub(crate) async fn not_found(request: HttpRequest) -> HttpResponse {
    let accept = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok());
    if accept.is_some_and(|accept| accept.contains("text/html")) {
        ERROR_RENDERER.render(&ApiError::NotFound, &ErrorContext::from_request(&request))
    } else {
        ApiError::NotFound.to_response(&request)
    }
}

fn error_page(problem: &ApiError, language: Language) -> HttpResponse {
    let key = match problem {
        ApiError::Unauthenticated => "unauthenticated",
        ApiError::Forbidden(_) => "forbidden",
        ApiError::NotFound => "not-found",
        ApiError::MethodNotAllowed(_) => "method-not-allowed",
        ApiError::BadRequest(_) | ApiError::UnsupportedMediaType => "bad-request",
        ApiError::PayloadTooLarge => "too-large",
        ApiError::BodyTimeout => "body-timeout",
        ApiError::RateLimited(_) => "rate-limited",
        ApiError::Busy => "busy",
        ApiError::Unavailable => "unavailable",
        ApiError::OutcomeUnknown => "outcome-unknown",
        ApiError::Internal => "internal",
    };
    message_page(problem.status(), language, key)
}

fn message_page(status: StatusCode, language: Language, key: &str) -> HttpResponse {
    let text = language.t(&format!("error-{key}"));
    render(status, language, "message", context! { title => language.t("error-title"), text })
}

/// Leads a browser on, to a path of ours.
pub fn see_other(path: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((LOCATION, path)).finish()
}

/// A text as it stands in a query.
pub fn query_encode(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
