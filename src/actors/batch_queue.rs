//! The queue behind group commit, as a plain state machine: items that arrive while a
//! batch is in flight wait, and are dispatched together as the next batch.
//!
//! It uses no actor, thread or clock: time is an argument, and a waiter is an opaque `R`.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// An item of a queue.
pub trait QueueItem {
    /// Identifies a row.
    type Key: PartialEq;

    /// The row that the item changes, if any. While the outcome of a batch is unknown, the
    /// queue rejects other items with the same keys.
    fn key(&self) -> Option<Self::Key>;
}

/// The size and time limits of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct QueueLimits {
    pub max_batch_size: usize,
    /// How long an item waits for dispatch. A later dispatch could not be answered in time.
    pub max_queue_time: Duration,
    /// How long before its deadline an item must be dispatched.
    pub min_time_left: Duration,
    /// How long an item waits for its answer, and how long a batch can be in flight before
    /// it is abandoned.
    pub max_wait: Duration,
}

/// How long an item waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Deadlines {
    dispatch_by: Instant,
    respond_by: Instant,
}

/// Identifies a dispatched batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BatchId(u64);

/// Why an item is answered without a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeoutKind {
    /// It was never dispatched: nothing was done.
    NotDispatched,
    /// It was dispatched, and its batch has not completed.
    OutcomeUnknown,
}

/// The item changes a row of an abandoned batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InDoubt;

/// The queue: items `T`, each with its waiter `R`. It can be compared and hashed for the
/// model checker in `tests/model`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BatchQueue<T: QueueItem, R> {
    limits: QueueLimits,
    waiting: VecDeque<(T, R, Deadlines)>,
    /// The batch in flight; there is at most one.
    in_flight: Option<InFlightBatch<T::Key, R>>,
    /// Batches whose waiters have been answered, but which may still complete.
    abandoned: Vec<InFlightBatch<T::Key, R>>,
    last_batch_id: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct InFlightBatch<K, R> {
    id: BatchId,
    /// The waiter of each item and its response deadline; `None` after it was answered.
    waiters: Vec<Option<(R, Instant)>>,
    keys: Vec<K>,
    dispatched_at: Instant,
}

impl<T: QueueItem, R> BatchQueue<T, R> {
    /// An empty queue.
    pub fn new(limits: QueueLimits) -> Self {
        Self { limits, waiting: VecDeque::new(), in_flight: None, abandoned: Vec::new(), last_batch_id: 0 }
    }

    /// Adds an item to be answered by `deadline`, unless it changes a row of an abandoned
    /// batch.
    pub fn push(&mut self, item: T, waiter: R, now: Instant, deadline: Instant) -> Result<(), (InDoubt, R)> {
        if self.abandoned.iter().any(|in_flight| in_flight.overlaps(&item)) {
            return Err((InDoubt, waiter));
        }
        let respond_by = deadline.min(now + self.limits.max_wait);
        let latest_dispatch = respond_by.checked_sub(self.limits.min_time_left).unwrap_or(now);
        let dispatch_by = latest_dispatch.min(now + self.limits.max_queue_time);
        self.waiting.push_back((item, waiter, Deadlines { dispatch_by, respond_by }));
        Ok(())
    }

    /// Dispatches the next batch, if items wait and no batch is in flight.
    pub fn dispatch(&mut self, now: Instant) -> Option<(BatchId, Vec<T>)> {
        if self.in_flight.is_some() || self.waiting.is_empty() {
            return None;
        }
        self.last_batch_id += 1;
        let batch_id = BatchId(self.last_batch_id);
        let size = self.waiting.len().min(self.limits.max_batch_size);
        let mut in_flight = InFlightBatch {
            id: batch_id,
            waiters: Vec::with_capacity(size),
            keys: Vec::new(),
            dispatched_at: now,
        };
        let mut batch = Vec::with_capacity(size);
        for (item, waiter, Deadlines { respond_by, .. }) in self.waiting.drain(..size) {
            in_flight.keys.extend(item.key());
            in_flight.waiters.push(Some((waiter, respond_by)));
            batch.push(item);
        }
        self.in_flight = Some(in_flight);
        Some((batch_id, batch))
    }

