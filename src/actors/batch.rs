//! The queue behind group commit, as a plain state machine: what arrives while
//! a batch is in flight waits, and leaves together with the next one.
//!
//! It knows no actor, thread or clock. Time is told to it; who waits for an
//! answer is an opaque `R`.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What a queue takes: something about rows that have keys.
pub trait Item {
    /// What names a row.
    type Key: PartialEq;

    /// The rows that it is about. While their fate is unknown, nothing else
    /// about them is taken.
    fn keys(&self) -> Vec<Self::Key>;
}

/// How much and how long a queue waits.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most items in a batch.
    pub batch: usize,
    /// How long an item waits for its answer.
    pub patience: Duration,
}

/// Names a batch that has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flight(u64);

/// Why an item's answer is not coming.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overdue {
    /// It never left: nothing was done.
    NotStarted,
    /// It left, and nothing has been heard of it.
    Unknown,
}

/// An item is about rows whose fate is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InDoubt;

/// The queue: items `T`, and those `R` who wait for their answers.
#[derive(Debug)]
pub struct Queue<T: Item, R> {
    limits: Limits,
    waiting: VecDeque<(T, R, Instant)>,
    /// The one batch in flight whose answers are awaited.
    flying: Option<Flown<T::Key, R>>,
    /// Batches that were given up, but may yet land.
    lost: Vec<Flown<T::Key, R>>,
    departures: u64,
}

#[derive(Debug)]
struct Flown<K, R> {
    flight: Flight,
    /// One of each item; `None` once it has been told.
    passengers: Vec<Option<R>>,
    keys: Vec<K>,
    departed: Instant,
    /// When the first of its items had waited too long.
    due: Instant,
}

impl<T: Item, R> Queue<T, R> {
    /// An empty queue.
    pub fn new(limits: Limits) -> Self {
        Self { limits, waiting: VecDeque::new(), flying: None, lost: Vec::new(), departures: 0 }
    }

    /// Takes an item, unless it is about a row of a batch that was given up.
    pub fn push(&mut self, item: T, waiter: R, now: Instant) -> Result<(), (InDoubt, R)> {
        if !self.lost.is_empty() {
            let keys = item.keys();
            if self.lost.iter().any(|flown| keys.iter().any(|key| flown.keys.contains(key))) {
                return Err((InDoubt, waiter));
            }
        }
        self.waiting.push_back((item, waiter, now));
        Ok(())
    }

    /// The next batch, if one waits and none is in flight.
    pub fn depart(&mut self, now: Instant) -> Option<(Flight, Vec<T>)> {
        if self.flying.is_some() || self.waiting.is_empty() {
            return None;
        }
        self.departures += 1;
        let flight = Flight(self.departures);
        let size = self.waiting.len().min(self.limits.batch);
        let mut flown = Flown {
            flight,
            passengers: Vec::with_capacity(size),
            keys: Vec::new(),
            departed: now,
            due: now + self.limits.patience,
        };
        let mut batch = Vec::with_capacity(size);
        for (item, waiter, since) in self.waiting.drain(..size) {
            flown.due = flown.due.min(since + self.limits.patience);
            flown.keys.extend(item.keys());
            flown.passengers.push(Some(waiter));
            batch.push(item);
        }
        self.flying = Some(flown);
        Some((flight, batch))
    }

    /// A batch has landed: those who wait for its items, in their order, `None`
    /// for those who were told already.
    pub fn land(&mut self, flight: Flight) -> Vec<Option<R>> {
        if let Some(flown) = self.flying.take_if(|flown| flown.flight == flight) {
            return flown.passengers;
        }
        match self.lost.iter().position(|flown| flown.flight == flight) {
            Some(at) => self.lost.swap_remove(at).passengers,
            None => Vec::new(),
        }
    }

    /// Those whose patience is over. A batch in flight that is due is given up:
    /// its lane is free for the next one, its rows are in doubt until it lands.
    pub fn overdue(&mut self, now: Instant) -> Vec<(R, Overdue)> {
        let mut told = Vec::new();
        if let Some(mut flown) = self.flying.take_if(|flown| flown.due <= now) {
            let passengers = flown.passengers.iter_mut().filter_map(Option::take);
            told.extend(passengers.map(|waiter| (waiter, Overdue::Unknown)));
            self.lost.push(flown);
        }
        while let Some((_, waiter, _)) =
            self.waiting.pop_front_if(|(_, _, since)| *since + self.limits.patience <= now)
        {
            told.push((waiter, Overdue::NotStarted));
        }
        told
    }

    /// For how long the longest-lost batch has been gone.
    pub fn longest_lost(&self, now: Instant) -> Option<Duration> {
        self.lost.iter().map(|flown| now.saturating_duration_since(flown.departed)).max()
    }

