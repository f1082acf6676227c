//! Derives tokens from the server key (HKDF, RFC 5869; HMAC, RFC 2104), and verifies them.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::csrf::{CSRF_TOKEN_BYTES, CsrfBinding, CsrfKey};
use super::format::{MalformedToken, TOKEN_VERSION, Token, TokenKind};
use super::ids::{PasswordLinkId, RedeemId};
use super::sealing::{OpenedKey, SEAL_NONCE_BYTES, SealingKey};
use crate::domain::mail_kinds::Unsubscription;

/// The minimum length of a server key.
pub const MIN_SERVER_KEY_BYTES: usize = 32;

/// The key that tokens of one kind are derived from, itself derived from a server key.
struct DerivationKey {
    kind: TokenKind,
    /// Four bits of the key's derivation that distinguish keys, in the low bits of the header.
    key_number: u8,
    /// Has the key, and no message yet: each message is added to a clone, so that the key is hashed only once.
    mac: Hmac<Sha256>,
}

impl DerivationKey {
    fn new(kind: TokenKind, purpose: &[u8], server_key: &[u8]) -> Self {
        let hkdf = Hkdf::<Sha256>::new(None, server_key);
        let mut okm = [0_u8; 33];
        // HKDF fails only for more than 255 × 32 bytes (RFC 5869).
        let expanded = hkdf.expand(purpose, &mut okm);
        debug_assert!(expanded.is_ok());
        let [number, key @ ..] = okm;
        // Keys are padded with zeros to the length of a block (RFC 2104, section 2).
        let mut padded = [0; 64];
        padded.iter_mut().zip(key).for_each(|(padded, byte)| *padded = byte);
        Self { kind, key_number: number & 0x0f, mac: Hmac::new(&padded.into()) }
    }

    fn derive(&self, id: Uuid) -> Token {
        let mut token =
            Token { kind: self.kind, header: TOKEN_VERSION << 4 | self.key_number, id, secret: [0; 16] };
        let mac = self.mac.clone().chain_update(token.authenticated_bytes());
        if let Some(half) = mac.finalize().into_bytes().first_chunk() {
            token.secret = *half;
        }
        token
    }
}

/// The keys of one kind: the current one and, during a key rotation, the previous one.
struct DerivationKeys {
    current: DerivationKey,
    previous: Option<DerivationKey>,
}

impl DerivationKeys {
    fn new(kind: TokenKind, purpose: &[u8], current: &[u8], previous: Option<&[u8]>) -> Self {
        let key = |server_key| DerivationKey::new(kind, purpose, server_key);
        Self { current: key(current), previous: previous.map(key) }
    }

    /// The id in a token of this kind that was derived from one of the keys.
    fn verify(&self, text: &str) -> Result<Uuid, MalformedToken> {
        let token = Token::parse(self.current.kind, text)?;
        let matches = std::iter::once(&self.current).chain(&self.previous).any(|key| {
            let expected = key.derive(token.id);
            expected.header == token.header && bool::from(expected.secret.ct_eq(&token.secret))
        });
        if matches { Ok(token.id) } else { Err(MalformedToken) }
    }
}

/// Derives and verifies tokens with the server key. During a key rotation, it also accepts those
/// derived from the second key: the next one at first, then the previous one.
pub struct Keyring {
    redeem: DerivationKeys,
    password_links: DerivationKeys,
    unsubscriptions: DerivationKeys,
    csrf: CsrfKey,
    previous_csrf: Option<CsrfKey>,
    sealing: SealingKey,
    previous_sealing: Option<SealingKey>,
}

/// The server key is too short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be at least {MIN_SERVER_KEY_BYTES} bytes long")]
pub struct ServerKeyTooShort;

