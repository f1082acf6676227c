//! Runs SQL scripts with pgbench.

use std::io::Read;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use super::cleanup::{ChildProcess, ScratchDirectory};
use super::cluster::Cluster;
use super::database::Database;
use super::load::{MeasurementWindow, RunResult};

/// The time for connecting, in seconds.
const CONNECT_SECONDS: f64 = 0.006;

/// Runs a script with this number of clients and prepared statements for the duration of the
/// measurement. Each client has the variables `:nth`, which increases by one per run of the
/// script, and `:row` = 1, 2, 3, …, which is unique over all clients and runs.
///
/// pgbench's rate excludes the time for connecting; its `--time` includes it and is in whole
/// seconds.
pub fn run(database: &Database, script: &str, clients: usize, window: MeasurementWindow) -> RunResult {
    let (cluster, name) = database.postgres_cluster().expect("pgbench needs PostgreSQL");
    let directory = ScratchDirectory::new();
    let file = directory.path().join("script.sql");
    let script = format!("\\set nth :nth + 1\n\\set row (:nth - 1) * {clients} + :client_id + 1\n{script}\n");
    std::fs::write(&file, script).unwrap();
    let open_to_all = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(directory.path(), open_to_all).unwrap();
    let seconds = (window.measured.as_secs_f64() + clients as f64 * CONNECT_SECONDS).round().max(1.0);
    // On a busy machine, nothing may complete during the whole time.
    for patience in [1.0, 4.0, 16.0] {
        let run_result = run_once(cluster, name, &file, clients, seconds * patience);
        if run_result.operations > 0 {
            return run_result;
        }
    }
    panic!("pgbench completed no transaction")
}

fn run_once(cluster: &Cluster, name: &str, script: &Path, clients: usize, seconds: f64) -> RunResult {
    let mut command = cluster.client_command("pgbench", name);
    command
        .args(["--no-vacuum", "--protocol=prepared", "--define=nth=0"])
        .args([
            format!("--client={clients}"),
            format!("--jobs={}", clients.min(2)),
            format!("--time={seconds}"),
        ])
        .arg("--file")
        .arg(script)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let process = ChildProcess::start(&mut command);
    let (stdout, stderr) = process.with_child(|child| (child.stdout.take(), child.stderr.take()));
    let (mut said, mut complaints) = (String::new(), String::new());
    stdout.unwrap().read_to_string(&mut said).unwrap();
    stderr.unwrap().read_to_string(&mut complaints).unwrap();
    let status = process.with_child(|child| child.wait().unwrap());
    let figure = |before: &str| {
        let line = said.lines().find_map(|line| line.strip_prefix(before));
        line.and_then(|line| line.split_whitespace().next())
    };
    let told = || format!("pgbench says:\n{said}\n{complaints}");
    assert!(status.success(), "{}", told());
    let operations = figure("number of transactions actually processed: ");
    let operations: u64 = operations.unwrap_or_else(|| panic!("{}", told())).parse().unwrap();
    if operations == 0 {
        // pgbench reports no rate in this case.
        return RunResult { operations, elapsed: Duration::from_secs_f64(seconds), latencies: None };
    }
    let per_second: f64 = figure("tps = ").unwrap_or_else(|| panic!("{}", told())).parse().unwrap();
    let elapsed = Duration::from_secs_f64(operations as f64 / per_second);
    RunResult { operations, elapsed, latencies: None }
}
