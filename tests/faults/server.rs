//! The real program as a process that a test controls.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::cleanup::{ChildProcess, ScratchDirectory};
use crate::helpers::{SECRET, server_program};

/// The origin whose pages can call the APIs.
pub const CORS_ORIGIN: &str = "https://app.example";

/// A server process. It is killed when it is dropped.
pub struct Server {
    process: ChildProcess,
    /// The address, e.g. `http://127.0.0.1:40123`.
    pub url: String,
    log: Arc<Mutex<Vec<String>>>,
    _directory: ScratchDirectory,
}

impl Server {
    /// Starts a server on this database with additional environment variables.
    pub fn start(database_url: &str, environment: &[(&str, &str)]) -> Self {
        let mut program = Command::new(server_program(environment.iter().copied()));
        program.stdin(Stdio::null());
        Self::start_program(program, database_url, environment)
    }

    /// Starts a server that inherits its listener, as from systemd's socket activation.
    pub fn start_with_listener(listener: &TcpListener, database_url: &str) -> Self {
        let mut program = Command::new("/bin/sh");
        let inherit = "exec 3<&0 0</dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\" \"$@\"";
        program
            .args(["-c", inherit])
            .arg(server_program([]))
            .stdin(OwnedFd::from(listener.try_clone().unwrap()));
        Self::start_program(program, database_url, &[])
    }

    fn start_program(mut program: Command, database_url: &str, environment: &[(&str, &str)]) -> Self {
        clean_up_on_interrupt();
        let directory = ScratchDirectory::new();
        let config = format!("cors.origins = [\"{CORS_ORIGIN}\"]\n");
        std::fs::write(directory.path().join("countersign.toml"), config).unwrap();
        let process = ChildProcess::start(
            program
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
                .stdout(Stdio::null())
                .stderr(Stdio::piped()),
        );
        let mut lines = BufReader::new(process.with_child(|child| child.stderr.take()).unwrap()).lines();
        let log = Arc::<Mutex<Vec<String>>>::default();
        let url = loop {
            let line = lines
                .next()
                .unwrap_or_else(|| panic!("the server exited: {:?}", log.lock().unwrap()))
                .unwrap();
            if let Some((_, address)) = line.split_once("address=") {
                break format!("http://{}", address.trim());
            }
            log.lock().unwrap().push(line);
        };
        // The log must be read, or the server would block on writing it.
        let heard = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let mut heard = heard.lock().unwrap();
                // A limit, because a fault can log the same line thousands of times.
                if heard.len() < 2_000 {
                    heard.push(line);
                }
            }
        });
        Self { process, url, log, _directory: directory }
    }

    /// The resident memory in kilobytes.
    pub fn resident_kilobytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    pub fn is_alive(&self) -> bool {
        !self.process.has_ended()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let id = i32::try_from(self.process.id()).ok().and_then(rustix::process::Pid::from_raw);
        rustix::process::kill_process(id.unwrap(), signal).unwrap();
    }

    /// Kills the process.
    pub fn kill(&self) {
        self.process.with_child(|child| {
            child.kill().unwrap();
            child.wait().unwrap();
        });
    }

    /// Waits until the process exits. Returns the status and how long it took, or `None` after the
    /// timeout.
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

    /// The log lines that contain this text.
    pub fn log_lines_with(&self, words: &str) -> Vec<String> {
        let complaints = self.log.lock().unwrap();
        complaints.iter().filter(|line| line.contains(words)).cloned().collect()
    }
}

/// Prints the last log lines if the test failed.
impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.log_lines_with("").iter().rev().take(20).rev().for_each(|line| eprintln!("{line}"));
        }
    }
}

/// Makes interrupted tests stop their servers and clusters, and unmount their file systems.
pub fn clean_up_on_interrupt() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(crate::cleanup::clean_up_on_interrupt);
}
