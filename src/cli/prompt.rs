//! Reads passwords from stdin or from the terminal.

use std::io::{self, ErrorKind, IsTerminal, Read};

use secrecy::{ExposeSecret, SecretString};

use super::CliError;
use crate::auth::password::{MAX_PASSWORD_BYTES, PasswordError};

/// Reads a new password: the whole of stdin without its trailing newline, or two equal entries
/// at the terminal, without echo.
pub fn password(from_stdin: bool) -> Result<SecretString, CliError> {
    if from_stdin {
        return read_password(io::stdin().lock());
    }
    if !io::stdin().is_terminal() {
        return Err(CliError::NoTerminal);
    }
    let first = prompt("New password: ")?;
    let second = prompt("Confirm new password: ")?;
    if first.expose_secret() == second.expose_secret() { Ok(first) } else { Err(CliError::PasswordsDiffer) }
}

fn prompt(question: &str) -> Result<SecretString, CliError> {
    rpassword::prompt_password(question).map(SecretString::from).map_err(CliError::Input)
}

fn read_password(source: impl Read) -> Result<SecretString, CliError> {
    // The longest password, a newline, and one byte to detect longer input.
    let max_bytes = MAX_PASSWORD_BYTES + "\r\n".len() + 1;
    let mut bytes = Vec::with_capacity(max_bytes);
    source.take(max_bytes as u64).read_to_end(&mut bytes).map_err(CliError::Input)?;
    if bytes.len() == max_bytes {
        return Err(PasswordError::TooLong.into());
    }
    let text = String::from_utf8(bytes).map_err(|_| CliError::Input(ErrorKind::InvalidData.into()))?;
    let line = match text.strip_suffix('\n') {
        Some(line) => line.strip_suffix('\r').unwrap_or(line),
        None => &text,
    };
    Ok(line.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> String {
        read_password(bytes).unwrap().expose_secret().to_owned()
    }

    #[test]
    fn one_trailing_newline_is_stripped() {
        assert_eq!(read(b" pass word "), " pass word ");
        assert_eq!(read(b"password\n"), "password");
        assert_eq!(read(b"password\r\n"), "password");
        assert_eq!(read(b"password\n\n"), "password\n");
        assert_eq!(read(b""), "");
    }

    #[test]
    fn endless_input_is_rejected() {
        assert!(read_password(io::repeat(b'x')).is_err());
        assert_eq!(read(&[b'x'; MAX_PASSWORD_BYTES]).len(), MAX_PASSWORD_BYTES);
    }

    #[test]
    fn non_utf8_input_is_rejected() {
        assert!(read_password(&b"p\xffssword"[..]).is_err());
    }
}
