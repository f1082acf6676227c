//! The parts of an item: its kind, its subject and its result.

use crate::domain::notice::Notice;
use crate::domain::permission_request::RequestId;
use crate::domain::timestamp::UtcDay;
use crate::domain::token::PasswordLinkId;
use crate::domain::user::UserId;
use crate::store::schema::outbox;
use crate::store::types::DbUuid;
use diesel::prelude::*;

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
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum OutboxSubject {
    Request(RequestId),
    PasswordLink(PasswordLinkId),
    /// A notice to a user; about the permission with the number of `request`, if it is set.
    Notice {
        notice: Notice,
        to: UserId,
        request: Option<RequestId>,
    },
    /// Requests that have been approved or declined: to their requester.
    Decisions {
        to: UserId,
        requests: RequestList,
    },
    /// The daily mail of a user.
    Daily {
        to: UserId,
        day: UtcDay,
    },
}

/// The values of the column `notice` that are not the name of a [`Notice`].
const DAILY: &str = "daily";
const DECISIONS: &str = "decisions";

/// The requests of a mail, in the order of their decisions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RequestList {
    /// The requests that the mail lists.
    pub ids: Vec<RequestId>,
    /// The number of further requests.
    pub more: usize,
}

impl RequestList {
    /// The highest number of requests that a mail lists.
    const MAX_LISTED: usize = 20;

    /// Appends a request.
    pub(in crate::store) fn push(&mut self, request: RequestId) {
        if self.ids.len() < Self::MAX_LISTED {
            self.ids.push(request);
        } else {
            self.more += 1;
        }
    }

    /// Appends the requests of another list.
    pub(in crate::store) fn append(&mut self, other: &Self) {
        other.ids.iter().for_each(|request| self.push(*request));
        self.more += other.more;
    }

    /// From the column: `12 15 16 +204` are three requests, and 204 more.
    pub fn from_column(text: &str) -> Self {
        let (ids, more) = text.split_once('+').unwrap_or((text, "0"));
        let ids = ids.split_whitespace().filter_map(|id| id.parse().ok()).map(RequestId).collect();
        Self { ids, more: more.parse().unwrap_or_default() }
    }

    /// As column.
    pub(in crate::store) fn to_column(&self) -> String {
        let ids = self.ids.iter().map(ToString::to_string);
        let more = (self.more > 0).then(|| format!("+{}", self.more));
        ids.chain(more).collect::<Vec<_>>().join(" ")
    }
}

/// The columns of the subject.
#[derive(Queryable, Selectable)]
#[diesel(table_name = outbox)]
pub(super) struct SubjectColumns {
    request_id: Option<i64>,
    password_link_id: Option<DbUuid>,
    notice: Option<String>,
    user_id: Option<i64>,
    day: Option<i32>,
    decided_requests: Option<String>,
}

/// [`SubjectColumns`] that are to be inserted.
#[derive(Default)]
pub(super) struct InsertedColumns {
    pub(super) request_id: Option<i64>,
    pub(super) password_link_id: Option<DbUuid>,
    pub(super) notice: Option<&'static str>,
    pub(super) user_id: Option<i64>,
    pub(super) day: Option<i32>,
    pub(super) decided_requests: Option<String>,
}

impl OutboxSubject {
    /// From the columns, whose combinations CHECK constraints restrict.
    pub(super) fn from_columns(columns: SubjectColumns) -> QueryResult<Self> {
        let SubjectColumns { request_id, password_link_id, notice, user_id, day, decided_requests } = columns;
        let (request, to) = (request_id.map(RequestId), user_id.map(UserId));
        match (notice.as_deref(), to, request, password_link_id) {
            (None, _, Some(request), _) => Ok(Self::Request(request)),
            (None, _, None, Some(link)) => Ok(Self::PasswordLink(PasswordLinkId(link.0))),
            (Some(DAILY), Some(to), ..) => Ok(Self::Daily { to, day: UtcDay(day.ok_or(diesel::NotFound)?) }),
            (Some(DECISIONS), Some(to), ..) => {
                let requests = RequestList::from_column(&decided_requests.unwrap_or_default());
                Ok(Self::Decisions { to, requests })
            }
            (Some(name), Some(to), request, _) => {
                let notice = Notice::from_name(name).ok_or(diesel::NotFound)?;
                Ok(Self::Notice { notice, to, request })
            }
            _ => Err(diesel::NotFound),
        }
    }

    /// As columns.
    pub(super) fn to_columns(&self) -> InsertedColumns {
        let none = InsertedColumns::default();
        match self {
            Self::Request(id) => InsertedColumns { request_id: Some(id.0), ..none },
            Self::PasswordLink(id) => InsertedColumns { password_link_id: Some(DbUuid(id.0)), ..none },
            Self::Notice { notice, to, request } => InsertedColumns {
                request_id: request.map(|id| id.0),
                notice: Some(notice.name()),
                user_id: Some(to.0),
                ..none
            },
            Self::Decisions { to, requests } => InsertedColumns {
                notice: Some(DECISIONS),
                user_id: Some(to.0),
                decided_requests: Some(requests.to_column()),
                ..none
            },
            Self::Daily { to, day } => {
                InsertedColumns { notice: Some(DAILY), user_id: Some(to.0), day: Some(day.0), ..none }
            }
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
