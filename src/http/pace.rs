//! When a refusal is told.
//!
//! How long it took to find out that there is nothing would tell what there is: a token
//! that was used asks more of the database than one that never was. So whoever is
//! refused hears of it at the next beat of a clock that began to run when they came.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::dev::ServiceResponse;

use crate::faults;

/// How often the clock beats: more slowly than what it hides takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// For a question or two to the database.
    LookUp,
    /// For the check of a password.
    SignIn,
}

impl Pace {
    const fn beat(self) -> Duration {
        match self {
            Self::LookUp => Duration::from_millis(25),
            Self::SignIn => Duration::from_millis(100),
        }
    }

    /// Has this answer wait for the beat.
    pub fn set(self, answer: &mut HttpResponse) {
        answer.extensions_mut().insert(self);
    }

    /// How long there is to wait after so long.
    fn rest(self, elapsed: Duration) -> Duration {
        let beat = self.beat().as_micros() as u64;
        Duration::from_micros(beat - elapsed.as_micros() as u64 % beat)
    }
}

/// Waits for the beat, if this answer is to.
pub async fn keep<B>(answer: &ServiceResponse<B>, elapsed: Duration) {
    let pace = answer.response().extensions().get::<Pace>().copied();
    if let Some(pace) = pace.filter(|_| !faults::planted("http.hasty")) {
        tokio::time::sleep(pace.rest(elapsed)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_waits_for_the_next_beat() {
        let millis = Duration::from_millis;
        assert_eq!(Pace::LookUp.rest(millis(0)), millis(25));
        assert_eq!(Pace::LookUp.rest(millis(24)), millis(1));
        assert_eq!(Pace::LookUp.rest(millis(25)), millis(25));
        assert_eq!(Pace::SignIn.rest(millis(130)), millis(70));
    }
}
