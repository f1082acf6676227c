//! A postman's round: what became of mails is written down, the leases of those
//! still on their way are renewed, and the next ones are fetched, in one
//! transaction and a few queries for all of them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use uuid::Uuid;

use super::delivery_report::{self, DeliveryReport, LeasedMail};
use crate::domain::bundle::Bundle;
use crate::domain::password_link::PasswordLink;
use crate::domain::permission_request::{PermissionRequest, RequestId};
use crate::domain::timestamp::Timestamp;
use crate::domain::token::PasswordLinkId;
use crate::domain::user::{User, UserId};
use crate::entropy;
use crate::i18n::Language;
use crate::store::outbox::{self, ClaimedRow, MailKind, MailResult};
use crate::store::participants::Participants;
use crate::store::{AsyncStore, Conn, QueryResult, StoreError, password_links, requests, users};

/// Seconds that a lease lasts.
const LEASE_SECONDS: i64 = 60;

/// What a round is to do.
#[derive(Debug)]
pub struct OutboxSync {
    /// To be written down.
    pub reports: Vec<DeliveryReport>,
    /// To be renewed.
    pub renewals: Vec<LeasedMail>,
    /// How many mails to fetch at the most.
    pub claim_limit: usize,
}

/// What a round came to.
#[derive(Debug, Default)]
pub struct SyncOutcome {
    /// Whether it was made; else nothing was renewed or fetched.
    pub ok: bool,
    /// What is yet to be written down.
    pub unwritten: Vec<DeliveryReport>,
    /// What was to be renewed, and is somebody else's by now.
    pub lost_leases: Vec<LeasedMail>,
    /// What was fetched, the longest due first.
    pub mails: Vec<ClaimedMail>,
    /// Whether more may be due than was wanted.
    pub has_more: bool,
}

/// A mail for which somebody waits, ours to send.
#[derive(Clone, Debug)]
pub struct ClaimedMail {
    /// The mail, and its lease.
    pub leased_mail: LeasedMail,
    /// How often it was tried, this time included.
    pub attempts: i32,
    /// Who gets it.
    pub to: User,
    /// What they speak, if that is known.
    pub language: Option<Language>,
    /// What it tells them.
    pub payload: MailPayload,
    /// When it was seen that somebody waits for it.
    pub claimed_at: Instant,
}

/// What a letter tells of, in full.
#[derive(Clone, Debug)]
pub enum MailPayload {
    /// Somebody asks its addressee for a permission.
    Request(Box<RequestMail>),
    /// Its addressee may set a password.
    Password(PasswordLink),
}

/// A request, and who asks for what.
#[derive(Clone, Debug)]
pub struct RequestMail {
    /// The request.
    pub request: PermissionRequest,
    /// Who asks.
    pub by: User,
    /// For what.
    pub bundle: Bundle,
}

impl OutboxSync {
    /// Makes the round. If the database refuses it as a whole, the marks are
    /// written one by one: what is wrong with one does not take the others along.
    pub async fn run(self, store: &AsyncStore) -> SyncOutcome {
        // Shared with a thread that may hang in the database.
        let sync = Arc::new(self);
        let shared = Arc::clone(&sync);
        let result = store.write(move |conn| shared.transact(conn, entropy::uuid())).await;
        let reports = sync.reports.iter().cloned();
        let unwritten = match result {
            Ok(outcome) => return outcome,
            Err(StoreError::OutcomeUnknown) => reports.map(DeliveryReport::with_unknown_commit).collect(),
            Err(StoreError::Unavailable(error)) => {
                tracing::warn!(error, "outbox sync failed: database unavailable");
                reports.collect()
            }
            Err(StoreError::QueryFailed(error)) => {
                tracing::warn!(%error, "outbox sync failed: database error");
                let mut unwritten = Vec::new();
                for report in reports {
                    unwritten.extend(report.write_single(store).await);
                }
                unwritten
            }
        };
        SyncOutcome { unwritten, ..SyncOutcome::default() }
    }

