//! A mailbox in memory, for tests.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lettre::Message;

use super::transport::SendError;

/// Takes all mail and keeps it; refuses what it is told to. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct MemoryMailbox(Arc<Mutex<MailboxState>>);

#[derive(Debug, Default)]
struct MailboxState {
    sent: Vec<SentMail>,
    pending_errors: HashMap<String, (SendError, usize)>,
    stalled_recipients: HashSet<String>,
}

/// A mail that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentMail {
    /// Its recipients, as the envelope has them.
    pub to: Vec<String>,
    /// Its `Message-ID`, with the angle brackets.
    pub message_id: String,
    /// All of it, as it would go over the wire.
    pub text: String,
}

impl MemoryMailbox {
    /// All mail so far, the oldest first.
    pub fn sent(&self) -> Vec<SentMail> {
        self.lock().sent.clone()
    }

    /// Refuses the next `times` mails to this recipient; 0 takes it back.
    pub fn refuse(&self, recipient: &str, error: SendError, times: usize) {
        self.lock().pending_errors.insert(recipient.to_owned(), (error, times));
    }

    /// Takes its time with mails to this recipient, until told not to.
    pub fn stall(&self, recipient: &str, stalled: bool) {
        let mut state = self.lock();
        if stalled {
            state.stalled_recipients.insert(recipient.to_owned());
        } else {
            state.stalled_recipients.remove(recipient);
        }
    }

    pub(super) async fn receive(&self, message: &Message) -> Result<(), SendError> {
        let to: Vec<String> = message.envelope().to().iter().map(ToString::to_string).collect();
        while to.iter().any(|recipient| self.lock().stalled_recipients.contains(recipient)) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let mut state = self.lock();
        for recipient in &to {
            if let Some((verdict, times @ 1..)) = state.pending_errors.get_mut(recipient) {
                *times -= 1;
                return Err(verdict.clone());
            }
        }
        state.sent.push(SentMail {
            to,
            message_id: message.headers().get_raw("Message-ID").unwrap_or_default().to_owned(),
            text: String::from_utf8_lossy(&message.formatted()).into_owned(),
        });
        Ok(())
    }

    /// Whoever panicked with the lock held was a test, and left it whole.
    fn lock(&self) -> MutexGuard<'_, MailboxState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
