//! A small file system that a test can fill.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cleanup::{CleanupGuard, ScratchDirectory};

/// A file system in memory, unmounted when it is dropped.
pub struct TestDisk {
    // Fields are dropped in this order.
    _mount: CleanupGuard,
    directory: ScratchDirectory,
}

impl TestDisk {
    /// A file system of this size. `None`, with a message, if mounting is not permitted.
    pub fn new(megabytes: u32) -> Option<Self> {
        crate::server::clean_up_on_interrupt();
        let directory = ScratchDirectory::new();
        let path = directory.path().to_owned();
        let mount = || {
            let mut mount = Command::new("mount");
            mount.args(["-t", "tmpfs", "-o", &format!("size={megabytes}m,mode=755"), "tmpfs"]).arg(&path);
            mount.stderr(Stdio::null()).status().is_ok_and(|status| status.success())
        };
        let (cleanup_guard, mounted) = CleanupGuard::create(mount, |_| {
            let path = path.clone();
            Box::new(move || drop(Command::new("umount").arg("-l").arg(path).stderr(Stdio::null()).status()))
        });
        if !mounted {
            eprintln!("SKIPPED: no file system can be mounted here, so no disk was full");
            return None;
        }
        Some(Self { _mount: cleanup_guard, directory })
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Writes until the file system is full.
    pub fn fill(&self) {
        let mut ballast = File::create(self.filler_path()).unwrap();
        let mut size = 1 << 20;
        while size > 0 {
            // Smaller blocks fill the remaining space.
            if ballast.write_all(&vec![0; size]).is_err() {
                size /= 2;
            }
        }
    }

    /// Frees the space.
    pub fn delete_filler(&self) {
        std::fs::remove_file(self.filler_path()).unwrap();
    }

    fn filler_path(&self) -> PathBuf {
        self.path().join("ballast")
    }
}
