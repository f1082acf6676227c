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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limits {
    /// The most items in a batch.
    pub batch: usize,
    /// How long an item waits to leave. What leaves later would not be back in time.
    pub boarding: Duration,
    /// How long before its answer is due it must have left, if it is due sooner.
    pub last_call: Duration,
    /// How long an item waits for its answer at the most, and a batch may be gone.
    pub patience: Duration,
}

/// Until when an item waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Patience {
    /// To leave.
    boards: Instant,
    /// For its answer.
    hears: Instant,
}

/// Names a batch that has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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

/// The queue: items `T`, and those `R` who wait for their answers. Whether two of
/// them are alike is asked by whoever goes through all that can happen to one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Queue<T: Item, R> {
    limits: Limits,
    waiting: VecDeque<(T, R, Patience)>,
    /// The one batch in flight whose answers are awaited.
    flying: Option<Flown<T::Key, R>>,
    /// Batches that were given up, but may yet land.
    lost: Vec<Flown<T::Key, R>>,
    departures: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Flown<K, R> {
    flight: Flight,
    /// One of each item, and until when they wait; `None` once they were told.
    passengers: Vec<Option<(R, Instant)>>,
    keys: Vec<K>,
    departed: Instant,
}

impl<T: Item, R> Queue<T, R> {
    /// An empty queue.
    pub fn new(limits: Limits) -> Self {
        Self { limits, waiting: VecDeque::new(), flying: None, lost: Vec::new(), departures: 0 }
    }

    /// Takes an item whose answer is due by then, unless it is about a row of a batch
    /// that was given up.
    pub fn push(&mut self, item: T, waiter: R, now: Instant, due: Instant) -> Result<(), (InDoubt, R)> {
        if self.lost.iter().any(|flown| flown.concerns(&item)) {
            return Err((InDoubt, waiter));
        }
        let hears = due.min(now + self.limits.patience);
        let last_call = hears.checked_sub(self.limits.last_call).unwrap_or(now);
        let boards = last_call.min(now + self.limits.boarding);
        self.waiting.push_back((item, waiter, Patience { boards, hears }));
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
        let mut flown =
            Flown { flight, passengers: Vec::with_capacity(size), keys: Vec::new(), departed: now };
        let mut batch = Vec::with_capacity(size);
        for (item, waiter, Patience { hears, .. }) in self.waiting.drain(..size) {
            flown.keys.extend(item.keys());
            flown.passengers.push(Some((waiter, hears)));
            batch.push(item);
        }
        self.flying = Some(flown);
        Some((flight, batch))
    }

    /// A batch has landed: those who wait for its items, in their order, `None`
    /// for those who were told already.
    pub fn land(&mut self, flight: Flight) -> Vec<Option<R>> {
        let flown = match self.flying.take_if(|flown| flown.flight == flight) {
            Some(flown) => Some(flown),
            None => {
                let at = self.lost.iter().position(|flown| flown.flight == flight);
                at.map(|at| self.lost.swap_remove(at))
            }
        };
        let passengers = flown.map(|flown| flown.passengers).unwrap_or_default();
        passengers.into_iter().map(|passenger| passenger.map(|(waiter, _)| waiter)).collect()
    }

    /// Those whose patience is over. A batch that has been gone for too long is
    /// given up: its lane is free for the next one, and what waits for the same
    /// rows is told too, since their fate is in doubt until it lands.
    pub fn overdue(&mut self, now: Instant) -> Vec<(R, Overdue)> {
        let mut told = Vec::new();
        if let Some(flown) = &mut self.flying {
            for passenger in &mut flown.passengers {
                let late = passenger.take_if(|(_, hears)| *hears <= now);
                told.extend(late.map(|(waiter, _)| (waiter, Overdue::Unknown)));
            }
        }
        let given_up = self.flying.take_if(|flown| flown.departed + self.limits.patience <= now);
        let stays = |item: &T, patience: &Patience| {
            patience.boards > now && !given_up.as_ref().is_some_and(|flown| flown.concerns(item))
        };
        for (item, waiter, patience) in std::mem::take(&mut self.waiting) {
            if stays(&item, &patience) {
                self.waiting.push_back((item, waiter, patience));
            } else {
                told.push((waiter, Overdue::NotStarted));
            }
        }
        self.lost.extend(given_up);
        told
    }

    /// For how long the longest-lost batch has been gone.
    pub fn longest_lost(&self, now: Instant) -> Option<Duration> {
        self.lost.iter().map(|flown| now.saturating_duration_since(flown.departed)).max()
    }
}

