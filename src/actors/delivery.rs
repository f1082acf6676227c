//! One mail on its way: written, and handed to the transport.

use std::sync::Arc;

use super::marks::{Fate, Mark};
use super::round::Letter;
use crate::domain::token::Keyring;
use crate::mail::message::{ComposeError, PermissionMail};
use crate::mail::template::Templates;
use crate::mail::transport::{SendError, Transport};
use crate::mail::{Mailbox, Message};
use crate::store::Directory;
use crate::{entropy, faults};

/// What it takes to write and send a mail.
pub struct Postage {
    /// The outbox, and who is who.
    pub directory: Directory,
    /// Makes the link's token.
    pub keyring: Arc<Keyring>,
    /// The words.
    pub templates: Arc<Templates>,
    /// The way out.
    pub transport: Transport,
    /// Whom mail is from.
    pub from: Mailbox,
    /// What people call this server, without a slash at the end.
    pub public_url: String,
}

impl Postage {
    /// Sends a letter; what became of it.
    pub async fn deliver(&self, letter: Letter) -> Mark {
        faults::planted("delivery.panic");
        let (mail, attempts) = (letter.tenure.mail, letter.attempts);
        let fate = match self.compose(&letter) {
            Ok(message) => match self.transport.send(&message, mail).await {
                Ok(()) => Fate::Sent,
                Err(SendError::Permanent(why)) => Fate::Dead(why),
                Err(SendError::Transient(_)) if faults::planted("delivery.forgetful") => Fate::Sent,
                Err(SendError::Transient(why)) => Fate::Deferred(attempts, why),
            },
            Err(error) => Fate::Dead(error.to_string()),
        };
        tracing::info!(%mail, attempts, outcome = fate.name(), "mail");
        Mark::new(letter.tenure, fate)
    }

    fn compose(&self, letter: &Letter) -> Result<Message, ComposeError> {
        let renamed = faults::planted("delivery.renamed");
        let mail = PermissionMail {
            id: if renamed { entropy::uuid() } else { letter.tenure.mail },
            to: &letter.to,
            asks: &letter.asks,
            bundle: &letter.bundle,
            link: &letter.request.link(&self.keyring, &self.public_url),
            expires_at: letter.request.expires_at,
            public_url: &self.public_url,
        };
        self.templates.permission_request(&mail, &self.from)
    }
}
