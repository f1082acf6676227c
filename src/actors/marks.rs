//! Marks: what became of mails, on its way into the outbox.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::domain::clock::Timestamp;
use crate::store::outbox::{self, MailResult};
use crate::store::{Conn, Directory, QueryResult, StoreError};

/// How often the database may refuse a mark before it is given up.
const MOST_REFUSALS: u32 = 5;
/// Seconds until the second try; each further one waits twice as long.
const FIRST_DELAY: i64 = 5;
/// The most seconds between two tries.
const LONGEST_DELAY: i64 = 3_600;

/// A mail, and the lease under which it is ours to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tenure {
    /// The mail.
    pub mail: Uuid,
    /// The lease.
    pub lease: Uuid,
}

/// What became of a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The mail server took it.
    Sent,
    /// It cannot be sent, now or later, and why.
    Dead(String),
    /// It could not be sent this time, which was the nth, and why.
    Deferred(i32, String),
    /// It was not tried.
    Unsent,
}

impl Fate {
    /// In a word, for the log.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Sent => MailResult::Sent.name(),
            Self::Dead(_) => MailResult::Dead.name(),
            Self::Deferred(..) => "deferred",
            Self::Unsent => "unsent",
        }
    }
}

/// What became of a mail, to be written down. It counts for nothing once the
/// lease is lost.
#[derive(Clone, Debug)]
pub struct Mark {
    tenure: Tenure,
    fate: Fate,
    /// How often the database refused it when it was alone.
    refusals: u32,
    /// Whether a COMMIT that was not confirmed may have written it.
    doubtful: bool,
}

impl Mark {
    /// A mark that has not been tried.
    pub const fn new(tenure: Tenure, fate: Fate) -> Self {
        Self { tenure, fate, refusals: 0, doubtful: false }
    }

    /// The same, after a COMMIT that was not confirmed.
    pub fn doubted(self) -> Self {
        Self { doubtful: true, ..self }
    }

    /// Says that the mark came too late, unless it was written before.
    pub fn tell_lost(&self) {
        if !self.doubtful && self.fate != Fate::Unsent {
            tracing::warn!(mail = %self.tenure.mail, "mail lease lost; the mail may be sent twice");
        }
    }

    /// Writes this one down; it comes back if that is to be tried again.
    pub async fn write_alone(mut self, directory: &Directory) -> Option<Self> {
        let alone = [self.clone()];
        let written = directory.write(move |conn| {
            let now = conn.now()?;
            write(conn, &alone, now).map(|lost| !lost.is_empty())
        });
        match written.await {
            Ok(lost) => {
                if lost {
                    self.tell_lost();
                }
                return None;
            }
            Err(StoreError::Refused(error)) => {
                self.refusals += 1;
                if self.refusals == MOST_REFUSALS {
                    let mail = self.tenure.mail;
                    tracing::error!(%mail, %error, "mail delivery result not saved");
                    return None;
                }
            }
            Err(StoreError::Unknown) => self.doubtful = true,
            Err(StoreError::Unavailable(_)) => {}
        }
        Some(self)
    }
}

/// Writes marks down, within a transaction; those whose lease was lost.
pub fn write<'a>(conn: &mut Conn, marks: &'a [Mark], now: Timestamp) -> QueryResult<Vec<&'a Mark>> {
    let all = |fate: &Fate| by_lease(marks.iter().filter(|mark| mark.fate == *fate).map(|mark| mark.tenure));
    let mut written: Vec<Uuid> = Vec::with_capacity(marks.len());
    for (lease, mails) in all(&Fate::Sent) {
        written.extend(outbox::finish(conn, lease, &mails, MailResult::Sent, None, now)?);
    }
    for (lease, mails) in all(&Fate::Unsent) {
        written.extend(outbox::put_back(conn, lease, &mails, now)?);
    }
    for Mark { tenure: Tenure { mail, lease }, fate, .. } in marks {
        let done = match fate {
            Fate::Sent | Fate::Unsent => continue,
            Fate::Dead(why) => outbox::finish(conn, *lease, &[*mail], MailResult::Dead, Some(why), now)?,
            Fate::Deferred(nth, why) => outbox::defer(conn, *lease, *mail, retry_at(now, *nth, *mail), why)?,
        };
        written.extend(done);
    }
    Ok(marks.iter().filter(|mark| !written.contains(&mark.tenure.mail)).collect())
}

/// The mails of each lease.
pub fn by_lease(tenures: impl Iterator<Item = Tenure>) -> BTreeMap<Uuid, Vec<Uuid>> {
    let mut leases: BTreeMap<Uuid, Vec<Uuid>> = BTreeMap::new();
    for Tenure { mail, lease } in tenures {
        leases.entry(lease).or_default().push(mail);
    }
    leases
}

/// When to try again: twice as late each time, and each mail a little apart from
/// the others, by its id.
fn retry_at(now: Timestamp, nth: i32, id: Uuid) -> Timestamp {
    let doublings = u32::try_from(nth.saturating_sub(1)).unwrap_or_default().min(16);
    let delay = (FIRST_DELAY << doublings).min(LONGEST_DELAY);
    let spread = i64::from(id.as_bytes().last().copied().unwrap_or_default());
    now.plus_seconds(delay + delay * spread / 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_try_waits_longer_and_none_for_ever() {
        let now = Timestamp::from_micros(0);
        let delays: Vec<i64> = (1..20).map(|nth| retry_at(now, nth, Uuid::nil()).seconds()).collect();
        assert_eq!(delays[..4], [5, 10, 20, 40]);
        assert_eq!(delays.last(), Some(&LONGEST_DELAY));
        assert!(retry_at(now, i32::MAX, Uuid::max()).seconds() <= LONGEST_DELAY * 5 / 4);
    }
}
