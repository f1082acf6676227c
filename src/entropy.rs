//! The only source of randomness.

use uuid::Uuid;

use crate::domain::token::Entropy;

/// Random bytes from the operating system. Aborts the process if there are none, because no
/// token may be issued without them.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    if let Err(error) = getrandom::fill(&mut bytes) {
        tracing::error!(%error, "the operating system provides no random bytes");
        std::process::abort();
    }
    bytes
}

/// Random bytes for a token's id and secret.
pub fn token() -> Entropy {
    Entropy::from_bytes(&bytes())
}

/// A random UUID (version 4).
pub fn uuid() -> Uuid {
    uuid::Builder::from_random_bytes(bytes()).into_uuid()
}
