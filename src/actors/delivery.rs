//! One mail on its way: written, and handed to the transport.

use std::sync::Arc;

use super::delivery_report::{DeliveryOutcome, DeliveryReport};
use super::outbox_sync::{ClaimedMail, MailPayload};
use crate::domain::token::Keyring;
use crate::failpoints;
use crate::i18n::Language;
use crate::mail::message::{ComposeError, MailBody, MailInput};
use crate::mail::template::Templates;
use crate::mail::transport::{SendError, Transport};
use crate::mail::{Mailbox, Message};
use crate::store::AsyncStore;

/// What it takes to write and send a mail.
pub struct MailSender {
    /// The outbox, and who is who.
    pub store: AsyncStore,
    /// Makes the links' tokens.
    pub keyring: Arc<Keyring>,
    /// The words.
    pub templates: Arc<Templates>,
    /// The way out.
    pub transport: Transport,
    /// Whom mail is from.
    pub from: Mailbox,
    /// What people call this server, without a slash at the end.
    pub public_url: String,
    /// What is spoken to those of whom nothing is known.
    pub default_language: Language,
}

impl MailSender {
    /// Sends a letter; what became of it.
    pub async fn deliver(&self, claimed: ClaimedMail) -> DeliveryReport {
        failpoints::fail_point("delivery.panic");
        let (mail, attempts) = (claimed.leased_mail.mail, claimed.attempts);
        let outcome = match self.compose(&claimed) {
            Ok(message) => match self.transport.send(&message, mail).await {
                Ok(()) => DeliveryOutcome::Sent,
                Err(SendError::Permanent(why)) => DeliveryOutcome::Failed(why),
                Err(SendError::Transient(why)) => DeliveryOutcome::Deferred(attempts, why),
            },
            Err(error) => DeliveryOutcome::Failed(error.to_string()),
        };
        tracing::info!(%mail, attempts, outcome = outcome.name(), "mail");
        DeliveryReport::new(claimed.leased_mail, outcome)
    }

    fn compose(&self, claimed: &ClaimedMail) -> Result<Message, ComposeError> {
        let (link, body, expires_at) = match &claimed.payload {
            MailPayload::Request(asked) => (
                asked.request.redeem_url(&self.keyring, &self.public_url),
                MailBody::Request { by: &asked.by, bundle: &asked.bundle },
                asked.request.expires_at,
            ),
            MailPayload::Password(link) => {
                (link.url(&self.keyring, &self.public_url), MailBody::Password(link.reason), link.expires_at)
            }
        };
        let input = MailInput {
            id: claimed.leased_mail.mail,
            to: &claimed.to,
            language: claimed.language.unwrap_or(self.default_language),
            body,
            link: &link,
            expires_at,
            public_url: &self.public_url,
        };
        self.templates.compose(&input, &self.from)
    }
}
