//! The transport that writes mails to files, for trying the server without a mail server.

use std::fs::{self, DirBuilder};
use std::io::{self, Write};
use std::path::Path;

use lettre::Message;
use uuid::Uuid;

use super::error::{SendError, TransportError};
use crate::config::private_file;

/// Creates the directory, for its owner only, because mails contain personal links.
pub(super) fn create(path: &Path) -> Result<(), TransportError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|reason| TransportError::Directory { path: path.to_owned(), reason })
}

/// Writes a mail to `<id>.eml`.
pub(super) async fn send(directory: &Path, message: &Message, id: Uuid) -> Result<(), SendError> {
    let (directory, content) = (directory.to_owned(), message.formatted());
    tokio::task::spawn_blocking(move || write(&directory, id, &content))
        .await
        .map_err(io::Error::other)
        .flatten()
        .map_err(|error| SendError::transient(&format!("mail directory: {error}")))
}

/// Writes the file under a temporary name and renames it, so that it is complete as soon as it
/// exists, and concurrent writers of the same id do not mix their contents.
fn write(directory: &Path, id: Uuid, content: &[u8]) -> io::Result<()> {
    let temp_path = directory.join(format!(".{id}.{}", getrandom::u64().map_err(io::Error::other)?));
    let written = private_file(&temp_path).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()
    });
    let renamed = written.and_then(|()| fs::rename(&temp_path, directory.join(format!("{id}.eml"))));
    if renamed.is_err() {
        // This may fail as well; `renamed` has the reason.
        let _ = fs::remove_file(&temp_path);
    }
    #[cfg(unix)]
    if renamed.is_ok() {
        fs::File::open(directory)?.sync_all()?;
    }
    renamed
}
