//! A postman's round: what became of mails is written down, the leases of those
//! still on their way are renewed, and the next ones are fetched, in one
//! transaction and a few queries for all of them.

use std::sync::Arc;
use std::time::Instant;

use uuid::Uuid;

use super::marks::{self, Mark, Tenure};
use crate::domain::bundle::Bundle;
use crate::domain::clock::Timestamp;
use crate::domain::request::PermissionRequest;
use crate::domain::user::User;
use crate::entropy;
use crate::store::cast::Cast;
use crate::store::outbox::{self, Claimed, MailResult};
use crate::store::{Conn, Directory, QueryResult, StoreError};

/// Seconds that a lease lasts.
const LEASE_SECONDS: i64 = 60;

/// What a round is to do.
#[derive(Debug)]
pub struct Round {
    /// To be written down.
    pub marks: Vec<Mark>,
    /// To be renewed.
    pub renewals: Vec<Tenure>,
    /// How many mails to fetch at the most.
    pub wanted: usize,
}

/// What a round came to.
#[derive(Debug, Default)]
pub struct Returned {
    /// Whether it was made; else nothing was renewed or fetched.
    pub made: bool,
    /// What is yet to be written down.
    pub unwritten: Vec<Mark>,
    /// What was to be renewed, and is somebody else's by now.
    pub lost: Vec<Tenure>,
    /// What was fetched, the longest due first.
    pub letters: Vec<Letter>,
    /// Whether more may be due than was wanted.
    pub more: bool,
}

/// A mail for which somebody waits, ours to send.
#[derive(Clone, Debug)]
pub struct Letter {
    /// The mail, and its lease.
    pub tenure: Tenure,
    /// How often it was tried, this time included.
    pub attempts: i32,
    /// What it tells of.
    pub request: PermissionRequest,
    /// Who is asked, and gets it.
    pub to: User,
    /// Who asks.
    pub asks: User,
    /// For what.
    pub bundle: Bundle,
    /// When it was seen that somebody waits for it.
    pub seen: Instant,
}

impl Round {
    /// Makes the round. If the database refuses it as a whole, the marks are
    /// written one by one: what is wrong with one does not take the others along.
    pub async fn walk(self, directory: &Directory) -> Returned {
        // Shared with a thread that may hang in the database.
        let round = Arc::new(self);
        let walking = Arc::clone(&round);
        let walked = directory.write(move |conn| walking.transact(conn, entropy::uuid())).await;
        let marks = round.marks.iter().cloned();
        let unwritten = match walked {
            Ok(returned) => return returned,
            Err(StoreError::Unknown) => marks.map(Mark::doubted).collect(),
            Err(StoreError::Unavailable(error)) => {
                tracing::warn!(error, "the outbox cannot be reached");
                marks.collect()
            }
            Err(StoreError::Refused(error)) => {
                tracing::warn!(%error, "the database refused a round to the outbox");
                let mut unwritten = Vec::new();
                for mark in marks {
                    unwritten.extend(mark.write_alone(directory).await);
                }
                unwritten
            }
        };
        Returned { unwritten, ..Returned::default() }
    }

    fn transact(&self, conn: &mut Conn, lease: Uuid) -> QueryResult<Returned> {
        let now = conn.now()?;
        let until = now.plus_seconds(LEASE_SECONDS);
        for mark in marks::write(conn, &self.marks, now)? {
            mark.tell_lost();
        }
        let mut lost = Vec::new();
        for (lease, mails) in marks::by_lease(self.renewals.iter().copied()) {
            let kept = outbox::renew(conn, lease, &mails, until)?;
            let gone = mails.into_iter().filter(|mail| !kept.contains(mail));
            lost.extend(gone.map(|mail| Tenure { mail, lease }));
        }
        let claimed = match i64::try_from(self.wanted) {
            Ok(wanted @ 1..) => outbox::claim(conn, lease, wanted, now, until)?,
            _ => Vec::new(),
        };
        let more = self.wanted > 0 && claimed.len() == self.wanted;
        let letters = letters(conn, claimed, lease, now)?;
        Ok(Returned { made: true, unwritten: Vec::new(), lost, letters, more })
    }
}

/// The letters to be sent of what was claimed. A mail for which nobody waits any
/// more ends here.
fn letters(conn: &mut Conn, claimed: Vec<Claimed>, lease: Uuid, now: Timestamp) -> QueryResult<Vec<Letter>> {
    let cast = Cast::of(conn, claimed.iter().map(|mail| mail.request.terms))?;
    let seen = Instant::now();
    let (mut letters, mut unawaited) = (Vec::with_capacity(claimed.len()), Vec::new());
    for Claimed { id, attempts, request } in claimed {
        let scene = cast.scene(request.terms).filter(|scene| scene.target.active && scene.allowed.active);
        let Some(scene) = scene.filter(|_| request.is_live(now)) else {
            unawaited.push(id);
            continue;
        };
        letters.push(Letter {
            tenure: Tenure { mail: id, lease },
            attempts,
            to: scene.target.clone(),
            asks: scene.allowed.clone(),
            bundle: scene.bundle.clone(),
            request,
            seen,
        });
    }
    if !unawaited.is_empty() {
        outbox::finish(conn, lease, &unawaited, MailResult::Cancelled, None, now)?;
    }
    Ok(letters)
}
