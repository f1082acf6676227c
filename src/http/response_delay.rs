//! When a refusal is told.
//!
//! How long it took to find out that there is nothing would tell what there is: a token
//! that was used asks more of the database than one that never was. So whoever is
//! refused hears of it at the next beat of a clock that began to run when they came.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::dev::ServiceResponse;
use actix_web::web::Data;

use super::state::AppState;

/// How often the clock beats: more slowly than what it hides takes, be it a password's
/// argon2 or a question to a busy database.
const QUANTUM: Duration = Duration::from_millis(100);

/// Marks an answer that waits for the beat.
#[derive(Clone, Copy, Debug)]
struct Quantized;

/// Has this answer wait for the beat.
pub fn quantize(response: &mut HttpResponse) {
    response.extensions_mut().insert(Quantized);
}

/// Waits for the beat, if this answer is to; so long after its request came. Not where
/// the operator has switched limits off, to measure what the server can do.
pub async fn apply<B>(response: &ServiceResponse<B>, elapsed: Duration) {
    let is_quantized = response.response().extensions().get::<Quantized>().is_some();
    let state = response.request().app_data::<Data<AppState>>();
    let limits_enforced = state.is_none_or(|state| state.config.limits.are_enforced());
    if is_quantized && limits_enforced {
        tokio::time::sleep(time_to_next_quantum(elapsed)).await;
    }
}

/// How long it is to the next beat.
fn time_to_next_quantum(elapsed: Duration) -> Duration {
    let quantum = QUANTUM.as_micros();
    Duration::from_micros((quantum - elapsed.as_micros() % quantum) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_waits_for_the_next_beat() {
        let millis = Duration::from_millis;
        for (elapsed, wait) in [(0, 100), (1, 99), (99, 1), (100, 100), (130, 70), (1_999, 1)] {
            assert_eq!(time_to_next_quantum(millis(elapsed)), millis(wait), "{elapsed}");
        }
        assert_eq!(time_to_next_quantum(Duration::from_micros(99_999)), Duration::from_micros(1));
    }
}
