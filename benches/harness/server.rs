//! The release server as a child process, configured as in production, except that rate limits are
//! off.

use std::fs::File;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::cleanup::{ChildProcess, ScratchDirectory};
use super::cpu_time;
use super::database::Database;

/// The server's program.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_countersign");
/// The server secret.
pub const SECRET: &str = "a secret of the benches, 32 bytes or more";

/// A running server. It is killed when it is dropped.
#[derive(Debug)]
pub struct Server {
    pub address: SocketAddr,
    /// The time from the start to the first response.
    pub startup_time: Duration,
    process: ChildProcess,
    log: File,
    _directory: ScratchDirectory,
}

/// Prints warnings and errors of the server if the bench failed.
impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = std::io::read_to_string(&self.log).unwrap_or_default();
            let complaints = log.lines().filter(|line| line.contains("WARN") || line.contains("ERROR"));
            complaints.take(20).for_each(|line| eprintln!("{line}"));
        }
    }
}

impl Server {
    /// Starts countersign on this database with the default logging. Mail is written to files by
    /// default.
    pub fn start(database: &Database) -> Self {
        Self::start_with(database, &[])
    }

    /// Starts countersign with additional environment variables.
    pub fn start_with(database: &Database, environment: &[(&str, &str)]) -> Self {
        Self::start_as(Command::new(PROGRAM), database, environment)
    }

    /// Starts countersign by this command, which runs [`PROGRAM`] with the arguments that are added to it.
    pub fn start_as(mut command: Command, database: &Database, environment: &[(&str, &str)]) -> Self {
        command
            .arg("serve")
            .env_clear()
            .env("DATABASE_URL", &database.url)
            .env("COUNTERSIGN_SECRET", SECRET)
            .env("COUNTERSIGN_LIMITS", "off")
            .envs(environment.iter().copied());
        Self::launch(&mut command)
    }

    /// Starts this program as the reference server (see [`super::reference`]) on this database,
    /// with this number of connections.
    pub fn reference(database: &Database, pool: u32) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([super::reference::REFERENCE_ARGUMENT, &database.url, &pool.to_string()]).env_clear();
        Self::launch(&mut command)
    }

    /// Starts the peer (see [`super::peer`]) on this database, with this number of processes, which share this
    /// number of connections.
    pub fn peer(database: &Database, processes: usize, pool: u32) -> Self {
        let mut command = Command::new("node");
        command
            .arg(super::peer::program())
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .env("NODE_ENV", "production")
            .env("DATABASE_URL", &database.url)
            .env("PROCESSES", processes.to_string())
            .env("POOL", pool.to_string());
        Self::launch(&mut command)
    }

    /// Starts a server that listens on `BIND`.
    fn launch(command: &mut Command) -> Self {
        let directory = ScratchDirectory::new();
        let address = free_address();
        // The log must not add load to the disk that is measured.
        let path = log_directory(&directory).join(format!("countersign-bench-{}.log", address.port()));
        let file = File::create(&path).unwrap();
        // An open file stays readable after its removal, so it needs no cleanup.
        let log = File::open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let started = Instant::now();
        let process = ChildProcess::start(
            command
                .env("BIND", address.to_string())
                .current_dir(directory.path())
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(file),
        );
        while !is_responding(address) {
            if process.has_ended() || started.elapsed() > Duration::from_secs(60) {
                panic!("{command:?} does not start:\n{}", std::io::read_to_string(log).unwrap());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Self { address, startup_time: started.elapsed(), process, log, _directory: directory }
    }

    /// The CPU time so far.
    pub fn cpu_time(&self) -> Duration {
        cpu_time::of_process(self.process_id())
    }

    /// The id of the server's process.
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// The maximum resident memory in bytes.
    pub fn peak_resident_bytes(&self) -> u64 {
        memory_field(&self.process_id().to_string(), "VmHWM")
    }
}

/// The resident memory of this process in bytes.
pub fn own_resident_bytes() -> u64 {
    memory_field("self", "VmRSS")
}

fn memory_field(process: &str, what: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(what)).unwrap();
    line.trim_matches([':', ' ', '\t']).trim_end_matches(" kB").parse::<u64>().unwrap() * 1_024
}

/// An address that is free and probably stays so until the server binds it.
fn free_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn log_directory(fallback: &ScratchDirectory) -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    if memory.is_dir() { memory } else { fallback.path().to_owned() }
}

/// Whether a server responds at this address.
fn is_responding(address: SocketAddr) -> bool {
    use std::io::{Read, Write};
    let Ok(mut stream) = TcpStream::connect(address) else { return false };
    let asked = stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
    let mut answer = [0; 12];
    asked.is_ok() && stream.read_exact(&mut answer).is_ok() && answer.starts_with(b"HTTP/1.1 200")
}
