//! The delivery of one mail: it is rendered and handed to the transport.

use std::sync::Arc;

use uuid::Uuid;

use super::delivery_report::DeliveryReport;
use super::delivery_stats::DeliveryStats;
use crate::domain::daily_mail::DailyRequest;
use crate::domain::mail_kinds::Unsubscription;
use crate::domain::token::Keyring;
use crate::failpoints;
use crate::i18n::Language;
use crate::mail::message::{Attachment, ComposeError, MailBody, MailInput};
use crate::mail::template::Templates;
use crate::mail::transport::{Refusal, SendError, Transport};
use crate::mail::{Mailbox, Message};
use crate::receipt::{self, IssueError, Receipt, ReceiptIssuer};
use crate::store::AsyncStore;
use crate::store::claimed_mails::{ClaimedMail, MailPayload};
use crate::store::outbox::DeliveryOutcome;

/// Seconds until the second attempt. Each further delay is twice as long as the one before.
const INITIAL_RETRY_DELAY_SECONDS: i64 = 5;
const MAX_RETRY_DELAY_SECONDS: i64 = 3_600;
/// The lowest number of attempts before a mail is given up: about three hours. A mail that the operator retries after
/// its end, or that was queued while the server was stopped, is not given up at its first failure.
const MIN_ATTEMPTS: i32 = 12;
const SECONDS_PER_DAY: i64 = 86_400;

/// The dependencies of a delivery.
pub struct MailSender {
    pub store: AsyncStore,
    /// Derives the tokens of the links.
    pub keyring: Arc<Keyring>,
    pub templates: Arc<Templates>,
    pub transport: Transport,
    /// The sender address.
    pub from: Mailbox,
    /// The URL of this server, without a trailing slash.
    pub public_url: String,
    /// The language of mails to users whose language is unknown.
    pub default_language: Language,
    /// Days after which a mail is given up.
    pub retry_days: i64,
    pub stats: DeliveryStats,
    /// Issues the receipts that are attached to approvals.
    pub receipts: ReceiptIssuer,
}

impl MailSender {
    /// Sends a mail, and reports the outcome.
    pub async fn deliver(&self, claimed: ClaimedMail) -> DeliveryReport {
        failpoints::fail_point("delivery.panic");
        let (mail, attempts) = (claimed.item.id, claimed.attempts);
        let receipts = match self.receipts(&claimed).await {
            Ok(receipts) => receipts,
            Err(error) => {
                tracing::warn!(%mail, attempts, %error, "receipts not issued; will retry later");
                let delay_seconds = retry_delay_seconds(attempts, mail);
                let outcome = DeliveryOutcome::Deferred { delay_seconds, error: error.to_string() };
                return DeliveryReport::new(claimed.item, outcome);
            }
        };
        let message = match self.compose(&claimed, &receipts) {
            Ok(message) => message,
            Err(error) => {
                self.stats.record_not_composed();
                tracing::error!(%mail, attempts, "mail not composed; `countersign mail list` shows why");
                return DeliveryReport::new(claimed.item, DeliveryOutcome::Failed(error.to_string()));
            }
        };
        let result = self.transport.send(&message, mail).await;
        self.stats.record(&result);
        let outcome = match &result {
            Ok(()) => DeliveryOutcome::Sent,
            Err(SendError::Permanent(error)) => DeliveryOutcome::Failed(error.clone()),
            Err(error) => self.defer_or_give_up(&claimed, error),
        };
        let outcome_name = outcome.name();
        match &result {
            Ok(()) => tracing::info!(%mail, attempts, outcome = outcome_name, "mail"),
            Err(error) => {
                let reason = error.loggable_text(claimed.to.email.as_str());
                if let SendError::Refused(Refusal { command, code, .. }) = error {
                    tracing::warn!(
                        %mail,
                        attempts,
                        outcome = outcome_name,
                        command,
                        code,
                        reason,
                        "mail server refuses this server"
                    );
                } else {
                    tracing::warn!(%mail, attempts, outcome = outcome_name, reason, "mail not sent");
                }
            }
        }
        DeliveryReport::new(claimed.item, outcome)
    }

