//! What can go wrong with any request, whatever its dialect, and the shape that
//! each dialect gives it.

use actix_web::error::InternalError;
use actix_web::http::header::{ALLOW, AUTHORIZATION, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::http::{StatusCode, Uri};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::{Services, hexo, mfs, ops, pace, pages, quota, resource_server};
use crate::actors::registry::RegistryError;
use crate::config::ErrorStatus;
use crate::domain::limit::Exceeded;
use crate::store::StoreError;
use crate::words::Language;

/// Seconds after which to come back to a busy server.
const RETRY_SECONDS: &str = "1";

/// What can go wrong with any request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
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
    /// A body of more than [`super::BODY_LIMIT`] bytes.
    #[error("The request body is larger than 64 KiB.")]
    TooLarge,
    /// A body that did not come in time.
    #[error("The request body did not arrive in time.")]
    TooSlow,
    /// A body of another type than the resource takes.
    #[error("This content type is not supported.")]
    UnsupportedType,
    /// This caller, or somebody, too often: nothing was done.
    #[error(transparent)]
    TooOften(#[from] Exceeded),
    /// Too much is waiting: nothing was done.
    #[error("The server is busy. Nothing was done. Try again.")]
    Busy,
    /// The database is not to be had: nothing was done.
    #[error("The database is not available. Nothing was done. Try again.")]
    NotDone,
    /// It may have been done, or may be done yet.
    #[error("The database did not respond. The outcome is unknown. Check the result before you try again.")]
    OutcomeUnknown,
    /// A mistake of ours, which the log tells of.
    #[error("Internal server error. The outcome is unknown. Check the result before you try again.")]
    Broken,
}

/// Where a request went and how errors are told there, for an answer to it when it is
/// not at hand any more.
#[derive(Clone, Debug)]
pub struct Addressee {
    uri: Uri,
    /// The status of the mfs dialect's errors.
    pub mfs_errors: ErrorStatus,
    /// The language of the pages.
    pub language: Language,
}

impl Addressee {
    /// Of this request.
    pub fn of(request: &HttpRequest) -> Self {
        let configured =
            request.app_data::<Data<Services>>().map(|services| services.config.mfs.error_status);
        let uri = request.uri().clone();
        let language = match Surface::of(uri.path()) {
            Surface::Page => pages::language_of(request),
            _ => Language::default(),
        };
        Self { uri, mfs_errors: configured.unwrap_or_default(), language }
    }

    /// The path.
    pub fn path(&self) -> &str {
        self.uri.path()
    }
}

impl Problem {
    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooOften(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Busy | Self::NotDone | Self::OutcomeUnknown => StatusCode::SERVICE_UNAVAILABLE,
            Self::Broken => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The answer, in the shape of the dialect that the request's path belongs to.
    pub fn answer(&self, request: &HttpRequest) -> HttpResponse {
        let mut answer = self.answer_to(&Addressee::of(request));
        // Who shows no credentials learns nothing of any.
        if *self == Self::Unauthenticated && request.headers().contains_key(AUTHORIZATION) {
            pace::set(&mut answer);
        }
        answer
    }

    /// The same, when the request is not at hand any more.
    pub fn answer_to(&self, addressee: &Addressee) -> HttpResponse {
        self.dress(match Surface::of(addressee.path()) {
            Surface::Mfs => mfs::problem(self, addressee),
            Surface::Hexo => hexo::problem(self),
            Surface::OAuth => resource_server::problem(self),
            Surface::Page => pages::problem(self, addressee.language),
            Surface::Other => ops::problem(self),
        })
    }

    /// The answer, with the headers that go with it whatever its shape.
    pub fn dress(&self, mut response: HttpResponse) -> HttpResponse {
        if *self == Self::NotFound {
            pace::set(&mut response);
        }
        let headers = response.headers_mut();
        match self {
            Self::Unauthenticated if !headers.contains_key(WWW_AUTHENTICATE) => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"countersign\""));
            }
            Self::MethodNotAllowed(allow) => {
                headers.insert(ALLOW, HeaderValue::from_static(allow));
            }
            Self::TooOften(Exceeded(standing)) => {
                headers.insert(RETRY_AFTER, HeaderValue::from(standing.more_in));
                quota::tell(headers, std::slice::from_ref(standing));
            }
            Self::Busy | Self::NotDone | Self::OutcomeUnknown => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static(RETRY_SECONDS));
            }
            _ => {}
        }
        response
    }

    /// The answer as an extractor's error.
    pub fn refuse(self, request: &HttpRequest) -> actix_web::Error {
        let response = self.answer(request);
        InternalError::from_response(self, response).into()
    }
}

impl From<RegistryError> for Problem {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::Busy => Self::Busy,
            RegistryError::NotDone => Self::NotDone,
            RegistryError::Unknown => Self::OutcomeUnknown,
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unknown => Self::OutcomeUnknown,
            StoreError::Unavailable(_) => Self::NotDone,
            StoreError::Refused(error) => {
                tracing::error!(%error, "database query failed");
                Self::NotDone
            }
        }
    }
}

/// Who speaks which dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Surface {
    Mfs,
    Hexo,
    OAuth,
    Page,
    Other,
}

impl Surface {
    fn of(path: &str) -> Self {
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
            Self::Other
        }
    }
}
