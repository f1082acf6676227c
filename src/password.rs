//! Passwords: argon2id with the crate's parameters (19 MiB, two passes), kept
//! as PHC strings. Both functions take tens of milliseconds, and belong off the
//! event loop.

use std::sync::LazyLock;

use argon2::Argon2;
use argon2::password_hash::{self, PasswordHasher, PasswordVerifier};

/// The fewest bytes that a password may have.
pub const SHORTEST: usize = 8;
/// The most bytes that a password may have.
pub const LONGEST: usize = 1_024;

/// Why there is no hash of a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Too easily guessed.
    #[error("is shorter than {} bytes", SHORTEST)]
    TooShort,
    /// Longer than anyone needs.
    #[error("is longer than {} bytes", LONGEST)]
    TooLong,
    /// Basic credentials could not carry it (RFC 7617, 2).
    #[error("holds a control character")]
    Control,
    /// The hash function failed.
    #[error("could not be hashed: {0}")]
    Hash(password_hash::Error),
}

/// What an unknown user's password is held against. `None`, and then nobody's
/// password is right, when there is no randomness.
static DUMMY: LazyLock<Option<String>> = LazyLock::new(|| phc("nobody's password").ok());

/// The password's hash, as a PHC string.
pub fn hash(password: &str) -> Result<String, PasswordError> {
    match password.len() {
        ..SHORTEST => Err(PasswordError::TooShort),
        SHORTEST..=LONGEST if password.chars().any(char::is_control) => Err(PasswordError::Control),
        SHORTEST..=LONGEST => phc(password).map_err(PasswordError::Hash),
        _ => Err(PasswordError::TooLong),
    }
}

/// Whether this password has this hash. `None`, for an unknown user or one
/// without a password, takes as long as a wrong password does.
pub fn verify(password: &str, hash: Option<&str>) -> bool {
    // Made by whoever comes first, so that its making tells nothing.
    let Some(dummy) = DUMMY.as_deref() else { return false };
    let matches = Argon2::default().verify_password(password.as_bytes(), hash.unwrap_or(dummy)).is_ok();
    matches && hash.is_some()
}

fn phc(password: &str) -> Result<String, password_hash::Error> {
    let hash: password_hash::phc::PasswordHash = Argon2::default().hash_password(password.as_bytes())?;
    Ok(hash.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_by_its_hash_alone() {
        let kept = hash("correct horse").unwrap();
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
        assert_ne!(kept, hash("correct horse").unwrap());
        assert!(verify("correct horse", Some(&kept)));
        assert!(!verify("correct horsf", Some(&kept)));
        assert!(!verify("correct horse", Some("nonsense")));
    }

    #[test]
    fn nobody_signs_in_without_a_password() {
        assert!(!verify("", None));
        assert!(!verify("nobody's password", None));
    }

    #[test]
    fn a_password_has_8_to_1024_bytes_and_no_control_characters() {
        assert_eq!(hash("1234567"), Err(PasswordError::TooShort));
        assert!(hash("12345678").is_ok());
        assert!(hash(&"x".repeat(1_024)).is_ok());
        assert_eq!(hash(&"x".repeat(1_025)), Err(PasswordError::TooLong));
        assert_eq!(hash("two\nlines"), Err(PasswordError::Control));
        assert_eq!(hash("12345678\0"), Err(PasswordError::Control));
    }
}
