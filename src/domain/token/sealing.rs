//! Sealing of private signing keys, so that the database alone does not allow to sign.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use secrecy::{ExposeSecret, SecretSlice};
use sha2::Sha256;

/// The length of the nonce before a sealed key. It is long enough to be random.
pub const SEAL_NONCE_BYTES: usize = 24;

/// A private key that has been opened.
pub struct OpenedKey {
    pub private_key: SecretSlice<u8>,
    /// Whether it is sealed under the second server key, and must be sealed again under the current
    /// one.
    pub is_under_second_key: bool,
}

/// The key that private keys are sealed under, itself derived from a server key.
pub(super) struct SealingKey(SecretSlice<u8>);

impl SealingKey {
    pub(super) fn new(server_key: &[u8]) -> Self {
        let mut okm = [0_u8; 32];
        let expanded = Hkdf::<Sha256>::new(None, server_key).expand(b"countersign seal v1", &mut okm);
        debug_assert!(expanded.is_ok());
        Self(SecretSlice::from(okm.to_vec()))
    }

    /// The nonce, then the encrypted key with its tag. Only [`Self::open`] with the same name opens it.
    pub(super) fn seal(&self, name: &str, key: &[u8], nonce: [u8; SEAL_NONCE_BYTES]) -> Vec<u8> {
        let payload = Payload { msg: key, aad: name.as_bytes() };
        // Fails only for a key of some gigabytes.
        let sealed = self.cipher().and_then(|cipher| cipher.encrypt(&XNonce::from(nonce), payload).ok());
        [nonce.as_slice(), &sealed.unwrap_or_default()].concat()
    }

    pub(super) fn open(&self, name: &str, sealed: &[u8]) -> Option<SecretSlice<u8>> {
        let (nonce, encrypted) = sealed.split_first_chunk::<SEAL_NONCE_BYTES>()?;
        let payload = Payload { msg: encrypted, aad: name.as_bytes() };
        let opened = self.cipher()?.decrypt(&XNonce::from(*nonce), payload).ok()?;
        Some(SecretSlice::from(opened))
    }

    fn cipher(&self) -> Option<XChaCha20Poly1305> {
        XChaCha20Poly1305::new_from_slice(self.0.expose_secret()).ok()
    }
}
