//! Cleanup of child processes and directories: when their owner is dropped, and when the process
//! is interrupted (Ctrl-C, SIGTERM, SIGHUP), in which case no `Drop` runs.

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::signal::unix::{SignalKind, signal};

type CleanupActions = BTreeMap<u64, Box<dyn FnOnce() + Send>>;

/// The pending cleanup actions by number. An action runs while the lock is held, so that an
/// interrupt waits for it.
static CLEANUP_ACTIONS: Mutex<CleanupActions> = Mutex::new(BTreeMap::new());

fn lock_cleanup_actions() -> MutexGuard<'static, CleanupActions> {
    CLEANUP_ACTIONS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs a cleanup action when it is dropped, or at an interrupt.
#[derive(Debug)]
pub struct CleanupGuard(u64);

impl CleanupGuard {
    /// Creates something and registers how to remove it, atomically with respect to interrupts.
    pub fn create<T>(
        make: impl FnOnce() -> T,
        undo: impl FnOnce(&T) -> Box<dyn FnOnce() + Send>,
    ) -> (Self, T) {
        let mut actions = lock_cleanup_actions();
        let made = make();
        let number = actions.last_key_value().map_or(0, |(last, _)| last + 1);
        actions.insert(number, undo(&made));
        (Self(number), made)
    }
}

impl Drop for CleanupGuard {
    fn drop(&mut self) {
        let mut actions = lock_cleanup_actions();
        if let Some(undo) = actions.remove(&self.0) {
            undo();
        }
    }
}

/// From here on, an interrupt runs all pending cleanup actions, newest first, and exits.
pub fn clean_up_on_interrupt() {
    std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let [mut hangup, mut interrupt, mut terminate] =
                [SignalKind::hangup(), SignalKind::interrupt(), SignalKind::terminate()]
                    .map(|kind| signal(kind).unwrap());
            let code = tokio::select! {
                _ = hangup.recv() => 129,
                _ = interrupt.recv() => 130,
                _ = terminate.recv() => 143,
            };
            // Errors of a bench whose servers are stopped are irrelevant.
            std::panic::set_hook(Box::new(|_| {}));
            let mut actions = lock_cleanup_actions();
            while let Some((_, undo)) = actions.pop_last() {
                undo();
            }
            std::process::exit(code);
        });
    });
}

/// A temporary directory.
#[derive(Debug)]
pub struct ScratchDirectory {
    path: PathBuf,
    _cleanup: CleanupGuard,
}

impl ScratchDirectory {
    /// Creates a directory in `/var/tmp`: it is on a disk, unlike some `/tmp`, and its path is
    /// short enough for a socket.
    pub fn new() -> Self {
        Self::create_in(Path::new("/var/tmp"))
    }

    /// Creates a directory in another one.
    pub fn create_in(parent: &Path) -> Self {
        let make = || {
            let made = tempfile::Builder::new().prefix("countersign-bench-").tempdir_in(parent);
            made.unwrap_or_else(|error| panic!("a directory in {}: {error}", parent.display())).keep()
        };
        let (leftover, path) = CleanupGuard::create(make, |path| {
            let path = path.clone();
            Box::new(move || drop(std::fs::remove_dir_all(path)))
        });
        Self { path, _cleanup: leftover }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// A child process that ends with its owner.
#[derive(Debug)]
pub struct ChildProcess {
    child: Arc<Mutex<Child>>,
    _cleanup: CleanupGuard,
}

impl ChildProcess {
    /// Starts a process that is killed at the end.
    pub fn start(command: &mut Command) -> Self {
        Self::start_with(command, |child| drop(child.kill()))
    }

    /// Starts a process that is ended by `terminate`.
    pub fn start_with(command: &mut Command, terminate: impl FnOnce(&mut Child) + Send + 'static) -> Self {
        // In its own process group: Ctrl-C in the terminal must reach only this process.
        let start = || {
            let child = command.process_group(0).spawn();
            Arc::new(Mutex::new(child.unwrap_or_else(|error| panic!("{command:?}: {error}"))))
        };
        let (leftover, child) = CleanupGuard::create(start, |child| {
            let child = Arc::clone(child);
            Box::new(move || {
                let mut child = child.lock().unwrap_or_else(PoisonError::into_inner);
                if let Ok(None) = child.try_wait() {
                    terminate(&mut child);
                    let _ = child.wait();
                }
            })
        });
        Self { child, _cleanup: leftover }
    }

    /// Runs a closure with the child.
    pub fn with_child<T>(&self, work: impl FnOnce(&mut Child) -> T) -> T {
        work(&mut self.child.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.with_child(|child| child.id())
    }

    /// Whether the process has exited.
    pub fn has_ended(&self) -> bool {
        self.with_child(|child| !matches!(child.try_wait(), Ok(None)))
    }
}
