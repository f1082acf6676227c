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

use crate::faults;

/// By when each stage gives up, and says what it knows of what was done.
const STAGES: Duration = Duration::from_millis(1_800);
/// How much later a request is answered whose stages have said nothing. The registry
/// looks at its watch every tenth of a second.
const GRACE: Duration = Duration::from_millis(150);

tokio::task_local! {
    static DEADLINE: Cell<Instant>;
}

/// Does the work of a request that arrives now; `None` when that took too long.
pub async fn keep<T>(work: impl Future<Output = T>) -> Option<T> {
    let until = || tokio::time::Instant::from_std(DEADLINE.with(Cell::get) + GRACE);
    let watched = async {
        let mut work = pin!(work);
        let mut alarm = pin!(sleep_until(until()));
        poll_fn(|cx| {
            if let Poll::Ready(done) = work.as_mut().poll(cx) {
                return Poll::Ready(Some(done));
            }
            // The client may have been given time meanwhile.
            if alarm.deadline() != until() {
                alarm.as_mut().reset(until());
            }
            alarm.as_mut().poll(cx).map(|()| None)
        })
        .await
    };
    let stages = faults::patience("deadline.patience", STAGES);
    DEADLINE.scope(Cell::new(Instant::now() + stages), watched).await
}

/// The deadline of the request for which this is called, or so long from now if that
/// is sooner, or if it is called for none.
pub fn by(most: Duration) -> Instant {
    let latest = Instant::now() + faults::patience("deadline.patience", most);
    DEADLINE.try_with(|deadline| deadline.get().min(latest)).unwrap_or(latest)
}

/// Waits for the client, so long at the most; `None` when that did not suffice. The
/// request's own time stands still meanwhile.
pub async fn lend<T>(most: Duration, work: impl Future<Output = T>) -> Option<T> {
    let begun = Instant::now();
    let before = DEADLINE.try_with(Cell::get).ok();
    let put_off = |by: Duration| {
        // Outside of a request there is nothing to be put off.
        let _ = DEADLINE.try_with(|deadline| before.map(|before| deadline.set(before + by)));
    };
    put_off(most);
    let done = timeout(most, work).await;
    put_off(begun.elapsed());
    done.ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;
    use tokio::time::sleep;

    fn left() -> Duration {
        by(Duration::from_secs(3_600)).saturating_duration_since(Instant::now())
    }

    #[tokio::test]
    async fn what_is_waited_for_one_after_the_other_has_one_deadline() {
        let begun = Instant::now();
        let at_the_end = keep(async {
            assert!(left() <= STAGES);
            sleep(Duration::from_millis(200)).await;
            left()
        });
        let at_the_end = at_the_end.await.unwrap();
        assert!(at_the_end <= STAGES - Duration::from_millis(200), "{at_the_end:?}");
        assert_eq!(keep(pending::<()>()).await, None);
        assert!(begun.elapsed() >= STAGES + GRACE);
    }

    #[tokio::test]
    async fn the_clients_time_is_not_ours() {
        let slow = Duration::from_millis(300);
        let (read, left) = keep(async { (lend(STAGES * 2, sleep(slow)).await, left()) }).await.unwrap();
        assert!(read.is_some() && left > STAGES - slow / 2, "{left:?}");
        let read = keep(async { lend(slow, pending::<()>()).await }).await;
        assert_eq!(read, Some(None));
    }

    #[test]
    fn outside_of_a_request_there_is_the_stages_own() {
        let hour = Duration::from_secs(3_600);
        assert!(by(hour) > Instant::now() + hour / 2);
    }
}
