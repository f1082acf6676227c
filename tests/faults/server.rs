//! The real program as a process that a test watches, and ends.

use std::io::{BufRead, BufReader};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::cleanup::{ChildProcess, ScratchDirectory};
use crate::helpers::{SECRET, server_program};

/// A server, killed when dropped.
pub struct Server {
    process: ChildProcess,
    /// Where it listens, e.g. `http://127.0.0.1:40123`.
    pub url: String,
    log: Arc<Mutex<Vec<String>>>,
    _directory: ScratchDirectory,
}

impl Server {
    /// Starts one on this database, with more in its environment.
    pub fn start(database_url: &str, environment: &[(&str, &str)]) -> Self {
        clean_up_on_interrupt();
        let directory = ScratchDirectory::new();
        let process = ChildProcess::start(
            Command::new(server_program(environment.iter().copied()))
                .arg("serve")
                .current_dir(directory.path())
                .env_clear()
                .env("BIND", "127.0.0.1:0")
                .env("DATABASE_URL", database_url)
                .env("PUBLIC_URL", "https://countersign.test")
                .env("COUNTERSIGN_SECRET", SECRET)
                .env("COUNTERSIGN_LIMITS", "off")
                .env("RUST_LOG", "warn,countersign::app=info")
                .envs(environment.iter().copied())
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::piped()),
        );
        let mut lines = BufReader::new(process.with_child(|child| child.stderr.take()).unwrap()).lines();
        let log = Arc::<Mutex<Vec<String>>>::default();
        let url = loop {
            let line = lines.next().unwrap_or_else(|| panic!("it ended: {:?}", log.lock().unwrap())).unwrap();
            if let Some((_, address)) = line.split_once("address=") {
                break format!("http://{}", address.trim());
            }
            log.lock().unwrap().push(line);
        };
        // What it logs from here on has to go somewhere, or it would block.
        let heard = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let mut heard = heard.lock().unwrap();
                // Of thousands that say the same the first will do.
                if heard.len() < 2_000 {
                    heard.push(line);
                }
            }
        });
        Self { process, url, log, _directory: directory }
    }

    /// The kilobytes of it that are in memory.
    pub fn resident_kilobytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Whether it still runs.
    pub fn is_alive(&self) -> bool {
        !self.process.has_ended()
    }

    /// Kills it, wherever it is.
    pub fn kill(&self) {
        self.process.with_child(|child| {
            child.kill().unwrap();
            child.wait().unwrap();
        });
    }

    /// How it ends by itself, and how long that takes from now; `None` when it does not.
    pub async fn wait_for_exit(&self, timeout: Duration) -> Option<(ExitStatus, Duration)> {
        let begun = Instant::now();
        while begun.elapsed() < timeout {
            if let Some(status) = self.process.with_child(|child| child.try_wait()).unwrap() {
                return Some((status, begun.elapsed()));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        None
    }

    /// What it has logged that has this in it.
    pub fn log_lines_with(&self, words: &str) -> Vec<String> {
        let complaints = self.log.lock().unwrap();
        complaints.iter().filter(|line| line.contains(words)).cloned().collect()
    }
}

/// A test that failed shows what the server had to say.
impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.log_lines_with("").iter().rev().take(20).rev().for_each(|line| eprintln!("{line}"));
        }
    }
}

/// So that no server, cluster or disk outlives tests that are interrupted.
pub fn clean_up_on_interrupt() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(crate::cleanup::clean_up_on_interrupt);
}
