//! Response-time quantisation. Some error responses are delayed to the next multiple of 100 ms
//! since the request arrived, so that latency does not reveal whether a token or an account
//! exists: a used token, for example, takes more database work than an unknown one.

use std::time::Duration;

use actix_web::HttpResponse;

/// Longer than the work that it hides: an argon2 hash, or a query to a busy database.
const QUANTUM: Duration = Duration::from_millis(100);

/// Marks a response that [`apply`] delays.
#[derive(Clone, Copy, Debug)]
struct Quantized;

/// Marks a response as delayed.
pub fn quantize(response: &mut HttpResponse) {
    response.extensions_mut().insert(Quantized);
}

/// Delays a marked response; `elapsed` is the time since its request arrived.
pub async fn apply<B>(response: &HttpResponse<B>, elapsed: Duration) {
    let is_quantized = response.extensions().get::<Quantized>().is_some();
    if is_quantized {
        tokio::time::sleep(time_to_next_quantum(elapsed)).await;
    }
}

fn time_to_next_quantum(elapsed: Duration) -> Duration {
    let quantum = QUANTUM.as_micros();
    Duration::from_micros((quantum - elapsed.as_micros() % quantum) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_waits_for_the_next_multiple() {
        let millis = Duration::from_millis;
        for (elapsed, wait) in [(0, 100), (1, 99), (99, 1), (100, 100), (130, 70), (1_999, 1)] {
            assert_eq!(time_to_next_quantum(millis(elapsed)), millis(wait), "{elapsed}");
        }
        assert_eq!(time_to_next_quantum(Duration::from_micros(99_999)), Duration::from_micros(1));
    }
}
