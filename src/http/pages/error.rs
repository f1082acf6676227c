//! The errors of pages, rendered as HTML or as a redirect.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::ACCEPT;
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use minijinja::context;

use super::templates::{current_language, render};
use super::url::{query_encode, see_other};
use crate::domain::rate_limit::RateLimited;
use crate::http::error::{ApiError, ErrorContext, ErrorRenderer};
use crate::i18n::Language;

/// Why a page cannot be shown.
#[derive(Debug)]
pub enum PageError {
    Api(ApiError),
    /// The visitor is not signed in. After sign-in the browser goes to `next`, a path of this
    /// site.
    SignInRequired {
        next: String,
    },
    /// The form was not shown to this browser, has expired, or was used already. `page` is where it
    /// can be opened again.
    StaleForm {
        page: &'static str,
    },
}

impl<T: Into<ApiError>> From<T> for PageError {
    fn from(error: T) -> Self {
        Self::Api(error.into())
    }
}

impl fmt::Display for PageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Api(error) => error.fmt(f),
            Self::SignInRequired { .. } => f.write_str("not signed in"),
            Self::StaleForm { .. } => f.write_str("CSRF token does not match"),
        }
    }
}

impl ResponseError for PageError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Api(error) => error.status(),
            Self::SignInRequired { .. } => StatusCode::SEE_OTHER,
            Self::StaleForm { .. } => StatusCode::FORBIDDEN,
        }
    }

    fn error_response(&self) -> HttpResponse {
        match self {
            Self::Api(error) => error.with_headers(error_page(error, current_language())),
            Self::SignInRequired { next } => see_other(&format!("/sign-in?next={}", query_encode(next))),
            Self::StaleForm { page } => {
                let language = current_language();
                let (title, text) = (language.t("error-title"), language.t("error-stale-form"));
                let context = context! { title, text, back => *page };
                render(StatusCode::FORBIDDEN, language, "message", context)
            }
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

/// Renders an error as a page.
fn error_page(error: &ApiError, language: Language) -> HttpResponse {
    let text = match error {
        ApiError::Unauthenticated => language.t("error-unauthenticated"),
        ApiError::Forbidden(_) => language.t("error-forbidden"),
        ApiError::NotFound => language.t("error-not-found"),
        ApiError::MethodNotAllowed(_) => language.t("error-method-not-allowed"),
        ApiError::BadRequest(_) | ApiError::UnsupportedMediaType | ApiError::UnsupportedEncoding => {
            language.t("error-bad-request")
        }
        ApiError::PayloadTooLarge => language.t("error-too-large"),
        ApiError::BodyTimeout => language.t("error-body-timeout"),
        ApiError::RateLimited(limit) => wait_text("error-rate-limited", *limit, language),
        ApiError::Busy => language.t("error-busy"),
        ApiError::Unavailable => language.t("error-unavailable"),
        ApiError::OutcomeUnknown => language.t("error-outcome-unknown"),
        ApiError::Internal => language.t("error-internal"),
    };
    message_page(error.status(), language, text)
}

/// A message with the time to wait as `$duration`, rounded up to seconds, minutes, hours or
/// days.
pub fn wait_text(key: &str, RateLimited(quota): RateLimited, language: Language) -> String {
    let duration = language.duration(round_up(quota.reset_after.max(1)));
    language.t_args(key, &[("duration", &duration)])
}

/// Rounds seconds up to a whole number of the unit in which people would say them.
fn round_up(seconds: i64) -> i64 {
    let unit = match seconds {
        ..=90 => 1,
        91..=5_400 => 60,
        5_401..=129_600 => 3_600,
        _ => 86_400,
    };
    seconds.saturating_add(unit - 1) / unit * unit
}

fn message_page(status: StatusCode, language: Language, text: String) -> HttpResponse {
    render(status, language, "message", context! { title => language.t("error-title"), text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_times_are_rounded_up() {
        for (seconds, text) in [
            (1, "1 second"),
            (90, "90 seconds"),
            (91, "2 minutes"),
            (3_599, "1 hour"),
            (3_601, "61 minutes"),
            (5_401, "2 hours"),
            (8_640, "3 hours"),
            (129_601, "2 days"),
        ] {
            assert_eq!(Language::English.duration(round_up(seconds)), text);
        }
        assert_eq!(round_up(i64::MAX) % 86_400, 0);
    }
}
