//! The transport that keeps mails in memory, for tests.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lettre::Message;

use super::error::SendError;

/// Keeps all mails, except those that it is configured to reject. Clones share the mails.
#[derive(Clone, Debug, Default)]
pub struct MemoryMailbox(Arc<Mutex<MailboxState>>);

#[derive(Debug, Default)]
struct MailboxState {
    sent: Vec<SentMail>,
    pending_errors: HashMap<String, (SendError, usize)>,
    stalled_recipients: HashSet<String>,
}

/// A mail that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentMail {
    /// The recipients in the envelope.
    pub to: Vec<String>,
    /// The `Message-ID`, with angle brackets.
    pub message_id: String,
    /// The complete mail, as sent to a mail server.
    pub text: String,
}

impl MemoryMailbox {
    /// All mails, oldest first.
    pub fn sent(&self) -> Vec<SentMail> {
        self.lock().sent.clone()
    }

    /// Rejects the next `times` mails to a recipient.
    pub fn refuse(&self, recipient: &str, error: SendError, times: usize) {
        self.lock().pending_errors.insert(recipient.to_owned(), (error, times));
    }

    /// Starts or stops blocking the delivery of mails to a recipient.
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
            if let Some((error, times @ 1..)) = state.pending_errors.get_mut(recipient) {
                *times -= 1;
                return Err(error.clone());
            }
        }
        state.sent.push(SentMail {
            to,
            message_id: message.headers().get_raw("Message-ID").unwrap_or_default().to_owned(),
            text: String::from_utf8_lossy(&message.formatted()).into_owned(),
        });
        Ok(())
    }

    /// A panic of a test that holds the lock leaves the state intact.
    fn lock(&self) -> MutexGuard<'_, MailboxState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
