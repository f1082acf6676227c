//! A postman's round: what became of mails is written down, the leases of those
//! still on their way are renewed, and the next ones are fetched, in one
//! transaction and a few queries for all of them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use uuid::Uuid;

use super::marks::{self, Mark, Tenure};
use crate::domain::bundle::Bundle;
use crate::domain::clock::Timestamp;
use crate::domain::password_link::PasswordLink;
use crate::domain::request::{PermissionRequest, RequestId};
use crate::domain::token::PasswordLinkId;
use crate::domain::user::{User, UserId};
use crate::entropy;
use crate::store::cast::Cast;
use crate::store::outbox::{self, Claimed, MailResult, Matter};
use crate::store::{Conn, Directory, QueryResult, StoreError, password_links, requests, users};
use crate::words::Language;

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
    /// Who gets it.
    pub to: User,
    /// What they speak, if that is known.
    pub language: Option<Language>,
    /// What it tells them.
    pub news: News,
    /// When it was seen that somebody waits for it.
    pub seen: Instant,
}

/// What a letter tells of, in full.
#[derive(Clone, Debug)]
pub enum News {
    /// Somebody asks its addressee for a permission.
    Asked(Box<Asked>),
    /// Its addressee may set a password.
    Password(PasswordLink),
}

/// A request, and who asks for what.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The request.
    pub request: PermissionRequest,
    /// Who asks.
    pub by: User,
    /// For what.
    pub bundle: Bundle,
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
                tracing::warn!(error, "outbox sync failed: database unavailable");
                marks.collect()
            }
            Err(StoreError::Refused(error)) => {
                tracing::warn!(%error, "outbox sync failed: database error");
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
    let matters = Matters::of(conn, &claimed)?;
    let seen = Instant::now();
    let (mut letters, mut unawaited) = (Vec::with_capacity(claimed.len()), Vec::new());
    for Claimed { id, attempts, matter } in claimed {
        match matters.news(matter, now) {
            Some((to, news)) => {
                let (tenure, language) = (Tenure { mail: id, lease }, matters.languages.get(&to.id).copied());
                letters.push(Letter { tenure, attempts, to, language, news, seen });
            }
            None => unawaited.push(id),
        }
    }
    if !unawaited.is_empty() {
        outbox::finish(conn, lease, &unawaited, MailResult::Cancelled, None, now)?;
    }
    Ok(letters)
}

/// All that some mails tell of, in a few queries.
#[derive(Default)]
struct Matters {
    requests: HashMap<RequestId, PermissionRequest>,
    cast: Cast,
    links: HashMap<PasswordLinkId, PasswordLink>,
    owners: HashMap<UserId, User>,
    languages: HashMap<UserId, Language>,
}

impl Matters {
    fn of(conn: &mut Conn, claimed: &[Claimed]) -> QueryResult<Self> {
        let (mut numbers, mut ids) = (Vec::new(), Vec::new());
        for mail in claimed {
            match mail.matter {
                Matter::Request(number) => numbers.push(number),
                Matter::Password(id) => ids.push(id),
            }
        }
        let mut all = Self::default();
        if !numbers.is_empty() {
            let requests = requests::by_ids(conn, &numbers)?;
            all.cast = Cast::of(conn, requests.iter().map(|request| request.terms))?;
            all.requests = requests.into_iter().map(|request| (request.id, request)).collect();
        }
        if !ids.is_empty() {
            let links = password_links::by_ids(conn, &ids)?;
            let owners: Vec<UserId> = links.iter().map(|link| link.user).collect();
            all.owners = users::by_ids(conn, &owners)?.into_iter().map(|user| (user.id, user)).collect();
            all.links = links.into_iter().map(|link| (link.id, link)).collect();
        }
        let targets = all.requests.values().map(|request| request.terms.target);
        let addressees: Vec<UserId> = targets.chain(all.owners.keys().copied()).collect();
        if !addressees.is_empty() {
            all.languages = users::languages(conn, &addressees)?;
        }
        Ok(all)
    }

    /// What a mail tells, and whom; `None` when nobody waits for it any more.
    fn news(&self, matter: Matter, now: Timestamp) -> Option<(User, News)> {
        match matter {
            Matter::Request(number) => {
                let request = self.requests.get(&number).filter(|request| request.is_live(now))?;
                let scene = self.cast.scene(request.terms)?;
                if !scene.target.active || !scene.allowed.active {
                    return None;
                }
                let (by, bundle) = (scene.allowed.clone(), scene.bundle.clone());
                let asked = Asked { request: request.clone(), by, bundle };
                Some((scene.target.clone(), News::Asked(Box::new(asked))))
            }
            Matter::Password(id) => {
                let link = self.links.get(&id).filter(|link| link.is_live(now))?;
                let owner = self.owners.get(&link.user).filter(|owner| owner.active)?;
                Some((owner.clone(), News::Password(link.clone())))
            }
        }
    }
}
