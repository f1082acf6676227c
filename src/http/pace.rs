//! When a refusal is told.
//!
//! How long it took to find out that there is nothing would tell what there is: a token
//! that was used asks more of the database than one that never was. So whoever is
//! refused hears of it at the next beat of a clock that began to run when they came.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::dev::ServiceResponse;
use actix_web::web::Data;

use super::Services;
use crate::faults;

/// How often the clock beats: more slowly than what it hides takes, be it a password's
/// argon2 or a question to a busy database.
const BEAT: Duration = Duration::from_millis(100);

/// Marks an answer that waits for the beat.
#[derive(Clone, Copy, Debug)]
struct Waits;

/// Has this answer wait for the beat.
pub fn set(answer: &mut HttpResponse) {
    answer.extensions_mut().insert(Waits);
}

/// Waits for the beat, if this answer is to; so long after its request came. Not where
/// the operator has switched limits off, to measure what the server can do.
pub async fn keep<B>(answer: &ServiceResponse<B>, elapsed: Duration) {
    let waits = answer.response().extensions().get::<Waits>().is_some();
    let services = answer.request().app_data::<Data<Services>>();
    let limited = services.is_none_or(|services| services.config.limits.are_enforced());
    if waits && limited && !faults::planted("http.hasty") {
        tokio::time::sleep(rest(elapsed)).await;
    }
}

/// How long it is to the next beat.
fn rest(elapsed: Duration) -> Duration {
    let beat = BEAT.as_micros();
    Duration::from_micros((beat - elapsed.as_micros() % beat) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_waits_for_the_next_beat() {
        let millis = Duration::from_millis;
        for (elapsed, wait) in [(0, 100), (1, 99), (99, 1), (100, 100), (130, 70), (1_999, 1)] {
            assert_eq!(rest(millis(elapsed)), millis(wait), "{elapsed}");
        }
        assert_eq!(rest(Duration::from_micros(99_999)), Duration::from_micros(1));
    }
}
