//! How mails are sent: to a mail server, to a directory, or to memory.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use lettre::Message;
use url::Origin;
use uuid::Uuid;

use super::directory;
use crate::config::{Config, SmtpUrl};
use crate::domain::timestamp::Timestamp;

pub use super::error::{Refusal, SendError, TransportError};
pub use super::memory::{MemoryMailbox, SentMail};
pub use super::smtp::SmtpClient;

/// The destination of mails. Clones share connections and mailboxes.
#[derive(Clone, Debug)]
pub enum Transport {
    Smtp(SmtpClient),
    /// Files `<id>.eml`.
    Directory(PathBuf),
    /// For tests.
    Memory(MemoryMailbox),
}

impl Transport {
    /// The configured transport. It does not connect yet.
    pub fn new(config: &Config) -> Result<Self, TransportError> {
        match &config.smtp_url {
            Some(url) => SmtpClient::new(url, config.public_url.origin()).map(Self::Smtp),
            None => Self::directory(&config.mail_directory),
        }
    }

    /// A mail server, greeted with the name of this machine. It does not connect yet.
    pub fn smtp(url: &SmtpUrl) -> Result<Self, TransportError> {
        SmtpClient::new(url, &Origin::new_opaque()).map(Self::Smtp)
    }

    /// A directory, which is created if it does not exist.
    pub fn directory(path: &Path) -> Result<Self, TransportError> {
        directory::create(path)?;
        Ok(Self::Directory(path.to_owned()))
    }

    /// Memory, for tests.
    pub fn memory() -> Self {
        Self::Memory(MemoryMailbox::default())
    }

    /// Deletes the files of mails that were written before a time. Returns their number; other transports have none.
    pub fn delete_files(&self, before: Timestamp) -> io::Result<usize> {
        let since_epoch = Duration::from_micros(u64::try_from(before.micros()).unwrap_or_default());
        match self {
            Self::Directory(path) => directory::delete_older(path, UNIX_EPOCH + since_epoch),
            Self::Smtp(_) | Self::Memory(_) => Ok(0),
        }
    }

    /// Sends a mail whose lines are 7 bit, as [`super::message`] composes them.
    ///
    /// `Ok` means that the mail server has accepted the mail, or that it is on the disk. `id` is
    /// the id in the outbox. Sending the same id again replaces the file; mail servers see the
    /// same `Message-ID`.
    pub async fn send(&self, message: &Message, id: Uuid) -> Result<(), SendError> {
        match self {
            Self::Smtp(client) => client.send(message).await,
            Self::Directory(path) => directory::send(path, message, id).await,
            Self::Memory(mailbox) => mailbox.receive(message).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

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
}
