//! Errors of the configuration.

use std::borrow::Cow;
use std::path::PathBuf;

use super::secret::{self, SecretFileError};
use super::sources::ValueSource;
use crate::domain::token::ServerKeyTooShort;

/// Why the configuration is invalid. Each message names the key or the file and never contains a
/// secret.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read {}: {reason}", path.display())]
    Unreadable { path: PathBuf, reason: String },
    /// The file is not TOML, or it has an unknown key or a value of the wrong type.
    #[error("{}, line {line}: {reason}", path.display())]
    Malformed {
        path: PathBuf,
        /// From 1.
        line: usize,
        reason: String,
    },
    #[error("{key} ({value_source}): {reason}")]
    Invalid {
        /// The name of the key in the file.
        key: &'static str,
        value_source: ValueSource,
        reason: String,
    },
    /// A standard variable that is no key of the file.
    #[error("{name}: {reason}")]
    InvalidVariable { name: &'static str, reason: &'static str },
    #[error("{key}: no value and no default")]
    Missing { key: &'static str },
    #[error("{key}: {variable} and {variable}_FILE are both set; set only one of them")]
    VariableAndFile { key: &'static str, variable: Cow<'static, str> },
    /// Every replica would create its own.
    #[error(
        "secret: required with PostgreSQL, the same on all replicas; set COUNTERSIGN_SECRET, for example to the output of `openssl rand -base64 32`"
    )]
    MissingSecret,
    /// A new secret would invalidate the links.
    #[error(
        "secret_file: {} is missing, but links in mails or the secrets of webhooks depend on it; restore it from a backup, or, to accept that all these links stop working and that webhooks need new secrets, create a new secret there with `openssl rand -base64 32`",
        secret::file_name(.0)
    )]
    LostSecret(PathBuf),
    #[error("secret_file: {0}")]
    SecretFile(#[from] SecretFileError),
    #[error("secret: {0}")]
    SecretTooShort(#[from] ServerKeyTooShort),
}
