//! The command-line options of a bench: `cargo bench --bench redeem -- --quick`.

use std::time::Duration;

use clap::Parser;

/// Measures countersign against its references, on this machine.
#[derive(Clone, Debug, Parser)]
pub struct Options {
    /// One short round, to check that everything works; its figures mean nothing
    #[arg(long)]
    pub quick: bool,
    /// Number of rounds
    #[arg(long, default_value_t = 5, value_name = "N")]
    rounds: usize,
    /// Duration of the measurement in one run
    #[arg(long, default_value_t = 1.0, value_name = "SECONDS")]
    seconds: f64,
    /// Run only series whose name contains this text; may be repeated
    #[arg(long, value_name = "TEXT")]
    only: Vec<String>,
    /// Requests per second of the open loop
    #[arg(long, value_name = "N")]
    pub rate: Option<f64>,
    /// Connections of the reference server's pool
    #[arg(long, value_name = "N")]
    pub pool: Option<u32>,
    /// Number of active tokens, for benches that depend on it
    #[arg(long, default_value_t = 1_000_000, value_name = "N")]
    tokens: usize,
    /// What `cargo bench` passes to every bench
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    /// Whether a series with this name runs.
    pub fn is_selected(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| name.contains(only))
    }

    /// The number of tokens, or of other rows that the bench depends on: `quick` of them in a short round.
    pub fn tokens(&self, quick: usize) -> usize {
        if self.quick { quick } else { self.tokens }
    }

    /// The number of rounds.
    pub fn rounds(&self) -> usize {
        if self.quick { 1 } else { self.rounds.max(1) }
    }

    /// The duration of a measurement.
    pub fn measured(&self) -> Duration {
        Duration::from_secs_f64(if self.quick { 0.3 } else { self.seconds })
    }

    /// The duration of a run before the measurement.
    pub fn warm_up(&self) -> Duration {
        Duration::from_millis(if self.quick { 100 } else { 300 })
    }
}
