//! CSRF tokens: a form of the pages is accepted only with the token of its browser or session.

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretSlice};
use sha2::Sha256;
use uuid::Uuid;

use super::ids::SessionId;

/// The length of a CSRF token before it is encoded.
pub(super) const CSRF_TOKEN_BYTES: usize = 16;

/// What a CSRF token is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CsrfBinding {
    /// A browser without a session, by the id in its cookie.
    Browser(Uuid),
    Session(SessionId),
    /// The mails of a development server. The token is in the link that the server prints at its
    /// start.
    DevMail,
}

/// The key that CSRF tokens are derived from, itself derived from the server key.
pub(super) struct CsrfKey(SecretSlice<u8>);

impl CsrfKey {
    pub(super) fn new(server_key: &[u8]) -> Self {
        let mut okm = [0_u8; 32];
        let expanded = Hkdf::<Sha256>::new(None, server_key).expand(b"countersign form v1", &mut okm);
        debug_assert!(expanded.is_ok());
        Self(SecretSlice::from(okm.to_vec()))
    }

    /// The token of all forms with this binding. A byte before the id separates browsers from
    /// sessions, because a browser chooses its id and could choose that of a session.
    pub(super) fn derive(&self, binding: CsrfBinding) -> [u8; CSRF_TOKEN_BYTES] {
        let (kind, id) = match binding {
            CsrfBinding::Browser(id) => (b'b', id),
            CsrfBinding::Session(SessionId(id)) => (b's', id),
            CsrfBinding::DevMail => (b'm', Uuid::nil()),
        };
        let mac = <Hmac<Sha256> as KeyInit>::new_from_slice(self.0.expose_secret());
        let token =
            mac.map(|mac| mac.chain_update([kind]).chain_update(id.as_bytes()).finalize().into_bytes());
        token.ok().and_then(|token| token.first_chunk().copied()).unwrap_or_default()
    }
}
