//! What a page is answered with that cannot be shown.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::{HttpResponse, ResponseError};
use minijinja::context;

use super::view::{page, spoken};
use crate::http::problem::Problem;
use crate::words::Language;

/// Why there is no page, or another one.
#[derive(Debug)]
pub enum PageError {
    /// What may go wrong with any request.
    Problem(Problem),
    /// Nobody is signed in; afterwards they want to go there.
    SignIn {
        /// A path of ours.
        next: String,
    },
    /// A form that was not shown to this browser, or is too old.
    Stale,
}

impl<T: Into<Problem>> From<T> for PageError {
    fn from(problem: T) -> Self {
        Self::Problem(problem.into())
    }
}

impl fmt::Display for PageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Problem(problem) => problem.fmt(f),
            Self::SignIn { .. } => f.write_str("not signed in"),
            Self::Stale => f.write_str("CSRF token does not match"),
        }
    }
}

impl ResponseError for PageError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Problem(problem) => problem.status(),
            Self::SignIn { .. } => StatusCode::SEE_OTHER,
            Self::Stale => StatusCode::FORBIDDEN,
        }
    }

    fn error_response(&self) -> HttpResponse {
        match self {
            Self::Problem(problem) => problem.dress(self::problem(problem, spoken())),
            Self::SignIn { next } => see_other(&format!("/sign-in?next={}", encoded(next))),
            Self::Stale => said(StatusCode::FORBIDDEN, spoken(), "stale"),
        }
    }
}

/// A problem as a page.
pub(crate) fn problem(problem: &Problem, language: Language) -> HttpResponse {
    let key = match problem {
        Problem::Unauthenticated => "unauthenticated",
        Problem::Forbidden(_) => "forbidden",
        Problem::NotFound => "not-found",
        Problem::MethodNotAllowed(_) => "method-not-allowed",
        Problem::BadRequest(_) | Problem::UnsupportedType => "bad-request",
        Problem::TooLarge => "too-large",
        Problem::TooSlow => "too-slow",
        Problem::TooOften(_) => "too-often",
        Problem::Busy => "busy",
        Problem::NotDone => "not-done",
        Problem::OutcomeUnknown => "outcome-unknown",
        Problem::Broken => "broken",
    };
    said(problem.status(), language, key)
}

fn said(status: StatusCode, language: Language, key: &str) -> HttpResponse {
    let words = language.say(&format!("problem-{key}"));
    page(status, language, "said", context! { title => language.say("problem-title"), words })
}

/// Leads a browser on, to a path of ours.
pub fn see_other(path: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((LOCATION, path)).finish()
}

/// A text as it stands in a query.
pub fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
