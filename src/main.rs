//! The `countersign` program. The library's documentation describes its parts.

use std::io::IsTerminal;
use std::process::ExitCode;

use countersign::cli;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    #[cfg(feature = "faults")]
    let _failpoints = countersign::failpoints::activate();
    disable_core_dumps();
    match cli::parse() {
        Ok(cli) => match cli.log_filter() {
            Ok(filter) => {
                init_logging(filter);
                cli::run(cli)
            }
            Err(error) => cli.fail(&error),
        },
        Err(code) => code,
    }
}

/// Disables core dumps and access by other processes of the same user: memory contains secrets.
fn disable_core_dumps() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        // A kernel without this call has no core dumps to disable.
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
}

/// Logs to stderr.
fn init_logging(filter: EnvFilter) {
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr).init();
}
