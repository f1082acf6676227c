//! A disk that is small enough to be filled.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cleanup::{CleanupGuard, ScratchDirectory};

/// A file system of its own, in memory; gone when this is dropped.
pub struct TestDisk {
    // Dropped in this order.
    _mount: CleanupGuard,
    directory: ScratchDirectory,
}

impl TestDisk {
    /// One of so many megabytes, or `None`, said aloud, where nothing may be mounted.
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

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Writes until there is no room left.
    pub fn fill(&self) {
        let mut ballast = File::create(self.filler_path()).unwrap();
        let mut size = 1 << 20;
        while size > 0 {
            // The last bytes too.
            if ballast.write_all(&vec![0; size]).is_err() {
                size /= 2;
            }
        }
    }

    /// Makes room again.
    pub fn delete_filler(&self) {
        std::fs::remove_file(self.filler_path()).unwrap();
    }

    fn filler_path(&self) -> PathBuf {
        self.path().join("ballast")
    }
}
