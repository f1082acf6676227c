//! The `countersign` program. The library's documentation describes its parts.

use std::io::IsTerminal;
use std::process::ExitCode;

use countersign::cli::{self, Cli};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    #[cfg(feature = "faults")]
    let _failpoints = countersign::failpoints::activate();
    disable_core_dumps();
    match cli::parse() {
        Ok(cli) => {
            init_logging(&cli);
            cli::run(cli)
        }
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

/// A request that cannot be parsed is the client's error. actix logs each one at the level ERROR;
/// without this, anyone could fill the log.
const QUIET_PARSER: [&str; 2] = ["actix_http::h1::dispatcher=off", "actix_http::h1::decoder=off"];

/// Logs to stderr, with the filter in `RUST_LOG` or the default of the command. A filter that names
/// `actix_http` decides about its parser too.
fn init_logging(cli: &Cli) {
    let rust_log = std::env::var("RUST_LOG").ok().filter(|filter| !filter.is_empty());
    let mut filter = rust_log.as_deref().unwrap_or(cli.log_filter()).to_owned();
    if !filter.contains("actix_http") {
        QUIET_PARSER.iter().for_each(|directive| filter.extend([",", directive]));
    }
    let filter = EnvFilter::new(filter);
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr).init();
}
