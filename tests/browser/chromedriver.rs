//! The chromedriver process: one for all tests of this process that run at the same time, on its
//! own port.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, Once, Weak};
use std::thread::sleep;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};

use crate::cleanup::{self, ChildProcess, ScratchDirectory};

/// A chromedriver process. It ends with its browsers when the last test drops it.
pub struct Chromedriver {
    pub url: String,
    _process: ChildProcess,
    directory: ScratchDirectory,
}

impl Chromedriver {
    /// The running process, or a new one. `None` if the machine has no chromedriver, which
    /// `tests/run` reports.
    pub fn get() -> Option<Arc<Self>> {
        static RUNNING: Mutex<Weak<Chromedriver>> = Mutex::new(Weak::new());
        let program = std::env::var("COUNTERSIGN_TEST_CHROMEDRIVER")
            .expect("COUNTERSIGN_TEST_CHROMEDRIVER is a chromedriver: run the tests by `make test`");
        if program == "none" {
            return None;
        }
        let mut running = RUNNING.lock().unwrap();
        Some(running.upgrade().unwrap_or_else(|| {
            let started = Arc::new(Self::start(&program));
            *running = Arc::downgrade(&started);
            started
        }))
    }

    fn start(program: &str) -> Self {
        static ONCE: Once = Once::new();
        ONCE.call_once(cleanup::clean_up_on_interrupt);
        let directory = ScratchDirectory::new();
        let mut command = Command::new(program);
        command
            .arg("--port=0")
            // The directory for temporary files of chromedriver and its browsers.
            .env("TMPDIR", directory.path())
            .env("HOME", directory.path())
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("XDG_CACHE_HOME")
            .env_remove("DBUS_SESSION_BUS_ADDRESS")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let path = directory.path().to_owned();
        let process = ChildProcess::start_with(&mut command, move |child| {
            // The browsers are in its process group.
            let group = Pid::from_child(child);
            let _ = kill_process_group(group, Signal::KILL);
            let _ = child.wait();
            // The browsers create files until they have exited.
            for _ in 0..100 {
                if test_kill_process_group(group).is_err() && std::fs::remove_dir_all(&path).is_ok() {
                    break;
                }
                sleep(Duration::from_millis(20));
            }
        });
        let mut lines = BufReader::new(process.with_child(|child| child.stdout.take()).unwrap()).lines();
        let port = loop {
            let line = lines.next().expect("chromedriver prints its port").unwrap();
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                break port.trim_end_matches('.').to_owned();
            }
        };
        // The output must be read, or the process would block.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Self { url: format!("http://127.0.0.1:{port}"), _process: process, directory }
    }

    /// The directory of the browsers' profiles.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }
}
