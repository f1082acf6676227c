//! Server processes that connect to the database through a proxy. They are killed when the test
//! ends.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::fault_proxy::{FaultProxy, NetworkFaults};
use crate::helpers::{SECRET, server_program};

/// The timeout for stopping or starting a replica.
const START_STOP_TIMEOUT: Duration = Duration::from_secs(30);
/// The number of log lines that are kept, the newest ones.
const MAX_LOG_LINES: usize = 40;

/// The number of attempts to start a replica: it may lose its database connection during the
/// start, and a supervisor would start it again.
const MAX_START_ATTEMPTS: usize = 5;

/// A process that is killed when it is dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = (self.0.kill(), self.0.wait());
    }
}

/// A replica, which may be down.
pub struct Replica {
    process: Mutex<Option<Process>>,
    port: AtomicU16,
    /// Whether the load balancer sends requests to it.
    ready: AtomicBool,
    proxy: FaultProxy,
    environment: Vec<(String, String)>,
    directory: tempfile::TempDir,
    log: Arc<Mutex<Vec<String>>>,
}

impl Replica {
    /// Starts a replica on this database with additional environment variables.
    pub fn start(database_url: &str, network_faults: NetworkFaults, environment: &[(&str, &str)]) -> Self {
        let (wire, url) = FaultProxy::start(database_url, network_faults);
        let mut environment: Vec<(String, String)> =
            environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        environment.push(("DATABASE_URL".to_owned(), url));
        let replica = Self {
            process: Mutex::new(None),
            port: AtomicU16::new(0),
            ready: AtomicBool::new(true),
            proxy: wire,
            environment,
            directory: tempfile::tempdir().unwrap(),
            log: Arc::default(),
        };
        replica.start_process();
        replica
    }

    /// The port, or the last one if the replica is down.
    pub fn port(&self) -> u16 {
        self.port.load(Ordering::SeqCst)
    }

    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::SeqCst)
    }

    pub fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::SeqCst);
    }

    pub fn proxy(&self) -> &FaultProxy {
        &self.proxy
    }

    /// The newest log lines.
    pub fn warnings(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// Kills the process and starts it again.
    pub fn crash(&self) {
        drop(self.process.lock().unwrap().take());
        self.start_process();
    }

    /// Sends SIGTERM. Returns the exit status and how long the process took to stop.
    pub fn stop(&self) -> (ExitStatus, Duration) {
        let mut process = self.process.lock().unwrap().take().unwrap();
        let asked = Instant::now();
        let told = Command::new("kill").args(["-TERM", &process.0.id().to_string()]).status().unwrap();
        assert!(told.success(), "the replica must run until it is stopped");
        while asked.elapsed() < START_STOP_TIMEOUT {
            if let Some(status) = process.0.try_wait().unwrap() {
                return (status, asked.elapsed());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("the replica did not stop within {START_STOP_TIMEOUT:?}");
    }

    /// Starts the process and waits until it listens.
    pub fn start_process(&self) {
        let mut said = Vec::new();
        let comes_up = (0..MAX_START_ATTEMPTS).any(|_| self.try_start(&mut said));
        assert!(comes_up, "a replica does not start: {said:?}");
    }

    fn try_start(&self, said: &mut Vec<String>) -> bool {
        let environment = self.environment.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let mut child = Command::new(server_program(environment.clone()))
            .arg("serve")
            .current_dir(self.directory.path())
            .env_clear()
            .env("BIND", "127.0.0.1:0")
            .env("PUBLIC_URL", "https://countersign.test")
            .env("COUNTERSIGN_SECRET", SECRET)
            .env("COUNTERSIGN_LIMITS", "off")
            .env("RUST_LOG", "warn,countersign::app=info")
            .envs(environment)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        // From here on, the process is killed when the replica is dropped.
        *self.process.lock().unwrap() = Some(Process(child));
        let port = loop {
            let Some(line) = lines.next() else { return false };
            if let Some((_, address)) = line.split_once("address=127.0.0.1:") {
                break address.trim().parse().unwrap();
            }
            said.push(line);
        };
        self.port.store(port, Ordering::SeqCst);
        let log = Arc::clone(&self.log);
        std::thread::spawn(move || {
            for line in lines {
                let mut log = log.lock().unwrap();
                if log.len() == MAX_LOG_LINES {
                    log.remove(0);
                }
                log.push(line);
            }
        });
        true
    }
}
