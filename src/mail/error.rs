//! Errors of mail transports.

use std::io;
use std::path::PathBuf;

/// The maximum length of a [`SendError`] in characters.
const MAX_ERROR_CHARS: usize = 300;
/// The maximum length of a word of a reply in the log. Tokens are longer.
const MAX_LOGGED_WORD_CHARS: usize = 30;

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
    /// The recipient's address does not exist. A retry is useless.
    #[error("{0}")]
    Permanent(String),
    /// The mail server refuses this server or this mail, which the operator can correct. A retry may succeed.
    #[error(transparent)]
    Refused(Refusal),
    /// The mail server is unreachable or busy. A retry may succeed.
    #[error("{0}")]
    Transient(String),
}

/// A 5xx reply that is not about the recipient's address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{command}: permanent error ({code}): {text}")]
pub struct Refusal {
    /// The rejected command; `session` for what precedes the mail.
    pub command: &'static str,
    pub code: u16,
    text: String,
}

impl SendError {
    /// The text for the log: without any words that may be an address, a link, a token or `recipient`'s name.
    pub fn loggable_text(&self, recipient: &str) -> String {
        let (Self::Permanent(text) | Self::Transient(text) | Self::Refused(Refusal { text, .. })) = self;
        let local_part = recipient.split('@').next().unwrap_or_default().to_lowercase();
        let loggable = |word: &str| {
            let bare = word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
            let is_plain = word.chars().all(|c| c.is_alphanumeric() || ".,:;!'-#()[]".contains(c));
            is_plain && word.chars().count() <= MAX_LOGGED_WORD_CHARS && bare != local_part
        };
        let words = text.split_whitespace().map(|word| if loggable(word) { word } else { "…" });
        words.collect::<Vec<_>>().join(" ")
    }

    /// A permanent error. The message is shortened to one line.
    pub fn permanent(message: &str) -> Self {
        Self::Permanent(to_single_line(message))
    }

    /// A refusal of this server. The text is shortened to one line.
    pub fn refused(command: &'static str, code: u16, text: &str) -> Self {
        Self::Refused(Refusal { command, code, text: to_single_line(text) })
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
    fn an_error_is_logged_without_addresses_links_and_tokens() {
        let text = "5.7.1 <Grace.H@example.org>: grace.h not allowed (https://x.org/?t=1), Sender [192.0.2.1] \
                    dXNlcjpwYXNz= csr_0123456789012345678901234567890123456789 \u{1b}denied";
        let logged = "5.7.1 … … not allowed … Sender [192.0.2.1] … … denied";
        for error in
            [SendError::refused("RCPT TO", 554, text), SendError::permanent(text), SendError::transient(text)]
        {
            assert_eq!(error.loggable_text("Grace.H@example.org"), logged);
        }
    }

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
