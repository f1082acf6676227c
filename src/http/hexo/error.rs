//! Errors of the hexo API. Texts and shapes are those of django-tastypie where it has any.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use utoipa::ToSchema;

use super::common::ResourceKind;
use crate::actors::registry::{CommandError, RegistryError};
use crate::domain::approval::{InvalidApproval, InvalidAsk};
use crate::domain::permission_request::RequestError;
use crate::domain::webhook::MAX_WEBHOOKS_PER_USER;
use crate::http::error::ApiError;
use crate::http::openapi::error_responses::ErrorSchemas;
use crate::services::webhooks::QueueError;
use crate::store::StoreError;
use crate::store::bundles::BundleError;
use crate::store::ledger::{CreateRequestError, GrantPermissionError};
use crate::store::webhooks::TooManyWebhooks;

/// The result of a handler.
pub(super) type HandlerResult = Result<HttpResponse, HexoError>;

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum HexoError {
    /// An error that every API has.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The body is not JSON.
    #[error("Request is not valid JSON.")]
    NotJson,
    /// A required field is absent, null or blank.
    #[error("The '{0}' field has no data and doesn't allow a default or null value.")]
    MissingField(&'static str),
    /// A reference to a user or a bundle that does not exist.
    #[error("Could not find the provided {} object via resource URI '{given}'.", kind.name())]
    UnresolvedReference { kind: ResourceKind, given: String },
    /// A field with an invalid value. `reason` is a sentence.
    #[error("{field}: {reason}")]
    InvalidField { kind: ResourceKind, field: &'static str, reason: String },
    /// A `limit` or `offset` that is not a number.
    #[error("Invalid {name} '{given}' provided. Please provide a positive integer.")]
    InvalidPaging { name: &'static str, given: String },
    /// A filter value that is not of the field's type.
    #[error("Invalid resource lookup data provided (mismatched type).")]
    InvalidFilter,
    /// A permission or a pending request uses the bundle.
    #[error("The bundle is used by a permission or a request.")]
    BundleInUse,
    /// The caller has the maximum number of webhooks.
    #[error("You have {MAX_WEBHOOKS_PER_USER} webhooks, which is the limit. Delete one first.")]
    TooManyWebhooks,
    /// Nothing is sent to the webhook.
    #[error("The webhook is disabled. Set it to active first.")]
    WebhookDisabled,
    /// The `Idempotency-Key` belongs to a request with another body.
    #[error("This Idempotency-Key was already used for a different request. Use a new key.")]
    IdempotencyKeyReused,
}

/// An error message.
#[derive(Serialize, ToSchema)]
#[schema(as = hexo::Error)]
pub(super) struct ErrorBody {
    error: String,
}

/// An error message, or error messages by resource and field.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum BadRequestBody {
    /// An error of the whole request.
    Message(ErrorBody),
    /// `{"bundle": {"name": ["This field must not be empty."]}}`
    Fields(BTreeMap<&'static str, BTreeMap<&'static str, Vec<String>>>),
}

/// The error responses of the API in the OpenAPI document.
pub(super) enum HexoApi {}

impl ErrorSchemas for HexoApi {
    const API_NAME: &'static str = "hexo";
    type Body = ErrorBody;
    type BadRequestBody = BadRequestBody;
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
            Self::BundleInUse | Self::TooManyWebhooks | Self::WebhookDisabled => plain(StatusCode::CONFLICT),
            Self::IdempotencyKeyReused => plain(StatusCode::UNPROCESSABLE_ENTITY),
        }
    }
}

impl HexoError {
    /// A field with an invalid value.
    pub(super) fn invalid_field(kind: ResourceKind, field: &'static str, reason: impl Into<String>) -> Self {
        Self::InvalidField { kind, field, reason: reason.into() }
    }

