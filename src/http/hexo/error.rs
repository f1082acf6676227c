//! What can go wrong in the hexo dialect, and how it says so: in tastypie's
//! words and shapes, wherever tastypie has any.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use utoipa::ToSchema;

use super::Kind;
use crate::actors::registry::RegistryError;
use crate::domain::request::Refusal;
use crate::http::problem::Problem;
use crate::store::StoreError;
use crate::store::bundles::Unchanged;
use crate::store::ledger::AskRefusal;

/// Why a request of this dialect is not answered as hoped.
#[derive(Debug, thiserror::Error)]
pub(super) enum HexoError {
    /// What any dialect may have to say.
    #[error(transparent)]
    Problem(#[from] Problem),
    /// A body that is not a JSON object.
    #[error("Request is not valid JSON.")]
    NotJson,
    /// A required field that is absent, null or blank.
    #[error("The '{0}' field has no data and doesn't allow a default or null value.")]
    Missing(&'static str),
    /// What names no user, or no bundle.
    #[error("Could not find the provided {} object via resource URI '{given}'.", kind.name())]
    Unresolved {
        /// What it should name.
        kind: Kind,
        /// What was given.
        given: String,
    },
    /// A field that cannot be taken.
    #[error("{field}: {why}")]
    Invalid {
        /// The resource that it is a field of.
        kind: Kind,
        /// The field.
        field: &'static str,
        /// What is wrong, as a sentence.
        why: String,
    },
    /// A `limit` or `offset` that is no number.
    #[error("Invalid {name} '{given}' provided. Please provide a positive integer.")]
    Paging {
        /// Which of the two.
        name: &'static str,
        /// What was given.
        given: String,
    },
    /// A filter's value that cannot be what the field holds.
    #[error("Invalid resource lookup data provided (mismatched type).")]
    Lookup,
    /// Something else refers to it.
    #[error("The bundle is used by a permission or a request.")]
    InUse,
    /// The `Idempotency-Key` came with another body before.
    #[error("This Idempotency-Key was already used for a different request. Use a new key.")]
    AnotherUnderThisKey,
}

/// What is wrong, in a sentence.
#[derive(Serialize, ToSchema)]
#[schema(as = hexo::Error)]
pub(super) struct Refused {
    error: String,
}

/// What cannot be taken: a sentence, or sentences for each field of a resource.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum Invalid {
    /// The whole of it.
    Whole(Refused),
    /// `{"bundle": {"name": ["This field must not be empty."]}}`
    Fields(BTreeMap<&'static str, BTreeMap<&'static str, Vec<String>>>),
}

impl Refused {
    pub(super) fn new(why: impl ToString) -> Self {
        Self { error: why.to_string() }
    }
}

impl ResponseError for HexoError {
    fn error_response(&self) -> HttpResponse {
        let plain = |status| HttpResponse::build(status).json(Refused::new(self));
        match self {
            Self::Problem(problem) => problem.dress(super::problem(problem)),
            Self::Invalid { kind, field, why } => {
                let field = BTreeMap::from([(*field, vec![why.clone()])]);
                HttpResponse::BadRequest().json(Invalid::Fields(BTreeMap::from([(kind.name(), field)])))
            }
            Self::NotJson
            | Self::Missing(_)
            | Self::Unresolved { .. }
            | Self::Paging { .. }
            | Self::Lookup => HttpResponse::BadRequest().json(Invalid::Whole(Refused::new(self))),
            Self::InUse => plain(StatusCode::CONFLICT),
            Self::AnotherUnderThisKey => plain(StatusCode::UNPROCESSABLE_ENTITY),
        }
    }
}

impl HexoError {
    /// A field of a resource that cannot be taken, and why.
    pub(super) fn invalid(kind: Kind, field: &'static str, why: impl Into<String>) -> Self {
        Self::Invalid { kind, field, why: why.into() }
    }

    /// A parameter or a header that cannot be read, and why.
    pub(super) fn bad(why: impl Into<String>) -> Self {
        Self::Problem(Problem::BadRequest(why.into()))
    }
}

impl From<StoreError> for HexoError {
    fn from(error: StoreError) -> Self {
        Self::Problem(error.into())
    }
}

impl From<RegistryError> for HexoError {
    fn from(error: RegistryError) -> Self {
        Self::Problem(error.into())
    }
}

impl From<AskRefusal> for HexoError {
    fn from(refusal: AskRefusal) -> Self {
        match refusal {
            AskRefusal::Granted => {
                Self::invalid(Kind::BundlePermissionRequest, "bundle", "This permission is already active.")
            }
            AskRefusal::AnotherUnderThisKey => Self::AnotherUnderThisKey,
            AskRefusal::Blocked => {
                Problem::Forbidden("user_target has blocked requests from user_allowed.").into()
            }
            AskRefusal::TooOften(exceeded) => Problem::from(exceeded).into(),
        }
    }
}

/// Refusals of every kind are one answer, so that a token, or a number, tells
/// nothing to anyone but the parties.
impl From<Refusal> for HexoError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotYours | Refusal::Dead => Self::Problem(Problem::NotFound),
        }
    }
}

impl From<Unchanged> for HexoError {
    fn from(unchanged: Unchanged) -> Self {
        match unchanged {
            Unchanged::InUse => Self::InUse,
            Unchanged::Unknown => Self::Problem(Problem::NotFound),
        }
    }
}
