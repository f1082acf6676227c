//! A PostgreSQL cluster with the default settings of `initdb`, which are durable. Only the address
//! and the number of connections differ, and what the caller adds.
//!
//! The benches measure with it, and `tests/faults` injects faults into it.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use postgres::{Client, NoTls};
use rustix::process::{Pid, Signal, kill_process};

use super::cleanup::{ChildProcess, ScratchDirectory};

/// Enough for 256 clients of pgbench and the pool of a server.
const MAX_CONNECTIONS_SETTING: &str = "max_connections=400";

/// A running cluster. It is stopped and removed when it is dropped.
#[derive(Debug)]
pub struct Cluster {
    programs: PostgresPrograms,
    settings: Vec<String>,
    // Fields are dropped in this order: first the server, then its files.
    process: ChildProcess,
    directory: ScratchDirectory,
}

/// The location of PostgreSQL's programs, and the user that runs them.
#[derive(Clone, Debug)]
struct PostgresPrograms {
    directory: PathBuf,
    /// A user other than root, as PostgreSQL requires.
    user: Option<(u32, u32)>,
}

impl PostgresPrograms {
    /// The newest installed version: Debian has a directory per version, not in `PATH`.
    fn find() -> Self {
        let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let newest = debian
            .filter_map(|version| Some((version.file_name().to_str()?.parse::<u32>().ok()?, version.path())))
            .max()
            .map(|(_, path)| path.join("bin"));
        let on_path = || {
            let path = std::env::var_os("PATH").unwrap_or_default();
            std::env::split_paths(&path).find(|directory| directory.join("initdb").exists())
        };
        let directory = newest.or_else(on_path).expect("the PostgreSQL server is installed");
        Self { directory, user: unprivileged_user() }
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.directory.join(program));
        command.env_clear().env("LC_ALL", "C.UTF-8").current_dir("/").stdin(Stdio::null());
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        command
    }
}

impl PostgresPrograms {
    /// Makes the user of the server own this directory.
    fn hand_over(&self, directory: &ScratchDirectory) {
        if let Some((user, group)) = self.user {
            std::os::unix::fs::chown(directory.path(), Some(user), Some(group)).unwrap();
        }
    }

    fn start(&self, directory: &ScratchDirectory, settings: &Vec<String>) -> ChildProcess {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(directory.path().join("log"));
        let mut command = self.command("postgres");
        command
            .arg("-D")
            .arg(directory.path().join("data"))
            .args(["-c", "listen_addresses="])
            .args(["-c", &format!("unix_socket_directories={}", directory.path().display())])
            .stdout(Stdio::null())
            .stderr(log.unwrap());
        for setting in settings {
            command.args(["-c", setting]);
        }
        let (programs, directory) = (self.clone(), directory.path().to_owned());
        ChildProcess::start_with(&mut command, move |child| programs.stop(child.id(), &directory))
    }

    /// An immediate stop: unwritten data is discarded, or recovered by the next start.
    fn stop(&self, postmaster: u32, directory: &Path) {
        // A stopped process does not handle signals.
        signal(postmaster, Signal::CONT);
        let mut stop = self.command("pg_ctl");
        stop.args(["stop", "--silent", "--mode", "immediate", "--pgdata"]).arg(directory.join("data"));
        if !stop.output().is_ok_and(|stop| stop.status.success()) {
            signal(postmaster, Signal::KILL);
        }
    }
}

/// Sends a signal to a server and all its processes.
fn signal(postmaster: u32, signal: Signal) {
    for id in process_ids(postmaster) {
        let id = i32::try_from(id).ok().and_then(Pid::from_raw).unwrap();
        // The process may have exited.
        let _ = kill_process(id, signal);
    }
}

/// The ids of a server and all its processes.
fn process_ids(postmaster: u32) -> impl Iterator<Item = u32> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let children = processes.filter_map(move |process| {
        let id: u32 = process.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(process.path().join("stat")).ok()?;
        // The name in parentheses may contain any character. State and parent process follow it.
        let (_, rest) = stat.rsplit_once(") ")?;
        (rest.split(' ').nth(1)? == postmaster.to_string()).then_some(id)
    });
    std::iter::once(postmaster).chain(children)
}

