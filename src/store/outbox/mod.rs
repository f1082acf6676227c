//! The outbox: deliveries that are to be made, inserted in the transaction of their cause.
//!
//! An item stays in the queue until its delivery has succeeded, has failed permanently, or is
//! no longer needed. Claims, leases, retries and results are the same for every kind of item
//! (`queue.rs`, `sync.rs`). The content of a claimed mail is loaded by
//! [`claimed_mails`](super::claimed_mails).

mod admin;
mod item;
mod queue;
mod sync;

pub use admin::{
    MailFilter, OutboxMail, by_request, count_failed, has_sent_links, latest_by_request, list, newest,
    newest_failed, oldest_pending, retry, retry_all,
};
pub use item::{OutboxKind, OutboxResult, OutboxSubject, RequestList};
pub use queue::{ClaimedItem, claim, finish, release};
pub use sync::{DeliveryOutcome, LeasedItem, SyncRequest, SyncResult, record_outcomes, sync};

pub(crate) use queue::insert_notice;
pub(super) use queue::{InsertItems, insert, insert_due, insert_statement, pending};
