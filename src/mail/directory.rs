//! The transport that writes mails to files, for trying the server without a mail server.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder};
use std::io::{self, Write};
use std::path::Path;
use std::time::SystemTime;

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

/// Deletes the mails that were written before a time, and what remains of mails whose writing was interrupted. Other
/// files stay. Returns their number.
pub(super) fn delete_older(directory: &Path, before: SystemTime) -> io::Result<usize> {
    let mut deleted = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if is_mail(&entry.file_name()) && entry.metadata()?.modified()? < before {
            fs::remove_file(entry.path())?;
            deleted += 1;
        }
    }
    Ok(deleted)
}

/// Whether a file is a mail, `<id>.eml`, or a temporary one, `.<id>.<number>`.
fn is_mail(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else { return false };
    let id = match name.strip_prefix('.') {
        Some(temp) => {
            temp.rsplit_once('.').filter(|(_, number)| number.parse::<u64>().is_ok()).map(|(id, _)| id)
        }
        None => name.strip_suffix(".eml"),
    };
    id.is_some_and(|id| Uuid::parse_str(id).is_ok_and(|parsed| parsed.to_string() == id))
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn only_old_mails_are_deleted() {
        let directory = tempfile::tempdir().unwrap();
        let (id, now) = (Uuid::nil(), directory.path().metadata().unwrap().modified().unwrap());
        let write = |name: &str, days: u64| {
            let file = fs::File::create(directory.path().join(name)).unwrap();
            file.set_modified(now - Duration::from_secs(days * 86_400)).unwrap();
        };
        let kept = [
            format!("{}.eml", Uuid::max()),
            "notes.eml".to_owned(),
            format!("{id}.txt"),
            ".draft".to_owned(),
        ];
        write(&kept[0], 29);
        kept[1..].iter().for_each(|other| write(other, 31));
        write(&format!("{id}.eml"), 31);
        write(&format!(".{id}.7"), 31);
        let before = now - Duration::from_secs(30 * 86_400);
        assert_eq!(delete_older(directory.path(), before).unwrap(), 2);
        let mut left: Vec<String> = fs::read_dir(directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        let mut kept = kept.to_vec();
        kept.sort();
        assert_eq!(left, kept);
        assert_eq!(delete_older(directory.path(), before).unwrap(), 0);
    }
}
