//! How mail leaves: to a relay, into a directory, or into memory.

use std::fs::{self, DirBuilder};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use lettre::Message;
use uuid::Uuid;

use crate::config::{Config, SmtpUrl, private_file};

pub use super::memory::{MemoryMailbox, SentMail};
pub use super::smtp::SmtpClient;

/// The most characters that a [`SendError`] has.
const MAX_ERROR_CHARS: usize = 300;

/// Where mail goes. Clones share what there is to share.
#[derive(Clone, Debug)]
pub enum Transport {
    /// To a relay.
    Smtp(SmtpClient),
    /// Into files, `<id>.eml`.
    Directory(PathBuf),
    /// Into memory, for tests.
    Memory(MemoryMailbox),
}

/// Why there is no transport.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The certificates to trust cannot be used.
    #[error("smtp_url: cannot use the certificates in {}: {reason}", path.display())]
    Certificates {
        /// The file that `ca` names.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// TLS cannot be set up at all.
    #[error("smtp_url: cannot set up TLS: {0}")]
    Tls(String),
    /// The directory cannot be made.
    #[error("mail_directory: cannot create {}: {reason}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        reason: io::Error,
    },
}

/// Why a mail did not leave: one line of at most 300 characters. A relay's own
/// words may name the recipient, so this is for `mail list`, not for the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// It never will: the relay refused this mail for good.
    #[error("{0}")]
    Permanent(String),
    /// It may yet: the relay is away, busy, or not set up as it should be.
    #[error("{0}")]
    Transient(String),
}

impl SendError {
    /// A refusal for good, in these words.
    pub fn permanent(message: &str) -> Self {
        Self::Permanent(to_single_line(message))
    }

    /// A failure for now, in these words.
    pub fn transient(message: &str) -> Self {
        Self::Transient(to_single_line(message))
    }
}

impl Transport {
    /// The one that the configuration names. Nothing is connected yet.
    pub fn new(config: &Config) -> Result<Self, TransportError> {
        match &config.smtp_url {
            Some(url) => Self::smtp(url),
            None => Self::directory(&config.mail_directory),
        }
    }

    /// To this relay. Nothing is connected yet.
    pub fn smtp(url: &SmtpUrl) -> Result<Self, TransportError> {
        SmtpClient::new(url).map(Self::Smtp)
    }

    /// Into this directory, which is made if need be.
    pub fn directory(path: &Path) -> Result<Self, TransportError> {
        let mut directory = DirBuilder::new();
        directory.recursive(true);
        // Mail holds links that are meant for one reader.
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut directory, 0o700);
        directory
            .create(path)
            .map_err(|reason| TransportError::Directory { path: path.to_owned(), reason })?;
        Ok(Self::Directory(path.to_owned()))
    }

    /// Into memory, for tests.
    pub fn memory() -> Self {
        Self::Memory(MemoryMailbox::default())
    }

    /// Sends a mail, whose lines are 7 bit as [`super::message`] makes them.
    ///
    /// `Ok` means that it is somebody else's now: the relay has taken it, or it
    /// is on the disk. `id` is the outbox's: sent again under the same one, it is
    /// the same file, and for a relay the same `Message-ID`.
    pub async fn send(&self, message: &Message, id: Uuid) -> Result<(), SendError> {
        match self {
            Self::Smtp(relay) => relay.send(message).await,
            Self::Memory(mailbox) => mailbox.receive(message).await,
            Self::Directory(directory) => {
                let (directory, content) = (directory.clone(), message.formatted());
                tokio::task::spawn_blocking(move || write(&directory, id, &content))
                    .await
                    .map_err(io::Error::other)
                    .flatten()
                    .map_err(|error| SendError::transient(&format!("mail directory: {error}")))
            }
        }
    }
}

/// Writes `<id>.eml`. The name appears with its content complete: nobody reads
/// half a mail, and of two who write at once either leaves a whole one.
fn write(directory: &Path, id: Uuid, content: &[u8]) -> io::Result<()> {
    let temp_path = directory.join(format!(".{id}.{}", getrandom::u64().map_err(io::Error::other)?));
    // A link in a mail is for one person.
    let written = private_file(&temp_path).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()
    });
    let renamed = written.and_then(|()| fs::rename(&temp_path, directory.join(format!("{id}.eml"))));
    if renamed.is_err() {
        // If it was not even made, the reason is in `renamed`.
        let _ = fs::remove_file(&temp_path);
    }
    #[cfg(unix)]
    if renamed.is_ok() {
        fs::File::open(directory)?.sync_all()?;
    }
    renamed
}

/// Makes one line of whatever a relay or the system had to say.
fn to_single_line(message: &str) -> String {
    let blank = |c: char| if c.is_control() { ' ' } else { c };
    let line: String = message.chars().map(blank).collect();
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(MAX_ERROR_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(to: &str, body: &str) -> Message {
        Message::builder()
            .from("a@example.org".parse().unwrap())
            .to(to.parse().unwrap())
            .message_id(Some("<1@example.org>".to_owned()))
            .body(body.to_owned())
            .unwrap()
    }

    #[tokio::test]
    async fn directory_is_created_and_stores_each_mail_once() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("data/outbox");
        let transport = Transport::directory(&path).unwrap();
        let id = Uuid::from_u128(7);
        for body in ["first", "again"] {
            transport.send(&mail("b@example.org", body), id).await.unwrap();
        }
        let names: Vec<_> = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, [format!("{id}.eml").as_str()]);
        assert!(fs::read_to_string(path.join(format!("{id}.eml"))).unwrap().ends_with("again"));
    }

    #[tokio::test]
    async fn missing_directory_is_a_transient_error() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("outbox");
        let transport = Transport::directory(&path).unwrap();
        fs::remove_dir(&path).unwrap();
        let error = transport.send(&mail("b@example.org", ""), Uuid::nil()).await.unwrap_err();
        assert!(matches!(error, SendError::Transient(_)), "{error}");
    }

    #[test]
    fn directory_creation_error_names_the_path() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("file"), "").unwrap();
        let error = Transport::directory(&root.path().join("file/outbox")).unwrap_err().to_string();
        assert!(error.starts_with("mail_directory: cannot create ") && error.contains("file/outbox: "));
    }

    #[tokio::test]
    async fn memory_transport_stores_mail_and_fails_as_configured() {
        let transport = Transport::memory();
        let Transport::Memory(mailbox) = &transport else { panic!() };
        mailbox.refuse("b@example.org", SendError::transient("busy"), 1);
        let message = mail("b@example.org", "hello");
        assert_eq!(transport.send(&message, Uuid::nil()).await, Err(SendError::transient("busy")));
        assert_eq!(transport.send(&message, Uuid::nil()).await, Ok(()));
        let sent = mailbox.sent();
        assert_eq!(sent.len(), 1);
        assert_eq!(
            (sent[0].to.as_slice(), sent[0].message_id.as_str()),
            (&["b@example.org".to_owned()][..], "<1@example.org>")
        );
        assert!(sent[0].text.ends_with("hello"));
    }

    #[test]
    fn an_error_is_one_short_line() {
        let SendError::Permanent(words) =
            SendError::permanent(&format!("550 no\r\n\0 way\t{}", "x".repeat(900)))
        else {
            panic!()
        };
        assert!(words.starts_with("550 no way x") && words.chars().count() == MAX_ERROR_CHARS);
    }
}