    /// Whether nothing waits and nothing is in flight.
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.flying.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, Clone, PartialEq)]
    struct Row(u8);

    impl Item for Row {
        type Key = u8;

        fn keys(&self) -> Vec<u8> {
            vec![self.0]
        }
    }

    const LIMITS: Limits = Limits { batch: 3, patience: Duration::from_secs(2) };

    fn queue_of(rows: &[u8], now: Instant) -> Queue<Row, usize> {
        let mut queue = Queue::new(LIMITS);
        for (waiter, row) in rows.iter().enumerate() {
            queue.push(Row(*row), waiter, now).unwrap();
        }
        queue
    }

    #[test]
    fn an_idle_queue_sends_at_once_and_then_collects() {
        let now = Instant::now();
        let mut queue = queue_of(&[1], now);
        let (first, batch) = queue.depart(now).unwrap();
        assert_eq!(batch, [Row(1)]);
        for row in 2..=5 {
            queue.push(Row(row), usize::from(row), now).unwrap();
            assert!(queue.depart(now).is_none(), "one batch at a time");
        }
        assert_eq!(queue.land(first), [Some(0)]);
        let (second, batch) = queue.depart(now).unwrap();
        assert_eq!(batch, [Row(2), Row(3), Row(4)], "no more than a batch holds, in order");
        assert_eq!(queue.land(second), [Some(2), Some(3), Some(4)]);
        let (third, _) = queue.depart(now).unwrap();
        assert_eq!(queue.land(third), [Some(5)]);
        assert!(queue.is_idle());
    }

    #[test]
    fn what_never_left_was_not_done() {
        let now = Instant::now();
        let mut queue = queue_of(&[1], now);
        queue.depart(now).unwrap();
        queue.push(Row(2), 2, now + Duration::from_secs(1)).unwrap();
        assert_eq!(queue.overdue(now + Duration::from_secs(1)), []);
        assert_eq!(queue.overdue(now + Duration::from_secs(2)), [(0, Overdue::Unknown)]);
        assert_eq!(queue.overdue(now + Duration::from_secs(3)), [(2, Overdue::NotStarted)]);
    }

    #[test]
    fn rows_of_a_lost_batch_are_in_doubt_until_it_lands() {
        let now = Instant::now();
        let later = now + LIMITS.patience;
        let mut queue = queue_of(&[1], now);
        let (lost, _) = queue.depart(now).unwrap();
        queue.overdue(later);
        assert_eq!(queue.longest_lost(later), Some(LIMITS.patience));
        assert_eq!(queue.push(Row(1), 7, later), Err((InDoubt, 7)));
        queue.push(Row(2), 8, later).unwrap();
        let (next, batch) = queue.depart(later).unwrap();
        assert_eq!(batch, [Row(2)], "the lane is free again");
        assert_eq!(queue.land(lost), [None], "it has been told");
        queue.push(Row(1), 9, later).unwrap();
        assert_eq!(queue.land(next), [Some(8)]);
        assert_eq!(queue.longest_lost(later), None);
    }

    #[test]
    fn a_flight_lands_once() {
        let now = Instant::now();
        let mut queue = queue_of(&[1], now);
        let (flight, _) = queue.depart(now).unwrap();
        assert_eq!(queue.land(flight), [Some(0)]);
        assert_eq!(queue.land(flight), []);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Push(u8),
        Depart,
        Land(usize),
        Wait(u64),
    }

    fn any_step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0_u8..6).prop_map(Step::Push),
            3 => Just(Step::Depart),
            3 => (0_usize..4).prop_map(Step::Land),
            1 => (0_u64..3_000).prop_map(Step::Wait),
        ]
    }

    proptest! {
        #[test]
        fn everyone_is_told_exactly_once(steps in proptest::collection::vec(any_step(), 0..120)) {
            let mut queue = Queue::new(LIMITS);
            let mut now = Instant::now();
            let mut aloft: Vec<Flight> = Vec::new();
            let mut told: Vec<usize> = Vec::new();
            let mut pushed = 0;
            for step in steps {
                match step {
                    Step::Push(row) => {
                        if let Err((InDoubt, waiter)) = queue.push(Row(row), pushed, now) {
                            told.push(waiter);
                        }
                        pushed += 1;
                    }
                    Step::Depart => if let Some((flight, batch)) = queue.depart(now) {
                        prop_assert!(!batch.is_empty() && batch.len() <= LIMITS.batch);
                        aloft.push(flight);
                    },
                    Step::Land(nth) => if nth < aloft.len() {
                        told.extend(queue.land(aloft.remove(nth)).into_iter().flatten());
                    },
                    Step::Wait(millis) => {
                        now += Duration::from_millis(millis);
                        told.extend(queue.overdue(now).into_iter().map(|(waiter, _)| waiter));
                        prop_assert!(queue.waiting.iter().all(|(_, _, since)| *since + LIMITS.patience > now));
                    }
                }
            }
            for flight in aloft {
                told.extend(queue.land(flight).into_iter().flatten());
            }
            while let Some((flight, _)) = queue.depart(now) {
                told.extend(queue.land(flight).into_iter().flatten());
            }
            told.sort_unstable();
            prop_assert_eq!(told, (0..pushed).collect::<Vec<_>>());
            prop_assert!(queue.is_idle());
        }
    }
}
