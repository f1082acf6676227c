//! The form that introspection and revocation take (RFC 7662, 2.1; RFC 7009, 2.1).

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use utoipa::ToSchema;

use crate::http::body::{Extracted, content_type, read_whole};
use crate::http::form;
use crate::http::problem::Problem;

/// The form, as it is documented.
#[derive(ToSchema)]
#[expect(dead_code, reason = "read by `TokenForm`; this is what it looks like")]
pub struct TokenFields {
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
    type Future = Extracted<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        read_whole(request, payload, |request, body| Self::read(body, content_type(request).as_deref()))
    }
}

impl TokenForm {
    fn read(body: &[u8], content_type: Option<&str>) -> Result<Self, Problem> {
        if !body.is_empty() && content_type != Some("application/x-www-form-urlencoded") {
            return Err(Problem::UnsupportedType);
        }
        let mut tokens = form::pairs(body).filter(is_token).map(|(_, token)| token);
        match (tokens.next(), tokens.next()) {
            // What is not UTF-8 is no token of ours, but it is one that was given.
            (Some(token), None) => Ok(Self(token.unwrap_or_else(|_| char::REPLACEMENT_CHARACTER.into()))),
            (None, _) => Err(Problem::BadRequest("`token` is required. Send it as a form field.".to_owned())),
            (Some(_), Some(_)) => Err(Problem::BadRequest("Send only one `token`.".to_owned())),
        }
    }

    /// The token as it was given.
    pub fn token(&self) -> &str {
        &self.0
    }
}

/// For [`crate::probes::token_form`].
#[cfg(any(test, fuzzing))]
pub(crate) fn probe(body: &[u8]) {
    if let Ok(form) = TokenForm::read(body, Some("application/x-www-form-urlencoded")) {
        assert!(!form.token().is_empty());
    }
}

/// A field without a value is as good as absent (RFC 6749, 3.1).
fn is_token((name, value): &(form::Decoded, form::Decoded)) -> bool {
    name.as_deref() == Ok("token") && value.as_deref() != Ok("")
}
