//! The one header that this dialect reads for itself.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::HeaderName;
use actix_web::{FromRequest, HttpRequest};
use utoipa::IntoParams;

use super::error::HexoError;
use crate::domain::validated_text::IdempotencyKey;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What makes a request that is sent twice count once, as it is documented.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "parsed by `IdempotencyKeyHeader`; declared for the OpenAPI schema")]
pub(super) struct IdempotencyKeyParams {
    /// The answer to a request is the answer to all that come with its key, for a day.
    #[param(
        rename = "Idempotency-Key",
        nullable = false,
        min_length = 1,
        max_length = 255,
        pattern = "^[ -~]+$"
    )]
    idempotency_key: Option<String>,
}

/// The `Idempotency-Key` that a request came with, if it did.
#[derive(Clone, Debug)]
pub(super) struct IdempotencyKeyHeader(pub Option<IdempotencyKey>);

impl FromRequest for IdempotencyKeyHeader {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::parse(request).map_err(Into::into))
    }
}

impl IdempotencyKeyHeader {
    fn parse(request: &HttpRequest) -> Result<Self, HexoError> {
        let mut values = request.headers().get_all(IDEMPOTENCY_KEY);
        let key = match (values.next(), values.next()) {
            (None, _) => return Ok(Self(None)),
            (Some(value), None) => value.to_str().ok().and_then(|text| IdempotencyKey::new(text).ok()),
            (Some(_), Some(_)) => None,
        };
        key.map(|key| Self(Some(key))).ok_or_else(|| {
            HexoError::bad_request("Provide one Idempotency-Key with 1 to 255 printable ASCII characters.")
        })
    }
}
