//! A mailbox in memory, for tests.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lettre::Message;

use super::transport::SendError;

/// Takes all mail and keeps it; refuses what it is told to. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct MemoryMailbox(Arc<Mutex<Content>>);

#[derive(Debug, Default)]
struct Content {
    sent: Vec<Sent>,
    refusals: HashMap<String, (SendError, usize)>,
    stalled: HashSet<String>,
}

/// A mail that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Its recipients, as the envelope has them.
    pub to: Vec<String>,
    /// Its `Message-ID`, with the angle brackets.
    pub message_id: String,
    /// All of it, as it would go over the wire.
    pub text: String,
}

impl MemoryMailbox {
    /// All mail so far, the oldest first.
    pub fn sent(&self) -> Vec<Sent> {
        self.content().sent.clone()
    }

    /// Refuses the next `times` mails to this recipient; 0 takes it back.
    pub fn refuse(&self, recipient: &str, verdict: SendError, times: usize) {
        self.content().refusals.insert(recipient.to_owned(), (verdict, times));
    }

    /// Takes its time with mails to this recipient, until told not to.
    pub fn stall(&self, recipient: &str, stalled: bool) {
        let mut content = self.content();
        if stalled {
            content.stalled.insert(recipient.to_owned());
        } else {
            content.stalled.remove(recipient);
        }
    }

    pub(super) async fn take(&self, message: &Message) -> Result<(), SendError> {
        let to: Vec<String> = message.envelope().to().iter().map(ToString::to_string).collect();
        while to.iter().any(|recipient| self.content().stalled.contains(recipient)) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let mut content = self.content();
        for recipient in &to {
            if let Some((verdict, times @ 1..)) = content.refusals.get_mut(recipient) {
                *times -= 1;
                return Err(verdict.clone());
            }
        }
        content.sent.push(Sent {
            to,
            message_id: message.headers().get_raw("Message-ID").unwrap_or_default().to_owned(),
            text: String::from_utf8_lossy(&message.formatted()).into_owned(),
        });
        Ok(())
    }

    /// Whoever panicked with the lock held was a test, and left it whole.
    fn content(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
