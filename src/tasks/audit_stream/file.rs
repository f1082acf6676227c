//! The stream to a file or to stdout.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::line::Line;

/// A file that lines are appended to.
struct Output {
    file: File,
    /// Whether the last line has no end.
    is_torn: bool,
}

/// Stdout. The log is on stderr.
pub(super) struct Stdout(Output);

/// A file, which is created again after a rotation has moved it.
pub(super) struct LogFile {
    path: PathBuf,
    output: Option<Output>,
}

impl Stdout {
    pub(super) fn new() -> io::Result<Self> {
        let file = io::stdout().as_fd().try_clone_to_owned()?.into();
        Ok(Self(Output { file, is_torn: false }))
    }

    pub(super) fn write(&mut self, lines: &[Line]) -> io::Result<()> {
        self.0.append(&text(lines))
    }
}

impl LogFile {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), output: None }
    }

    /// Returns when the lines are on the disk. After an error, a part of them may be there.
    pub(super) fn write(&mut self, lines: &[Line]) -> io::Result<()> {
        // After an error, the file is opened again.
        let mut output = match self.output.take() {
            Some(output) if output.is_at(&self.path) => output,
            _ => Output::open(&self.path)?,
        };
        output.append(&text(lines))?;
        if output.file.metadata()?.is_file() {
            output.file.sync_data()?;
        }
        self.output = Some(output);
        Ok(())
    }
}

impl Output {
    fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_file()
            && let Some(directory) = path.parent()
        {
            // The name of a new file must also survive a power failure.
            File::open(directory)?.sync_all()?;
        }
        let is_torn = metadata.is_file() && has_torn_line(&file, &metadata)?;
        Ok(Self { file, is_torn })
    }

    /// Whether the path still leads to this file.
    fn is_at(&self, path: &Path) -> bool {
        let id = |metadata: Metadata| (metadata.dev(), metadata.ino());
        matches!((self.file.metadata().map(id), path.metadata().map(id)), (Ok(ours), Ok(theirs)) if ours == theirs)
    }

    /// Ends a torn line first.
    fn append(&mut self, text: &str) -> io::Result<()> {
        let text = if self.is_torn { format!("\n{text}") } else { text.to_owned() };
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            match self.file.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    let (done, left) = rest.split_at_checked(written).unwrap_or((rest, &[]));
                    self.is_torn = done.last() != Some(&b'\n');
                    rest = left;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn has_torn_line(file: &File, metadata: &Metadata) -> io::Result<bool> {
    let Some(last) = metadata.len().checked_sub(1) else { return Ok(false) };
    let mut byte = [0];
    file.read_exact_at(&mut byte, last)?;
    Ok(byte != *b"\n")
}

fn text(lines: &[Line]) -> String {
    lines.iter().flat_map(|line| [line.json.as_str(), "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::domain::timestamp::Timestamp;

    fn lines(texts: &[&str]) -> Vec<Line> {
        let line = |text: &&str| Line {
            at: Timestamp::from_micros(0),
            topic: "test".to_owned(),
            json: (*text).to_owned(),
        };
        texts.iter().map(line).collect()
    }

    #[test]
    fn a_file_is_private_and_created_again_after_a_rotation() {
        let directory = tempfile::tempdir().unwrap();
        let (path, rotated) = (directory.path().join("audit.jsonl"), directory.path().join("audit.jsonl.1"));
        let mut file = LogFile::new(&path);
        file.write(&lines(&["1", "2"])).unwrap();
        file.write(&lines(&["3"])).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::rename(&path, &rotated).unwrap();
        file.write(&lines(&["4"])).unwrap();
        // Another file is at the path, as after `create` in logrotate.
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "").unwrap();
        file.write(&lines(&["5"])).unwrap();
        assert_eq!(std::fs::read_to_string(&rotated).unwrap(), "1\n2\n3\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "5\n");
    }

    #[test]
    fn a_torn_line_is_ended_before_the_next_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit.jsonl");
        std::fs::write(&path, "1\n{\"ty").unwrap();
        let mut file = LogFile::new(&path);
        file.write(&lines(&["2"])).unwrap();
        file.write(&lines(&["3"])).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "1\n{\"ty\n2\n3\n");
        // While the file is open.
        file.output.as_mut().unwrap().append("torn").unwrap();
        file.write(&lines(&["4"])).unwrap();
        assert!(std::fs::read_to_string(&path).unwrap().ends_with("3\ntorn\n4\n"));
    }

    #[test]
    fn a_full_disk_and_a_missing_directory_are_errors_until_they_are_over() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("logs/audit.jsonl");
        let mut file = LogFile::new(&path);
        assert_eq!(file.write(&lines(&["1"])).unwrap_err().kind(), io::ErrorKind::NotFound);
        std::fs::create_dir(directory.path().join("logs")).unwrap();
        std::os::unix::fs::symlink("/dev/full", &path).unwrap();
        assert_eq!(file.write(&lines(&["1"])).unwrap_err().kind(), io::ErrorKind::StorageFull);
        std::fs::remove_file(&path).unwrap();
        file.write(&lines(&["1"])).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "1\n");
    }
}
