//! The content of claimed mails: what their subjects contain, and to whom they are sent.

use std::collections::HashMap;
use std::time::Instant;

use uuid::Uuid;

use super::connection::Conn;
use super::daily_mails;
use super::mail_settings::{self, MailSettings};
use super::outbox::{self, ClaimedItem, LeasedItem, OutboxResult, OutboxSubject, SyncResult};
use super::participants::{Participants, RequestParties};
use super::{password_links, requests, users};
use crate::domain::bundle::Bundle;
use crate::domain::daily_mail::DailyMail;
use crate::domain::decisions_mail::{DecidedRequest, DecisionsMail};
use crate::domain::mail_kinds::{MailKind, MailKinds};
use crate::domain::notice::{Notice, PermissionNotice};
use crate::domain::password_link::PasswordLink;
use crate::domain::permission_request::{PermissionRequest, RequestId};
use crate::domain::timestamp::{Timestamp, UtcDay};
use crate::domain::token::PasswordLinkId;
use crate::domain::user::{User, UserId};
use crate::i18n::Language;
use diesel::QueryResult;

/// A mail that this process may send until its lease ends.
#[derive(Clone, Debug)]
pub struct ClaimedMail {
    pub item: LeasedItem,
    /// Delivery attempts, including the next one.
    pub attempts: i32,
    /// Seconds since the mail was queued.
    pub age_seconds: i64,
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
    /// A notice, with the permission that it is about, if any.
    Notice(Notice, Option<Box<PermissionNotice>>),
    /// Requests of the recipient were approved or declined.
    Decisions(DecisionsMail),
    /// What ends soon or has expired.
    Daily(Box<DailyMail>),
}

impl MailPayload {
    /// The kinds of the mail that its recipient can turn off.
    pub fn kinds(&self) -> MailKinds {
        match self {
            Self::Request(_) | Self::Password(_) | Self::Notice(..) => MailKinds::default(),
            Self::Decisions(_) => MailKinds::from_iter([MailKind::Decisions]),
            Self::Daily(mail) => mail.kinds(),
        }
    }
}

/// A request, its requester and its bundle.
#[derive(Clone, Debug)]
pub struct RequestMail {
    pub request: PermissionRequest,
    pub requester: User,
    pub bundle: Bundle,
}

