//! The parts of an item: its kind, its subject and its result.

use crate::domain::notice::Notice;
use crate::domain::permission_request::RequestId;
use crate::domain::timestamp::UtcDay;
use crate::domain::token::PasswordLinkId;
use crate::domain::user::UserId;
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

/// What an item is about. Deleting the row that it names deletes the item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OutboxSubject {
    Request(RequestId),
    PasswordLink(PasswordLinkId),
    /// A notice to a user; about the permission with the number of `request`, if it is set.
    Notice {
        notice: Notice,
        to: UserId,
        request: Option<RequestId>,
    },
    /// The target has approved or declined the request: to its requester.
    Decision(RequestId),
    /// The daily mail of a user.
    Daily {
        to: UserId,
        day: UtcDay,
    },
}

/// The values of the column `notice` that are not the name of a [`Notice`].
const DAILY: &str = "daily";
const DECISION: &str = "decision";

/// The columns `request_id`, `password_link_id`, `notice`, `user_id` and `day`.
pub(super) type SubjectColumns = (Option<i64>, Option<DbUuid>, Option<String>, Option<i64>, Option<i32>);

/// [`SubjectColumns`] that are to be inserted.
type InsertedColumns = (Option<i64>, Option<DbUuid>, Option<&'static str>, Option<i64>, Option<i32>);

impl OutboxSubject {
    /// From the columns, whose combinations CHECK constraints restrict.
    pub(super) fn from_columns(
        (request, password_link, notice, user, day): SubjectColumns,
    ) -> QueryResult<Self> {
        let request = request.map(RequestId);
        if let (Some(user), Some(day)) = (user, day) {
            return Ok(Self::Daily { to: UserId(user), day: UtcDay(day) });
        }
        if let (Some(DECISION), Some(request)) = (notice.as_deref(), request) {
            return Ok(Self::Decision(request));
        }
        match (notice.as_deref().map(Notice::from_name), user, request, password_link) {
            (Some(Some(notice)), Some(user), request, _) => {
                Ok(Self::Notice { notice, to: UserId(user), request })
            }
            (None, _, Some(request), _) => Ok(Self::Request(request)),
            (None, _, None, Some(link)) => Ok(Self::PasswordLink(PasswordLinkId(link.0))),
            _ => Err(diesel::NotFound),
        }
    }

    /// As columns.
    pub(super) fn to_columns(self) -> InsertedColumns {
        match self {
            Self::Request(id) => (Some(id.0), None, None, None, None),
            Self::PasswordLink(id) => (None, Some(DbUuid(id.0)), None, None, None),
            Self::Notice { notice, to, request } => {
                (request.map(|id| id.0), None, Some(notice.name()), Some(to.0), None)
            }
            Self::Decision(id) => (Some(id.0), None, Some(DECISION), None, None),
            Self::Daily { to, day } => (None, None, Some(DAILY), Some(to.0), Some(day.0)),
        }
    }
}

/// The final result of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutboxResult {
    Sent,
    /// The address does not exist, the mail could not be composed, or it was given up.
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
