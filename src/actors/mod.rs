//! The two actors: the registry orders all changes, the mailer sends the mails of the
//! outbox. The webhook worker, which sends events, is a plain task. Only this module and `app` use `actix`.

pub mod admission;
pub mod authorize_export;
pub mod batch_queue;
pub mod decide_access;
pub mod delivery;
pub mod delivery_report;
pub mod delivery_stats;
pub mod mailer;
pub mod outbox_sync;
pub mod registry;
mod webhook_body;
pub mod webhook_worker;

use tokio::sync::oneshot;

/// Held by an actor while it runs. Its drop, after a panic too, ends the
/// [`LivenessWatch`].
#[derive(Debug)]
pub struct LivenessGuard(#[expect(dead_code, reason = "its drop is the signal")] oneshot::Sender<()>);

/// Waits for the drop of a [`LivenessGuard`].
#[derive(Debug)]
pub struct LivenessWatch(oneshot::Receiver<()>);

/// A guard, and the watch that it ends.
pub fn liveness() -> (LivenessGuard, LivenessWatch) {
    let (sender, receiver) = oneshot::channel();
    (LivenessGuard(sender), LivenessWatch(receiver))
}

impl LivenessWatch {
    /// Returns after the actor has stopped.
    pub async fn ended(self) {
        // No value is ever sent: the dropped sender ends the wait.
        let _ = self.0.await;
    }
}
