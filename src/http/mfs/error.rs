//! What can go wrong in the dialect, and its codes.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};

use super::envelope;
use crate::actors::registry::{CommandError, RegistryError};
use crate::domain::export_token::{ExportDenied, InvalidExpiry};
use crate::domain::permission::InvalidMask;
use crate::http::error::{ApiError, ErrorContext};
use crate::http::response_delay;
use crate::store::StoreError;

/// What can go wrong with a call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MfsError {
    /// `hub_id` or `nid` is absent or empty.
    #[error("hub_id and nid are required. Provide the hub and the node for the token.")]
    MissingParameters,
    /// `expiry_hours` is not one.
    #[error("expiry_hours must be a whole number between 0 (never) and 8760 (1 year).")]
    InvalidExpiry,
    /// `permission` is not one.
    #[error("permission must be a whole number between 1 and 63.")]
    InvalidPermission,
    /// No such hub for this caller, or rights there that do not suffice.
    #[error(
        "The token was not created. You need the admin right in this hub and every right that you want to give."
    )]
    TokenCreationFailed,
    /// `revoke` without a `token`.
    #[error("token is required. Provide the token or its id.")]
    MissingToken,
    /// No such token of this caller's.
    #[error("Token not found among the tokens you created. Provide the token or its id from mfs_api.list.")]
    RevocationFailed,
    /// Another parameter that cannot be taken.
    #[error("{name} {reason}.")]
    InvalidParameter {
        /// Which.
        name: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// No service of this name.
    #[error("Unknown service. This server provides mfs_api.")]
    UnknownService,
    /// No method of this name in `mfs_api`.
    #[error("Unknown method. mfs_api provides create_token, revoke and list.")]
    UnknownMethod,
    /// What can go wrong in every dialect.
    #[error(transparent)]
    Api(#[from] ApiError),
}

impl MfsError {
    /// A parameter that cannot be taken, and why.
    pub fn invalid_parameter(name: &'static str, reason: impl ToString) -> Self {
        Self::InvalidParameter { name, reason: reason.to_string() }
    }

    /// Which part of a name that is not served is unknown.
    pub fn for_unknown_method(method_name: &str) -> Self {
        match method_name.split('.').next() {
            Some("mfs_api") => Self::UnknownMethod,
            _ => Self::UnknownService,
        }
    }

    /// The answer.
    pub fn to_response(&self, request: &HttpRequest) -> HttpResponse {
        let (status, code) = match self {
            Self::MissingParameters => (StatusCode::BAD_REQUEST, "missing_parameters"),
            Self::InvalidExpiry => (StatusCode::BAD_REQUEST, "invalid_expiry"),
            Self::InvalidPermission => (StatusCode::BAD_REQUEST, "invalid_permission"),
            Self::TokenCreationFailed => (StatusCode::FORBIDDEN, "token_creation_failed"),
            Self::MissingToken => (StatusCode::BAD_REQUEST, "missing_token"),
            Self::RevocationFailed => (StatusCode::NOT_FOUND, "revocation_failed"),
            Self::InvalidParameter { .. } => (StatusCode::BAD_REQUEST, "invalid_parameter"),
            Self::UnknownService => (StatusCode::NOT_FOUND, "unknown_service"),
            Self::UnknownMethod => (StatusCode::NOT_FOUND, "unknown_method"),
            // Comes back to `mfs::render_error`, with the headers that it calls for.
            Self::Api(error) => return error.to_response(request),
        };
        let mut response =
            envelope::error_response(&ErrorContext::from_request(request), status, code, &self.to_string());
        if matches!(self, Self::TokenCreationFailed | Self::RevocationFailed) {
            response_delay::quantize(&mut response);
        }
        response
    }
}

/// The status and the code of what can go wrong in every dialect.
pub fn status_and_code(error: &ApiError) -> (StatusCode, &'static str) {
    let code = match error {
        ApiError::Unauthenticated => "unauthorized",
        ApiError::Forbidden(_) => "forbidden",
        ApiError::NotFound => "unknown_service",
        ApiError::MethodNotAllowed(_) => "method_not_allowed",
        ApiError::BadRequest(_) => "bad_request",
        ApiError::PayloadTooLarge => "payload_too_large",
        ApiError::UnsupportedMediaType => "unsupported_media_type",
        ApiError::RateLimited(_) => "too_many_requests",
        ApiError::BodyTimeout => "request_timeout",
        ApiError::Busy | ApiError::Unavailable | ApiError::OutcomeUnknown | ApiError::Internal => {
            "internal_error"
        }
    };
    (error.status(), code)
}

impl From<InvalidExpiry> for MfsError {
    fn from(_: InvalidExpiry) -> Self {
        Self::InvalidExpiry
    }
}

impl From<InvalidMask> for MfsError {
    fn from(_: InvalidMask) -> Self {
        Self::InvalidPermission
    }
}

impl From<ExportDenied> for MfsError {
    fn from(_: ExportDenied) -> Self {
        Self::TokenCreationFailed
    }
}

impl From<RegistryError> for MfsError {
    fn from(error: RegistryError) -> Self {
        Self::Api(error.into())
    }
}

impl<E> From<CommandError<E>> for MfsError
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

impl From<StoreError> for MfsError {
    fn from(error: StoreError) -> Self {
        Self::Api(error.into())
    }
}
