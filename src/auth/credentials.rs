//! Parses credentials in the form of an `Authorization` header's value.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::domain::token::{Token, TokenKind};
use crate::domain::user::Email;

/// Parsed credentials, not yet verified.
pub(super) enum Credentials {
    Password {
        email: Email,
        password: String,
    },
    /// `email`, if given, must be the key owner's.
    ApiKey {
        token: Token,
        email: Option<Email>,
    },
}

impl Credentials {
    /// Parses HTTP Basic (RFC 7617), `Bearer` (RFC 6750) with an API key, or tastypie's
    /// `ApiKey email:key`.
    pub(super) fn parse(header: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(header).ok()?;
        let (scheme, rest) = text.split_once(' ')?;
        let rest = rest.trim();
        match scheme.to_ascii_lowercase().as_str() {
            "basic" => {
                let pair = String::from_utf8(STANDARD.decode(rest).ok()?).ok()?;
                let (email, password) = pair.split_once(':')?;
                Some(Self::Password { email: Email::new(email).ok()?, password: password.to_owned() })
            }
            "bearer" => {
                Some(Self::ApiKey { token: Token::parse(TokenKind::ApiKey, rest).ok()?, email: None })
            }
            "apikey" => {
                let (email, key) = rest.split_once(':')?;
                let token = Token::parse(TokenKind::ApiKey, key).ok()?;
                Some(Self::ApiKey { token, email: Some(Email::new(email).ok()?) })
            }
            _ => None,
        }
    }
}

/// For [`crate::fuzzing::credentials`].
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz(header: &[u8]) {
    if let Some(Credentials::ApiKey { token, .. }) = Credentials::parse(header) {
        let text = token.expose().into_bytes();
        assert!(header.windows(text.len()).any(|shown| shown == text));
    }
}
