//! References to users and bundles in a body.

use serde_json::Value;

use super::common::ResourceKind;
use super::error::HexoError;
pub(super) use crate::http::reference::{parse_bundle, parse_user};

/// A reference in a body.
#[derive(Clone, Debug)]
pub(super) struct Reference<T> {
    /// The input, which error messages quote.
    pub input: String,
    /// `None` if the input is not a reference to this kind of object.
    pub parsed: Option<T>,
}

impl<T> Reference<T> {
    /// Reads a string or an integer from a body.
    pub(super) fn from_json(
        kind: ResourceKind,
        field: &'static str,
        value: &Value,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Self, HexoError> {
        let input = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) if number.is_i64() => number.to_string(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                return Err(HexoError::invalid_field(kind, field, "Provide a single URI or id."));
            }
        };
        Ok(Self { parsed: parse(&input), input })
    }
}
