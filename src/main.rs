//! The `countersign` program: see the library for what it is made of.

use std::io::IsTerminal;
use std::process::ExitCode;

use countersign::cli::{self, Cli};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    #[cfg(feature = "faults")]
    let _armed = countersign::failpoints::activate();
    disable_core_dumps();
    match cli::parse() {
        Ok(cli) => {
            init_logging(&cli);
            cli::run(cli)
        }
        Err(code) => code,
    }
}

/// Keeps what is in memory, secrets among it, out of core dumps, and from other
/// processes of the same user.
fn disable_core_dumps() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        // A system that cannot do this has no such dumps either.
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
}

/// Logs to stderr what `RUST_LOG` asks for, else what the verb is wont to.
fn init_logging(cli: &Cli) {
    let rust_log = std::env::var("RUST_LOG").ok().filter(|filter| !filter.is_empty());
    let filter = EnvFilter::new(rust_log.as_deref().unwrap_or(cli.log_filter()));
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr).init();
}
