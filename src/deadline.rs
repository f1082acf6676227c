//! The deadline of a request: by when whoever sent it has an answer.
//!
//! It is looked up wherever something is waited for, rather than handed down: what a
//! request waits for one after the other (who calls, what they name, the deed itself)
//! has two seconds in all, and no stage can forget to pass it on.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::time::{sleep_until, timeout};

use crate::failpoints;

/// By when each stage gives up, and says what it knows of what was done.
const REQUEST_BUDGET: Duration = Duration::from_millis(1_800);
/// How much later a request is answered whose stages have said nothing. The registry
/// looks at its watch every tenth of a second.
const RESPONSE_GRACE: Duration = Duration::from_millis(150);

tokio::task_local! {
    static DEADLINE: Cell<Instant>;
}

/// Does the work of a request that arrives now; `None` when that took too long.
pub async fn run<T>(work: impl Future<Output = T>) -> Option<T> {
    let until = || tokio::time::Instant::from_std(DEADLINE.with(Cell::get) + RESPONSE_GRACE);
    let bounded = async {
        let mut work = pin!(work);
        let mut timer = pin!(sleep_until(until()));
        poll_fn(|cx| {
            if let Poll::Ready(done) = work.as_mut().poll(cx) {
                return Poll::Ready(Some(done));
            }
            // The client may have been given time meanwhile.
            if timer.deadline() != until() {
                timer.as_mut().reset(until());
            }
            timer.as_mut().poll(cx).map(|()| None)
        })
        .await
    };
    let budget = failpoints::timeout("deadline.timeout", REQUEST_BUDGET);
    DEADLINE.scope(Cell::new(Instant::now() + budget), bounded).await
}

/// The deadline of the request for which this is called, or so long from now if that
/// is sooner, or if it is called for none.
pub fn by(limit: Duration) -> Instant {
    let latest = Instant::now() + failpoints::timeout("deadline.timeout", limit);
    DEADLINE.try_with(|deadline| deadline.get().min(latest)).unwrap_or(latest)
}

/// Waits for the client, so long at the most; `None` when that did not suffice. The
/// request's own time stands still meanwhile.
pub async fn exclude<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    let started = Instant::now();
    let before = DEADLINE.try_with(Cell::get).ok();
    let extend = |by: Duration| {
        // Outside of a request there is nothing to be put off.
        let _ = DEADLINE.try_with(|deadline| before.map(|before| deadline.set(before + by)));
    };
    extend(limit);
    let done = timeout(limit, work).await;
    extend(started.elapsed());
    done.ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;
    use tokio::time::sleep;

    fn time_left() -> Duration {
        by(Duration::from_secs(3_600)).saturating_duration_since(Instant::now())
    }

    #[tokio::test]
    async fn consecutive_waits_share_one_deadline() {
        let begun = Instant::now();
        let at_the_end = run(async {
            assert!(time_left() <= REQUEST_BUDGET);
            sleep(Duration::from_millis(200)).await;
            time_left()
        });
        let at_the_end = at_the_end.await.unwrap();
        assert!(at_the_end <= REQUEST_BUDGET - Duration::from_millis(200), "{at_the_end:?}");
        assert_eq!(run(pending::<()>()).await, None);
        assert!(begun.elapsed() >= REQUEST_BUDGET + RESPONSE_GRACE);
    }

    #[tokio::test]
    async fn time_spent_waiting_for_the_client_is_excluded() {
        let slow = Duration::from_millis(300);
        let (read, left) =
            run(async { (exclude(REQUEST_BUDGET * 2, sleep(slow)).await, time_left()) }).await.unwrap();
        assert!(read.is_some() && left > REQUEST_BUDGET - slow / 2, "{left:?}");
        let read = run(async { exclude(slow, pending::<()>()).await }).await;
        assert_eq!(read, Some(None));
    }

    #[test]
    fn outside_a_request_only_the_given_limit_applies() {
        let hour = Duration::from_secs(3_600);
        assert!(by(hour) > Instant::now() + hour / 2);
    }
}
