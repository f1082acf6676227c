//! The ids of tokens, and the random bytes that ids and secrets are made of.

use std::fmt;

use uuid::Uuid;

use crate::domain::timestamp::Timestamp;

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
    /// The id of an export token: public.
    ExportId
);
token_id!(
    /// The id of an API key: public.
    ApiKeyId
);
token_id!(
    /// The id of a redeem token: never published, because the token is derived from it and the
    /// server key.
    RedeemId
);
token_id!(
    /// The id of a session: shown only to its user.
    SessionId
);
token_id!(
    /// The id of a password link: never published, because its token is derived from it and the
    /// server key.
    PasswordLinkId
);

/// Random bytes for one token or row: ten for the id, sixteen for the secret.
#[derive(Clone, Copy)]
pub struct Entropy {
    id: [u8; 10],
    pub(super) secret: [u8; 16],
}

impl Entropy {
    /// Takes bytes from a cryptographic generator.
    pub fn new(id: [u8; 10], secret: [u8; 16]) -> Self {
        Self { id, secret }
    }

    /// The same from one read of the generator.
    pub fn from_bytes(bytes: &[u8; 26]) -> Self {
        let mut entropy = Self::new([0; 10], [0; 16]);
        let (id, secret) = bytes.split_at(entropy.id.len());
        entropy.id.copy_from_slice(id);
        entropy.secret.copy_from_slice(secret);
        entropy
    }

    /// The bytes for the secret, for a row that needs a salt instead.
    pub const fn salt(&self) -> [u8; 16] {
        self.secret
    }

    /// A UUIDv7 (RFC 9562, 5.7) of this time: ordered to a quarter of a microsecond (6.2,
    /// method 3), and random beyond.
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

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_893_456_000_000_000);

    fn entropy(byte: u8) -> Entropy {
        Entropy::new([byte; 10], [byte; 16])
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
}
