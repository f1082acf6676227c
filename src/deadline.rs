//! The deadline of a request, by which the client gets a response.
//!
//! The deadline is task-local. A request waits several times (to authenticate the caller, to
//! resolve references, for its operation); all waits share one budget, and none of them has to
//! pass the deadline on.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::time::{sleep_until, timeout};

use crate::failpoints;

/// When each wait gives up and reports what it knows of the outcome.
const REQUEST_BUDGET: Duration = Duration::from_millis(1_800);
/// How much later the request is aborted if no wait has reported. The registry checks its
/// deadlines every 100 ms.
const RESPONSE_GRACE: Duration = Duration::from_millis(150);

tokio::task_local! {
    static DEADLINE: Cell<Instant>;
}

/// Runs the work of a request that arrives now; `None` if it exceeded the deadline.
pub async fn run<T>(work: impl Future<Output = T>) -> Option<T> {
    let until = || tokio::time::Instant::from_std(DEADLINE.with(Cell::get) + RESPONSE_GRACE);
    let bounded = async {
        let mut work = pin!(work);
        let mut timer = pin!(sleep_until(until()));
        poll_fn(|cx| {
            if let Poll::Ready(done) = work.as_mut().poll(cx) {
                return Poll::Ready(Some(done));
            }
            // `exclude` may have moved the deadline.
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

/// The deadline of the current request, or `limit` from now if that is earlier or there is no
/// request.
pub fn by(limit: Duration) -> Instant {
    let latest = Instant::now() + failpoints::timeout("deadline.timeout", limit);
    DEADLINE.try_with(|deadline| deadline.get().min(latest)).unwrap_or(latest)
}

/// Waits for the client up to `limit`; `None` if it took longer. The time is added to the
/// deadline of the request.
pub async fn exclude<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    let started = Instant::now();
    let deadline = DEADLINE.try_with(Cell::get).ok();
    let extend = |by: Duration| {
        // Outside a request there is no deadline to extend.
        let _ = DEADLINE.try_with(|current| deadline.map(|deadline| current.set(deadline + by)));
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
        let started = Instant::now();
        let left = run(async {
            assert!(time_left() <= REQUEST_BUDGET);
            sleep(Duration::from_millis(200)).await;
            time_left()
        });
        let left = left.await.unwrap();
        assert!(left <= REQUEST_BUDGET - Duration::from_millis(200), "{left:?}");
        assert_eq!(run(pending::<()>()).await, None);
        assert!(started.elapsed() >= REQUEST_BUDGET + RESPONSE_GRACE);
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
