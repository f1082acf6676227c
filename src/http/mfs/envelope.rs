//! The envelope that every answer of the dialect comes in.

use std::future::Future;

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{Handler, HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::ToSchema;

use super::ROOT_PATH;
use super::error::MfsError;
use super::params::Parameters;
use crate::config::MfsErrorStatus;
use crate::http::body::Authenticated;
use crate::http::error::ErrorContext;
use crate::http::state::AppState;
use crate::store::system_now;

/// What every answer comes in.
#[derive(Serialize, ToSchema)]
#[schema(as = mfs::Envelope)]
pub struct Envelope<'a, D> {
    /// What was called, as the path names it.
    #[serde(rename = "__ack__")]
    ack: &'a str,
    /// `online`
    #[serde(rename = "__status__")]
    status: &'static str,
    /// Milliseconds since the Unix epoch.
    #[serde(rename = "__timestamp__")]
    timestamp: i64,
    data: D,
}

/// What a call came to.
#[derive(Serialize, ToSchema)]
#[schema(as = mfs::Success)]
pub struct Success<D> {
    /// `ok`
    #[schema(pattern = "^ok$")]
    status: &'static str,
    #[serde(flatten)]
    data: D,
}

/// Why a call came to nothing.
#[derive(Serialize, ToSchema)]
#[schema(as = mfs::Failure)]
pub struct Failure<'a> {
    /// `error`
    #[schema(pattern = "^error$")]
    status: &'static str,
    /// A code, such as `missing_parameters`.
    error: &'a str,
    /// What to do.
    message: &'a str,
}

/// A handler that calls a method and puts what comes of it in the envelope.
pub fn method_handler<F, D>(
    method: fn(Data<AppState>, Authenticated<Parameters>) -> F,
) -> impl Handler<(HttpRequest, Data<AppState>, Authenticated<Parameters>), Output = HttpResponse>
where
    F: Future<Output = Result<D, MfsError>> + 'static,
    D: Serialize + 'static,
{
    move |request: HttpRequest, state: Data<AppState>, parameters: Authenticated<Parameters>| async move {
        to_response(&request, method(state, parameters).await)
    }
}

/// What came of a call, in the envelope.
pub fn to_response<D: Serialize>(request: &HttpRequest, result: Result<D, MfsError>) -> HttpResponse {
    match result {
        Ok(data) => enveloped(method_name(request.path()), StatusCode::OK, Success { status: "ok", data }),
        Err(error) => error.to_response(request),
    }
}

/// A failure, in the envelope. Its status is 200 where the operator wants what
/// Drumee itself does, whose browser SDK throws other bodies away.
pub fn error_response(context: &ErrorContext, status: StatusCode, code: &str, message: &str) -> HttpResponse {
    let status = match context.mfs_error_status {
        MfsErrorStatus::Http => status,
        MfsErrorStatus::Ok => StatusCode::OK,
    };
    enveloped(method_name(context.path()), status, Failure { status: "error", error: code, message })
}

/// What a path asks for, e.g. `mfs_api.list`.
pub fn method_name(path: &str) -> &str {
    path.strip_prefix(ROOT_PATH).unwrap_or_default().trim_matches('/')
}

fn enveloped<D: Serialize>(ack: &str, status: StatusCode, data: D) -> HttpResponse {
    HttpResponse::build(status).json(Envelope {
        ack,
        status: "online",
        timestamp: system_now().millis(),
        data,
    })
}
