//! What a bench leaves lying about, and who tidies it up: child processes and
//! directories go when their owner is dropped, and also when the bench is
//! interrupted (Ctrl-C, SIGTERM, SIGHUP), which no `Drop` would live to see.

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::signal::unix::{SignalKind, signal};

type CleanupActions = BTreeMap<u64, Box<dyn FnOnce() + Send>>;

/// What is left to do, by number. Whoever does it holds the lock meanwhile, so
/// that an interrupt waits until it is done.
static CLEANUP_ACTIONS: Mutex<CleanupActions> = Mutex::new(BTreeMap::new());

fn lock_cleanup_actions() -> MutexGuard<'static, CleanupActions> {
    CLEANUP_ACTIONS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Something to be undone when this is dropped, or at an interrupt.
#[derive(Debug)]
pub struct CleanupGuard(u64);

impl CleanupGuard {
    /// Makes something and says how it is undone, with no gap between the two.
    pub fn create<T>(
        make: impl FnOnce() -> T,
        undo: impl FnOnce(&T) -> Box<dyn FnOnce() + Send>,
    ) -> (Self, T) {
        let mut deeds = lock_cleanup_actions();
        let made = make();
        let number = deeds.last_key_value().map_or(0, |(last, _)| last + 1);
        deeds.insert(number, undo(&made));
        (Self(number), made)
    }
}

impl Drop for CleanupGuard {
    fn drop(&mut self) {
        let mut deeds = lock_cleanup_actions();
        if let Some(undo) = deeds.remove(&self.0) {
            undo();
        }
    }
}

/// From here on an interrupt undoes all that is left, the newest first, and
/// ends the process.
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
            // What the bench says when its servers go from under it is of no interest.
            std::panic::set_hook(Box::new(|_| {}));
            let mut deeds = lock_cleanup_actions();
            while let Some((_, undo)) = deeds.pop_last() {
                undo();
            }
            std::process::exit(code);
        });
    });
}

/// A directory of its own, where files outlive no bench.
#[derive(Debug)]
pub struct ScratchDirectory {
    path: PathBuf,
    _cleanup: CleanupGuard,
}

impl ScratchDirectory {
    /// In `/var/tmp`: on a disk, where `/tmp` may be memory, and with a path short
    /// enough for a socket in it.
    pub fn new() -> Self {
        Self::create_in(Path::new("/var/tmp"))
    }

    /// In another directory.
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

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// A child process, which ends with its owner.
#[derive(Debug)]
pub struct ChildProcess {
    child: Arc<Mutex<Child>>,
    _cleanup: CleanupGuard,
}

impl ChildProcess {
    /// Starts one that is simply killed in the end.
    pub fn start(command: &mut Command) -> Self {
        Self::start_with(command, |child| drop(child.kill()))
    }

    /// Starts one that wants to be ended in a way of its own.
    pub fn start_with(command: &mut Command, terminate: impl FnOnce(&mut Child) + Send + 'static) -> Self {
        // In a process group of its own: the terminal's Ctrl-C is for us to hear.
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

    /// Something to do with the child.
    pub fn with_child<T>(&self, work: impl FnOnce(&mut Child) -> T) -> T {
        work(&mut self.child.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.with_child(|child| child.id())
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&self) -> bool {
        self.with_child(|child| !matches!(child.try_wait(), Ok(None)))
    }
}