impl<K: PartialEq, R> Flown<K, R> {
    /// Whether an item is about a row of this batch, as far as it is named alike.
    fn concerns<T: Item<Key = K>>(&self, item: &T) -> bool {
        item.keys().iter().any(|key| self.keys.contains(key))
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

    const LIMITS: Limits = Limits {
        batch: 3,
        boarding: Duration::from_secs(1),
        last_call: Duration::from_millis(300),
        patience: Duration::from_secs(2),
    };

    /// When the answer is due to somebody who comes now and has all their time left.
    fn due(now: Instant) -> Instant {
        now + LIMITS.patience
    }

    fn queue_of(rows: &[u8], now: Instant) -> Queue<Row, usize> {
        let mut queue = Queue::new(LIMITS);
        for (waiter, row) in rows.iter().enumerate() {
            queue.push(Row(*row), waiter, now, due(now)).unwrap();
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
            queue.push(Row(row), usize::from(row), now, due(now)).unwrap();
            assert!(queue.depart(now).is_none(), "one batch at a time");
        }
        assert_eq!(queue.land(first), [Some(0)]);
        let (second, batch) = queue.depart(now).unwrap();
        assert_eq!(batch, [Row(2), Row(3), Row(4)], "no more than a batch holds, in order");
        assert_eq!(queue.land(second), [Some(2), Some(3), Some(4)]);
        let (third, _) = queue.depart(now).unwrap();
        assert_eq!(queue.land(third), [Some(5)]);
        assert!(queue.depart(now).is_none());
    }

    #[test]
    fn what_never_left_was_not_done() {
        let now = Instant::now();
        let mut queue = queue_of(&[1], now);
        queue.depart(now).unwrap();
        queue
            .push(Row(2), 2, now + Duration::from_millis(500), due(now) + Duration::from_millis(500))
            .unwrap();
        assert_eq!(queue.overdue(now + Duration::from_secs(1)), []);
        assert_eq!(queue.overdue(now + Duration::from_millis(1_500)), [(2, Overdue::NotStarted)]);
        assert_eq!(queue.overdue(now + Duration::from_secs(2)), [(0, Overdue::Unknown)]);
    }

    #[test]
    fn one_who_boarded_late_is_told_in_time_and_the_flight_goes_on() {
        let now = Instant::now();
        let mut queue = queue_of(&[1, 2], now);
        let boarded = now + Duration::from_millis(900);
        queue.push(Row(3), 3, boarded, due(boarded)).unwrap();
        let (flight, _) = queue.depart(boarded).unwrap();
        let told = queue.overdue(now + Duration::from_secs(2));
        assert_eq!(told, [(0, Overdue::Unknown), (1, Overdue::Unknown)]);
        assert!(queue.depart(now + Duration::from_secs(2)).is_none(), "it is not lost");
        assert_eq!(queue.land(flight), [None, None, Some(3)]);
    }

    #[test]
    fn one_who_comes_late_is_told_by_their_own_deadline() {
        let now = Instant::now();
        let mut queue = queue_of(&[1], now);
        queue.depart(now).unwrap();
        let soon = now + Duration::from_millis(500);
        queue.push(Row(2), 2, now, soon).unwrap();
        assert_eq!(queue.overdue(now + Duration::from_millis(100)), []);
        let told = queue.overdue(soon - LIMITS.last_call);
        assert_eq!(told, [(2, Overdue::NotStarted)], "it would not be back in time");
        let mut queue = Queue::new(LIMITS);
        queue.push(Row(3), 3, now, soon).unwrap();
        queue.depart(now).unwrap();
        assert_eq!(queue.overdue(soon), [(3, Overdue::Unknown)]);
    }

    #[test]
    fn rows_of_a_lost_batch_are_in_doubt_until_it_lands() {
        let now = Instant::now();
        let later = now + LIMITS.patience;
        let mut queue = queue_of(&[1], now);
        let (lost, _) = queue.depart(now).unwrap();
        queue.push(Row(1), 5, later, due(later)).unwrap();
        queue.push(Row(2), 6, later, due(later)).unwrap();
        assert_eq!(queue.overdue(later), [(0, Overdue::Unknown), (5, Overdue::NotStarted)]);
        assert_eq!(queue.longest_lost(later), Some(LIMITS.patience));
        assert_eq!(queue.push(Row(1), 7, later, due(later)), Err((InDoubt, 7)));
        let (next, batch) = queue.depart(later).unwrap();
        assert_eq!(batch, [Row(2)], "the lane is free again");
        assert_eq!(queue.land(lost), [None], "it has been told");
        queue.push(Row(1), 9, later, due(later)).unwrap();
        assert_eq!(queue.land(next), [Some(6)]);
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
        Push(u8, u64),
        Depart,
        Land(usize),
        Wait(u64),
    }

    fn any_step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0_u8..6, 0_u64..3_000).prop_map(|(row, due)| Step::Push(row, due)),
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
                    Step::Push(row, left) => {
                        let due = now + Duration::from_millis(left);
                        if let Err((InDoubt, waiter)) = queue.push(Row(row), pushed, now, due) {
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
                        prop_assert!(queue.waiting.iter().all(|(_, _, patience)| patience.boards > now));
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
            prop_assert!(queue.waiting.is_empty() && queue.flying.is_none() && queue.lost.is_empty());
        }
    }
}
