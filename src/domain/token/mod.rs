//! The tokens' form and arithmetic.
//!
//! A token is `<prefix>_` and 44 characters of strict base64url: one byte of
//! version and key, a 16-byte UUIDv7, 16 secret bytes. Export tokens, API
//! keys and sessions have random secrets, of which the database holds a digest. The secret
//! of a token that is mailed (it redeems a request, or sets a password) is derived from
//! its id and the server's key (HKDF, RFC 5869; HMAC, RFC 2104), so that the database
//! holds nothing of it and the mail can be written again. A form's token, which shows that a page of ours was filled in and
//! nobody else's, is derived likewise.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretSlice};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::domain::timestamp::Timestamp;

/// The version of the form, in the high four bits of a token's first byte.
const TOKEN_VERSION: u8 = 1;
/// Bytes in a token: version and key, id, secret.
const TOKEN_BYTES: usize = 1 + 16 + 16;
/// The fewest bytes that a server key may have.
pub const MIN_SERVER_KEY_BYTES: usize = 32;

/// What a token is for. Kinds are apart in the prefix, in the arithmetic and in
/// the database, so that none passes for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// Opens one node of a hub.
    Export,
    /// Stands for a user at the API.
    ApiKey,
    /// Redeems one request.
    Redeem,
    /// Keeps a person signed in at the pages.
    Session,
    /// Sets one user's password, once.
    PasswordLink,
}

impl TokenKind {
    #[cfg(test)]
    const ALL: [Self; 5] = [Self::Export, Self::ApiKey, Self::Redeem, Self::Session, Self::PasswordLink];

    const fn prefix(self) -> &'static str {
        match self {
            Self::Export => "cse",
            Self::ApiKey => "csk",
            Self::Redeem => "csr",
            Self::Session => "css",
            Self::PasswordLink => "csp",
        }
    }
}

/// A typed id of one kind of token.
macro_rules! token_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }
    };
}

token_id!(
    /// An export token's id: public.
    ExportId
);
token_id!(
    /// An API key's id: public.
    ApiKeyId
);
token_id!(
    /// A redeem token's id: never published, since the server's key makes the
    /// token of it.
    RedeemId
);

token_id!(
    /// A session's id: shown to its user alone.
    SessionId
);
token_id!(
    /// A password link's id: never published, since the server's key makes the link's
    /// token of it.
    PasswordLinkId
);

/// Random bytes for one token or row: ten for the id, sixteen for the secret.
#[derive(Clone, Copy)]
pub struct Entropy {
    id: [u8; 10],
    secret: [u8; 16],
}

impl Entropy {
    /// From 26 bytes of a cryptographic generator.
    pub fn new(id: [u8; 10], secret: [u8; 16]) -> Self {
        Self { id, secret }
    }

    /// A UUIDv7 (RFC 9562, 5.7) of this moment: in order to a quarter of a
    /// microsecond (6.2, method 3), and random beyond.
    pub fn uuid(&self, now: Timestamp) -> Uuid {
        let millis = u64::try_from(now.millis()).unwrap_or_default();
        let fraction = (now.micros().rem_euclid(1_000) * 4_096 / 1_000) as u16;
        let mut tail = self.id;
        for (byte, fraction_byte) in tail.iter_mut().zip(fraction.to_be_bytes()) {
            *byte = fraction_byte;
        }
        uuid::Builder::from_unix_timestamp_millis(millis, &tail).into_uuid()
    }
}

impl fmt::Debug for Entropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entropy(…)")
    }
}

/// A whole token. Not printed by `Debug`, not serialised; [`Token::reveal`]
/// shows it to the one that it is for.
#[derive(Clone)]
pub struct Token {
    kind: TokenKind,
    header: u8,
    id: Uuid,
    secret: [u8; 16],
}

/// Not a token: wrong prefix, length, alphabet or version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a valid token")]
pub struct MalformedToken;

/// The SHA-256 of an export token or API key, which the database keeps.
#[derive(Clone, Copy)]
pub struct TokenDigest([u8; 32]);

