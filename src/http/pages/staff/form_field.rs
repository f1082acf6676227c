//! A form that is shown again with what was filled in, and what is wrong with it.

use actix_web::http::StatusCode;
use serde::Serialize;

use crate::http::pages::error::PageError;
use crate::http::pages::form::FormFields;

/// A field to write in.
#[derive(Clone, Debug, Serialize)]
pub struct FormField {
    name: &'static str,
    /// `text`, `email`.
    input_type: &'static str,
    /// The key of what stands above it.
    label: &'static str,
    /// The key of what explains it.
    hint: Option<&'static str>,
    required: bool,
    value: String,
    /// The key of what is wrong.
    error: Option<&'static str>,
}

impl FormField {
    /// An empty field, which may stay so.
    pub fn new(name: &'static str, input_type: &'static str, label: &'static str) -> Self {
        Self { name, input_type, label, hint: None, required: false, value: String::new(), error: None }
    }

    /// The same, to be filled in.
    pub fn required(self) -> Self {
        Self { required: true, ..self }
    }

    /// The same, explained.
    pub fn with_hint(self, hint: &'static str) -> Self {
        Self { hint: Some(hint), ..self }
    }

    /// The same, filled in.
    pub fn with_value(self, value: &str) -> Self {
        Self { value: value.to_owned(), ..self }
    }

    /// What somebody filled in, as it is read; what cannot be is noted as wrong.
    pub fn parse<T, E>(
        &mut self,
        fields: &FormFields,
        read: impl FnOnce(&str) -> Result<T, E>,
        error_key: &'static str,
    ) -> Result<Option<T>, PageError> {
        let text = fields.required(self.name)?.trim();
        text.clone_into(&mut self.value);
        let read = read(text).ok();
        if read.is_none() {
            self.error = Some(error_key);
        }
        Ok(read)
    }

    /// Notes what is wrong with it.
    pub fn set_error(&mut self, error: &'static str) {
        self.error = Some(error);
    }
}

/// The status of a form that is shown again: what is in it cannot be read, or cannot be.
pub const INVALID: StatusCode = StatusCode::BAD_REQUEST;
/// The same: something else stands against it.
pub const CONFLICT: StatusCode = StatusCode::CONFLICT;
