//! Passwords, from stdin or from whoever sits at the terminal.

use std::io::{self, ErrorKind, IsTerminal, Read};

use secrecy::{ExposeSecret, SecretString};

use super::CliError;
use crate::password::{LONGEST, PasswordError};

/// A new password: all that stdin holds, less one newline at its end; else
/// asked for twice at the terminal, without echo.
pub fn password(from_stdin: bool) -> Result<SecretString, CliError> {
    if from_stdin {
        return piped(io::stdin().lock());
    }
    if !io::stdin().is_terminal() {
        return Err(CliError::NoTerminal);
    }
    let first = ask("New password: ")?;
    let second = ask("Confirm new password: ")?;
    if first.expose_secret() == second.expose_secret() { Ok(first) } else { Err(CliError::PasswordsDiffer) }
}

fn ask(question: &str) -> Result<SecretString, CliError> {
    rpassword::prompt_password(question).map(SecretString::from).map_err(CliError::Input)
}

fn piped(source: impl Read) -> Result<SecretString, CliError> {
    // A password, a newline, and one byte that is too many.
    let most = LONGEST + "\r\n".len() + 1;
    let mut bytes = Vec::with_capacity(most);
    source.take(most as u64).read_to_end(&mut bytes).map_err(CliError::Input)?;
    if bytes.len() == most {
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
        piped(bytes).unwrap().expose_secret().to_owned()
    }

    #[test]
    fn one_newline_at_the_end_is_not_the_passwords() {
        assert_eq!(read(b" pass word "), " pass word ");
        assert_eq!(read(b"password\n"), "password");
        assert_eq!(read(b"password\r\n"), "password");
        assert_eq!(read(b"password\n\n"), "password\n");
        assert_eq!(read(b""), "");
    }

    #[test]
    fn what_does_not_end_is_not_read_to_the_end() {
        assert!(piped(io::repeat(b'x')).is_err());
        assert_eq!(read(&[b'x'; LONGEST]).len(), LONGEST);
    }

    #[test]
    fn what_is_not_text_is_refused() {
        assert!(piped(&b"p\xffssword"[..]).is_err());
    }
}
