//! The envelope that every answer of the dialect comes in.

use std::future::Future;

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{Handler, HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::ToSchema;

use super::ROOT;
use super::error::MfsError;
use super::params::Parameters;
use crate::config::ErrorStatus;
use crate::http::Services;
use crate::http::body::From;
use crate::http::problem::Addressee;
use crate::store::machine_now;

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
pub fn call<F, D>(
    method: fn(Data<Services>, From<Parameters>) -> F,
) -> impl Handler<(HttpRequest, Data<Services>, From<Parameters>), Output = HttpResponse>
where
    F: Future<Output = Result<D, MfsError>> + 'static,
    D: Serialize + 'static,
{
    move |request: HttpRequest, services: Data<Services>, sent: From<Parameters>| async move {
        answer(&request, method(services, sent).await)
    }
}

/// What came of a call, in the envelope.
pub fn answer<D: Serialize>(request: &HttpRequest, came: Result<D, MfsError>) -> HttpResponse {
    match came {
        Ok(data) => wrap(asked(request.path()), StatusCode::OK, Success { status: "ok", data }),
        Err(error) => error.answer(request),
    }
}

/// A failure, in the envelope. Its status is 200 where the operator wants what
/// Drumee itself does, whose browser SDK throws other bodies away.
pub fn failure(addressee: &Addressee, status: StatusCode, code: &str, message: &str) -> HttpResponse {
    let status = match addressee.mfs_errors {
        ErrorStatus::Http => status,
        ErrorStatus::Ok => StatusCode::OK,
    };
    wrap(asked(addressee.path()), status, Failure { status: "error", error: code, message })
}

/// What a path asks for, e.g. `mfs_api.list`.
pub fn asked(path: &str) -> &str {
    path.strip_prefix(ROOT).unwrap_or_default().trim_matches('/')
}

fn wrap<D: Serialize>(ack: &str, status: StatusCode, data: D) -> HttpResponse {
    HttpResponse::build(status).json(Envelope {
        ack,
        status: "online",
        timestamp: machine_now().millis(),
        data,
    })
}
