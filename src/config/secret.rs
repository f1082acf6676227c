//! The secret that redeem tokens and password links are derived from.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;

use super::ConfigError;
use super::sources::trim;
use crate::domain::token::{MIN_SERVER_KEY_BYTES, ServerKeyTooShort};

/// Where the server's secret comes from. The key is the bytes of the text: the content of the
/// secret file can be moved to `COUNTERSIGN_SECRET` unchanged.
#[derive(Clone, Debug)]
pub enum Secret {
    /// Set by the operator, at least 32 bytes.
    Value(SecretString),
    /// In a file that the server creates on first use.
    File(PathBuf),
    /// Not set, and the server must not create one.
    Missing,
}

/// The secret file if no other is set.
pub(super) const DEFAULT_FILE: &str = "data/secret";

/// Why the secret file cannot be used. It is named by its path only if that is the default: another
/// path may be the secret itself, set for the wrong key.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    #[error("cannot read {file}: {error}")]
    Unreadable { file: &'static str, error: io::Error },
    /// The file does not exist, and the server cannot create it.
    #[error("cannot create {file}: {error}; create the file yourself or set COUNTERSIGN_SECRET")]
    Unwritable { file: &'static str, error: io::Error },
    #[error("{file}: {error}")]
    TooShort { file: &'static str, error: ServerKeyTooShort },
}

/// How errors name the secret file.
pub(super) fn file_name(path: &Path) -> &'static str {
    if path == Path::new(DEFAULT_FILE) { DEFAULT_FILE } else { "the file that it names" }
}

impl Secret {
    /// Reads the secret. Creates the file of [`Secret::File`] if it does not exist.
    pub(super) fn read(&self) -> Result<SecretString, ConfigError> {
        match self {
            Self::Value(secret) => Ok(secret.clone()),
            Self::File(path) => Ok(read_or_create(path)?),
            Self::Missing => Err(ConfigError::MissingSecret),
        }
    }
}

/// Checks that a secret has at least 32 bytes.
pub(super) fn check_length(text: &str) -> Result<SecretString, ServerKeyTooShort> {
    if text.len() < MIN_SERVER_KEY_BYTES {
        return Err(ServerKeyTooShort);
    }
    Ok(SecretString::from(text))
}

/// Reads the secret from its file.
pub(super) fn read_file(path: &Path) -> Result<SecretString, SecretFileError> {
    let file = file_name(path);
    let text = fs::read_to_string(path).map_err(|error| SecretFileError::Unreadable { file, error })?;
    check_length(trim(&text)).map_err(|error| SecretFileError::TooShort { file, error })
}

fn read_or_create(path: &Path) -> Result<SecretString, SecretFileError> {
    match read_file(path) {
        Err(SecretFileError::Unreadable { error, .. }) if error.kind() == io::ErrorKind::NotFound => {
            create_file(path)
                .map_err(|error| SecretFileError::Unwritable { file: file_name(path), error })?;
            read_file(path)
        }
        secret => secret,
    }
}

/// Creates the secret file atomically: it appears with its complete content or not at all. An
/// existing file is kept, so that processes that start together use the same secret.
fn create_file(path: &Path) -> io::Result<()> {
    let mut bytes = [0; MIN_SERVER_KEY_BYTES + 8];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    let (key, nonce) = bytes.split_at(MIN_SERVER_KEY_BYTES);
    let directory = path.parent().unwrap_or(Path::new(""));
    fs::create_dir_all(directory)?;
    let temporary_path = path
        .with_extension(format!("{:016x}", nonce.iter().fold(0, |n: u64, byte| n << 8 | u64::from(*byte))));

    let written = private_file(&temporary_path).and_then(|mut file| {
        writeln!(file, "{}", STANDARD.encode(key))?;
        file.sync_all()
    });
    let linked = written.and_then(|()| fs::hard_link(&temporary_path, path));
    // If the file was not created, `linked` has the error.
    let _ = fs::remove_file(&temporary_path);
    match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    }
}

/// Creates a file that only its owner can read.
pub(crate) fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    #[test]
    fn a_secret_is_made_once_and_then_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deep/er/secret");
        let made = read_or_create(&path).unwrap();
        assert!(made.expose_secret().len() >= MIN_SERVER_KEY_BYTES);
        assert_eq!(read_or_create(&path).unwrap().expose_secret(), made.expose_secret());
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "the temporary file is deleted");
    }

    #[cfg(unix)]
    #[test]
    fn the_secret_file_is_private() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        read_or_create(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn concurrent_processes_create_one_secret() {
        let directory = tempfile::tempdir().unwrap();
        for round in 0..20 {
            let path = directory.path().join(round.to_string()).join("secret");
            let start = std::sync::Barrier::new(4);
            let run = || {
                start.wait();
                read_or_create(&path).unwrap().expose_secret().to_owned()
            };
            let secrets: Vec<String> = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..4).map(|_| scope.spawn(run)).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            assert!(secrets.windows(2).all(|pair| pair[0] == pair[1]));
        }
    }

    #[test]
    fn a_file_that_is_too_short_is_named_and_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        fs::write(&path, "hunter2\n").unwrap();
        let error = read_or_create(&path).unwrap_err().to_string();
        assert_eq!(error, "the file that it names: must be at least 32 bytes long");
        assert_eq!(fs::read_to_string(&path).unwrap(), "hunter2\n");
    }

    #[test]
    fn a_file_that_cannot_be_made_is_reported_and_named_if_it_is_the_default() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("data"), "a file, not a directory").unwrap();
        let path = directory.path().join("data/secret");
        let error = read_or_create(&path).unwrap_err().to_string();
        assert!(error.starts_with("cannot read the file that it names: "), "{error}");
        assert_eq!(
            (file_name(Path::new("data/secret")), file_name(&path)),
            ("data/secret", "the file that it names")
        );
    }
}
