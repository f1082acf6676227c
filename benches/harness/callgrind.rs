//! The server under Callgrind, a tool of Valgrind that counts the instructions of a program.
//!
//! Only the server's own instructions count: neither those of the kernel, nor those of PostgreSQL and the client.
//! Valgrind makes the server some fifty times slower, so its timers would expire fifty times as often per request.
//! libfaketime therefore slows its clock down: sweeps and polls do not run between the requests, nothing times out,
//! and the counts hardly depend on the load of the machine. The server has one CPU, on which a thread runs until it
//! waits (`SCHED_BATCH`): otherwise the number of times that a task is polled would depend on the load.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::cleanup::ScratchDirectory;
use super::database::{Backend, Database};
use super::server::{PROGRAM, Server};

/// The functions of the C library that allocate memory. Rust's allocator calls them.
const ALLOCATORS: [&str; 5] = ["malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc"];
/// The library that slows the clock down, below one of the directories in `/usr/lib`.
const FAKETIME: &str = "faketime/libfaketimeMT.so.1";
/// One second of the server's clock is a thousand seconds. An hour ahead, because a wait on a futex ends at a time of
/// the real clock: it must not be over before it starts.
const SLOW_CLOCK: &str = "+1h x0.001";

/// What the server did between two moments.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Executed instructions, without those of libfaketime.
    pub instructions: u64,
    /// Calls of the allocator that return memory.
    pub allocations: u64,
}

/// A server whose instructions are counted.
pub struct CountedServer {
    pub server: Server,
    directory: ScratchDirectory,
    /// The number of profiles that Callgrind has written.
    profiles: u32,
}

impl CountedServer {
    /// Starts countersign under Callgrind with additional environment variables. The start is not counted.
    pub fn start(database: &Database, environment: &[(&str, &str)]) -> Self {
        let directory = ScratchDirectory::new();
        let mut command = Command::new("taskset");
        command
            .args(["--cpu-list", &cpu_for(database.backend)])
            .args(["chrt", "--batch", "0", "valgrind"])
            .args(["--tool=callgrind", "--instr-atstart=no", "--fair-sched=try"])
            .arg(format!("--callgrind-out-file={}", directory.path().join("profile").display()))
            .arg(pipe_option(&directory))
            .arg(PROGRAM);
        let library = find_faketime();
        let clock = [("LD_PRELOAD", library.to_str().unwrap()), ("FAKETIME", SLOW_CLOCK)];
        let server = Server::start_as(command, database, &[environment, &clock].concat());
        let counted = Self { server, directory, profiles: 0 };
        counted.command(&["instrumentation", "on"]);
        counted
    }

    /// Counts what the server does during this work. The profile is for `callgrind_annotate`.
    pub fn count(&mut self, work: impl FnOnce()) -> (Counts, PathBuf) {
        self.command(&["zero"]);
        work();
        self.command(&["dump"]);
        self.profiles += 1;
        let profile = self.directory.path().join(format!("profile.{}", self.profiles));
        (read_counts(&profile), profile)
    }

    /// Sends a command to Callgrind.
    fn command(&self, words: &[&str]) {
        let mut vgdb = Command::new("vgdb");
        vgdb.arg(format!("--pid={}", self.server.process_id()))
            .arg(pipe_option(&self.directory))
            // Interrupts a server that waits, after this number of milliseconds.
            .arg("--max-invoke-ms=1")
            .args(words);
        let done = vgdb.output().unwrap_or_else(|error| panic!("{vgdb:?}: {error}"));
        assert!(done.status.success(), "{vgdb:?}: {}", String::from_utf8_lossy(&done.stderr));
    }
}

/// What the counts depend on: compiler, C library, Valgrind and processor.
pub fn environment() -> String {
    let versions = [&["rustc", "--version"], &["getconf", "GNU_LIBC_VERSION"], &["valgrind", "--version"]];
    let versions = versions.map(|words: &[&str; 2]| {
        let output = Command::new(words[0]).arg(words[1]).output();
        let output = output.unwrap_or_else(|error| panic!("{words:?}: {error}")).stdout;
        // Without the commit and date of rustc.
        let words: Vec<String> =
            String::from_utf8(output).unwrap().split_whitespace().map(str::to_owned).collect();
        words.into_iter().take(2).collect::<Vec<_>>().join(" ")
    });
    format!("{}, {}", versions.join(", "), std::env::consts::ARCH)
}

/// The CPU of the server on this database: the first or the last of those that this process may use.
fn cpu_for(backend: Backend) -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let cpus = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap().trim();
    let mut numbers = cpus.split([',', '-']);
    let chosen = if backend == Backend::Postgres { numbers.next() } else { numbers.next_back() };
    chosen.unwrap().to_owned()
}

/// Where Valgrind and vgdb create the pipes between them.
fn pipe_option(directory: &ScratchDirectory) -> String {
    format!("--vgdb-prefix={}", directory.path().join("vgdb").display())
}

fn find_faketime() -> PathBuf {
    let directories = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let mut libraries = directories.map(|directory| directory.path().join(FAKETIME));
    libraries.find(|library| library.exists()).expect("libfaketime is installed")
}

/// The counts of a profile. Its format: <https://valgrind.org/docs/manual/cl-format.html>.
fn read_counts(profile: &Path) -> Counts {
    let text =
        std::fs::read_to_string(profile).unwrap_or_else(|error| panic!("{}: {error}", profile.display()));
    let (mut total, mut in_faketime, mut allocations) = (0, 0, 0);
    let (mut functions, mut objects) = (Names::default(), Names::default());
    let (mut caller_object, mut callee_object, mut callee) = ("", None, "");
    let number = |text: Option<&str>| text.unwrap().parse::<u64>().unwrap();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(sum) = line.strip_prefix("totals: ") {
            total = number(Some(sum));
        }
        match line.split_once('=').unwrap_or_default() {
            ("ob", object) => caller_object = objects.resolve(object),
            ("cob", object) => callee_object = Some(objects.resolve(object)),
            ("fn", function) => drop(functions.resolve(function)),
            ("cfn", function) => callee = functions.resolve(function),
            ("calls", calls) => {
                // The next line ends with the cost of these calls.
                let cost = number(lines.next().and_then(|line| line.rsplit(' ').next()));
                if ALLOCATORS.contains(&callee) {
                    allocations += number(calls.split(' ').next());
                }
                let callee_object = callee_object.take().unwrap_or(caller_object);
                if callee_object.ends_with(FAKETIME) && caller_object != callee_object {
                    in_faketime += cost;
                }
            }
            _ => {}
        }
    }
    Counts { instructions: total - in_faketime, allocations }
}

/// The names of functions or objects: `(7) malloc` at first, then only `(7)`.
#[derive(Default)]
struct Names<'a>(HashMap<&'a str, &'a str>);

impl<'a> Names<'a> {
    fn resolve(&mut self, text: &'a str) -> &'a str {
        let Some((id, name)) = text.split_once(' ') else {
            return self.0.get(text).copied().unwrap_or_default();
        };
        self.0.insert(id, name);
        name
    }
}