    fn defer_or_give_up(&self, claimed: &ClaimedMail, error: &SendError) -> DeliveryOutcome {
        let ClaimedMail { item, attempts, age_seconds, .. } = claimed;
        let days = self.retry_days;
        if *age_seconds >= days * SECONDS_PER_DAY && *attempts >= MIN_ATTEMPTS {
            let unit = if days == 1 { "day" } else { "days" };
            return DeliveryOutcome::Failed(format!("given up after {days} {unit}: {error}"));
        }
        let delay_seconds = retry_delay_seconds(*attempts, item.id);
        DeliveryOutcome::Deferred { delay_seconds, error: error.to_string() }
    }

    /// The receipts of the permissions that the mail reports.
    async fn receipts(&self, claimed: &ClaimedMail) -> Result<Vec<Receipt>, IssueError> {
        let MailPayload::Decisions(mail) = &claimed.payload else { return Ok(Vec::new()) };
        self.receipts.issue_given(&self.store, mail, &claimed.to).await
    }

    fn compose(&self, claimed: &ClaimedMail, receipts: &[Receipt]) -> Result<Message, ComposeError> {
        let kinds = claimed.payload.kinds();
        let unsubscribe = (!kinds.is_empty()).then(|| {
            let token = self.keyring.unsubscribe_token(Unsubscription { user: claimed.to.id, kinds });
            format!("{}/unsubscribe?token={}", self.public_url, token.expose())
        });
        let links: Vec<String>;
        let (link, body, expires_at) = match &claimed.payload {
            MailPayload::Request(mail) => (
                mail.request.redeem_url(&self.keyring, &self.public_url),
                MailBody::Request {
                    requester: &mail.requester,
                    bundle: &mail.bundle,
                    asked: mail.request.asked,
                    purpose: mail.request.purpose.as_ref(),
                },
                Some(mail.request.expires_at),
            ),
            MailPayload::Password(link) => {
                let url = link.url(&self.keyring, &self.public_url);
                (url, MailBody::Password(link.reason), Some(link.expires_at))
            }
            MailPayload::Notice(notice, permission) => (
                format!("{}{}", self.public_url, notice.page()),
                MailBody::Notice { notice: *notice, permission: permission.as_deref() },
                None,
            ),
            MailPayload::Decisions(mail) => {
                let link = match mail.requests.as_slice() {
                    [only] if mail.more == 0 => format!("{}/requests/{}", self.public_url, only.request.id),
                    _ => format!("{}/requests", self.public_url),
                };
                (link, MailBody::Decisions(mail), None)
            }
            MailPayload::Daily(mail) => {
                let link = |item: &DailyRequest| item.request.redeem_url(&self.keyring, &self.public_url);
                links = mail.pending.iter().map(link).collect();
                (format!("{}/", self.public_url), MailBody::Daily { mail, links: &links }, None)
            }
        };
        let attachments: Vec<Attachment<'_>> = receipts
            .iter()
            .map(|Receipt { file_name, text }| Attachment {
                file_name,
                media_type: receipt::MEDIA_TYPE,
                text,
            })
            .collect();
        let input = MailInput {
            id: claimed.item.id,
            to: &claimed.to,
            language: claimed.language.unwrap_or(self.default_language),
            body,
            link: &link,
            expires_at,
            public_url: &self.public_url,
            unsubscribe: unsubscribe.as_deref(),
            attachments: &attachments,
        };
        self.templates.compose(&input, &self.from)
    }
}

/// The delay after a temporary failure: exponential backoff, with up to a quarter more as a
/// jitter that depends on the mail's id.
fn retry_delay_seconds(attempts: i32, id: Uuid) -> i64 {
    let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or_default().min(16);
    let delay = (INITIAL_RETRY_DELAY_SECONDS << doublings).min(MAX_RETRY_DELAY_SECONDS);
    let jitter = i64::from(id.as_bytes().last().copied().unwrap_or_default());
    delay + delay * jitter / 1_024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_delay_doubles_up_to_a_maximum() {
        let delays: Vec<i64> = (1..20).map(|attempts| retry_delay_seconds(attempts, Uuid::nil())).collect();
        assert_eq!(delays[..4], [5, 10, 20, 40]);
        assert_eq!(delays.last(), Some(&MAX_RETRY_DELAY_SECONDS));
        assert!(retry_delay_seconds(i32::MAX, Uuid::max()) <= MAX_RETRY_DELAY_SECONDS * 5 / 4);
    }
}