    fn transact(&self, conn: &mut Conn, lease: Uuid) -> QueryResult<SyncOutcome> {
        let now = conn.now()?;
        let until = now.plus_seconds(LEASE_SECONDS);
        for report in delivery_report::write(conn, &self.reports, now)? {
            report.warn_lease_lost();
        }
        let mut lost_leases = Vec::new();
        for (lease, mails) in delivery_report::group_by_lease(self.renewals.iter().copied()) {
            let kept = outbox::renew(conn, lease, &mails, until)?;
            let gone = mails.into_iter().filter(|mail| !kept.contains(mail));
            lost_leases.extend(gone.map(|mail| LeasedMail { mail, lease }));
        }
        let claimed = match i64::try_from(self.claim_limit) {
            Ok(wanted @ 1..) => outbox::claim(conn, lease, wanted, now, until)?,
            _ => Vec::new(),
        };
        let has_more = self.claim_limit > 0 && claimed.len() == self.claim_limit;
        let mails = load_claimed_mails(conn, claimed, lease, now)?;
        Ok(SyncOutcome { ok: true, unwritten: Vec::new(), lost_leases, mails, has_more })
    }
}

/// The letters to be sent of what was claimed. A mail for which nobody waits any
/// more ends here.
fn load_claimed_mails(
    conn: &mut Conn,
    claimed: Vec<ClaimedRow>,
    lease: Uuid,
    now: Timestamp,
) -> QueryResult<Vec<ClaimedMail>> {
    let subjects = MailSubjects::load(conn, &claimed)?;
    let claimed_at = Instant::now();
    let (mut mails, mut stale) = (Vec::with_capacity(claimed.len()), Vec::new());
    for ClaimedRow { id, attempts, kind } in claimed {
        match subjects.payload(kind, now) {
            Some((to, news)) => {
                let (tenure, language) =
                    (LeasedMail { mail: id, lease }, subjects.languages.get(&to.id).copied());
                mails.push(ClaimedMail {
                    leased_mail: tenure,
                    attempts,
                    to,
                    language,
                    payload: news,
                    claimed_at,
                });
            }
            None => stale.push(id),
        }
    }
    if !stale.is_empty() {
        outbox::finish(conn, lease, &stale, MailResult::Cancelled, None, now)?;
    }
    Ok(mails)
}

/// All that some mails tell of, in a few queries.
#[derive(Default)]
struct MailSubjects {
    requests: HashMap<RequestId, PermissionRequest>,
    participants: Participants,
    password_links: HashMap<PasswordLinkId, PasswordLink>,
    link_owners: HashMap<UserId, User>,
    languages: HashMap<UserId, Language>,
}

impl MailSubjects {
    fn load(conn: &mut Conn, claimed: &[ClaimedRow]) -> QueryResult<Self> {
        let (mut request_ids, mut link_ids) = (Vec::new(), Vec::new());
        for mail in claimed {
            match mail.kind {
                MailKind::Request(number) => request_ids.push(number),
                MailKind::PasswordLink(id) => link_ids.push(id),
            }
        }
        let mut subjects = Self::default();
        if !request_ids.is_empty() {
            let requests = requests::by_ids(conn, &request_ids)?;
            subjects.participants = Participants::load(conn, requests.iter().map(|request| request.terms))?;
            subjects.requests = requests.into_iter().map(|request| (request.id, request)).collect();
        }
        if !link_ids.is_empty() {
            let links = password_links::by_ids(conn, &link_ids)?;
            let owner_ids: Vec<UserId> = links.iter().map(|link| link.user).collect();
            subjects.link_owners =
                users::by_ids(conn, &owner_ids)?.into_iter().map(|user| (user.id, user)).collect();
            subjects.password_links = links.into_iter().map(|link| (link.id, link)).collect();
        }
        let targets = subjects.requests.values().map(|request| request.terms.target);
        let addressees: Vec<UserId> = targets.chain(subjects.link_owners.keys().copied()).collect();
        if !addressees.is_empty() {
            subjects.languages = users::languages(conn, &addressees)?;
        }
        Ok(subjects)
    }

    /// What a mail tells, and whom; `None` when nobody waits for it any more.
    fn payload(&self, kind: MailKind, now: Timestamp) -> Option<(User, MailPayload)> {
        match kind {
            MailKind::Request(number) => {
                let request = self.requests.get(&number).filter(|request| request.is_pending(now))?;
                let parties = self.participants.parties(request.terms)?;
                if !parties.target.active || !parties.grantee.active {
                    return None;
                }
                let (requester, bundle) = (parties.grantee.clone(), parties.bundle.clone());
                let request_mail = RequestMail { request: request.clone(), by: requester, bundle };
                Some((parties.target.clone(), MailPayload::Request(Box::new(request_mail))))
            }
            MailKind::PasswordLink(id) => {
                let link = self.password_links.get(&id).filter(|link| link.is_usable(now))?;
                let owner = self.link_owners.get(&link.user).filter(|owner| owner.active)?;
                Some((owner.clone(), MailPayload::Password(link.clone())))
            }
        }
    }
}