/// The user for a server if this process runs as root.
fn unprivileged_user() -> Option<(u32, u32)> {
    let ours = std::fs::metadata("/proc/self").expect("/proc exists");
    if std::os::unix::fs::MetadataExt::uid(&ours) != 0 {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").expect("/etc/passwd exists");
    ["postgres", "nobody"].into_iter().find_map(|wanted| {
        let mut fields = users.lines().map(|line| line.split(':')).find(|line| {
            let mut line = line.clone();
            line.next() == Some(wanted)
        })?;
        let user = fields.nth(2)?.parse().ok()?;
        Some((user, fields.next()?.parse().ok()?))
    })
}

impl Cluster {
    /// Creates and starts a cluster.
    pub fn start() -> Self {
        Self::start_with(ScratchDirectory::new(), &[])
    }

    /// Creates a cluster in this directory and starts it with these settings.
    pub fn start_with(directory: ScratchDirectory, settings: &[&str]) -> Self {
        let programs = PostgresPrograms::find();
        programs.hand_over(&directory);
        let made = programs
            .command("initdb")
            .args(["--username", "countersign", "--auth", "trust", "--encoding", "UTF8"])
            .args(["--locale", "C.UTF-8", "--pgdata"])
            .arg(directory.path().join("data"))
            .output()
            .unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let settings =
            [MAX_CONNECTIONS_SETTING].iter().chain(settings).map(|setting| (*setting).to_owned()).collect();
        Self::start_in(programs, directory, settings)
    }

    /// Copies this cluster and starts the copy as its streaming standby of this name.
    pub fn start_standby(&self, name: &str) -> Self {
        let directory = ScratchDirectory::new();
        self.programs.hand_over(&directory);
        let source = format!("{} application_name={name}", self.connection_string("postgres"));
        let made = self
            .programs
            .command("pg_basebackup")
            .args(["--checkpoint", "fast", "--write-recovery-conf", "--no-sync", "--dbname", &source])
            .arg("--pgdata")
            .arg(directory.path().join("data"))
            .output()
            .unwrap();
        assert!(made.status.success(), "pg_basebackup: {}", String::from_utf8_lossy(&made.stderr));
        Self::start_in(self.programs.clone(), directory, self.settings.clone())
    }

    fn start_in(programs: PostgresPrograms, directory: ScratchDirectory, settings: Vec<String>) -> Self {
        let process = programs.start(&directory, &settings);
        let cluster = Self { programs, settings, process, directory };
        cluster.wait_until_ready();
        cluster
    }

    /// Stops it immediately, as in a crash, and starts it again.
    pub fn restart(&mut self) {
        self.stop();
        self.start_again();
    }

    /// Stops it immediately, as in a crash.
    pub fn stop(&self) {
        self.programs.stop(self.process.id(), self.directory.path());
        self.process.with_child(|child| child.wait()).unwrap();
    }

    /// Starts it after [`Self::stop`].
    pub fn start_again(&mut self) {
        self.process = self.programs.start(&self.directory, &self.settings);
        self.wait_until_ready();
    }

    /// Whether it has exited by itself.
    pub fn has_ended(&self) -> bool {
        self.process.has_ended()
    }

    /// Suspends or resumes all its processes.
    pub fn set_frozen(&self, frozen: bool) {
        signal(self.process.id(), if frozen { Signal::STOP } else { Signal::CONT });
    }

    fn wait_until_ready(&self) {
        let started = Instant::now();
        while let Err(error) = Client::connect(&self.connection_string("postgres"), NoTls) {
            if self.process.has_ended() || started.elapsed() > Duration::from_secs(30) {
                let log = std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
                panic!("PostgreSQL does not start: {error}\n{log}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn connection_string(&self, database: &str) -> String {
        format!("host={} user=countersign dbname={database}", self.directory.path().display())
    }

    /// A connection to a database.
    pub fn connect(&self, database: &str) -> Client {
        Client::connect(&self.connection_string(database), NoTls)
            .expect("the PostgreSQL of the bench responds")
    }

    /// The URL of a database, for countersign.
    pub fn url(&self, database: &str) -> String {
        let directory = self.directory.path().display().to_string();
        format!("postgres://countersign@{}/{database}", directory.replace('/', "%2F"))
    }

    /// A client program of PostgreSQL with the address of the server.
    pub fn client_command(&self, program: &str, database: &str) -> Command {
        let mut command = self.programs.command(program);
        command.env("PGHOST", self.directory.path()).env("PGUSER", "countersign").env("PGDATABASE", database);
        command
    }

    /// The ids of its processes.
    pub fn process_ids(&self) -> impl Iterator<Item = u32> {
        process_ids(self.process.id())
    }

    /// A directory on the same disk as the files of the cluster.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }
}
