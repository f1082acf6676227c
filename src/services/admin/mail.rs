//! The outbox.

use std::collections::HashMap;

use uuid::Uuid;

use crate::domain::audit::{AuditAction, AuditContext};
use crate::domain::timestamp::Timestamp;
use crate::domain::user::{Email, UserId};
use crate::services::DbWork;
use crate::store::outbox::{self, MailFilter, OutboxMail, OutboxSubject};
use crate::store::{Conn, LimitOffset, QueryResult, audit_log, password_links, requests, users};

/// Mails and their recipients.
pub struct ListedMails {
    pub mails: Vec<OutboxMail>,
    /// By the ID of the mail. A mail whose subject was deleted has no recipient.
    pub recipients: HashMap<Uuid, Email>,
    /// The time at which the mails were read.
    pub now: Timestamp,
}

/// The newest mails, at most `limit`.
pub fn newest(limit: i64) -> impl DbWork<ListedMails> {
    move |conn| {
        let now = conn.now()?;
        let mails = outbox::newest(conn, limit)?;
        Ok(ListedMails { recipients: recipients(conn, &mails)?, mails, now })
    }
}

/// A page of the mails that match a filter.
pub fn list(filter: MailFilter, page: LimitOffset) -> impl DbWork<ListedMails> {
    move |conn| {
        let now = conn.now()?;
        let mails = outbox::list(conn, filter, page)?;
        Ok(ListedMails { recipients: recipients(conn, &mails)?, mails, now })
    }
}

/// Makes a mail the next in the queue. `false`: it does not exist, was sent, or is being
/// sent.
pub fn retry(id: Uuid, audit: AuditContext) -> impl DbWork<bool> {
    move |conn| {
        let now = conn.now()?;
        let retried = outbox::retry(conn, id, now)?;
        if retried {
            audit_log::record(conn, &audit, AuditAction::MailRetried, format!("mail:{id}"), now)?;
        }
        Ok(retried)
    }
}

/// Makes all mails the next in the queue that were rejected or are waiting for their next attempt. Returns their
/// number.
pub fn retry_all(audit: AuditContext) -> impl DbWork<usize> {
    move |conn| {
        let now = conn.now()?;
        let retried = outbox::retry_all(conn, now)?;
        if retried > 0 {
            audit_log::record(conn, &audit, AuditAction::MailRetried, "mail:all".to_owned(), now)?;
        }
        Ok(retried)
    }
}

fn recipients(conn: &mut Conn, mails: &[OutboxMail]) -> QueryResult<HashMap<Uuid, Email>> {
    let (mut request_ids, mut link_ids, mut to_users) = (Vec::new(), Vec::new(), Vec::new());
    for mail in mails {
        match &mail.subject {
            OutboxSubject::Request(id) => request_ids.push(*id),
            OutboxSubject::PasswordLink(id) => link_ids.push(*id),
            OutboxSubject::Notice { to, .. }
            | OutboxSubject::Decisions { to, .. }
            | OutboxSubject::Daily { to, .. } => to_users.push((mail.subject.clone(), *to)),
        }
    }
    let requests = requests::by_ids(conn, &request_ids)?;
    let requests =
        requests.into_iter().map(|request| (OutboxSubject::Request(request.id), request.terms.target));
    let links = password_links::by_ids(conn, &link_ids)?;
    let links = links.into_iter().map(|link| (OutboxSubject::PasswordLink(link.id), link.user));
    let users_by_kind: HashMap<OutboxSubject, UserId> = requests.chain(links).chain(to_users).collect();
    let emails = users::emails_by_id(conn, users_by_kind.values().copied().collect())?;
    let recipient = |mail: &OutboxMail| {
        let user = users_by_kind.get(&mail.subject)?;
        Some((mail.id, emails.get(user)?.clone()))
    };
    Ok(mails.iter().filter_map(recipient).collect())
}
