//! The `countersign` program. The library's documentation describes its parts.

use std::process::ExitCode;

use countersign::cli;

fn main() -> ExitCode {
    #[cfg(feature = "faults")]
    let _failpoints = countersign::failpoints::activate();
    disable_core_dumps();
    match cli::parse() {
        Ok(cli) => cli::run(cli),
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
