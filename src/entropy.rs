//! The one source of randomness.

use uuid::Uuid;

use crate::domain::token::Entropy;

/// Random bytes. Without a source of them no token may be handed out, and the
/// process ends.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    if let Err(error) = getrandom::fill(&mut bytes) {
        tracing::error!(%error, "the operating system provides no random bytes");
        std::process::abort();
    }
    bytes
}

/// Random bytes for a token and its id.
pub fn token() -> Entropy {
    Entropy::new(bytes(), bytes())
}

/// A random UUID (version 4).
pub fn uuid() -> Uuid {
    uuid::Builder::from_random_bytes(bytes()).into_uuid()
}
