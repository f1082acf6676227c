//! The two actors: the registry orders what happens to tokens, the mailer sees
//! that what was promised is mailed. `actix` is used here and in `app.rs`.

pub mod batch;
pub mod delivery;
pub mod gate;
pub mod looks;
pub mod mailer;
pub mod marks;
pub mod places;
pub mod registry;
pub mod retention;
pub mod round;

use tokio::sync::oneshot;

/// Held by an actor as long as it lives. When it is dropped for any cause, a
/// panic among them, whoever watches the other end learns of it.
#[derive(Debug)]
pub struct Pulse(#[expect(dead_code, reason = "its drop is what counts")] oneshot::Sender<()>);

/// The other end of a [`Pulse`].
#[derive(Debug)]
pub struct Vigil(oneshot::Receiver<()>);

/// A pulse, and the end to watch it by.
pub fn pulse() -> (Pulse, Vigil) {
    let (sender, receiver) = oneshot::channel();
    (Pulse(sender), Vigil(receiver))
}

impl Vigil {
    /// Returns when the actor is no more.
    pub async fn ended(self) {
        // Nothing is ever sent: the error of a dropped sender is the message.
        let _ = self.0.await;
    }
}
