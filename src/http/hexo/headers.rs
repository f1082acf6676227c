//! The `Idempotency-Key` header.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::HeaderName;
use actix_web::{FromRequest, HttpRequest};
use utoipa::IntoParams;

use super::error::HexoError;
use crate::domain::validated_text::IdempotencyKey;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The `Idempotency-Key` header of a request.
#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Header)]
pub(super) struct IdempotencyKeyHeader {
    /// Repeated requests with the same key get the response of the first one, for one day.
    #[param(
        rename = "Idempotency-Key",
        value_type = Option<String>,
        nullable = false,
        min_length = 1,
        max_length = 255,
        pattern = "^[ -~]+$"
    )]
    pub idempotency_key: Option<IdempotencyKey>,
}

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
            (None, _) => return Ok(Self { idempotency_key: None }),
            (Some(value), None) => value.to_str().ok().and_then(|text| IdempotencyKey::new(text).ok()),
            (Some(_), Some(_)) => None,
        };
        key.map(|key| Self { idempotency_key: Some(key) }).ok_or_else(|| {
            HexoError::bad_request("Provide one Idempotency-Key with 1 to 255 printable ASCII characters.")
        })
    }
}
