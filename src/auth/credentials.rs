//! Parses credentials in the form of an `Authorization` header's value.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;

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
                let pair = decode_text(STANDARD.decode(rest).ok()?);
                let (email, password) = pair.split_once(':')?;
                if let Ok(email) = Email::new(email) {
                    return Some(Self::Password { email, password: password.to_owned() });
                }
                // OAuth clients send both parts form-encoded (RFC 6749, 2.3.1). An address contains
                // `@`, which is encoded then, so no pair can be read in both ways.
                let email = Email::new(&form_decode(email)?).ok()?;
                Some(Self::Password { email, password: form_decode(password)? })
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

/// UTF-8, as the challenge asks for, or else ISO 8859-1, which some clients use nevertheless.
fn decode_text(bytes: Vec<u8>) -> String {
    let latin1 = |bytes: Vec<u8>| bytes.into_iter().map(char::from).collect();
    String::from_utf8(bytes).unwrap_or_else(|error| latin1(error.into_bytes()))
}

fn form_decode(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().ok().map(String::from)
}

/// For [`crate::fuzzing::credentials`].
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz(header: &[u8]) {
    if let Some(Credentials::ApiKey { token, .. }) = Credentials::parse(header) {
        let text = token.expose().into_bytes();
        assert!(header.windows(text.len()).any(|shown| shown == text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basic(pair: &[u8]) -> Option<(String, String)> {
        match Credentials::parse(format!("Basic {}", STANDARD.encode(pair)).as_bytes())? {
            Credentials::Password { email, password } => Some((email.as_str().to_owned(), password)),
            Credentials::ApiKey { .. } => None,
        }
    }

    #[test]
    fn basic_credentials_are_utf_8_or_iso_8859_1_or_form_encoded() {
        for (pair, password) in [
            ("ada@example.org:Grüße:1".as_bytes(), Some("Grüße:1")),
            (b"ada@example.org:Gr\xfc\xdfe", Some("Grüße")),
            (b"ada@example.org:100%25+x", Some("100%25+x")),
            (b"ada%40example.org:Gr%C3%BC%C3%9Fe%3A+1%2B1", Some("Grüße: 1+1")),
            (b"ada%40example.org:%FC", None),
            (b"ada%2540example.org:x", None),
            (b"ada:x", None),
        ] {
            let expected = password.map(|password| ("ada@example.org".to_owned(), password.to_owned()));
            assert_eq!(basic(pair), expected, "{pair:?}");
        }
    }
}
