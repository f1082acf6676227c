//! Errors of mail transports.

use std::io;
use std::path::PathBuf;

/// The maximum length of a [`SendError`] in characters.
const MAX_ERROR_CHARS: usize = 300;

/// The reason why a transport could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The path is not quoted: it may be a part of the password.
    #[error("smtp_url: cannot use the certificates in the file that `ca` names: {0}")]
    Certificates(String),
    #[error("smtp_url: cannot set up TLS: {0}")]
    Tls(String),
    #[error("mail_directory: cannot create {}: {reason}", path.display())]
    Directory { path: PathBuf, reason: io::Error },
}

/// The reason why a mail was not sent: one line of at most 300 characters. It may contain the
/// recipient's address, because it quotes the mail server, so it must not be logged; `mail list`
/// shows it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The mail server has rejected this mail. A retry is useless.
    #[error("{0}")]
    Permanent(String),
    /// The mail server is unreachable, busy or misconfigured. A retry may succeed.
    #[error("{0}")]
    Transient(String),
}

impl SendError {
    /// A permanent error. The message is shortened to one line.
    pub fn permanent(message: &str) -> Self {
        Self::Permanent(to_single_line(message))
    }

    /// A temporary error. The message is shortened to one line.
    pub fn transient(message: &str) -> Self {
        Self::Transient(to_single_line(message))
    }
}

fn to_single_line(message: &str) -> String {
    let blank = |c: char| if c.is_control() { ' ' } else { c };
    let line: String = message.chars().map(blank).collect();
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(MAX_ERROR_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_short_line() {
        let SendError::Permanent(message) =
            SendError::permanent(&format!("550 no\r\n\0 way\t{}", "x".repeat(900)))
        else {
            panic!()
        };
        assert!(message.starts_with("550 no way x") && message.chars().count() == MAX_ERROR_CHARS);
    }
}
