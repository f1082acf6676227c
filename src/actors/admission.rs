//! Admission: how many may wait for the registry at a time.
//!
//! A burst finds every place free, and is done in its turn. Once even those do not
//! suffice, more comes than can be done, and a long queue would only make everybody
//! wait, for nothing: until that is over, a few places are all that there are. So
//! who is admitted is served soon, and who is not is told at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// For how long nobody must have been refused until all places are given again.
const RECOVERY_PERIOD: Duration = Duration::from_millis(250);

/// The places of one queue.
#[derive(Debug)]
pub struct Admission {
    capacity: usize,
    reduced_capacity: usize,
    in_use: AtomicUsize,
    created_at: Instant,
    /// Until when few are given, in microseconds after `opened`.
    shedding_until: AtomicU64,
}

/// A place that is taken, until this is dropped.
#[derive(Debug)]
pub struct Permit(Arc<Admission>);

impl Admission {
    /// So many places, all free; and how many of them are given while that is not
    /// enough.
    pub fn new(capacity: usize, reduced_capacity: usize) -> Arc<Self> {
        let (in_use, shedding_until) = (AtomicUsize::new(0), AtomicU64::new(0));
        Arc::new(Self { capacity, reduced_capacity, in_use, created_at: Instant::now(), shedding_until })
    }

    /// How many are taken now.
    pub fn in_use(&self) -> i64 {
        i64::try_from(self.in_use.load(Ordering::Relaxed)).unwrap_or(i64::MAX)
    }

    /// A place, if one is to be had.
    pub fn try_acquire(self: &Arc<Self>, now: Instant) -> Option<Permit> {
        let micros = |instant: Instant| instant.saturating_duration_since(self.created_at).as_micros() as u64;
        let is_shedding = micros(now) < self.shedding_until.load(Ordering::Relaxed);
        let limit = if is_shedding { self.reduced_capacity } else { self.capacity };
        let increment = |taken| (taken < limit).then_some(taken + 1);
        if self.in_use.fetch_update(Ordering::Relaxed, Ordering::Relaxed, increment).is_err() {
            self.shedding_until.fetch_max(micros(now + RECOVERY_PERIOD), Ordering::Relaxed);
            return None;
        }
        Some(Permit(Arc::clone(self)))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.in_use.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn burst_gets_full_capacity_and_sustained_overload_gets_reduced_capacity() {
        let admission = Admission::new(8, 2);
        let now = Instant::now();
        let mut permits: Vec<Permit> = std::iter::from_fn(|| admission.try_acquire(now)).collect();
        assert_eq!(permits.len(), 8, "the ninth was refused");
        permits.truncate(2);
        assert!(admission.try_acquire(now).is_none(), "two are all that there are now");
        permits.truncate(1);
        let second = admission.try_acquire(now);
        assert!(second.is_some() && admission.try_acquire(now).is_none());
        drop(second);
        let recovered_at = now + RECOVERY_PERIOD;
        let more: Vec<Permit> = std::iter::from_fn(|| admission.try_acquire(recovered_at)).collect();
        assert_eq!(more.len(), 7, "all of them, once nobody was refused for a while");
    }

    #[test]
    fn rejection_restarts_the_recovery_period() {
        let admission = Admission::new(2, 1);
        let now = Instant::now();
        let permits = [admission.try_acquire(now), admission.try_acquire(now)];
        assert!(admission.try_acquire(now).is_none());
        assert!(admission.try_acquire(now + RECOVERY_PERIOD / 2).is_none());
        drop(permits);
        let one = admission.try_acquire(now + RECOVERY_PERIOD);
        assert!(one.is_some() && admission.try_acquire(now + RECOVERY_PERIOD).is_none(), "it is not over");
    }
}
