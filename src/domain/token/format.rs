//! The format of a token: `<prefix>_` and 44 characters of strict base64url, which encode a
//! header byte (version and key number), a 16-byte UUIDv7 and a 16-byte secret.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::ids::Entropy;

/// The version of the format, in the high four bits of the header.
pub(super) const TOKEN_VERSION: u8 = 1;
/// Header, id and secret.
const TOKEN_BYTES: usize = 1 + 16 + 16;

/// What a token is for. Each kind has its own prefix, derivation and table, so that a token of
/// one kind is never valid as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// Gives access to one node of a hub.
    Export,
    /// Authenticates a user at the APIs.
    ApiKey,
    /// Lets the target approve or decline one permission request.
    Redeem,
    /// Keeps a user signed in to the pages.
    Session,
    /// Sets a user's password, once.
    PasswordLink,
    /// Turns off kinds of mails.
    Unsubscribe,
}

impl TokenKind {
    #[cfg(test)]
    const ALL: [Self; 6] =
        [Self::Export, Self::ApiKey, Self::Redeem, Self::Session, Self::PasswordLink, Self::Unsubscribe];

    const fn prefix(self) -> &'static str {
        match self {
            Self::Export => "cse",
            Self::ApiKey => "csk",
            Self::Redeem => "csr",
            Self::Session => "css",
            Self::PasswordLink => "csp",
            Self::Unsubscribe => "csu",
        }
    }
}

/// A token with its secret. `Debug` does not print it, and it is not serializable; only
/// [`Token::expose`] returns it.
#[derive(Clone)]
pub struct Token {
    pub(super) kind: TokenKind,
    /// Format version in the high four bits, key number in the low four.
    pub(super) header: u8,
    pub(super) id: Uuid,
    pub(super) secret: [u8; 16],
}

/// Wrong prefix, length, alphabet, version or, for a derived token, secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a valid token")]
pub struct MalformedToken;

/// The SHA-256 of a token with a random secret, as stored in the database.
#[derive(Clone, Copy)]
pub struct TokenDigest([u8; 32]);

impl Token {
    /// A token with a random secret.
    pub fn random(kind: TokenKind, id: Uuid, entropy: &Entropy) -> Self {
        Self { kind, header: TOKEN_VERSION << 4, id, secret: entropy.secret }
    }

    /// Parses a token of one kind. Only its format has been verified.
    pub fn parse(kind: TokenKind, text: &str) -> Result<Self, MalformedToken> {
        let (prefix, rest) = text.split_once('_').ok_or(MalformedToken)?;
        if prefix != kind.prefix() {
            return Err(MalformedToken);
        }
        let mut bytes = [0; TOKEN_BYTES];
        // The engine rejects padding, whitespace, and bits beyond the last byte.
        match URL_SAFE_NO_PAD.decode_slice(rest, &mut bytes) {
            Ok(TOKEN_BYTES) => {}
            _ => return Err(MalformedToken),
        }
        let [header, rest @ ..] = bytes;
        match rest.as_chunks() {
            ([id, secret], []) if header >> 4 == TOKEN_VERSION => {
                Ok(Self { kind, header, id: Uuid::from_bytes(*id), secret: *secret })
            }
            _ => Err(MalformedToken),
        }
    }

    /// The id in the token.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// The digest that the database stores of a token with a random secret.
    pub fn digest(&self) -> TokenDigest {
        let mut hash = Sha256::new();
        hash.update(self.authenticated_bytes());
        hash.update(self.secret);
        TokenDigest(hash.finalize().into())
    }

    /// The whole token as text. Only the bearer may see it.
    pub fn expose(&self) -> String {
        let mut bytes = [0; TOKEN_BYTES];
        let parts = std::iter::once(&self.header).chain(self.id.as_bytes()).chain(&self.secret);
        for (byte, part) in bytes.iter_mut().zip(parts) {
            *byte = *part;
        }
        format!("{}_{}", self.kind.prefix(), URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The bytes that the secret authenticates: header, kind and id.
    pub(super) fn authenticated_bytes(&self) -> [u8; 20] {
        let mut bytes = [0; 20];
        let parts =
            std::iter::once(&self.header).chain(self.kind.prefix().as_bytes()).chain(self.id.as_bytes());
        for (byte, part) in bytes.iter_mut().zip(parts) {
            *byte = *part;
        }
        bytes
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_…", self.kind.prefix())
    }
}

impl TokenDigest {
    /// Reads the bytes in the database; `None` unless there are 32.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The bytes that the database stores.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Compares in constant time.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenDigest(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::timestamp::Timestamp;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::from_micros(1_893_456_000_000_000);

    fn entropy(byte: u8) -> Entropy {
        Entropy::new([byte; 10], [byte; 16])
    }

    #[test]
    fn tokens_round_trip_and_kinds_do_not_mix() {
        for kind in TokenKind::ALL {
            let token = Token::random(kind, entropy(7).uuid(NOW), &entropy(9));
            let text = token.expose();
            assert_eq!(text.len(), 4 + 44);
            assert!(text.starts_with(kind.prefix()));
            let back = Token::parse(kind, &text).unwrap();
            assert_eq!(back.id(), entropy(7).uuid(NOW));
            let of_another_version = text.replacen("_E", "_I", 1);
            assert_eq!(Token::parse(kind, &of_another_version).unwrap_err(), MalformedToken);
            assert!(back.digest().matches(&token.digest()));
            for other in TokenKind::ALL.into_iter().filter(|other| *other != kind) {
                assert_eq!(Token::parse(other, &text).unwrap_err(), MalformedToken);
            }
        }
    }

    #[test]
    fn a_digest_is_stored_as_32_bytes() {
        let digest = Token::random(TokenKind::Export, entropy(1).uuid(NOW), &entropy(2)).digest();
        let kept = digest.as_bytes().to_vec();
        assert!(TokenDigest::from_slice(&kept).unwrap().matches(&digest));
        assert!(!TokenDigest::from_slice(&[0; 32]).unwrap().matches(&digest));
        assert!(TokenDigest::from_slice(&kept[1..]).is_none());
    }

    #[test]
    fn a_swapped_prefix_changes_the_digest() {
        let export = Token::random(TokenKind::Export, entropy(1).uuid(NOW), &entropy(2));
        let posing = Token::parse(TokenKind::ApiKey, &export.expose().replace("cse_", "csk_")).unwrap();
        assert!(!posing.digest().matches(&export.digest()));
    }

    proptest! {
        #[test]
        fn truncated_or_padded_tokens_are_malformed(cut in 0_usize..48, tail in "[A-Za-z0-9=]{1,4}") {
            let text = Token::random(TokenKind::Redeem, entropy(3).uuid(NOW), &entropy(9)).expose();
            prop_assert!(Token::parse(TokenKind::Redeem, &text[..cut]).is_err());
            let padded = format!("{text}{tail}");
            prop_assert!(Token::parse(TokenKind::Redeem, &padded).is_err());
        }

        #[test]
        fn parsing_any_text_does_not_panic(text in "\\PC*") {
            for kind in TokenKind::ALL {
                let _ = Token::parse(kind, &text);
                let _ = Token::parse(kind, &format!("{}_{text}", kind.prefix()));
            }
        }
    }
}
