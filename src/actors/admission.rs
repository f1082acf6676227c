//! Admission control: a load-shedding semaphore for the registry's queues and for the requests that a worker
//! handles.
//!
//! A burst can use the full capacity. When that is exhausted, the load exceeds the
//! throughput, and a long queue would only add waiting time; until the overload ends, the
//! capacity is reduced. Admitted operations are then served soon, and the others are
//! rejected at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How long after the last rejection the full capacity is restored.
const RECOVERY_PERIOD: Duration = Duration::from_millis(250);

/// The semaphore of one queue or worker.
#[derive(Debug)]
pub struct Admission {
    capacity: usize,
    reduced_capacity: usize,
    in_use: AtomicUsize,
    created_at: Instant,
    /// When shedding ends, in microseconds after `created_at`.
    shedding_until: AtomicU64,
}

/// An admission, which is released on drop.
#[derive(Debug)]
pub struct Permit(Arc<Admission>);

/// A permit that is not in use until this is dropped.
#[derive(Debug)]
struct SuspendedPermit(Arc<Admission>);

tokio::task_local! {
    static CURRENT: Permit;
}

/// Does work that holds this permit.
pub async fn with_permit<T>(permit: Permit, work: impl Future<Output = T>) -> T {
    CURRENT.scope(permit, work).await
}

/// Waits for something that takes nothing from others, such as a client. Meanwhile the current work does not hold its
/// permit. Afterwards it holds it again, even if the capacity is exhausted by then.
pub async fn without_permit<T>(wait: impl Future<Output = T>) -> T {
    let _suspended = CURRENT.try_with(Permit::suspend);
    wait.await
}

impl Admission {
    /// A semaphore with this capacity, and this reduced capacity during overload.
    pub fn new(capacity: usize, reduced_capacity: usize) -> Arc<Self> {
        let (in_use, shedding_until) = (AtomicUsize::new(0), AtomicU64::new(0));
        Arc::new(Self { capacity, reduced_capacity, in_use, created_at: Instant::now(), shedding_until })
    }

    /// The number of permits in use.
    pub fn in_use(&self) -> i64 {
        i64::try_from(self.in_use.load(Ordering::Relaxed)).unwrap_or(i64::MAX)
    }

    /// Acquires a permit, unless the capacity is exhausted.
    pub fn try_acquire(self: &Arc<Self>, now: Instant) -> Option<Permit> {
        let micros = |instant: Instant| instant.saturating_duration_since(self.created_at).as_micros() as u64;
        let is_shedding = micros(now) < self.shedding_until.load(Ordering::Relaxed);
        let limit = if is_shedding { self.reduced_capacity } else { self.capacity };
        let increment = |in_use| (in_use < limit).then_some(in_use + 1);
        if self.in_use.fetch_update(Ordering::Relaxed, Ordering::Relaxed, increment).is_err() {
            self.shedding_until.fetch_max(micros(now + RECOVERY_PERIOD), Ordering::Relaxed);
            return None;
        }
        Some(Permit(Arc::clone(self)))
    }
}

impl Permit {
    fn suspend(&self) -> SuspendedPermit {
        self.0.in_use.fetch_sub(1, Ordering::Relaxed);
        SuspendedPermit(Arc::clone(&self.0))
    }
}

impl Drop for SuspendedPermit {
    fn drop(&mut self) {
        self.0.in_use.fetch_add(1, Ordering::Relaxed);
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
        assert_eq!(permits.len(), 8, "the ninth is rejected");
        permits.truncate(2);
        assert!(admission.try_acquire(now).is_none(), "the capacity is reduced to two");
        permits.truncate(1);
        let second = admission.try_acquire(now);
        assert!(second.is_some() && admission.try_acquire(now).is_none());
        drop(second);
        let recovered_at = now + RECOVERY_PERIOD;
        let permits_after: Vec<Permit> = std::iter::from_fn(|| admission.try_acquire(recovered_at)).collect();
        assert_eq!(permits_after.len(), 7, "the full capacity, after the recovery period");
    }

    #[tokio::test]
    async fn work_that_waits_leaves_its_place_to_others() {
        let admission = Admission::new(1, 1);
        let acquire = || admission.try_acquire(Instant::now());
        let work = async {
            assert!(acquire().is_none());
            let other = without_permit(async { acquire() }).await;
            assert_eq!(admission.in_use(), 2, "it continues although the capacity is exhausted");
            other
        };
        let other = with_permit(acquire().unwrap(), work).await;
        assert!(other.is_some() && acquire().is_none());
        drop(other);
        assert_eq!(admission.in_use(), 0);
    }

    #[test]
    fn rejection_restarts_the_recovery_period() {
        let admission = Admission::new(2, 1);
        let now = Instant::now();
        let permits = [admission.try_acquire(now), admission.try_acquire(now)];
        assert!(admission.try_acquire(now).is_none());
        assert!(admission.try_acquire(now + RECOVERY_PERIOD / 2).is_none());
        drop(permits);
        let first = admission.try_acquire(now + RECOVERY_PERIOD);
        assert!(first.is_some() && admission.try_acquire(now + RECOVERY_PERIOD).is_none(), "still shedding");
    }
}
