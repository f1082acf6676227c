//! The audit log: who did what to what, when and from where.
//!
//! An entry is written in the transaction of its operation, so that it also proves that the
//! operation was committed.

mod approvals;
mod entry_id;
mod plan;
mod read;
mod stored;
pub mod stream;
mod tail;
mod write;

pub use plan::AuditLogFilter;
pub(super) use read::is_visible;
pub use read::{AuditEntry, MAX_LISTED, by_ids, list, list_newest};
pub use stored::erase_client;
pub use tail::{AuditReader, HandlePage, Pace, Page, cursor, end, lag_seconds, page, read_all};
pub use write::{NewAuditEntry, record};

pub(super) use entry_id::min_id_at;
pub(super) use stored::{count_after, delete_through, has_older, seal_cursor, stored_between};
pub(super) use tail::{lock, move_cursor};
pub(super) use write::{InsertAuditEntries, insert, insert_statement, record_affecting, was_committed};
