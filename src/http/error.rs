//! What can go wrong with any request, whatever its dialect, and the shape that
//! each dialect gives it.

use actix_web::error::InternalError;
use actix_web::http::header::{ALLOW, AUTHORIZATION, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::http::{StatusCode, Uri};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::state::AppState;
use super::{health, hexo, mfs, pages, rate_limit_headers, resource_server, response_delay};
use crate::actors::registry::{CommandError, RegistryError};
use crate::config::MfsErrorStatus;
use crate::domain::rate_limit::RateLimited;
use crate::i18n::Language;
use crate::store::StoreError;

/// Seconds after which to come back to a busy server.
const RETRY_AFTER_SECONDS: &str = "1";

/// What can go wrong with any request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// No credentials, or wrong ones.
    #[error("Missing or invalid credentials.")]
    Unauthenticated,
    /// Known, but not allowed to.
    #[error("{0}")]
    Forbidden(&'static str),
    /// Nothing here, or nothing for this caller.
    #[error("Not found.")]
    NotFound,
    /// The resource does not serve the method; these it does.
    #[error("Method not allowed.")]
    MethodNotAllowed(&'static str),
    /// What was sent cannot be read.
    #[error("{0}")]
    BadRequest(String),
    /// A body of more than [`super::MAX_BODY_BYTES`] bytes.
    #[error("The request body is larger than 64 KiB.")]
    PayloadTooLarge,
    /// A body that did not come in time.
    #[error("The request body did not arrive in time.")]
    BodyTimeout,
    /// A body of another type than the resource takes.
    #[error("This content type is not supported.")]
    UnsupportedMediaType,
    /// This caller, or somebody, too often: nothing was done.
    #[error(transparent)]
    RateLimited(#[from] RateLimited),
    /// Too much is waiting: nothing was done.
    #[error("The server is busy. Nothing was done. Try again.")]
    Busy,
    /// The database is not to be had: nothing was done.
    #[error("The database is not available. Nothing was done. Try again.")]
    Unavailable,
    /// It may have been done, or may be done yet.
    #[error("The database did not respond. The outcome is unknown. Check the result before you try again.")]
    OutcomeUnknown,
    /// A mistake of ours, which the log tells of.
    #[error("Internal server error. The outcome is unknown. Check the result before you try again.")]
    Internal,
}

/// Where a request went and how errors are told there, for an answer to it when it is
/// not at hand any more.
#[derive(Clone, Debug)]
pub struct ErrorContext {
    uri: Uri,
    /// The status of the mfs dialect's errors.
    pub mfs_error_status: MfsErrorStatus,
    /// The language of the pages.
    pub language: Language,
}

impl ErrorContext {
    /// Of this request.
    pub fn from_request(request: &HttpRequest) -> Self {
        let configured = request.app_data::<Data<AppState>>().map(|state| state.config.mfs.error_status);
        let uri = request.uri().clone();
        let language = match ErrorFormat::for_path(uri.path()) {
            ErrorFormat::Page => pages::request_language(request),
            _ => Language::default(),
        };
        Self { uri, mfs_error_status: configured.unwrap_or_default(), language }
    }

    /// The path.
    pub fn path(&self) -> &str {
        self.uri.path()
    }
}

impl ApiError {
    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::RateLimited(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::Busy | Self::Unavailable | Self::OutcomeUnknown => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The answer, in the shape of the dialect that the request's path belongs to.
    pub fn to_response(&self, request: &HttpRequest) -> HttpResponse {
        let mut response = self.render(&ErrorContext::from_request(request));
        // Who shows no credentials learns nothing of any.
        if *self == Self::Unauthenticated && request.headers().contains_key(AUTHORIZATION) {
            response_delay::quantize(&mut response);
        }
        response
    }

    /// The same, when the request is not at hand any more.
    pub fn render(&self, context: &ErrorContext) -> HttpResponse {
        self.with_headers(match ErrorFormat::for_path(context.path()) {
            ErrorFormat::Mfs => mfs::render_error(self, context),
            ErrorFormat::Hexo => hexo::render_error(self),
            ErrorFormat::OAuth => resource_server::render_error(self),
            ErrorFormat::Page => pages::error_page(self, context.language),
            ErrorFormat::Plain => health::render_error(self),
        })
    }

    /// The answer, with the headers that go with it whatever its shape.
    pub fn with_headers(&self, mut response: HttpResponse) -> HttpResponse {
        if *self == Self::NotFound {
            response_delay::quantize(&mut response);
        }
        let headers = response.headers_mut();
        match self {
            Self::Unauthenticated if !headers.contains_key(WWW_AUTHENTICATE) => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"countersign\""));
            }
            Self::MethodNotAllowed(allow) => {
                headers.insert(ALLOW, HeaderValue::from_static(allow));
            }
            Self::RateLimited(RateLimited(quota)) => {
                headers.insert(RETRY_AFTER, HeaderValue::from(quota.reset_after));
                rate_limit_headers::insert(headers, std::slice::from_ref(quota));
            }
            Self::Busy | Self::Unavailable | Self::OutcomeUnknown => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS));
            }
            _ => {}
        }
        response
    }

    /// The answer as an extractor's error.
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
            StoreError::Unavailable(_) => Self::Unavailable,
            StoreError::QueryFailed(error) => {
                tracing::error!(%error, "database query failed");
                Self::Unavailable
            }
        }
    }
}

/// Who speaks which dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ErrorFormat {
    Mfs,
    Hexo,
    OAuth,
    Page,
    Plain,
}

impl ErrorFormat {
    fn for_path(path: &str) -> Self {
        let below =
            |root: &str| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if below("/-/svc") {
            Self::Mfs
        } else if below("/api") {
            Self::Hexo
        } else if below("/oauth2") || below("/authz") {
            Self::OAuth
        } else if path == "/" || pages::ROOTS.iter().any(|root| below(root)) {
            Self::Page
        } else {
            Self::Plain
        }
    }
}