impl Token {
    /// A token with a random secret.
    pub fn random(kind: TokenKind, id: Uuid, entropy: &Entropy) -> Self {
        Self { kind, header: TOKEN_VERSION << 4, id, secret: entropy.secret }
    }

    /// Reads a token of one kind. Nothing is known of it yet but its form.
    pub fn parse(kind: TokenKind, text: &str) -> Result<Self, MalformedToken> {
        let (prefix, rest) = text.split_once('_').ok_or(MalformedToken)?;
        if prefix != kind.prefix() {
            return Err(MalformedToken);
        }
        let mut bytes = [0; TOKEN_BYTES];
        // Refuses padding, blanks, and bits beyond the last byte.
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

    /// What the database keeps of a token with a random secret.
    pub fn digest(&self) -> TokenDigest {
        let mut hash = Sha256::new();
        hash.update(self.authenticated_bytes());
        hash.update(self.secret);
        TokenDigest(hash.finalize().into())
    }

    /// The token in full, for its bearer alone.
    pub fn expose(&self) -> String {
        let mut bytes = [0; TOKEN_BYTES];
        let parts = std::iter::once(&self.header).chain(self.id.as_bytes()).chain(&self.secret);
        for (byte, part) in bytes.iter_mut().zip(parts) {
            *byte = *part;
        }
        format!("{}_{}", self.kind.prefix(), URL_SAFE_NO_PAD.encode(bytes))
    }

    /// What the secret vouches for: version and key, kind, id.
    fn authenticated_bytes(&self) -> [u8; 20] {
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
    /// From the bytes that the database holds; `None` if they are not 32.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The bytes for the database.
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

/// A key that the tokens of one kind are derived with, made of a server key.
struct DerivationKey {
    kind: TokenKind,
    /// Four bits that tell keys apart, in the low bits of a token's first byte.
    key_number: u8,
    key: SecretSlice<u8>,
}

impl DerivationKey {
    fn new(kind: TokenKind, purpose: &[u8], server_key: &[u8]) -> Self {
        let hkdf = Hkdf::<Sha256>::new(None, server_key);
        let mut okm = [0_u8; 33];
        // RFC 5869 refuses more than 255 × 32 bytes alone.
        let expanded = hkdf.expand(purpose, &mut okm);
        debug_assert!(expanded.is_ok());
        let [number, key @ ..] = okm;
        Self { kind, key_number: number & 0x0f, key: SecretSlice::from(key.to_vec()) }
    }

    fn derive(&self, id: Uuid) -> Token {
        let mut token =
            Token { kind: self.kind, header: TOKEN_VERSION << 4 | self.key_number, id, secret: [0; 16] };
        if let Ok(mut mac) = <Hmac<Sha256> as KeyInit>::new_from_slice(self.key.expose_secret()) {
            mac.update(&token.authenticated_bytes());
            if let Some(half) = mac.finalize().into_bytes().first_chunk() {
                token.secret = *half;
            }
        }
        token
    }
}

/// The keys of one kind: one that signs, and while keys rotate the one before it.
struct DerivationKeys {
    current: DerivationKey,
    previous: Option<DerivationKey>,
}

impl DerivationKeys {
    fn new(kind: TokenKind, purpose: &[u8], current: &[u8], previous: Option<&[u8]>) -> Self {
        let key = |server_key| DerivationKey::new(kind, purpose, server_key);
        Self { current: key(current), previous: previous.map(key) }
    }

    /// Reads a token of this kind; one that no key of ours made is as good as none.
    fn verify(&self, text: &str) -> Result<Uuid, MalformedToken> {
        let token = Token::parse(self.current.kind, text)?;
        let matches = std::iter::once(&self.current).chain(&self.previous).any(|key| {
            let expected = key.derive(token.id);
            expected.header == token.header && bool::from(expected.secret.ct_eq(&token.secret))
        });
        if matches { Ok(token.id) } else { Err(MalformedToken) }
    }
}

/// What a form is bound to, so that nobody else can send it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CsrfBinding {
    /// A browser in which nobody is signed in, by the id that it was given.
    Browser(Uuid),
    /// The session of who is signed in.
    Session(SessionId),
}

/// A key that forms' tokens are derived with, made of a server key.
struct CsrfKey(SecretSlice<u8>);

impl CsrfKey {
    fn new(server_key: &[u8]) -> Self {
        let mut okm = [0_u8; 32];
        let expanded = Hkdf::<Sha256>::new(None, server_key).expand(b"countersign form v1", &mut okm);
        debug_assert!(expanded.is_ok());
        Self(SecretSlice::from(okm.to_vec()))
    }

    /// The token of all forms that are bound to this. What binds them is told apart by a
    /// byte before its id: a browser may call itself what a session is called.
    fn derive(&self, binding: CsrfBinding) -> [u8; 16] {
        let (kind, id) = match binding {
            CsrfBinding::Browser(id) => (b'b', id),
            CsrfBinding::Session(SessionId(id)) => (b's', id),
        };
        let mac = <Hmac<Sha256> as KeyInit>::new_from_slice(self.0.expose_secret());
        let token =
            mac.map(|mac| mac.chain_update([kind]).chain_update(id.as_bytes()).finalize().into_bytes());
        token.ok().and_then(|token| token.first_chunk().copied()).unwrap_or_default()
    }
}

/// The server's keys: one that signs, and while keys rotate the one before it,
/// whose tokens are still honoured.
pub struct Keyring {
    redeem: DerivationKeys,
    password_links: DerivationKeys,
    csrf: CsrfKey,
}

/// A server key that is too short to be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be at least {MIN_SERVER_KEY_BYTES} bytes long")]
pub struct ServerKeyTooShort;

impl Keyring {
    /// Takes the server key and the one before it.
    pub fn new(current: &[u8], previous: Option<&[u8]>) -> Result<Self, ServerKeyTooShort> {
        if current.len() < MIN_SERVER_KEY_BYTES
            || previous.is_some_and(|key| key.len() < MIN_SERVER_KEY_BYTES)
        {
            return Err(ServerKeyTooShort);
        }
        Ok(Self {
            redeem: DerivationKeys::new(TokenKind::Redeem, b"countersign redeem v1", current, previous),
            password_links: DerivationKeys::new(
                TokenKind::PasswordLink,
                b"countersign password v1",
                current,
                previous,
            ),
            csrf: CsrfKey::new(current),
        })
    }

    /// The redeem token of this id.
    pub fn redeem_token(&self, id: RedeemId) -> Token {
        self.redeem.current.derive(id.0)
    }

    /// The token of a password link of this id.
    pub fn password_link_token(&self, id: PasswordLinkId) -> Token {
        self.password_links.current.derive(id.0)
    }

    /// What each form has in it that is bound to this: no other site can know it.
    pub fn csrf_token(&self, binding: CsrfBinding) -> String {
        URL_SAFE_NO_PAD.encode(self.csrf.derive(binding))
    }

    /// Whether a form was bound to this, by the token that came with it.
    pub fn is_csrf_token(&self, binding: CsrfBinding, text: &str) -> bool {
        let expected = self.csrf.derive(binding);
        URL_SAFE_NO_PAD.decode(text).is_ok_and(|token| expected.ct_eq(token.as_slice()).into())
    }

    /// Reads a redeem token; one that no key of ours made is as good as none.
    pub fn verify_redeem_token(&self, text: &str) -> Result<RedeemId, MalformedToken> {
        self.redeem.verify(text).map(RedeemId)
    }

    /// Reads a password link's token; one that no key of ours made is as good as none.
    pub fn verify_password_link_token(&self, text: &str) -> Result<PasswordLinkId, MalformedToken> {
        self.password_links.verify(text).map(PasswordLinkId)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keyring(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::from_micros(1_893_456_000_000_000);

    fn keyring(current: u8, previous: Option<u8>) -> Keyring {
        Keyring::new(&[current; 32], previous.map(|byte| [byte; 32]).as_ref().map(|key| key.as_slice()))
            .unwrap()
    }

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

    #[test]
    fn a_redeem_token_verifies_with_the_current_and_the_previous_key() {
        let id = RedeemId(entropy(3).uuid(NOW));
        let text = keyring(1, None).redeem_token(id).expose();
        assert_eq!(keyring(1, None).verify_redeem_token(&text), Ok(id));
        assert_eq!(keyring(2, Some(1)).verify_redeem_token(&text), Ok(id));
        assert_eq!(keyring(2, None).verify_redeem_token(&text), Err(MalformedToken));
    }

    #[test]
    fn a_password_link_token_is_not_a_redeem_token_of_the_same_id() {
        let id = PasswordLinkId(entropy(3).uuid(NOW));
        let text = keyring(1, None).password_link_token(id).expose();
        assert!(text.starts_with("csp_"));
        assert_eq!(keyring(1, None).verify_password_link_token(&text), Ok(id));
        assert_eq!(keyring(2, Some(1)).verify_password_link_token(&text), Ok(id));
        assert_eq!(keyring(2, None).verify_password_link_token(&text), Err(MalformedToken));
        let redeem = keyring(1, None).redeem_token(RedeemId(id.0)).expose();
        assert_ne!(redeem[4..], text[4..]);
        assert!(keyring(1, None).verify_password_link_token(&redeem.replace("csr_", "csp_")).is_err());
        assert!(keyring(1, None).verify_redeem_token(&text.replace("csp_", "csr_")).is_err());
    }

    #[test]
    fn a_short_server_key_is_refused() {
        assert_eq!(Keyring::new(&[0; 31], None).unwrap_err(), ServerKeyTooShort);
        assert_eq!(Keyring::new(&[0; 32], Some(&[0; 31])).unwrap_err(), ServerKeyTooShort);
    }

    #[test]
    fn a_csrf_token_is_bound_to_one_browser_or_session() {
        let (keyring, ids) = (keyring(1, None), [1, 2].map(|byte| entropy(byte).uuid(NOW)));
        let binding = CsrfBinding::Browser(ids[0]);
        let token = keyring.csrf_token(binding);
        assert!(keyring.is_csrf_token(binding, &token));
        for other in [CsrfBinding::Browser(ids[1]), CsrfBinding::Session(SessionId(ids[0]))] {
            assert!(!keyring.is_csrf_token(other, &token), "{other:?}");
        }
        for text in ["", "AAAA", &token[1..], &format!("{token}A")] {
            assert!(!keyring.is_csrf_token(binding, text), "{text}");
        }
    }

    #[test]
    fn debug_prints_no_secret() {
        let token = keyring(1, None).redeem_token(RedeemId(entropy(3).uuid(NOW)));
        let shown = format!("{token:?} {:?} {:?} {:?}", token.digest(), keyring(1, None), entropy(3));
        assert_eq!(shown, "csr_… TokenDigest(…) Keyring(…) Entropy(…)");
    }

    #[test]
    fn ids_grow_with_time() {
        for micros in NOW.micros()..NOW.micros() + 2_000 {
            let [earlier, later] = [micros, micros + 1].map(Timestamp::from_micros);
            let (earlier, later) = (entropy(255).uuid(earlier), entropy(0).uuid(later));
            assert!(earlier < later, "{micros}");
            assert_eq!(later.get_version_num(), 7);
        }
        let half_a_millisecond = entropy(255).uuid(Timestamp::from_micros(NOW.micros() + 500));
        assert_eq!(half_a_millisecond.as_bytes()[6..8], [0x78, 0x00]);
    }

    proptest! {
        #[test]
        fn a_changed_character_never_verifies(at in 0_usize..48, to in "[A-Za-z0-9_=+/ -]") {
            let keyring = keyring(1, None);
            let id = RedeemId(entropy(3).uuid(NOW));
            let text = keyring.redeem_token(id).expose();
            let mut changed = text.clone();
            changed.replace_range(at..=at, &to);
            prop_assert_eq!(keyring.verify_redeem_token(&changed).is_ok(), changed == text);
        }

        #[test]
        fn truncated_or_padded_tokens_are_malformed(cut in 0_usize..48, tail in "[A-Za-z0-9=]{1,4}") {
            let text = keyring(1, None).redeem_token(RedeemId(entropy(3).uuid(NOW))).expose();
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
