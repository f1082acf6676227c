//! Errors that any request can cause, independent of the API. The API that a request belongs
//! to renders them: it registers an [`ErrorRenderer`] with its routes.

use actix_web::error::InternalError;
use actix_web::http::header::{
    ACCEPT_ENCODING, ACCEPT_LANGUAGE, ALLOW, AUTHORIZATION, Allow, HeaderValue, RETRY_AFTER,
    TryIntoHeaderValue, WWW_AUTHENTICATE,
};
use actix_web::http::{StatusCode, Uri};
use actix_web::{HttpRequest, HttpResponse};

use super::middleware::response_delay;
use super::rate_limit::{self, headers::RefusedBy};
use crate::actors::registry::{CommandError, RegistryError};
use crate::config::MfsErrorStatus;
use crate::domain::rate_limit::RateLimited;
use crate::receipt::IssueError;
use crate::store::StoreError;

/// The challenge of HTTP Basic (RFC 7617).
const BASIC_CHALLENGE: &str = "Basic realm=\"countersign\", charset=\"UTF-8\"";
/// `Retry-After` of a server that is busy, in seconds.
const RETRY_AFTER_SECONDS: &str = "1";

/// An error that any request can cause. The texts are shown to API clients.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// Credentials are missing or invalid.
    #[error("Missing or invalid credentials.")]
    Unauthenticated,
    /// The caller lacks a permission.
    #[error("{0}")]
    Forbidden(&'static str),
    /// The resource does not exist, or is not visible to this caller.
    #[error("Not found.")]
    NotFound,
    /// The resource does not support this method.
    #[error("Method not allowed.")]
    MethodNotAllowed(Allow),
    /// The request is malformed.
    #[error("{0}")]
    BadRequest(String),
    /// The body is larger than the [`BodyLimit`](super::extract::body::BodyLimit).
    #[error("The request body is larger than 64 KiB.")]
    PayloadTooLarge,
    /// The client took too long to send the body.
    #[error("The request body did not arrive in time.")]
    BodyTimeout,
    /// The resource does not accept this content type.
    #[error("This content type is not supported.")]
    UnsupportedMediaType,
    /// The body has a content coding, such as gzip.
    #[error("Send the body without Content-Encoding.")]
    UnsupportedEncoding,
    /// A rate limit was exceeded. Nothing was done.
    #[error(transparent)]
    RateLimited(#[from] RateLimited),
    /// A queue is full. Nothing was done.
    #[error("The server is busy. Nothing was done. Try again.")]
    Busy,
    /// The database is not available. Nothing was done.
    #[error("The database is not available. Nothing was done. Try again.")]
    Unavailable,
    /// The database did not respond in time. The change may be committed, now or later.
    #[error("The database did not respond. The outcome is unknown. Check the result before you try again.")]
    OutcomeUnknown,
    /// The handler panicked. The log has the panic message.
    #[error("Internal server error. The outcome is unknown. Check the result before you try again.")]
    Internal,
}

/// Marks a response to a request that was refused because the server was busy, for the metrics.
#[derive(Clone, Copy, Debug)]
pub struct RefusedAsBusy;

/// Renders an [`ApiError`] in an API's format. Each API registers its renderer as `app_data`
/// of its routes.
#[derive(Clone, Copy)]
pub struct ErrorRenderer(pub fn(&ApiError, &ErrorContext) -> HttpResponse);

/// The parts of a request that a renderer needs. They are copied before the handler is called,
/// because the request is lost when the handler panics or exceeds its deadline.
#[derive(Clone, Debug)]
pub struct ErrorContext {
    uri: Uri,
    /// The request's `Accept-Language` header.
    pub accept_language: Option<HeaderValue>,
    /// The HTTP status of mfs errors.
    pub mfs_error_status: MfsErrorStatus,
}

impl ErrorRenderer {
    /// Returns the renderer that is registered for a request's route.
    pub fn from_request(request: &HttpRequest) -> Self {
        request.app_data().copied().unwrap_or(Self(render_text))
    }

    /// Renders an error, including the headers that all APIs share.
    pub fn render(self, error: &ApiError, context: &ErrorContext) -> HttpResponse {
        let Self(render) = self;
        error.with_headers(render(error, context))
    }
}

fn render_text(error: &ApiError, _: &ErrorContext) -> HttpResponse {
    HttpResponse::build(error.status()).body(error.to_string())
}

impl ErrorContext {
    /// Copies what a renderer needs from a request.
    pub fn from_request(request: &HttpRequest) -> Self {
        Self {
            uri: request.uri().clone(),
            accept_language: request.headers().get(ACCEPT_LANGUAGE).cloned(),
            mfs_error_status: request.app_data().copied().unwrap_or_default(),
        }
    }

    /// Returns the path of the request.
    pub fn path(&self) -> &str {
        self.uri.path()
    }
}

impl From<IssueError> for ApiError {
    fn from(error: IssueError) -> Self {
        match error {
            IssueError::Store(error) => error.into(),
            IssueError::Key(error) => {
                tracing::error!("no receipt can be signed: {error}");
                Self::Internal
            }
        }
    }
}

impl ApiError {
    /// Returns the HTTP status.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType | Self::UnsupportedEncoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::RateLimited(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::Busy | Self::Unavailable | Self::OutcomeUnknown => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Renders the error in the format of the API that the request's route belongs to.
    pub fn to_response(&self, request: &HttpRequest) -> HttpResponse {
        let renderer = ErrorRenderer::from_request(request);
        let mut response = renderer.render(self, &ErrorContext::from_request(request));
        // A request without credentials has nothing to measure: only a rejected credential is
        // delayed.
        if *self == Self::Unauthenticated && request.headers().contains_key(AUTHORIZATION) {
            response_delay::quantize(&mut response);
        }
        response
    }

    /// Adds the headers that belong to this error in every API.
    pub fn with_headers(&self, mut response: HttpResponse) -> HttpResponse {
        if *self == Self::NotFound {
            response_delay::quantize(&mut response);
        }
        if let Self::RateLimited(RateLimited(quota)) = self {
            response.extensions_mut().insert(RefusedBy(quota.policy_name));
        }
        if *self == Self::Busy {
            response.extensions_mut().insert(RefusedAsBusy);
        }
        let headers = response.headers_mut();
        match self {
            Self::Unauthenticated => {
                if !headers.contains_key(WWW_AUTHENTICATE) {
                    headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(BASIC_CHALLENGE));
                }
            }
            Self::MethodNotAllowed(allow) => {
                if let Ok(allow) = allow.clone().try_into_value() {
                    headers.insert(ALLOW, allow);
                }
            }
            // RFC 9110, 15.5.16.
            Self::UnsupportedEncoding => {
                headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
            }
            Self::RateLimited(RateLimited(quota)) => {
                headers.insert(RETRY_AFTER, HeaderValue::from(quota.reset_after));
                rate_limit::headers::insert(headers, std::slice::from_ref(quota));
            }
            Self::Busy | Self::Unavailable | Self::OutcomeUnknown => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS));
            }
            Self::Forbidden(_)
            | Self::NotFound
            | Self::BadRequest(_)
            | Self::PayloadTooLarge
            | Self::BodyTimeout
            | Self::UnsupportedMediaType
            | Self::Internal => {}
        }
        response
    }

    /// Converts the error into the error of an extractor.
    pub fn into_actix_error(self, request: &HttpRequest) -> actix_web::Error {
        let response = self.to_response(request);
        InternalError::from_response(self, response).into()
    }
}

impl From<RegistryError> for ApiError {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::Busy => Self::Busy,
            RegistryError::Unavailable => Self::Unavailable,
            RegistryError::OutcomeUnknown => Self::OutcomeUnknown,
        }
    }
}

impl<E> From<CommandError<E>> for ApiError
where
    Self: From<E>,
{
    fn from(error: CommandError<E>) -> Self {
        match error {
            CommandError::Rejected(error) => error.into(),
            CommandError::Unavailable(error) => error.into(),
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::OutcomeUnknown => Self::OutcomeUnknown,
            StoreError::Unavailable(_) | StoreError::Unsuitable(_) => Self::Unavailable,
            StoreError::QueryFailed(error) => {
                tracing::error!(%error, "database query failed");
                Self::Unavailable
            }
        }
    }
}
