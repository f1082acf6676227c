//! The outbox: deliveries that are to be made, inserted in the transaction of their cause.
//!
//! An item stays in the queue until its delivery has succeeded, has failed permanently, or is
//! no longer needed. Claims, leases, retries and results are the same for every kind of item
//! ([`queue`], [`sync`]). The content of a claimed mail is loaded by
//! [`claimed_mails`](super::claimed_mails).

mod admin;
mod queue;
mod sync;

pub use admin::{
    MailFilter, OutboxMail, by_request, count_failed, latest_by_request, list, newest, newest_failed,
    oldest_pending, retry,
};
pub use queue::{ClaimedItem, claim, finish, release};
pub use sync::{DeliveryOutcome, LeasedItem, SyncRequest, SyncResult, record_outcomes, sync};

pub(super) use queue::{insert, pending};

use diesel::QueryResult;
use uuid::Uuid;

use super::types::DbUuid;
use crate::domain::permission_request::RequestId;
use crate::domain::token::PasswordLinkId;

/// The kind of an item: the worker that delivers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutboxKind {
    Mail,
}

impl OutboxKind {
    /// The name in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mail => "mail",
        }
    }
}

/// The row that an item is about. Deleting the row deletes the item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OutboxSubject {
    Request(RequestId),
    PasswordLink(PasswordLinkId),
}

impl OutboxSubject {
    /// From the foreign keys, of which a CHECK constraint requires exactly one.
    fn from_columns(request: Option<i64>, password_link: Option<DbUuid>) -> QueryResult<Self> {
        match (request, password_link) {
            (Some(request), _) => Ok(Self::Request(RequestId(request))),
            (None, Some(link)) => Ok(Self::PasswordLink(PasswordLinkId(link.0))),
            (None, None) => Err(diesel::NotFound),
        }
    }
}

/// The final result of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutboxResult {
    Sent,
    /// Rejected permanently, or not deliverable.
    Failed,
    /// The subject ended before the delivery.
    Cancelled,
}

impl OutboxResult {
    /// The name in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// The ids as the database stores them.
fn db_uuids(ids: &[Uuid]) -> Vec<DbUuid> {
    ids.iter().copied().map(DbUuid).collect()
}
