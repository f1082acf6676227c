//! The two actors: the registry orders what happens to tokens, the mailer sees
//! that what was promised is mailed. `actix` is used here and in `app.rs`.

pub mod admission;
pub mod audit_retention;
pub mod batch_queue;
pub mod delivery;
pub mod delivery_report;
pub mod export_auth;
pub mod link_view_counter;
pub mod mailer;
pub mod outbox_sync;
pub mod registry;

use tokio::sync::oneshot;

/// Held by an actor as long as it lives. When it is dropped for any cause, a
/// panic among them, whoever watches the other end learns of it.
#[derive(Debug)]
pub struct LivenessGuard(#[expect(dead_code, reason = "its drop is what counts")] oneshot::Sender<()>);

/// The other end of a [`LivenessGuard`].
#[derive(Debug)]
pub struct LivenessWatch(oneshot::Receiver<()>);

/// A pulse, and the end to watch it by.
pub fn liveness() -> (LivenessGuard, LivenessWatch) {
    let (sender, receiver) = oneshot::channel();
    (LivenessGuard(sender), LivenessWatch(receiver))
}

impl LivenessWatch {
    /// Returns when the actor is no more.
    pub async fn ended(self) {
        // Nothing is ever sent: the error of a dropped sender is the message.
        let _ = self.0.await;
    }
}
