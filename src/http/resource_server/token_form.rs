//! The form that introspection and revocation take (RFC 7662, 2.1; RFC 7009, 2.1).

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use utoipa::ToSchema;

use crate::http::body::{ExtractFuture, extract_from_body, media_type};
use crate::http::error::ApiError;
use crate::http::form;

/// The form, as it is documented.
#[derive(ToSchema)]
#[expect(dead_code, reason = "parsed by `TokenForm`; declared for the OpenAPI schema")]
pub struct TokenFormSchema {
    /// The token.
    #[schema(min_length = 1)]
    token: String,
    /// Passed over.
    #[schema(nullable = false)]
    token_type_hint: Option<String>,
}

/// The `token` of a form: any string but an empty one. Other fields, such as
/// `token_type_hint`, are passed over. Secret: there is no `Debug`.
pub struct TokenForm(String);

impl FromRequest for TokenForm {
    type Error = actix_web::Error;
    type Future = ExtractFuture<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        extract_from_body(request, payload, |request, body| Self::parse(body, media_type(request).as_deref()))
    }
}

impl TokenForm {
    fn parse(body: &[u8], content_type: Option<&str>) -> Result<Self, ApiError> {
        if !body.is_empty() && content_type != Some("application/x-www-form-urlencoded") {
            return Err(ApiError::UnsupportedMediaType);
        }
        let mut tokens = form::pairs(body).filter(is_token_field).map(|(_, token)| token);
        match (tokens.next(), tokens.next()) {
            // What is not UTF-8 is no token of ours, but it is one that was given.
            (Some(token), None) => Ok(Self(token.unwrap_or_else(|_| char::REPLACEMENT_CHARACTER.into()))),
            (None, _) => {
                Err(ApiError::BadRequest("`token` is required. Send it as a form field.".to_owned()))
            }
            (Some(_), Some(_)) => Err(ApiError::BadRequest("Send only one `token`.".to_owned())),
        }
    }

    /// The token as it was given.
    pub fn token(&self) -> &str {
        &self.0
    }
}

/// For [`crate::fuzzing::token_form`].
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz(body: &[u8]) {
    if let Ok(form) = TokenForm::parse(body, Some("application/x-www-form-urlencoded")) {
        assert!(!form.token().is_empty());
    }
}

/// A field without a value is as good as absent (RFC 6749, 3.1).
fn is_token_field((name, value): &(form::Decoded, form::Decoded)) -> bool {
    name.as_deref() == Ok("token") && value.as_deref() != Ok("")
}
