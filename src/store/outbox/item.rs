//! The parts of an item: its kind, its subject and its result.

use crate::domain::permission_request::RequestId;
use crate::domain::token::PasswordLinkId;
use crate::store::types::DbUuid;
use diesel::QueryResult;

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
    pub(super) fn from_columns(request: Option<i64>, password_link: Option<DbUuid>) -> QueryResult<Self> {
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
