//! The queue behind group commit, as a plain state machine: what arrives while
//! a batch is in flight waits, and leaves together with the next one.
//!
//! It knows no actor, thread or clock. Time is told to it; who waits for an
//! answer is an opaque `R`.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What a queue takes: something about rows that have keys.
pub trait QueueItem {
    /// What names a row.
    type Key: PartialEq;

    /// The rows that it is about. While their fate is unknown, nothing else
    /// about them is taken.
    fn keys(&self) -> Vec<Self::Key>;
}

/// How much and how long a queue waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct QueueLimits {
    /// The most items in a batch.
    pub max_batch_size: usize,
    /// How long an item waits to leave. What leaves later would not be back in time.
    pub max_queue_time: Duration,
    /// How long before its answer is due it must have left, if it is due sooner.
    pub min_time_left: Duration,
    /// How long an item waits for its answer at the most, and a batch may be gone.
    pub max_wait: Duration,
}

/// Until when an item waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Deadlines {
    /// To leave.
    dispatch_by: Instant,
    /// For its answer.
    respond_by: Instant,
}

/// Names a batch that has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BatchId(u64);

/// Why an item's answer is not coming.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeoutKind {
    /// It never left: nothing was done.
    NotDispatched,
    /// It left, and nothing has been heard of it.
    OutcomeUnknown,
}

/// An item is about rows whose fate is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InDoubt;

/// The queue: items `T`, and those `R` who wait for their answers. Whether two of
/// them are alike is asked by whoever goes through all that can happen to one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BatchQueue<T: QueueItem, R> {
    limits: QueueLimits,
    waiting: VecDeque<(T, R, Deadlines)>,
    /// The one batch in flight whose answers are awaited.
    in_flight: Option<InFlightBatch<T::Key, R>>,
    /// Batches that were given up, but may yet land.
    abandoned: Vec<InFlightBatch<T::Key, R>>,
    last_batch_id: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct InFlightBatch<K, R> {
    id: BatchId,
    /// One of each item, and until when they wait; `None` once they were told.
    waiters: Vec<Option<(R, Instant)>>,
    keys: Vec<K>,
    dispatched_at: Instant,
}

impl<T: QueueItem, R> BatchQueue<T, R> {
    /// An empty queue.
    pub fn new(limits: QueueLimits) -> Self {
        Self { limits, waiting: VecDeque::new(), in_flight: None, abandoned: Vec::new(), last_batch_id: 0 }
    }

    /// Takes an item whose answer is due by then, unless it is about a row of a batch
    /// that was given up.
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

    /// The next batch, if one waits and none is in flight.
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
            in_flight.keys.extend(item.keys());
            in_flight.waiters.push(Some((waiter, respond_by)));
            batch.push(item);
        }
        self.in_flight = Some(in_flight);
        Some((batch_id, batch))
    }

    /// A batch has landed: those who wait for its items, in their order, `None`
    /// for those who were told already.
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

    /// Those whose patience is over. A batch that has been gone for too long is
    /// given up: its lane is free for the next one, and what waits for the same
    /// rows is told too, since their fate is in doubt until it lands.
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

    /// For how long the longest-lost batch has been gone.
    pub fn oldest_abandoned(&self, now: Instant) -> Option<Duration> {
        self.abandoned.iter().map(|in_flight| now.saturating_duration_since(in_flight.dispatched_at)).max()
    }
}

impl<K: PartialEq, R> InFlightBatch<K, R> {
    /// Whether an item is about a row of this batch, as far as it is named alike.
    fn overlaps<T: QueueItem<Key = K>>(&self, item: &T) -> bool {
        item.keys().iter().any(|key| self.keys.contains(key))
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

        fn keys(&self) -> Vec<u8> {
            vec![self.0]
        }
    }

    const TEST_LIMITS: QueueLimits = QueueLimits {
        max_batch_size: 3,
        max_queue_time: Duration::from_secs(1),
        min_time_left: Duration::from_millis(300),
        max_wait: Duration::from_secs(2),
    };

    /// When the answer is due to somebody who comes now and has all their time left.
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
        assert_eq!(batch, [TestRow(2), TestRow(3), TestRow(4)], "no more than a batch holds, in order");
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
        let boarded = now + Duration::from_millis(900);
        queue.push(TestRow(3), 3, boarded, deadline_after(boarded)).unwrap();
        let (batch_id, _) = queue.dispatch(boarded).unwrap();
        let answered = queue.take_expired(now + Duration::from_secs(2));
        assert_eq!(answered, [(0, TimeoutKind::OutcomeUnknown), (1, TimeoutKind::OutcomeUnknown)]);
        assert!(queue.dispatch(now + Duration::from_secs(2)).is_none(), "it is not lost");
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
        assert_eq!(answered, [(2, TimeoutKind::NotDispatched)], "it would not be back in time");
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
        let (lost, _) = queue.dispatch(now).unwrap();
        queue.push(TestRow(1), 5, later, deadline_after(later)).unwrap();
        queue.push(TestRow(2), 6, later, deadline_after(later)).unwrap();
        assert_eq!(
            queue.take_expired(later),
            [(0, TimeoutKind::OutcomeUnknown), (5, TimeoutKind::NotDispatched)]
        );
        assert_eq!(queue.oldest_abandoned(later), Some(TEST_LIMITS.max_wait));
        assert_eq!(queue.push(TestRow(1), 7, later, deadline_after(later)), Err((InDoubt, 7)));
        let (next, batch) = queue.dispatch(later).unwrap();
        assert_eq!(batch, [TestRow(2)], "the lane is free again");
        assert_eq!(queue.complete(lost), [None], "it has been told");
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
            4 => (0_u8..6, 0_u64..3_000).prop_map(|(row, due)| QueueStep::Push(row, due)),
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
                    QueueStep::Push(row, left) => {
                        let due = now + Duration::from_millis(left);
                        if let Err((InDoubt, waiter)) = queue.push(TestRow(row), pushed, now, due) {
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
