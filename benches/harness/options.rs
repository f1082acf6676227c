//! What a bench is told on its command line: `cargo bench --bench redeem -- --quick`.

use std::time::Duration;

use clap::Parser;

/// Measures countersign against its references, on this machine.
#[derive(Clone, Debug, Parser)]
pub struct Options {
    /// One short round, to see that everything works; its figures mean nothing
    #[arg(long)]
    pub quick: bool,
    /// How often each contestant runs, in turn with the others
    #[arg(long, default_value_t = 5, value_name = "N")]
    rounds: usize,
    /// How long one run is measured
    #[arg(long, default_value_t = 1.0, value_name = "SECONDS")]
    seconds: f64,
    /// Run only contestants whose name has this in it; may be repeated
    #[arg(long, value_name = "TEXT")]
    only: Vec<String>,
    /// Requests per second of the open loop
    #[arg(long, value_name = "N")]
    pub rate: Option<f64>,
    /// Connections of the reference server's pool
    #[arg(long, value_name = "N")]
    pub pool: Option<u32>,
    /// Live tokens, where their number matters
    #[arg(long, default_value_t = 1_000_000, value_name = "N")]
    pub tokens: usize,
    /// What `cargo bench` passes to every bench
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    /// Whether a contestant of this name runs at all.
    pub fn is_selected(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| name.contains(only))
    }

    /// How often each contestant runs.
    pub fn rounds(&self) -> usize {
        if self.quick { 1 } else { self.rounds.max(1) }
    }

    /// How long one run is measured.
    pub fn measured(&self) -> Duration {
        Duration::from_secs_f64(if self.quick { 0.3 } else { self.seconds })
    }

    /// How long a run goes before it is measured.
    pub fn warm_up(&self) -> Duration {
        Duration::from_millis(if self.quick { 100 } else { 300 })
    }
}
