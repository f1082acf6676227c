//! Places where the tests make things go wrong.
//!
//! A server that is built with the feature `faults` does what the environment
//! variable `FAILPOINTS` says, when it comes by the place of that name: it panics,
//! sleeps, or leaves out a precaution that it never leaves out otherwise
//! (`FAILPOINTS='ledger.unguarded=return'`; the grammar is the `fail` crate's). The
//! tests that look for such mistakes are tried on them. Without the feature, which
//! is how countersign is shipped, none of it is there.

use std::time::Duration;

/// Arms what `FAILPOINTS` says, for as long as what is returned lives.
#[cfg(feature = "faults")]
pub fn arm() -> fail::FailScenario<'static> {
    fail::FailScenario::setup()
}

/// Whether the mistake of this name is to be made. One that is a panic or a pause
/// happens here.
#[cfg(feature = "faults")]
pub fn fail_point(name: &str) -> bool {
    fail::eval(name, |_| ()).is_some()
}

/// How long the place of this name is patient: for so long usually, and as many seconds
/// as `FAILPOINTS` says for a test that cannot wait (`'registry.stuck_thread_timeout=return(2)'`).
#[cfg(feature = "faults")]
pub fn timeout(name: &str, default: Duration) -> Duration {
    let configured = fail::eval(name, |seconds| seconds?.parse::<u64>().ok()).flatten();
    configured.map_or(default, Duration::from_secs)
}

/// As long as usual.
#[cfg(not(feature = "faults"))]
#[inline(always)]
pub const fn timeout(_: &str, default: Duration) -> Duration {
    default
}

/// Never.
#[cfg(not(feature = "faults"))]
#[inline(always)]
pub const fn fail_point(_: &str) -> bool {
    false
}