/// Loads the content of claimed items. Mails whose subject has ended, or whose parties are
/// disabled, or which the recipient has turned off, are cancelled.
pub fn load(conn: &mut Conn, synced: &SyncResult) -> QueryResult<Vec<ClaimedMail>> {
    let SyncResult { claimed, lease, now, .. } = synced;
    let subjects = MailSubjects::load(conn, claimed, *now)?;
    let claimed_at = Instant::now();
    let (mut mails, mut obsolete): (_, Vec<Uuid>) = (Vec::with_capacity(claimed.len()), Vec::new());
    for ClaimedItem { id, attempts, created_at, subject } in claimed {
        let Some((to, payload)) = subjects.payload(subject, *now) else {
            obsolete.push(*id);
            continue;
        };
        mails.push(ClaimedMail {
            item: LeasedItem { id: *id, lease: *lease },
            attempts: *attempts,
            age_seconds: created_at.seconds_until(*now),
            language: subjects.settings.get(&to.id).and_then(|settings| settings.language),
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
    /// The recipients of all mails but those about requests.
    recipients: HashMap<UserId, User>,
    settings: HashMap<UserId, MailSettings>,
    daily: HashMap<(UserId, UtcDay), DailyMail>,
}

impl MailSubjects {
    fn load(conn: &mut Conn, claimed: &[ClaimedItem], now: Timestamp) -> QueryResult<Self> {
        let (mut request_ids, mut link_ids, mut recipient_ids, mut daily) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for item in claimed {
            match &item.subject {
                OutboxSubject::Request(id) => request_ids.push(*id),
                OutboxSubject::PasswordLink(id) => link_ids.push(*id),
                OutboxSubject::Notice { to, request, .. } => {
                    recipient_ids.push(*to);
                    request_ids.extend(request);
                }
                OutboxSubject::Decisions { to, requests } => {
                    recipient_ids.push(*to);
                    request_ids.extend(&requests.ids);
                }
                OutboxSubject::Daily { to, day } => {
                    recipient_ids.push(*to);
                    daily.push((*to, *day));
                }
            }
        }
        let mut subjects = Self { daily: daily_mails::load(conn, &daily, now)?, ..Self::default() };
        if !request_ids.is_empty() {
            let requests = requests::by_ids(conn, &request_ids)?;
            subjects.participants = Participants::load_as_of(conn, requests.iter())?;
            subjects.requests = requests.into_iter().map(|request| (request.id, request)).collect();
        }
        if !link_ids.is_empty() {
            let links = password_links::by_ids(conn, &link_ids)?;
            recipient_ids.extend(links.iter().map(|link| link.user));
            subjects.password_links = links.into_iter().map(|link| (link.id, link)).collect();
        }
        if !recipient_ids.is_empty() {
            subjects.recipients =
                users::by_ids(conn, &recipient_ids)?.into_iter().map(|user| (user.id, user)).collect();
        }
        let parties =
            subjects.requests.values().flat_map(|request| [request.terms.target, request.terms.grantee]);
        let recipients: Vec<UserId> = parties.chain(subjects.recipients.keys().copied()).collect();
        if !recipients.is_empty() {
            subjects.settings = mail_settings::load(conn, &recipients)?;
        }
        Ok(subjects)
    }

    /// The permission of a notice. The target hears of a permission that staff granted even if it
    /// has ended meanwhile; for the grantee, the notice is then obsolete.
    fn permission_notice(&self, notice: Notice, id: RequestId, now: Timestamp) -> Option<PermissionNotice> {
        let request = self.requests.get(&id)?;
        if notice == Notice::PermissionReceived && request.permission(now).is_none() {
            return None;
        }
        let RequestParties { target, grantee, bundle } = self.participants.parties(request.terms)?;
        let rights = request.granted().map_or(bundle.permission, |granted| granted.permission);
        let (target, grantee, bundle) = (target.clone(), grantee.clone(), bundle.clone());
        Some(PermissionNotice { target, grantee, bundle, rights })
    }

    /// A decided request. `None`: it is deleted, or the permission has ended.
    fn decided_request(&self, id: RequestId, now: Timestamp) -> Option<DecidedRequest> {
        let request = self.requests.get(&id)?;
        if request.closed.as_ref()?.granted.is_some_and(|granted| !granted.is_active(now)) {
            return None;
        }
        let target = self.participants.parties(request.terms)?.target.clone();
        let bundle = self.participants.bundle_of(request)?.clone();
        Some(DecidedRequest { request: request.clone(), target, bundle })
    }

    fn muted(&self, user: UserId) -> MailKinds {
        self.settings.get(&user).copied().unwrap_or_default().muted
    }

    /// The recipient and the content of a mail. `None`: the mail is obsolete.
    fn payload(&self, subject: &OutboxSubject, now: Timestamp) -> Option<(User, MailPayload)> {
        match subject {
            OutboxSubject::Request(id) => {
                let request = self.requests.get(id).filter(|request| request.is_pending(now))?;
                let parties = self.participants.parties(request.terms)?;
                if !parties.target.active || !parties.grantee.active {
                    return None;
                }
                let (requester, bundle) = (parties.grantee.clone(), parties.bundle.clone());
                let mail = RequestMail { request: request.clone(), requester, bundle };
                Some((parties.target.clone(), MailPayload::Request(Box::new(mail))))
            }
            OutboxSubject::PasswordLink(id) => {
                let link = self.password_links.get(id).filter(|link| link.is_usable(now))?;
                let owner = self.recipients.get(&link.user).filter(|owner| owner.active)?;
                Some((owner.clone(), MailPayload::Password(link.clone())))
            }
            OutboxSubject::Notice { notice, to, request } => {
                let may_be_disabled = *notice == Notice::AccountDisabled;
                let to = self.recipients.get(to).filter(|to| to.active || may_be_disabled)?;
                let permission = match request {
                    Some(id) => Some(Box::new(self.permission_notice(*notice, *id, now)?)),
                    None => None,
                };
                Some((to.clone(), MailPayload::Notice(*notice, permission)))
            }
            OutboxSubject::Decisions { to, requests } => {
                if self.muted(*to).contains(MailKind::Decisions) {
                    return None;
                }
                let to = self.recipients.get(to).filter(|to| to.active)?;
                let decided: Vec<DecidedRequest> =
                    requests.ids.iter().filter_map(|id| self.decided_request(*id, now)).collect();
                let mail = DecisionsMail { requests: decided, more: requests.more, now };
                (!mail.requests.is_empty()).then(|| (to.clone(), MailPayload::Decisions(mail)))
            }
            OutboxSubject::Daily { to, day } => {
                let mail = self.daily.get(&(*to, *day))?.clone().without(self.muted(*to));
                let to = self.recipients.get(to).filter(|to| to.active && !mail.kinds().is_empty())?;
                Some((to.clone(), MailPayload::Daily(Box::new(mail))))
            }
        }
    }
}
