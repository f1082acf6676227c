//! What can go wrong in the hexo dialect, and how it says so: in tastypie's
//! words and shapes, wherever tastypie has any.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use utoipa::ToSchema;

use super::ResourceKind;
use crate::actors::registry::{CommandError, RegistryError};
use crate::domain::permission_request::RequestError;
use crate::http::error::ApiError;
use crate::store::StoreError;
use crate::store::bundles::BundleError;
use crate::store::ledger::CreateRequestError;

/// Why a request of this dialect is not answered as hoped.
#[derive(Debug, thiserror::Error)]
pub(super) enum HexoError {
    /// What any dialect may have to say.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// A body that is not a JSON object.
    #[error("Request is not valid JSON.")]
    NotJson,
    /// A required field that is absent, null or blank.
    #[error("The '{0}' field has no data and doesn't allow a default or null value.")]
    MissingField(&'static str),
    /// What names no user, or no bundle.
    #[error("Could not find the provided {} object via resource URI '{given}'.", kind.name())]
    UnresolvedReference {
        /// What it should name.
        kind: ResourceKind,
        /// What was given.
        given: String,
    },
    /// A field that cannot be taken.
    #[error("{field}: {reason}")]
    InvalidField {
        /// The resource that it is a field of.
        kind: ResourceKind,
        /// The field.
        field: &'static str,
        /// What is wrong, as a sentence.
        reason: String,
    },
    /// A `limit` or `offset` that is no number.
    #[error("Invalid {name} '{given}' provided. Please provide a positive integer.")]
    InvalidPaging {
        /// Which of the two.
        name: &'static str,
        /// What was given.
        given: String,
    },
    /// A filter's value that cannot be what the field holds.
    #[error("Invalid resource lookup data provided (mismatched type).")]
    InvalidFilter,
    /// Something else refers to it.
    #[error("The bundle is used by a permission or a request.")]
    BundleInUse,
    /// The `Idempotency-Key` came with another body before.
    #[error("This Idempotency-Key was already used for a different request. Use a new key.")]
    IdempotencyKeyReused,
}

/// What is wrong, in a sentence.
#[derive(Serialize, ToSchema)]
#[schema(as = hexo::Error)]
pub(super) struct ErrorBody {
    error: String,
}

/// What cannot be taken: a sentence, or sentences for each field of a resource.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum BadRequestBody {
    /// The whole of it.
    Message(ErrorBody),
    /// `{"bundle": {"name": ["This field must not be empty."]}}`
    Fields(BTreeMap<&'static str, BTreeMap<&'static str, Vec<String>>>),
}

impl ErrorBody {
    pub(super) fn new(reason: impl ToString) -> Self {
        Self { error: reason.to_string() }
    }
}

/// Renders an error that any request can cause.
pub(super) fn render_api_error(error: &ApiError) -> HttpResponse {
    HttpResponse::build(error.status()).json(ErrorBody::new(error))
}

impl ResponseError for HexoError {
    fn error_response(&self) -> HttpResponse {
        let plain = |status| HttpResponse::build(status).json(ErrorBody::new(self));
        match self {
            Self::Api(error) => error.with_headers(render_api_error(error)),
            Self::InvalidField { kind, field, reason } => {
                let field = BTreeMap::from([(*field, vec![reason.clone()])]);
                HttpResponse::BadRequest()
                    .json(BadRequestBody::Fields(BTreeMap::from([(kind.name(), field)])))
            }
            Self::NotJson
            | Self::MissingField(_)
            | Self::UnresolvedReference { .. }
            | Self::InvalidPaging { .. }
            | Self::InvalidFilter => {
                HttpResponse::BadRequest().json(BadRequestBody::Message(ErrorBody::new(self)))
            }
            Self::BundleInUse => plain(StatusCode::CONFLICT),
            Self::IdempotencyKeyReused => plain(StatusCode::UNPROCESSABLE_ENTITY),
        }
    }
}

impl HexoError {
    /// A field of a resource that cannot be taken, and why.
    pub(super) fn invalid_field(kind: ResourceKind, field: &'static str, reason: impl Into<String>) -> Self {
        Self::InvalidField { kind, field, reason: reason.into() }
    }

    /// A parameter or a header that cannot be read, and why.
    pub(super) fn bad_request(reason: impl Into<String>) -> Self {
        Self::Api(ApiError::BadRequest(reason.into()))
    }
}

impl From<StoreError> for HexoError {
    fn from(error: StoreError) -> Self {
        Self::Api(error.into())
    }
}

impl From<RegistryError> for HexoError {
    fn from(error: RegistryError) -> Self {
        Self::Api(error.into())
    }
}

impl<E> From<CommandError<E>> for HexoError
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

impl From<CreateRequestError> for HexoError {
    fn from(refusal: CreateRequestError) -> Self {
        match refusal {
            CreateRequestError::AlreadyGranted => Self::invalid_field(
                ResourceKind::BundlePermissionRequest,
                "bundle",
                "This permission is already active.",
            ),
            CreateRequestError::IdempotencyKeyConflict => Self::IdempotencyKeyReused,
            CreateRequestError::Blocked => {
                ApiError::Forbidden("user_target has blocked requests from user_allowed.").into()
            }
            CreateRequestError::RateLimited(exceeded) => ApiError::from(exceeded).into(),
        }
    }
}

/// Refusals of every kind are one answer, so that a token, or a number, tells
/// nothing to anyone but the parties.
impl From<RequestError> for HexoError {
    fn from(refusal: RequestError) -> Self {
        match refusal {
            RequestError::NotAParty | RequestError::NotPending => Self::Api(ApiError::NotFound),
        }
    }
}

impl From<BundleError> for HexoError {
    fn from(unchanged: BundleError) -> Self {
        match unchanged {
            BundleError::InUse => Self::BundleInUse,
            BundleError::NotFound => Self::Api(ApiError::NotFound),
        }
    }
}