impl Keyring {
    /// Takes the current and the previous server key.
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
            unsubscriptions: DerivationKeys::new(
                TokenKind::Unsubscribe,
                b"countersign unsubscribe v1",
                current,
                previous,
            ),
            csrf: CsrfKey::new(current),
            previous_csrf: previous.map(CsrfKey::new),
            sealing: SealingKey::new(current),
            previous_sealing: previous.map(SealingKey::new),
        })
    }

    /// The redeem token with this id.
    pub fn redeem_token(&self, id: RedeemId) -> Token {
        self.redeem.current.derive(id.0)
    }

    /// The token of the password link with this id.
    pub fn password_link_token(&self, id: PasswordLinkId) -> Token {
        self.password_links.current.derive(id.0)
    }

    /// The token in the mails of a user that turns off these kinds. It does not expire.
    pub fn unsubscribe_token(&self, unsubscription: Unsubscription) -> Token {
        self.unsubscriptions.current.derive(unsubscription.to_uuid())
    }

    /// The CSRF token in all forms with this binding.
    pub fn csrf_token(&self, binding: CsrfBinding) -> String {
        URL_SAFE_NO_PAD.encode(self.csrf.derive(binding))
    }

    /// Whether `text` is the CSRF token of this binding, in constant time.
    pub fn is_csrf_token(&self, binding: CsrfBinding, text: &str) -> bool {
        let is_of = |key: &CsrfKey, token: &[u8]| bool::from(key.derive(binding).ct_eq(token));
        URL_SAFE_NO_PAD.decode(text).is_ok_and(|token| {
            std::iter::once(&self.csrf).chain(&self.previous_csrf).any(|key| is_of(key, &token))
        })
    }

    /// Whether the text could be a CSRF token, of any binding.
    pub fn is_csrf_token_shape(text: &str) -> bool {
        URL_SAFE_NO_PAD.decode(text).is_ok_and(|token| token.len() == CSRF_TOKEN_BYTES)
    }

    /// Seals a private key under the current server key. `name` is the key's own id; the nonce is
    /// random.
    pub fn seal(&self, name: &str, private_key: &[u8], nonce: [u8; SEAL_NONCE_BYTES]) -> Vec<u8> {
        self.sealing.seal(name, private_key, nonce)
    }

    /// Opens a private key that was sealed with this name under either server key.
    pub fn open(&self, name: &str, sealed: &[u8]) -> Option<OpenedKey> {
        let opened = |key: &SealingKey, is_under_second_key| {
            key.open(name, sealed).map(|private_key| OpenedKey { private_key, is_under_second_key })
        };
        opened(&self.sealing, false).or_else(|| opened(self.previous_sealing.as_ref()?, true))
    }

    /// The id in a valid redeem token.
    pub fn verify_redeem_token(&self, text: &str) -> Result<RedeemId, MalformedToken> {
        self.redeem.verify(text).map(RedeemId)
    }

    /// The id in a valid token of a password link.
    pub fn verify_password_link_token(&self, text: &str) -> Result<PasswordLinkId, MalformedToken> {
        self.password_links.verify(text).map(PasswordLinkId)
    }

    /// The user and the kinds of mails in a valid token of [`Self::unsubscribe_token`].
    pub fn verify_unsubscribe_token(&self, text: &str) -> Result<Unsubscription, MalformedToken> {
        self.unsubscriptions.verify(text).map(Unsubscription::from_uuid)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keyring(…)")
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;
    use crate::domain::mail_kinds::{MailKind, MailKinds};
    use crate::domain::timestamp::Timestamp;
    use crate::domain::token::{Entropy, SessionId};
    use crate::domain::user::UserId;
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
    fn an_unsubscribe_token_is_valid_for_its_user_and_kinds() {
        let kinds = MailKinds::from_iter([MailKind::Endings]);
        let link = Unsubscription { user: UserId(7), kinds };
        let text = keyring(1, None).unsubscribe_token(link).expose();
        assert!(text.starts_with("csu_"));
        assert_eq!(keyring(2, Some(1)).verify_unsubscribe_token(&text), Ok(link));
        assert_eq!(keyring(2, None).verify_unsubscribe_token(&text), Err(MalformedToken));
        for other in
            [Unsubscription { user: UserId(8), ..link }, Unsubscription { kinds: MailKinds::ALL, ..link }]
        {
            assert_ne!(keyring(1, None).unsubscribe_token(other).expose()[30..], text[30..]);
        }
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
    fn replicas_accept_each_other_s_tokens_during_a_rotation() {
        // Before, accepting the next key, using it, and after.
        let steps = [keyring(1, None), keyring(1, Some(2)), keyring(2, Some(1)), keyring(2, None)];
        let (id, binding) = (entropy(3).uuid(NOW), CsrfBinding::Browser(entropy(4).uuid(NOW)));
        for pair in steps[..3].windows(2) {
            for (issuer, verifier) in [(&pair[0], &pair[1]), (&pair[1], &pair[0])] {
                assert!(verifier.verify_redeem_token(&issuer.redeem_token(RedeemId(id)).expose()).is_ok());
                let link = issuer.password_link_token(PasswordLinkId(id)).expose();
                assert!(verifier.verify_password_link_token(&link).is_ok());
                assert!(verifier.is_csrf_token(binding, &issuer.csrf_token(binding)));
            }
        }
        assert!(!steps[3].is_csrf_token(binding, &steps[0].csrf_token(binding)));
    }

    #[test]
    fn a_sealed_key_opens_with_its_name_under_the_current_and_the_second_key() {
        let sealed = keyring(1, None).seal("a", &[7; 32], [3; SEAL_NONCE_BYTES]);
        assert_eq!(sealed.len(), SEAL_NONCE_BYTES + 32 + 16);
        for (current, previous, is_under_second_key) in
            [(1, None, false), (1, Some(2), false), (2, Some(1), true)]
        {
            let opened = keyring(current, previous).open("a", &sealed).unwrap();
            assert_eq!(opened.private_key.expose_secret(), [7; 32]);
            assert_eq!(opened.is_under_second_key, is_under_second_key);
        }
        let keyring = |current| keyring(current, None);
        assert!(keyring(2).open("a", &sealed).is_none() && keyring(1).open("b", &sealed).is_none());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(keyring(1).open("a", &changed).is_none(), "byte {at}");
            assert!(keyring(1).open("a", &sealed[..at]).is_none(), "{at} bytes");
        }
    }

    #[test]
    fn debug_prints_no_secret() {
        let token = keyring(1, None).redeem_token(RedeemId(entropy(3).uuid(NOW)));
        let shown = format!("{token:?} {:?} {:?} {:?}", token.digest(), keyring(1, None), entropy(3));
        assert_eq!(shown, "csr_… TokenDigest(…) Keyring(…) Entropy(…)");
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
    }
}
