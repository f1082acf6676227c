//! Extractors of request bodies.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{Bytes, PayloadConfig, ServiceConfig};
use actix_web::{FromRequest, HttpRequest};

use crate::actors::admission::without_permit;
use crate::deadline;
use crate::http::error::ApiError;

/// The largest body that is accepted, unless a scope has another [`BodyLimit`].
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// The largest body that the routes of a scope accept. It is `app_data` of the scope.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimit(usize);

impl BodyLimit {
    /// Sets the limit of a scope.
    pub fn set(scope: &mut ServiceConfig, bytes: usize) {
        scope.app_data(Self(bytes)).app_data(PayloadConfig::new(bytes));
    }

    /// The limit of a request's route, in bytes.
    pub fn of_request(request: &HttpRequest) -> usize {
        request.app_data().map_or(MAX_BODY_BYTES, |Self(bytes)| *bytes)
    }
}

/// How long a client may take to send a body. This time does not count against the request's
/// deadline.
const BODY_READ_TIMEOUT: Duration = Duration::from_secs(10);

/// A body within the [`BodyLimit`].
#[derive(Clone, Debug, Default)]
pub struct Body(pub Bytes);

impl FromRequest for Body {
    type Error = actix_web::Error;
    type Future = ExtractFuture<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let body = Self::read(&request, payload);
        Box::pin(async move { body.await.map_err(|error| error.into_actix_error(&request)) })
    }
}

impl Body {
    /// Reads the body of a request.
    pub fn read(request: &HttpRequest, payload: &mut Payload) -> ExtractFuture<Self, ApiError> {
        let bytes = Bytes::from_request(request, payload);
        Box::pin(async move {
            match without_permit(deadline::exclude(BODY_READ_TIMEOUT, bytes)).await {
                Some(Ok(bytes)) => Ok(Self(bytes)),
                Some(Err(error)) => Err(match error.as_response_error().status_code() {
                    actix_web::http::StatusCode::PAYLOAD_TOO_LARGE => ApiError::PayloadTooLarge,
                    _ => ApiError::BadRequest("The request body could not be read.".to_owned()),
                }),
                None => Err(ApiError::BodyTimeout),
            }
        })
    }
}

/// The future of an extractor.
pub type ExtractFuture<T, E = actix_web::Error> = Pin<Box<dyn Future<Output = Result<T, E>>>>;

/// Implements an extractor that parses the whole body, and perhaps parts of the request head.
pub fn extract_from_body<T: 'static>(
    request: &HttpRequest,
    payload: &mut Payload,
    parse: fn(&HttpRequest, &[u8]) -> Result<T, ApiError>,
) -> ExtractFuture<T> {
    let request = request.clone();
    let body = Body::from_request(&request, payload);
    Box::pin(async move {
        let Body(body) = body.await?;
        parse(&request, &body).map_err(|error| error.into_actix_error(&request))
    })
}

/// Parses JSON, with or without a byte order mark (RFC 8259, 8.1).
pub fn parse_json(json: &[u8]) -> serde_json::Result<serde_json::Value> {
    serde_json::from_slice(json.strip_prefix("\u{feff}".as_bytes()).unwrap_or(json))
}

/// Returns the media type of the body without parameters, in lower case: `application/json`.
pub fn media_type(request: &HttpRequest) -> Option<String> {
    let value = request.headers().get(CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}
