//! Bodies: a JSON object. Each body struct parses its own fields; other fields are ignored.

use std::fmt::Display;
use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{FromRequest, HttpRequest};
use serde_json::{Map, Value};

use super::common::{ApiPrefix, ResourceKind};
use super::error::HexoError;
use crate::domain::rights::{Mask, Right};
use crate::domain::timestamp::Timestamp;
use crate::http::error::ApiError;
use crate::http::extract::body::{Body, media_type, parse_json};

/// The fields of a body. An empty body has no fields.
#[derive(Clone, Debug, Default)]
pub(super) struct JsonFields(Map<String, Value>);

impl FromRequest for JsonFields {
    type Error = actix_web::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Self::Error>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let is_json = is_json(request);
        let body = Body::from_request(request, payload);
        Box::pin(async move {
            let Body(bytes) = body.await?;
            Ok(Self::parse(is_json, &bytes)?)
        })
    }
}

/// Whether the content type is JSON. A body without one is JSON, as in django-tastypie.
fn is_json(request: &HttpRequest) -> bool {
    match media_type(request).as_deref() {
        Some("" | "application/json") => true,
        Some(_) => false,
        None => !request.headers().contains_key(CONTENT_TYPE),
    }
}

impl JsonFields {
    pub(super) fn parse(is_json: bool, body: &[u8]) -> Result<Self, HexoError> {
        if body.is_empty() {
            return Ok(Self::default());
        }
        if !is_json {
            return Err(ApiError::UnsupportedMediaType.into());
        }
        // serde_json also rejects deep nesting.
        match parse_json(body).map_err(|_| HexoError::NotJson)? {
            Value::Object(fields) if !fields.iter().any(|(name, value)| contains_nul(name, value)) => {
                Ok(Self(fields))
            }
            Value::Object(_) => Err(HexoError::bad_request("Strings must not contain U+0000.")),
            _ => Err(HexoError::bad_request("The body must be a JSON object.")),
        }
    }

    /// A field's value; `None` if it is absent or null.
    fn value(&self, field: &str) -> Option<&Value> {
        self.0.get(field).filter(|value| !value.is_null())
    }

    /// A field's value; `None` if it is absent, null or blank.
    fn non_blank(&self, field: &str) -> Option<&Value> {
        self.value(field).filter(|value| value.as_str() != Some(""))
    }

