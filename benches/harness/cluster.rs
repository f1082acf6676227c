//! A PostgreSQL of the bench's own, as `initdb` sets it up: durable. Only where
//! it listens and how many may connect are not its defaults.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use postgres::{Client, NoTls};

use super::leftovers::{Directory, Process};

/// Room for 256 clients of pgbench beside a server's pool.
const MAX_CONNECTIONS: usize = 400;

/// A cluster that runs, and is gone when this is dropped.
#[derive(Debug)]
pub struct Cluster {
    programs: Programs,
    // Dropped in this order: first the server, then its files.
    _process: Process,
    directory: Directory,
}

/// Where PostgreSQL's programs are, and as whom they run.
#[derive(Clone, Debug)]
struct Programs {
    directory: PathBuf,
    /// PostgreSQL refuses to run as root.
    user: Option<(u32, u32)>,
}

impl Programs {
    /// The newest that is installed: Debian keeps a directory per version, none
    /// of them on `PATH`.
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
        let directory = newest.or_else(on_path).expect("PostgreSQL's server is installed");
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

/// Whom a server runs as when we are root.
fn unprivileged_user() -> Option<(u32, u32)> {
    let ours = std::fs::metadata("/proc/self").expect("/proc is there");
    if std::os::unix::fs::MetadataExt::uid(&ours) != 0 {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").expect("/etc/passwd is there");
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
    /// Makes a cluster and starts it.
    pub fn start() -> Self {
        let (programs, directory) = (Programs::find(), Directory::new());
        if let Some((user, group)) = programs.user {
            std::os::unix::fs::chown(directory.path(), Some(user), Some(group)).unwrap();
        }
        let data = directory.path().join("data");
        let made = programs
            .command("initdb")
            .args(["--username", "countersign", "--auth", "trust", "--encoding", "UTF8"])
            .args(["--locale", "C.UTF-8", "--pgdata"])
            .arg(&data)
            .output()
            .unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let log = std::fs::File::create(directory.path().join("log")).unwrap();
        let ending = programs.clone();
        let process = Process::start_with(
            programs
                .command("postgres")
                .arg("-D")
                .arg(&data)
                .args(["-c", "listen_addresses="])
                .args(["-c", &format!("max_connections={MAX_CONNECTIONS}")])
                .args(["-c", &format!("unix_socket_directories={}", directory.path().display())])
                .stdout(Stdio::null())
                .stderr(log),
            move |_| {
                // At once: what it would still write is thrown away next.
                let mut stop = ending.command("pg_ctl");
                stop.args(["stop", "--silent", "--mode", "immediate", "--pgdata"]).arg(data);
                let _ = stop.output();
            },
        );
        let cluster = Self { programs, _process: process, directory };
        cluster.await_start();
        cluster
    }

    fn await_start(&self) {
        let started = Instant::now();
        while let Err(error) = Client::connect(&self.settings("postgres"), NoTls) {
            if self._process.has_ended() || started.elapsed() > Duration::from_secs(30) {
                let log = std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
                panic!("PostgreSQL does not start: {error}\n{log}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn settings(&self, database: &str) -> String {
        format!("host={} user=countersign dbname={database}", self.directory.path().display())
    }

    /// A connection to one of its databases.
    pub fn connect(&self, database: &str) -> Client {
        Client::connect(&self.settings(database), NoTls).expect("the bench's PostgreSQL answers")
    }

    /// One of its databases, as countersign is told of it.
    pub fn url(&self, database: &str) -> String {
        let directory = self.directory.path().display().to_string();
        format!("postgres://countersign@{}/{database}", directory.replace('/', "%2F"))
    }

    /// One of PostgreSQL's client programs, told where the server is.
    pub fn client(&self, program: &str, database: &str) -> Command {
        let mut command = self.programs.command(program);
        command.env("PGHOST", self.directory.path()).env("PGUSER", "countersign").env("PGDATABASE", database);
        command
    }

    /// Where its files are: what is on the same disk.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }
}