    /// An invalid parameter, header or body.
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

const BUNDLE_DELETED: &str = "This bundle has been deleted.";

impl From<CreateRequestError> for HexoError {
    fn from(error: CreateRequestError) -> Self {
        let kind = ResourceKind::BundlePermissionRequest;
        match error {
            CreateRequestError::UnknownBundle => Self::invalid_field(kind, "bundle", BUNDLE_DELETED),
            CreateRequestError::InvalidAsk(InvalidAsk::RightsNotInBundle(bundle)) => Self::invalid_field(
                kind,
                "permission",
                format!("Ask only for rights of the bundle: {bundle}."),
            ),
            CreateRequestError::InvalidAsk(InvalidAsk::MinimumNotAsked(asked)) => Self::invalid_field(
                kind,
                "minimum",
                format!("The minimum must be some of the rights that are asked for: {asked}."),
            ),
            CreateRequestError::AlreadyGranted => {
                Self::invalid_field(kind, "bundle", "This permission is already active.")
            }
            CreateRequestError::IdempotencyKeyConflict => Self::IdempotencyKeyReused,
            CreateRequestError::Blocked => {
                ApiError::Forbidden("user_target has blocked requests from user_allowed.").into()
            }
            CreateRequestError::RateLimited(limited) => ApiError::from(limited).into(),
        }
    }
}

impl From<GrantPermissionError> for HexoError {
    fn from(error: GrantPermissionError) -> Self {
        let kind = ResourceKind::BundlePermission;
        match error {
            GrantPermissionError::UnknownBundle => Self::invalid_field(kind, "bundle", BUNDLE_DELETED),
            GrantPermissionError::RightsNotInBundle(bundle) => {
                Self::invalid_field(kind, "permission", format!("Grant only rights of the bundle: {bundle}."))
            }
            GrantPermissionError::AlreadyGranted => {
                Self::invalid_field(kind, "bundle", "This permission is already active.")
            }
            GrantPermissionError::EndInPast => {
                Self::invalid_field(kind, "expires_at", "Provide a time in the future.")
            }
            GrantPermissionError::EndTooLate => {
                Self::invalid_field(kind, "expires_at", "This end is later than the server allows.")
            }
            GrantPermissionError::Blocked => {
                ApiError::Forbidden("One of the users has blocked the other.").into()
            }
            GrantPermissionError::RateLimited(limited) => ApiError::from(limited).into(),
        }
    }
}

/// Two of the errors respond 404, so that a token or an id reveals nothing to other users.
impl From<RequestError> for HexoError {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::NotAParty | RequestError::NotPending => Self::Api(ApiError::NotFound),
            RequestError::IdempotencyKeyConflict => Self::IdempotencyKeyReused,
            RequestError::InvalidApproval(error) => {
                let (field, reason) = match error {
                    InvalidApproval::RightsNotAsked => {
                        ("permission", "Grant only rights that were asked for.")
                    }
                    InvalidApproval::RightsBelowMinimum => {
                        ("permission", "Grant at least the `minimum` of the request.")
                    }
                    InvalidApproval::EndInPast => ("expires_at", "Provide a time in the future."),
                    InvalidApproval::EndLaterThanAsked => {
                        ("expires_at", "Provide an end no later than asked.")
                    }
                };
                Self::invalid_field(ResourceKind::BundlePermissionRequest, field, reason)
            }
        }
    }
}

impl From<TooManyWebhooks> for HexoError {
    fn from(_: TooManyWebhooks) -> Self {
        Self::TooManyWebhooks
    }
}

impl From<QueueError> for HexoError {
    fn from(error: QueueError) -> Self {
        match error {
            QueueError::NotFound => Self::Api(ApiError::NotFound),
            QueueError::Disabled => Self::WebhookDisabled,
        }
    }
}

impl From<BundleError> for HexoError {
    fn from(error: BundleError) -> Self {
        match error {
            BundleError::InUse => Self::BundleInUse,
            BundleError::NotFound => Self::Api(ApiError::NotFound),
        }
    }
}
