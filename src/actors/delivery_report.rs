//! Marks: what became of mails, on its way into the outbox.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::domain::timestamp::Timestamp;
use crate::store::outbox::{self, MailResult};
use crate::store::{AsyncStore, Conn, QueryResult, StoreError};

/// How often the database may refuse a mark before it is given up.
const MAX_WRITE_REJECTIONS: u32 = 5;
/// Seconds until the second try; each further one waits twice as long.
const INITIAL_RETRY_DELAY_SECONDS: i64 = 5;
/// The most seconds between two tries.
const MAX_RETRY_DELAY_SECONDS: i64 = 3_600;

/// A mail, and the lease under which it is ours to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LeasedMail {
    /// The mail.
    pub mail: Uuid,
    /// The lease.
    pub lease: Uuid,
}

/// What became of a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// The mail server took it.
    Sent,
    /// It cannot be sent, now or later, and why.
    Failed(String),
    /// It could not be sent this time, which was the nth, and why.
    Deferred(i32, String),
    /// It was not tried.
    NotAttempted,
}

impl DeliveryOutcome {
    /// In a word, for the log.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Sent => MailResult::Sent.name(),
            Self::Failed(_) => MailResult::Failed.name(),
            Self::Deferred(..) => "deferred",
            Self::NotAttempted => "not_attempted",
        }
    }
}

/// What became of a mail, to be written down. It counts for nothing once the
/// lease is lost.
#[derive(Clone, Debug)]
pub struct DeliveryReport {
    leased_mail: LeasedMail,
    outcome: DeliveryOutcome,
    /// How often the database refused it when it was alone.
    write_rejections: u32,
    /// Whether a COMMIT that was not confirmed may have written it.
    maybe_committed: bool,
}

impl DeliveryReport {
    /// A mark that has not been tried.
    pub const fn new(leased_mail: LeasedMail, outcome: DeliveryOutcome) -> Self {
        Self { leased_mail: leased_mail, outcome: outcome, write_rejections: 0, maybe_committed: false }
    }

    /// The same, after a COMMIT that was not confirmed.
    pub fn with_unknown_commit(self) -> Self {
        Self { maybe_committed: true, ..self }
    }

    /// Says that the mark came too late, unless it was written before.
    pub fn warn_lease_lost(&self) {
        if !self.maybe_committed && self.outcome != DeliveryOutcome::NotAttempted {
            tracing::warn!(mail = %self.leased_mail.mail, "mail lease lost; the mail may be sent twice");
        }
    }

    /// Writes this one down; it comes back if that is to be tried again.
    pub async fn write_single(mut self, store: &AsyncStore) -> Option<Self> {
        let single = [self.clone()];
        let written = store.write(move |conn| {
            let now = conn.now()?;
            write(conn, &single, now).map(|lost| !lost.is_empty())
        });
        match written.await {
            Ok(lost) => {
                if lost {
                    self.warn_lease_lost();
                }
                return None;
            }
            Err(StoreError::QueryFailed(error)) => {
                self.write_rejections += 1;
                if self.write_rejections == MAX_WRITE_REJECTIONS {
                    let mail = self.leased_mail.mail;
                    tracing::error!(%mail, %error, "mail delivery result not saved");
                    return None;
                }
            }
            Err(StoreError::OutcomeUnknown) => self.maybe_committed = true,
            Err(StoreError::Unavailable(_)) => {}
        }
        Some(self)
    }
}

/// Writes marks down, within a transaction; those whose lease was lost.
pub fn write<'a>(
    conn: &mut Conn,
    reports: &'a [DeliveryReport],
    now: Timestamp,
) -> QueryResult<Vec<&'a DeliveryReport>> {
    let with_outcome = |fate: &DeliveryOutcome| {
        group_by_lease(
            reports.iter().filter(|report| report.outcome == *fate).map(|report| report.leased_mail),
        )
    };
    let mut written: Vec<Uuid> = Vec::with_capacity(reports.len());
    for (lease, mails) in with_outcome(&DeliveryOutcome::Sent) {
        written.extend(outbox::finish(conn, lease, &mails, MailResult::Sent, None, now)?);
    }
    for (lease, mails) in with_outcome(&DeliveryOutcome::NotAttempted) {
        written.extend(outbox::release(conn, lease, &mails, now)?);
    }
    for DeliveryReport { leased_mail: LeasedMail { mail, lease }, outcome: fate, .. } in reports {
        let updated = match fate {
            DeliveryOutcome::Sent | DeliveryOutcome::NotAttempted => continue,
            DeliveryOutcome::Failed(why) => {
                outbox::finish(conn, *lease, &[*mail], MailResult::Failed, Some(why), now)?
            }
            DeliveryOutcome::Deferred(nth, why) => {
                outbox::defer(conn, *lease, *mail, retry_at(now, *nth, *mail), why)?
            }
        };
        written.extend(updated);
    }
    Ok(reports.iter().filter(|report| !written.contains(&report.leased_mail.mail)).collect())
}

/// The mails of each lease.
pub fn group_by_lease(leased_mails: impl Iterator<Item = LeasedMail>) -> BTreeMap<Uuid, Vec<Uuid>> {
    let mut leases: BTreeMap<Uuid, Vec<Uuid>> = BTreeMap::new();
    for LeasedMail { mail, lease } in leased_mails {
        leases.entry(lease).or_default().push(mail);
    }
    leases
}

/// When to try again: twice as late each time, and each mail a little apart from
/// the others, by its id.
fn retry_at(now: Timestamp, attempt: i32, id: Uuid) -> Timestamp {
    let doublings = u32::try_from(attempt.saturating_sub(1)).unwrap_or_default().min(16);
    let delay = (INITIAL_RETRY_DELAY_SECONDS << doublings).min(MAX_RETRY_DELAY_SECONDS);
    let jitter = i64::from(id.as_bytes().last().copied().unwrap_or_default());
    now.plus_seconds(delay + delay * jitter / 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_delay_doubles_up_to_a_maximum() {
        let now = Timestamp::from_micros(0);
        let delays: Vec<i64> = (1..20).map(|nth| retry_at(now, nth, Uuid::nil()).seconds()).collect();
        assert_eq!(delays[..4], [5, 10, 20, 40]);
        assert_eq!(delays.last(), Some(&MAX_RETRY_DELAY_SECONDS));
        assert!(retry_at(now, i32::MAX, Uuid::max()).seconds() <= MAX_RETRY_DELAY_SECONDS * 5 / 4);
    }
}
