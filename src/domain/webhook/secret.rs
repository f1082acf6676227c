//! The secret of a webhook, and the signatures of deliveries.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use sha2::Sha256;
use uuid::Uuid;

use crate::domain::timestamp::Timestamp;

/// The length of a secret.
pub const SECRET_BYTES: usize = 32;
/// How long the previous secret also signs after a rotation: 24 hours.
pub const SECRET_OVERLAP_SECONDS: i64 = 86_400;

/// The secret that the server shares with the receiver of a webhook.
#[derive(Clone)]
pub struct WebhookSecret(SecretSlice<u8>);

impl WebhookSecret {
    /// From random bytes.
    pub fn new(entropy: [u8; SECRET_BYTES]) -> Self {
        Self(SecretSlice::from(entropy.to_vec()))
    }

    /// From the bytes of [`Self::expose_bytes`]; `None` if they have another length.
    pub fn from_bytes(bytes: SecretSlice<u8>) -> Option<Self> {
        (bytes.expose_secret().len() == SECRET_BYTES).then_some(Self(bytes))
    }

    /// The bytes, to be sealed before they are stored.
    pub fn expose_bytes(&self) -> &[u8] {
        self.0.expose_secret()
    }

    /// The form in which the receiver gets the secret: `whsec_` and base64.
    pub fn text(&self) -> SecretString {
        format!("whsec_{}", STANDARD.encode(self.0.expose_secret())).into()
    }

    /// `v1,` and the base64 of an HMAC-SHA256.
    fn signature(&self, id: Uuid, at: Timestamp, body: &[u8]) -> String {
        // HMAC accepts keys of any length.
        let Ok(mut mac) = <Hmac<Sha256> as KeyInit>::new_from_slice(self.0.expose_secret()) else {
            return String::new();
        };
        mac.update(format!("{id}.{}.", at.seconds()).as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(…)")
    }
}

/// The value of the header `webhook-signature`: one signature for each secret, during a rotation two.
pub fn signature_header(secrets: &[WebhookSecret], id: Uuid, at: Timestamp, body: &[u8]) -> String {
    secrets.iter().map(|secret| secret.signature(id, at, body)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Timestamp = Timestamp::from_micros(1_893_456_000_999_999);
    const ID: Uuid = Uuid::from_u128(7);

    #[test]
    fn a_secret_is_shown_once_and_never_by_debug() {
        let secret = WebhookSecret::new([0xff; 32]);
        assert_eq!(secret.text().expose_secret(), "whsec_//////////////////////////////////////////8=");
        assert_eq!(format!("{secret:?}"), "WebhookSecret(…)");
        assert!(!format!("{:?}", secret.text()).contains("whsec"));
        let again = WebhookSecret::from_bytes(SecretSlice::from(secret.expose_bytes().to_vec())).unwrap();
        assert_eq!(again.text().expose_secret(), secret.text().expose_secret());
        assert!(WebhookSecret::from_bytes(SecretSlice::from(vec![0; 31])).is_none());
    }

    // The expected value: printf '%s' "$ID.1893456000.{}" | openssl dgst -sha256 -mac HMAC -macopt hexkey:0101… -binary | base64
    #[test]
    fn a_signature_covers_id_time_and_body() {
        let one = [WebhookSecret::new([1; 32])];
        let header = signature_header(&one, ID, AT, b"{}");
        assert_eq!(header, "v1,s169Bb+OVYqYTRTS+RY8ZClq+tq2HnKNxXXsfKjHW5I=");
        for other in [
            signature_header(&one, Uuid::from_u128(8), AT, b"{}"),
            signature_header(&one, ID, AT.plus_seconds(1), b"{}"),
            signature_header(&one, ID, AT, b"{} "),
            signature_header(&[WebhookSecret::new([2; 32])], ID, AT, b"{}"),
        ] {
            assert_ne!(header, other);
        }
    }

    #[test]
    fn both_secrets_sign_during_a_rotation() {
        let secrets = [1, 2].map(|byte| WebhookSecret::new([byte; 32]));
        let [one, two] = [&secrets[..1], &secrets[1..]].map(|one| signature_header(one, ID, AT, b"x"));
        assert_eq!(signature_header(&secrets, ID, AT, b"x"), format!("{one} {two}"));
    }
}