    /// The waiters of the batch in flight that have not been answered.
    pub fn in_flight(&self) -> impl Iterator<Item = &R> {
        let waiters = self.in_flight.iter().flat_map(|in_flight| &in_flight.waiters);
        waiters.flatten().map(|(waiter, _)| waiter)
    }

    /// Completes a batch. Returns the waiters of its items in order; `None` for a waiter
    /// that was answered already.
    pub fn complete(&mut self, batch_id: BatchId) -> Vec<Option<R>> {
        let completed = match self.in_flight.take_if(|in_flight| in_flight.id == batch_id) {
            Some(in_flight) => Some(in_flight),
            None => {
                let index = self.abandoned.iter().position(|in_flight| in_flight.id == batch_id);
                index.map(|index| self.abandoned.swap_remove(index))
            }
        };
        let waiters = completed.map(|in_flight| in_flight.waiters).unwrap_or_default();
        waiters.into_iter().map(|waiter| waiter.map(|(waiter, _)| waiter)).collect()
    }

    /// Takes the waiters whose deadline has passed. A batch that has been in flight for
    /// too long is abandoned, so that the next one can be dispatched; items that wait for
    /// its rows expire too, because these rows are in doubt until it completes.
    pub fn take_expired(&mut self, now: Instant) -> Vec<(R, TimeoutKind)> {
        let mut expired = Vec::new();
        if let Some(in_flight) = &mut self.in_flight {
            for waiter in &mut in_flight.waiters {
                let timed_out = waiter.take_if(|(_, respond_by)| *respond_by <= now);
                expired.extend(timed_out.map(|(waiter, _)| (waiter, TimeoutKind::OutcomeUnknown)));
            }
        }
        let newly_abandoned =
            self.in_flight.take_if(|in_flight| in_flight.dispatched_at + self.limits.max_wait <= now);
        let is_kept = |item: &T, deadlines: &Deadlines| {
            deadlines.dispatch_by > now
                && !newly_abandoned.as_ref().is_some_and(|in_flight| in_flight.overlaps(item))
        };
        for (item, waiter, deadlines) in std::mem::take(&mut self.waiting) {
            if is_kept(&item, &deadlines) {
                self.waiting.push_back((item, waiter, deadlines));
            } else {
                expired.push((waiter, TimeoutKind::NotDispatched));
            }
        }
        self.abandoned.extend(newly_abandoned);
        expired
    }

    /// How long the oldest abandoned batch has been in flight.
    pub fn oldest_abandoned(&self, now: Instant) -> Option<Duration> {
        self.abandoned.iter().map(|in_flight| now.saturating_duration_since(in_flight.dispatched_at)).max()
    }
}

