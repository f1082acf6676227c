//! The API's errors and their codes.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};

use super::envelope;
use crate::actors::registry::{CommandError, RegistryError};
use crate::domain::export_token::{ExportDenied, InvalidExpiry};
use crate::domain::rights::{InvalidMask, Mask};
use crate::http::error::{ApiError, ErrorContext};
use crate::http::middleware::response_delay;
use crate::store::StoreError;

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MfsError {
    /// `hub_id` or `nid` is absent or empty.
    #[error("hub_id and nid are required. Provide the hub and the node for the token.")]
    MissingParameters,
    /// `expiry_hours` is invalid.
    #[error("expiry_hours must be a whole number between 0 (never) and 8760 (1 year).")]
    InvalidExpiry,
    /// `permission` is invalid.
    #[error("permission must be a whole number between 1 and {}.", Mask::MAX.bits())]
    InvalidPermission,
    /// The hub does not exist, or the caller's rights in it do not suffice.
    #[error(
        "The token was not created. You need the admin right in this hub and every right that you want to give."
    )]
    TokenCreationFailed,
    /// `token` is absent or empty.
    #[error("token is required. Provide the token or its id.")]
    MissingToken,
    /// The caller created no such token.
    #[error("Token not found among the tokens you created. Provide the token or its id from mfs_api.list.")]
    RevocationFailed,
    /// Another parameter is invalid.
    #[error("{name} {reason}.")]
    InvalidParameter {
        name: &'static str,
        /// Follows the name: `must be …`.
        reason: String,
    },
    /// This server has no such service.
    #[error("Unknown service. This server provides mfs_api.")]
    UnknownService,
    /// `mfs_api` has no such method.
    #[error("Unknown method. mfs_api provides create_token, revoke and list.")]
    UnknownMethod,
    /// An error of any API.
    #[error(transparent)]
    Api(#[from] ApiError),
}

impl MfsError {
    /// An invalid parameter; `reason` follows its name: `must be …`.
    pub fn invalid_parameter(name: &'static str, reason: impl ToString) -> Self {
        Self::InvalidParameter { name, reason: reason.to_string() }
    }

    /// The error of a call to a method that does not exist, such as `mfs_api.share`.
    pub fn for_unknown_method(method_name: &str) -> Self {
        match method_name.split('.').next() {
            Some("mfs_api") => Self::UnknownMethod,
            _ => Self::UnknownService,
        }
    }

    /// Renders the error in the envelope.
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
            // Adds the headers, and renders the error by `envelope::render_error`.
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