    /// 400 for a field that cannot be changed, unless its value is the current one. An absent or null
    /// field stays as it is.
    pub(super) fn reject_changed(
        &self,
        kind: ResourceKind,
        field: &'static str,
        is_current: impl FnOnce(&Value) -> bool,
    ) -> Result<(), HexoError> {
        match self.value(field) {
            Some(value) if !is_current(value) => {
                Err(HexoError::invalid_field(kind, field, "This field cannot be changed."))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// [`Self::reject_changed`] for a number, in JSON or as a decimal string.
    pub(super) fn reject_changed_number(
        &self,
        kind: ResourceKind,
        field: &'static str,
        current: i64,
    ) -> Result<(), HexoError> {
        self.reject_changed(kind, field, |value| {
            value.as_i64() == Some(current) || value.as_str() == Some(current.to_string().as_str())
        })
    }

    /// [`Self::reject_changed`] for `resource_uri`, with either prefix, and with or without the base
    /// path.
    pub(super) fn reject_changed_uri(&self, kind: ResourceKind, id: i64) -> Result<(), HexoError> {
        let uris = [ApiPrefix::Unversioned, ApiPrefix::V1]
            .map(|prefix| [prefix.detail_path(kind, id), prefix.detail_uri(kind, id)]);
        self.reject_changed(kind, "resource_uri", |value| {
            uris.as_flattened().iter().any(|uri| value == uri.as_str())
        })
    }

    /// The value of a required field, which must not be null or blank.
    pub(super) fn required(&self, field: &'static str) -> Result<&Value, HexoError> {
        self.non_blank(field).ok_or(HexoError::MissingField(field))
    }

    /// An integer, in JSON or as a decimal string; `None` if the field is absent, null or blank.
    pub(super) fn integer(&self, kind: ResourceKind, field: &'static str) -> Result<Option<i64>, HexoError> {
        let Some(value) = self.non_blank(field) else { return Ok(None) };
        let number = match value {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => parse_signed_decimal(text),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        };
        number.map(Some).ok_or_else(|| HexoError::invalid_field(kind, field, "Provide a whole number."))
    }

    /// Whether a number is 0, in JSON or as a decimal string, or a list is empty.
    pub(super) fn is_zero(&self, field: &str) -> bool {
        self.value(field).is_some_and(|value| match value {
            Value::Number(number) => number.as_i64() == Some(0),
            Value::String(text) => text == "0",
            Value::Array(items) => items.is_empty(),
            Value::Null | Value::Bool(_) | Value::Object(_) => false,
        })
    }

    /// A boolean; `None` if the field is absent or null.
    pub(super) fn boolean(&self, kind: ResourceKind, field: &'static str) -> Result<Option<bool>, HexoError> {
        let invalid = || HexoError::invalid_field(kind, field, "Provide true or false.");
        self.value(field).map(|value| value.as_bool().ok_or_else(invalid)).transpose()
    }

    /// A list of strings; `None` if the field is absent or null.
    pub(super) fn texts(
        &self,
        kind: ResourceKind,
        field: &'static str,
    ) -> Result<Option<Vec<&str>>, HexoError> {
        let Some(value) = self.value(field) else { return Ok(None) };
        let texts = value.as_array().and_then(|items| items.iter().map(Value::as_str).collect());
        texts.map(Some).ok_or_else(|| HexoError::invalid_field(kind, field, "Provide a list of strings."))
    }

    /// Rights: a mask, in JSON or as a decimal string, or a list of their names; `None` if the field is
    /// absent, null or blank.
    pub(super) fn mask(&self, kind: ResourceKind, field: &'static str) -> Result<Option<Mask>, HexoError> {
        let Some(value) = self.non_blank(field) else { return Ok(None) };
        let mask = match value {
            Value::Number(number) => number.as_i64().and_then(|bits| Mask::new(bits).ok()),
            Value::String(digits) => parse_signed_decimal(digits).and_then(|bits| Mask::new(bits).ok()),
            Value::Array(names) => {
                let rights = names.iter().map(|name| Right::from_name(name.as_str()?));
                rights.collect::<Option<Vec<Right>>>().and_then(Mask::from_rights)
            }
            Value::Null | Value::Bool(_) | Value::Object(_) => None,
        };
        mask.map(Some).ok_or_else(|| {
            let reason = format!("Provide a mask from 1 to {}, or a list of rights.", Mask::MAX.bits());
            HexoError::invalid_field(kind, field, reason)
        })
    }

    /// A time in RFC 3339 with an offset, in the years 1970 to 9999; `None` if the field is absent, null
    /// or blank.
    pub(super) fn timestamp(
        &self,
        kind: ResourceKind,
        field: &'static str,
    ) -> Result<Option<Timestamp>, HexoError> {
        self.non_blank_text(kind, field, |text| Timestamp::from_rfc3339(text).ok_or(InvalidTimestamp))
    }

    /// A parsed string; `None` if the field is absent or null.
    pub(super) fn text<T, E: Display>(
        &self,
        kind: ResourceKind,
        field: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, HexoError> {
        self.value(field).map(|value| parse_text(kind, field, value, parse)).transpose()
    }

    /// A parsed string; `None` if the field is absent, null or blank.
    pub(super) fn non_blank_text<T, E: Display>(
        &self,
        kind: ResourceKind,
        field: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, HexoError> {
        self.non_blank(field).map(|value| parse_text(kind, field, value, parse)).transpose()
    }

    /// The parsed string of a required field, which must not be null or blank.
    pub(super) fn required_text<T, E: Display>(
        &self,
        kind: ResourceKind,
        field: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, HexoError> {
        parse_text(kind, field, self.required(field)?, parse)
    }
}

/// A text is not a time.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("must be a time with an offset, as in RFC 3339: `2030-01-01T00:00:00Z`")]
struct InvalidTimestamp;

fn parse_text<T, E: Display>(
    kind: ResourceKind,
    field: &'static str,
    value: &Value,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, HexoError> {
    let text = value.as_str().ok_or_else(|| HexoError::invalid_field(kind, field, "Provide a string."))?;
    parse(text).map_err(|error| HexoError::invalid_field(kind, field, format!("This field {error}.")))
}

/// Whether the name or the value of a field contains U+0000, which PostgreSQL cannot store.
fn contains_nul(name: &str, value: &Value) -> bool {
    name.contains('\0')
        || match value {
            Value::String(text) => text.contains('\0'),
            Value::Array(values) => values.iter().any(|value| contains_nul("", value)),
            Value::Object(fields) => fields.iter().any(|(name, value)| contains_nul(name, value)),
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
}

/// Parses an integer in decimal digits with an optional minus sign.
fn parse_signed_decimal(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<JsonFields, HexoError> {
        JsonFields::parse(true, text.as_bytes())
    }

    #[test]
    fn an_empty_body_of_any_type_has_no_fields() {
        assert!(matches!(JsonFields::parse(false, b""), Ok(JsonFields(fields)) if fields.is_empty()));
        assert!(matches!(
            JsonFields::parse(false, b"{}"),
            Err(HexoError::Api(ApiError::UnsupportedMediaType))
        ));
    }

    #[test]
    fn deep_nesting_is_not_json() {
        let deep = format!("{}1{}", "[".repeat(30_000), "]".repeat(30_000));
        assert!(matches!(read(&deep), Err(HexoError::NotJson)));
        assert!(matches!(read(&"{\"a\":".repeat(10_000)), Err(HexoError::NotJson)));
    }

    #[test]
    fn nul_is_refused_at_any_depth() {
        for text in [r#"{"a":"\u0000"}"#, r#"{"a":[{"b":"x\u0000"}]}"#, r#"{"\u0000":1}"#] {
            assert!(matches!(read(text), Err(HexoError::Api(ApiError::BadRequest(_)))), "{text}");
        }
    }

    #[test]
    fn integers_are_never_rounded() {
        for (text, number) in [
            ("60", Some(60)),
            ("\"60\"", Some(60)),
            ("-1", Some(-1)),
            ("\"-1\"", Some(-1)),
            ("9223372036854775807", Some(i64::MAX)),
            ("null", None),
            ("\"\"", None),
        ] {
            let fields = read(&format!("{{\"ttl\":{text}}}")).unwrap();
            assert_eq!(fields.integer(ResourceKind::User, "ttl").unwrap(), number, "{text}");
        }
        for text in [
            "1.9",
            "60.0",
            "1e3",
            "9223372036854775808",
            "true",
            "[60]",
            "{}",
            "\"+1\"",
            "\" 1\"",
            "\"-\"",
            "\"1_0\"",
        ] {
            let fields = read(&format!("{{\"ttl\":{text}}}")).unwrap();
            assert!(fields.integer(ResourceKind::User, "ttl").is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn parsing_random_bytes_does_not_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = JsonFields::parse(true, &body);
        }
    }
}
