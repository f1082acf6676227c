//! The ledger: every change to export tokens, requests, permissions and blocks, one
//! transaction per batch of operations.
//!
//! [`commit()`] loads the rows of a batch and locks them (`load`), lets each
//! [`Command`] decide in turn what to change (`commands`, `batch`), and writes all
//! changes with guards that repeat the decision (`pending_writes`). On PostgreSQL a batch
//! that only decides on requests by token takes no locks: it reads, decides,
//! and writes in one statement that fails if any of its rows has changed
//! (`single_statement`); the batch then starts over with locks. Two operations on
//! one row are therefore ordered, whether they are in one batch, in two batches, or on
//! two replicas.

mod audit;
mod batch;
mod command;
mod commands;
mod commit;
mod constraints;
mod guard;
mod load;
mod pending_writes;
mod request_rows;
mod row_key;
mod single_statement;

pub use command::{AnyOperation, Command, Operation};
pub use commands::blocks::{CreateBlock, DeleteBlock};
pub use commands::export_tokens::{CreateExport, RevokeExport};
pub use commands::permissions::{GrantPermission, GrantPermissionError, RevokePermission};
pub use commands::requests::{
    CloseRequest, CreateRequest, CreateRequestError, CreatedRequest, Decide, ResendMail, ResendMailError,
};
pub use commands::user_lookups::{RecordUserLookup, UserReference};
pub use commit::{commit, commit_one};
pub use row_key::RowKey;
