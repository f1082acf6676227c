//! A disk that is small enough to be filled.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::leftovers::{Directory, Leftover};

/// A file system of its own, in memory; gone when this is dropped.
pub struct Disk {
    // Dropped in this order.
    _mount: Leftover,
    directory: Directory,
}

impl Disk {
    /// One of so many megabytes, or `None`, said aloud, where nothing may be mounted.
    pub fn of(megabytes: u32) -> Option<Self> {
        crate::server::tidy_when_interrupted();
        let directory = Directory::new();
        let path = directory.path().to_owned();
        let mount = || {
            let mut mount = Command::new("mount");
            mount.args(["-t", "tmpfs", "-o", &format!("size={megabytes}m,mode=755"), "tmpfs"]).arg(&path);
            mount.stderr(Stdio::null()).status().is_ok_and(|status| status.success())
        };
        let (leftover, mounted) = Leftover::make(mount, |_| {
            let path = path.clone();
            Box::new(move || drop(Command::new("umount").arg("-l").arg(path).stderr(Stdio::null()).status()))
        });
        if !mounted {
            eprintln!("SKIPPED: no file system can be mounted here, so no disk was full");
            return None;
        }
        Some(Self { _mount: leftover, directory })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Writes until there is no room left.
    pub fn fill(&self) {
        let mut ballast = File::create(self.ballast()).unwrap();
        let mut size = 1 << 20;
        while size > 0 {
            // The last bytes too.
            if ballast.write_all(&vec![0; size]).is_err() {
                size /= 2;
            }
        }
    }

    /// Makes room again.
    pub fn clear(&self) {
        std::fs::remove_file(self.ballast()).unwrap();
    }

    fn ballast(&self) -> PathBuf {
        self.path().join("ballast")
    }
}
