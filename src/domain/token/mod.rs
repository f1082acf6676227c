//! Tokens: their format, their ids, and the keys that some of them are derived from.
//!
//! Export tokens, API keys and session tokens have random secrets; the database stores a
//! digest. Tokens that are mailed (redeem tokens, password links, links that turn off mails) have secrets derived from
//! their id and the server key, so that the database stores nothing secret and a mail can be
//! composed again. CSRF tokens are derived in the same way.
//!
//! [`Token`] and [`TokenKind`] are in `format.rs`, the ids in `ids.rs`, [`Keyring`] in
//! `keyring.rs`, CSRF tokens in `csrf.rs`, and the sealing of signing keys in `sealing.rs`.

mod csrf;
mod format;
mod ids;
mod keyring;
mod sealing;

pub use csrf::CsrfBinding;
pub use format::{MalformedToken, Token, TokenDigest, TokenKind};
pub use ids::{ApiKeyId, Entropy, ExportId, PasswordLinkId, RedeemId, SessionId};
pub use keyring::{Keyring, MIN_SERVER_KEY_BYTES, ServerKeyTooShort};
pub use sealing::{OpenedKey, SEAL_NONCE_BYTES};
