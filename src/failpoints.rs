//! Fail points: places where tests make the server panic, pause, give up or refuse earlier.
//!
//! A server built with the feature `faults` reads the environment variable `FAILPOINTS`
//! (`FAILPOINTS='ledger.panic=panic'`; the grammar is that of the `fail` crate). Without the
//! feature, which is how countersign is shipped, the functions compile to nothing. A fail
//! point never changes a decision: deliberate mistakes are patches in `tests/mutants`.

use std::time::Duration;

/// Activates the fail points in `FAILPOINTS` until the returned value is dropped.
#[cfg(feature = "faults")]
pub fn activate() -> fail::FailScenario<'static> {
    fail::FailScenario::setup()
}

/// Panics or pauses if `FAILPOINTS` says so for `name`.
#[cfg(feature = "faults")]
pub fn fail_point(name: &str) {
    fail::eval(name, |_| ());
}

/// The duration in seconds that `FAILPOINTS` sets for `name`
/// (`'registry.stuck_thread_timeout=return(2)'`), or `default`.
#[cfg(feature = "faults")]
pub fn timeout(name: &str, default: Duration) -> Duration {
    let configured = fail::eval(name, |seconds| seconds?.parse::<u64>().ok()).flatten();
    configured.map_or(default, Duration::from_secs)
}

/// The number that `FAILPOINTS` sets for `name` (`'admission.capacity=return(2)'`), or `default`.
#[cfg(feature = "faults")]
pub fn limit(name: &str, default: usize) -> usize {
    let configured = fail::eval(name, |number| number?.parse().ok()).flatten();
    configured.unwrap_or(default)
}

/// `default`: there are no fail points without the feature `faults`.
#[cfg(not(feature = "faults"))]
#[inline(always)]
pub const fn limit(_: &str, default: usize) -> usize {
    default
}

/// `default`: there are no fail points without the feature `faults`.
#[cfg(not(feature = "faults"))]
#[inline(always)]
pub const fn timeout(_: &str, default: Duration) -> Duration {
    default
}

/// Does nothing: there are no fail points without the feature `faults`.
#[cfg(not(feature = "faults"))]
#[inline(always)]
pub const fn fail_point(_: &str) {}