impl<K: PartialEq, R> InFlightBatch<K, R> {
    /// Whether an item changes a row of this batch, if both name it by the same key.
    fn overlaps<T: QueueItem<Key = K>>(&self, item: &T) -> bool {
        item.key().is_some_and(|key| self.keys.contains(&key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, Clone, PartialEq)]
    struct TestRow(u8);

    impl QueueItem for TestRow {
        type Key = u8;

        fn key(&self) -> Option<u8> {
            Some(self.0)
        }
    }

    const TEST_LIMITS: QueueLimits = QueueLimits {
        max_batch_size: 3,
        max_queue_time: Duration::from_secs(1),
        min_time_left: Duration::from_millis(300),
        max_wait: Duration::from_secs(2),
    };

    /// The deadline of an item that is pushed now.
    fn deadline_after(now: Instant) -> Instant {
        now + TEST_LIMITS.max_wait
    }

    fn queue_of(rows: &[u8], now: Instant) -> BatchQueue<TestRow, usize> {
        let mut queue = BatchQueue::new(TEST_LIMITS);
        for (waiter, row) in rows.iter().enumerate() {
            queue.push(TestRow(*row), waiter, now, deadline_after(now)).unwrap();
        }
        queue
    }

    #[test]
    fn idle_queue_dispatches_immediately_then_batches() {
        let now = Instant::now();
        let mut queue = queue_of(&[1], now);
        let (first, batch) = queue.dispatch(now).unwrap();
        assert_eq!(batch, [TestRow(1)]);
        for row in 2..=5 {
            queue.push(TestRow(row), usize::from(row), now, deadline_after(now)).unwrap();
            assert!(queue.dispatch(now).is_none(), "one batch at a time");
        }
        assert_eq!(queue.complete(first), [Some(0)]);
        let (second, batch) = queue.dispatch(now).unwrap();
        assert_eq!(batch, [TestRow(2), TestRow(3), TestRow(4)], "at most a full batch, in order");
        assert_eq!(queue.complete(second), [Some(2), Some(3), Some(4)]);
        let (third, _) = queue.dispatch(now).unwrap();
        assert_eq!(queue.complete(third), [Some(5)]);
        assert!(queue.dispatch(now).is_none());
    }

    #[test]
    fn item_that_was_never_dispatched_times_out_as_not_dispatched() {
        let now = Instant::now();
        let mut queue = queue_of(&[1], now);
        queue.dispatch(now).unwrap();
        queue
            .push(
                TestRow(2),
                2,
                now + Duration::from_millis(500),
                deadline_after(now) + Duration::from_millis(500),
            )
            .unwrap();
        assert_eq!(queue.take_expired(now + Duration::from_secs(1)), []);
        assert_eq!(queue.take_expired(now + Duration::from_millis(1_500)), [(2, TimeoutKind::NotDispatched)]);
        assert_eq!(queue.take_expired(now + Duration::from_secs(2)), [(0, TimeoutKind::OutcomeUnknown)]);
    }

    #[test]
    fn each_waiter_times_out_at_its_own_deadline_and_the_batch_continues() {
        let now = Instant::now();
        let mut queue = queue_of(&[1, 2], now);
        let dispatched_at = now + Duration::from_millis(900);
        queue.push(TestRow(3), 3, dispatched_at, deadline_after(dispatched_at)).unwrap();
        let (batch_id, _) = queue.dispatch(dispatched_at).unwrap();
        let answered = queue.take_expired(now + Duration::from_secs(2));
        assert_eq!(answered, [(0, TimeoutKind::OutcomeUnknown), (1, TimeoutKind::OutcomeUnknown)]);
        assert!(queue.dispatch(now + Duration::from_secs(2)).is_none(), "the batch is still in flight");
        assert_eq!(queue.complete(batch_id), [None, None, Some(3)]);
    }

    #[test]
    fn item_with_a_short_deadline_times_out_before_max_wait() {
        let now = Instant::now();
        let mut queue = queue_of(&[1], now);
        queue.dispatch(now).unwrap();
        let soon = now + Duration::from_millis(500);
        queue.push(TestRow(2), 2, now, soon).unwrap();
        assert_eq!(queue.take_expired(now + Duration::from_millis(100)), []);
        let answered = queue.take_expired(soon - TEST_LIMITS.min_time_left);
        assert_eq!(answered, [(2, TimeoutKind::NotDispatched)], "it could not be answered in time");
        let mut queue = BatchQueue::new(TEST_LIMITS);
        queue.push(TestRow(3), 3, now, soon).unwrap();
        queue.dispatch(now).unwrap();
        assert_eq!(queue.take_expired(soon), [(3, TimeoutKind::OutcomeUnknown)]);
    }

    #[test]
    fn rows_of_an_abandoned_batch_are_in_doubt_until_it_completes() {
        let now = Instant::now();
        let later = now + TEST_LIMITS.max_wait;
        let mut queue = queue_of(&[1], now);
        let (abandoned, _) = queue.dispatch(now).unwrap();
        queue.push(TestRow(1), 5, later, deadline_after(later)).unwrap();
        queue.push(TestRow(2), 6, later, deadline_after(later)).unwrap();
        assert_eq!(
            queue.take_expired(later),
            [(0, TimeoutKind::OutcomeUnknown), (5, TimeoutKind::NotDispatched)]
        );
        assert_eq!(queue.oldest_abandoned(later), Some(TEST_LIMITS.max_wait));
        assert_eq!(queue.push(TestRow(1), 7, later, deadline_after(later)), Err((InDoubt, 7)));
        let (next, batch) = queue.dispatch(later).unwrap();
        assert_eq!(batch, [TestRow(2)], "the next batch is dispatched");
        assert_eq!(queue.complete(abandoned), [None], "it was answered already");
        queue.push(TestRow(1), 9, later, deadline_after(later)).unwrap();
        assert_eq!(queue.complete(next), [Some(6)]);
        assert_eq!(queue.oldest_abandoned(later), None);
    }

    #[test]
    fn batch_completes_once() {
        let now = Instant::now();
        let mut queue = queue_of(&[1], now);
        let (batch_id, _) = queue.dispatch(now).unwrap();
        assert_eq!(queue.complete(batch_id), [Some(0)]);
        assert_eq!(queue.complete(batch_id), []);
    }

    #[derive(Clone, Debug)]
    enum QueueStep {
        Push(u8, u64),
        Dispatch,
        Complete(usize),
        AdvanceTime(u64),
    }

    fn any_queue_step() -> impl Strategy<Value = QueueStep> {
        prop_oneof![
            4 => (0_u8..6, 0_u64..3_000).prop_map(|(row, millis_left)| QueueStep::Push(row, millis_left)),
            3 => Just(QueueStep::Dispatch),
            3 => (0_usize..4).prop_map(QueueStep::Complete),
            1 => (0_u64..3_000).prop_map(QueueStep::AdvanceTime),
        ]
    }

    proptest! {
        #[test]
        fn every_waiter_is_answered_exactly_once(steps in proptest::collection::vec(any_queue_step(), 0..120)) {
            let mut queue = BatchQueue::new(TEST_LIMITS);
            let mut now = Instant::now();
            let mut in_flight: Vec<BatchId> = Vec::new();
            let mut answered: Vec<usize> = Vec::new();
            let mut pushed = 0;
            for step in steps {
                match step {
                    QueueStep::Push(row, millis_left) => {
                        let deadline = now + Duration::from_millis(millis_left);
                        if let Err((InDoubt, waiter)) = queue.push(TestRow(row), pushed, now, deadline) {
                            answered.push(waiter);
                        }
                        pushed += 1;
                    }
                    QueueStep::Dispatch => if let Some((batch_id, batch)) = queue.dispatch(now) {
                        prop_assert!(!batch.is_empty() && batch.len() <= TEST_LIMITS.max_batch_size);
                        in_flight.push(batch_id);
                    },
                    QueueStep::Complete(nth) => if nth < in_flight.len() {
                        answered.extend(queue.complete(in_flight.remove(nth)).into_iter().flatten());
                    },
                    QueueStep::AdvanceTime(millis) => {
                        now += Duration::from_millis(millis);
                        answered.extend(queue.take_expired(now).into_iter().map(|(waiter, _)| waiter));
                        prop_assert!(queue.waiting.iter().all(|(_, _, deadlines)| deadlines.dispatch_by > now));
                    }
                }
            }
            for batch_id in in_flight {
                answered.extend(queue.complete(batch_id).into_iter().flatten());
            }
            while let Some((batch_id, _)) = queue.dispatch(now) {
                answered.extend(queue.complete(batch_id).into_iter().flatten());
            }
            answered.sort_unstable();
            prop_assert_eq!(answered, (0..pushed).collect::<Vec<_>>());
            prop_assert!(queue.waiting.is_empty() && queue.in_flight.is_none() && queue.abandoned.is_empty());
        }
    }
}
