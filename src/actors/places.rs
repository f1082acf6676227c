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
const CALM: Duration = Duration::from_millis(250);

/// The places of one queue.
#[derive(Debug)]
pub struct Places {
    all: usize,
    few: usize,
    taken: AtomicUsize,
    opened: Instant,
    /// Until when few are given, in microseconds after `opened`.
    strained_until: AtomicU64,
}

/// A place that is taken, until this is dropped.
#[derive(Debug)]
pub struct Place(Arc<Places>);

impl Places {
    /// So many places, all free; and how many of them are given while that is not
    /// enough.
    pub fn new(all: usize, few: usize) -> Arc<Self> {
        let (taken, strained_until) = (AtomicUsize::new(0), AtomicU64::new(0));
        Arc::new(Self { all, few, taken, opened: Instant::now(), strained_until })
    }

    /// How many are taken now.
    pub fn taken(&self) -> i64 {
        i64::try_from(self.taken.load(Ordering::Relaxed)).unwrap_or(i64::MAX)
    }

    /// A place, if one is to be had.
    pub fn take(self: &Arc<Self>, now: Instant) -> Option<Place> {
        let micros = |instant: Instant| instant.saturating_duration_since(self.opened).as_micros() as u64;
        let strained = micros(now) < self.strained_until.load(Ordering::Relaxed);
        let limit = if strained { self.few } else { self.all };
        let one_more = |taken| (taken < limit).then_some(taken + 1);
        if self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_err() {
            self.strained_until.fetch_max(micros(now + CALM), Ordering::Relaxed);
            return None;
        }
        Some(Place(Arc::clone(self)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_has_all_places_and_what_lasts_has_few() {
        let places = Places::new(8, 2);
        let now = Instant::now();
        let mut taken: Vec<Place> = std::iter::from_fn(|| places.take(now)).collect();
        assert_eq!(taken.len(), 8, "the ninth was refused");
        taken.truncate(2);
        assert!(places.take(now).is_none(), "two are all that there are now");
        taken.truncate(1);
        let second = places.take(now);
        assert!(second.is_some() && places.take(now).is_none());
        drop(second);
        let calm = now + CALM;
        let more: Vec<Place> = std::iter::from_fn(|| places.take(calm)).collect();
        assert_eq!(more.len(), 7, "all of them, once nobody was refused for a while");
    }

    #[test]
    fn a_refusal_begins_the_wait_anew() {
        let places = Places::new(2, 1);
        let now = Instant::now();
        let taken = [places.take(now), places.take(now)];
        assert!(places.take(now).is_none());
        assert!(places.take(now + CALM / 2).is_none());
        drop(taken);
        let one = places.take(now + CALM);
        assert!(one.is_some() && places.take(now + CALM).is_none(), "it is not over");
    }
}
