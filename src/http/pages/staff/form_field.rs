//! The fields of a form that is shown again with the submitted values and their errors.

use actix_web::http::StatusCode;
use serde::Serialize;

/// A text field, as the template shows it.
#[derive(Clone, Debug, Serialize)]
pub struct FormField {
    name: &'static str,
    /// The `type` of the `input` element.
    input_type: &'static str,
    /// Message key.
    label: &'static str,
    /// Message key.
    hint: Option<&'static str>,
    required: bool,
    value: String,
    /// Message key.
    error: Option<&'static str>,
}

impl FormField {
    /// An empty, optional field with a label.
    pub fn new(name: &'static str, input_type: &'static str, label: &'static str) -> Self {
        Self { name, input_type, label, hint: None, required: false, value: String::new(), error: None }
    }

    /// Makes the field required.
    pub fn required(self) -> Self {
        Self { required: true, ..self }
    }

    /// Adds a hint.
    pub fn with_hint(self, hint: &'static str) -> Self {
        Self { hint: Some(hint), ..self }
    }

    /// Fills in a value.
    pub fn with_value(self, value: &str) -> Self {
        Self { value: value.to_owned(), ..self }
    }

    /// Parses the submitted value. `None` if it is invalid; the field then shows the error.
    pub fn parse<T, E>(
        &mut self,
        value: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
        error_key: &'static str,
    ) -> Option<T> {
        value.trim().clone_into(&mut self.value);
        let parsed = parse(&self.value).ok();
        if parsed.is_none() {
            self.error = Some(error_key);
        }
        parsed
    }

    /// Shows an error that is found after parsing, such as a name that is taken.
    pub fn set_error(&mut self, error: &'static str) {
        self.error = Some(error);
    }
}

/// The status of a form with an invalid value.
pub const INVALID: StatusCode = StatusCode::BAD_REQUEST;
/// The status of a form that conflicts with stored data.
pub const CONFLICT: StatusCode = StatusCode::CONFLICT;
