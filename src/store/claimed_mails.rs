//! The content of claimed mails: what their subjects contain, and to whom they are sent.

use std::collections::HashMap;
use std::time::Instant;

use uuid::Uuid;

use super::outbox::{self, ClaimedItem, LeasedItem, OutboxResult, OutboxSubject, SyncResult};
use super::participants::Participants;
use super::{Conn, QueryResult, password_links, requests, users};
use crate::domain::bundle::Bundle;
use crate::domain::password_link::PasswordLink;
use crate::domain::permission_request::{PermissionRequest, RequestId};
use crate::domain::timestamp::Timestamp;
use crate::domain::token::PasswordLinkId;
use crate::domain::user::{User, UserId};
use crate::i18n::Language;

/// A mail that this process may send until its lease ends.
#[derive(Clone, Debug)]
pub struct ClaimedMail {
    pub item: LeasedItem,
    /// Delivery attempts, including the next one.
    pub attempts: i32,
    pub to: User,
    /// `None`: the recipient's language is unknown.
    pub language: Option<Language>,
    pub payload: MailPayload,
    /// The time at which the subject was loaded.
    pub claimed_at: Instant,
}

/// The content of a mail.
#[derive(Clone, Debug)]
pub enum MailPayload {
    /// A request for the recipient's permission.
    Request(Box<RequestMail>),
    /// A link by which the recipient sets a password.
    Password(PasswordLink),
}

/// A request, its requester and its bundle.
#[derive(Clone, Debug)]
pub struct RequestMail {
    pub request: PermissionRequest,
    pub requester: User,
    pub bundle: Bundle,
}

/// Loads the content of claimed items. Mails whose subject has ended, or whose parties are
/// disabled, are cancelled.
pub fn load(conn: &mut Conn, synced: &SyncResult) -> QueryResult<Vec<ClaimedMail>> {
    let SyncResult { claimed, lease, now, .. } = synced;
    let subjects = MailSubjects::load(conn, claimed)?;
    let claimed_at = Instant::now();
    let (mut mails, mut obsolete): (_, Vec<Uuid>) = (Vec::with_capacity(claimed.len()), Vec::new());
    for ClaimedItem { id, attempts, subject } in claimed {
        let Some((to, payload)) = subjects.payload(*subject, *now) else {
            obsolete.push(*id);
            continue;
        };
        mails.push(ClaimedMail {
            item: LeasedItem { id: *id, lease: *lease },
            attempts: *attempts,
            language: subjects.languages.get(&to.id).copied(),
            to,
            payload,
            claimed_at,
        });
    }
    if !obsolete.is_empty() {
        outbox::finish(conn, *lease, &obsolete, OutboxResult::Cancelled, None, *now)?;
    }
    Ok(mails)
}

/// The subjects of mails, and the users and bundles that they refer to.
#[derive(Default)]
struct MailSubjects {
    requests: HashMap<RequestId, PermissionRequest>,
    participants: Participants,
    password_links: HashMap<PasswordLinkId, PasswordLink>,
    link_owners: HashMap<UserId, User>,
    languages: HashMap<UserId, Language>,
}

impl MailSubjects {
    fn load(conn: &mut Conn, claimed: &[ClaimedItem]) -> QueryResult<Self> {
        let (mut request_ids, mut link_ids) = (Vec::new(), Vec::new());
        for item in claimed {
            match item.subject {
                OutboxSubject::Request(id) => request_ids.push(id),
                OutboxSubject::PasswordLink(id) => link_ids.push(id),
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
        let recipients: Vec<UserId> = targets.chain(subjects.link_owners.keys().copied()).collect();
        if !recipients.is_empty() {
            subjects.languages = users::languages(conn, &recipients)?;
        }
        Ok(subjects)
    }

    /// The recipient and the content of a mail. `None`: the mail is obsolete.
    fn payload(&self, subject: OutboxSubject, now: Timestamp) -> Option<(User, MailPayload)> {
        match subject {
            OutboxSubject::Request(id) => {
                let request = self.requests.get(&id).filter(|request| request.is_pending(now))?;
                let parties = self.participants.parties(request.terms)?;
                if !parties.target.active || !parties.grantee.active {
                    return None;
                }
                let (requester, bundle) = (parties.grantee.clone(), parties.bundle.clone());
                let mail = RequestMail { request: request.clone(), requester, bundle };
                Some((parties.target.clone(), MailPayload::Request(Box::new(mail))))
            }
            OutboxSubject::PasswordLink(id) => {
                let link = self.password_links.get(&id).filter(|link| link.is_usable(now))?;
                let owner = self.link_owners.get(&link.user).filter(|owner| owner.active)?;
                Some((owner.clone(), MailPayload::Password(link.clone())))
            }
        }
    }
}
