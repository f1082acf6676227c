//! The form of introspection (RFC 7662, 2.1) and revocation (RFC 7009, 2.1).

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use utoipa::ToSchema;

use crate::http::error::ApiError;
use crate::http::extract::body::{ExtractFuture, extract_from_body, media_type};
use crate::http::extract::form;

/// The form. It contains a token, so it has no `Debug`.
#[derive(ToSchema)]
pub(super) struct TokenForm {
    /// The token.
    #[schema(min_length = 1)]
    token: String,
    /// Ignored.
    #[schema(rename = "token_type_hint", value_type = Option<String>, nullable = false)]
    _token_type_hint: (),
}

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
        let mut tokens = form::pairs(body).filter(is_token).map(|(_, token)| token);
        let token = match (tokens.next(), tokens.next()) {
            // Invalid UTF-8 is an unknown token, not an absent one.
            (Some(token), None) => token.unwrap_or_else(|_| char::REPLACEMENT_CHARACTER.into()),
            (None, _) => {
                return Err(ApiError::BadRequest("`token` is required. Send it as a form field.".to_owned()));
            }
            (Some(_), Some(_)) => return Err(ApiError::BadRequest("Send only one `token`.".to_owned())),
        };
        Ok(Self { token, _token_type_hint: () })
    }

    /// Returns the token as the caller sent it. It is not empty.
    pub(super) fn token(&self) -> &str {
        &self.token
    }
}

/// For [`crate::fuzzing::token_form`].
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz(body: &[u8]) {
    if let Ok(form) = TokenForm::parse(body, Some("application/x-www-form-urlencoded")) {
        assert!(!form.token().is_empty());
    }
}

/// A field with an empty value counts as absent (RFC 6749, 3.1).
fn is_token((name, value): &(form::Decoded, form::Decoded)) -> bool {
    name.as_deref() == Ok("token") && value.as_deref() != Ok("")
}
