//! The ledger: everything that makes, redeems, ends or revokes a token, a
//! request or a permission, as one transaction per batch.
//!
//! A batch locks its rows, lets the domain decide each operation in turn on
//! what is locked, and writes what was decided with guards that repeat the
//! decision. One of redemptions alone leaves out the locks, on PostgreSQL: if its
//! guards find that anything has changed, it starts over with them. So two
//! operations on one row are in order, whether they are in one batch, in two, or
//! on two replicas.

mod batch;
mod redeem_statement;
mod request_constraints;

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use diesel::result::{DatabaseErrorKind, Error};

use super::audit_log::{self, NewAuditEntry};
use super::export_tokens::{self, UsageDelta};
use super::participants::Participants;
use super::{Store, StoreError};
use crate::domain::audit::AuditContext;
use crate::domain::block::Block;
use crate::domain::bundle_permission::{BundlePermission, BundlePermissionId};
use crate::domain::export_token::{ExportDenied, ExportToken, ExportTokenRef, NewExportToken};
use crate::domain::permission_request::{
    NewPermissionRequest, PermissionRequest, RequestError, RequestId, RequestOutcome,
};
use crate::domain::rate_limit::{QuotaStatus, RateLimited, RequestLimits};
use crate::domain::terms::Terms;
use crate::domain::token::{Entropy, RedeemId, Token};
use crate::domain::user::Authority;
use crate::domain::user::UserId;
use crate::domain::validated_text::IdempotencyKey;
use crate::entropy;
use batch::Batch;

/// How long after it was begun a batch may be tried anew: its callers wait no
/// longer than two seconds.
const RETRY_BUDGET: Duration = Duration::from_millis(1_400);
/// How often a batch is tried anew when the database refused it: another
/// replica may have come in between (a unique constraint, a deadlock).
const MAX_ATTEMPTS: usize = 3;
/// How long to ask, after a lost answer to COMMIT, whether it took place.
const OUTCOME_LOOKUP_TIMEOUT: Duration = Duration::from_secs(20);

/// Something to be done, by whom and from where.
#[derive(Clone, Debug)]
pub struct Operation {
    /// What.
    pub command: Command,
    /// By whom and from where, for the audit trail.
    pub audit_context: AuditContext,
    /// Within what limits; whatever asks nobody for anything has none.
    pub limits: RequestLimits,
    entropy: Entropy,
}

impl Operation {
    /// An operation with randomness of its own, and no limits.
    pub fn new(command: Command, audit_context: AuditContext) -> Self {
        Self { command, audit_context, limits: RequestLimits::default(), entropy: entropy::token() }
    }

    /// The same within these limits.
    #[must_use]
    pub fn with_limits(self, limits: RequestLimits) -> Self {
        Self { limits, ..self }
    }
}

/// What can be done.
#[derive(Clone, Debug)]
pub enum Command {
    /// Make an export token.
    CreateExport(NewExportToken),
    /// Revoke an export token.
    RevokeExport {
        /// Which.
        which: ExportTokenRef,
        /// Who wants it.
        by: Authority,
    },
    /// Ask for a permission.
    CreateRequest(NewPermissionRequest),
    /// Redeem a request.
    Redeem {
        /// Whose token this is the id of.
        id: RedeemId,
        /// Who redeems.
        by: UserId,
        /// The `Idempotency-Key` it comes with.
        idempotency_key: Option<IdempotencyKey>,
    },
    /// Decline or withdraw a request.
    CloseRequest {
        /// Which.
        which: RequestRef,
        /// Who wants it.
        by: Authority,
    },
    /// Have a live request's mail sent anew, as its requester.
    ResendMail {
        /// Which.
        id: RequestId,
        /// What it is about, which its limits go by.
        terms: Terms,
        /// Who wants it.
        by: UserId,
    },
    /// Give a permission unasked.
    GrantPermission(Terms),
    /// Delete a permission, as a party to it.
    RevokePermission {
        /// Which.
        id: BundlePermissionId,
        /// Who wants it.
        by: UserId,
    },
    /// Name users in a body.
    RecordUserLookup {
        /// Who does.
        by: UserId,
        /// Whether one of them is nobody.
        unknown_user: bool,
    },
    /// Take no more requests from somebody; those that are open are declined.
    Block(Block),
    /// Take requests from somebody again.
    Unblock(Block),
}

/// How a request is named.
#[derive(Clone, Copy, Debug)]
pub enum RequestRef {
    /// By its token, which is its target's.
    Token(RedeemId),
    /// By its number.
    Id(RequestId),
}

/// What came of a [`Command`], variant by variant.
#[derive(Clone, Debug)]
pub enum CommandResult {
    /// The token and its row.
    ExportCreated(Result<(ExportToken, Token), ExportDenied>),
    /// The token as it is now; `None` when there is none for this caller.
    ExportRevoked(Option<ExportToken>),
    /// The request, the seconds that it has left, and what is left of the requester's
    /// limits; of none if it was made before.
    RequestCreated(Result<(PermissionRequest, i64, Vec<QuotaStatus>), CreateRequestError>),
    /// The permission that stands now, and whom it names.
    Redeemed(Result<(BundlePermission, Arc<Participants>), RequestError>),
    /// How the request ended.
    RequestClosed(Result<RequestOutcome, RequestError>),
    /// Whether another mail is owed now.
    MailResent(Result<(), ResendMailError>),
    /// The permission; `None` when it stood already.
    PermissionGranted(Option<BundlePermission>),
    /// Whether there was one to delete.
    PermissionRevoked(bool),
    /// Whether they may be told what came of it.
    UserLookupRecorded(Result<(), RateLimited>),
    /// Whether it did not stand already.
    Blocked(bool),
    /// Whether it stood.
    Unblocked(bool),
}

/// Why a request was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CreateRequestError {
    /// There is nothing to ask for.
    #[error("the permission is already active")]
    AlreadyGranted,
    /// The `Idempotency-Key` came with another body before.
    #[error("the idempotency key was used for a different request")]
    IdempotencyKeyConflict,
    /// Who is asked takes no requests from the one who asks.
    #[error("the target has blocked the requester")]
    Blocked,
    /// Asked too often.
    #[error(transparent)]
    RateLimited(#[from] RateLimited),
}

/// Why a mail is not sent anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResendMailError {
    /// There is no such request of theirs that lives.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The one before has not left yet.
    #[error("a mail about this request is already queued")]
    AlreadyPending,
    /// Too often.
    #[error(transparent)]
    RateLimited(#[from] RateLimited),
}

/// How a batch keeps its rows from changing between decision and write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ConcurrencyMode {
    /// Not at all: it reads, decides, and writes in one statement that does nothing
    /// if any of its rows has changed. Two trips to the database, and no locks.
    Optimistic,
    /// By locks.
    Locked,
    /// By locks; and it looks whether what is to be redeemed stands already. That is
    /// rare for a request that is open, since none is made then: only a batch that
    /// broke a constraint needs to.
    LockedWithRecheck,
}

impl ConcurrencyMode {
    /// Swift, where rows are named by their tokens and nothing is made. SQLite has
    /// no trips to save, and its writers are alone anyway.
    fn initial(store: &Store, operations: &[Operation]) -> Self {
        let is_by_token = |operation: &Operation| {
            matches!(
                operation.command,
                Command::Redeem { .. } | Command::CloseRequest { which: RequestRef::Token(_), .. }
            )
        };
        if store.has_concurrent_writers() && operations.iter().all(is_by_token) {
            Self::Optimistic
        } else {
            Self::Locked
        }
    }
}

/// Does a batch, whole or operation by operation: a bad one fails alone. The
/// answers are in the order of the operations, and none comes before its COMMIT.
pub fn commit(store: &Store, operations: &[Operation]) -> Vec<Result<CommandResult, StoreError>> {
    commit_until(&store.with_point_lookup_pool(), operations, Instant::now() + RETRY_BUDGET)
}

/// After the deadline nothing more is begun: nobody would hear of it.
fn commit_until(
    store: &Store,
    operations: &[Operation],
    deadline: Instant,
) -> Vec<Result<CommandResult, StoreError>> {
    let mut last_error = Error::RollbackTransaction;
    let mut mode = ConcurrencyMode::initial(store, operations);
    for _ in 0..MAX_ATTEMPTS {
        if Instant::now() >= deadline {
            let deadline_exceeded = || StoreError::Unavailable(format!("retry budget used up: {last_error}"));
            return operations.iter().map(|_| Err(deadline_exceeded())).collect();
        }
        match try_commit(store, operations, mode) {
            Ok(results) => return results.into_iter().map(Ok).collect(),
            Err(StoreError::QueryFailed(error)) => last_error = error,
            Err(StoreError::OutcomeUnknown) => {
                return operations.iter().map(|_| Err(StoreError::OutcomeUnknown)).collect();
            }
            Err(StoreError::Unavailable(why)) => {
                return operations.iter().map(|_| Err(StoreError::Unavailable(why.clone()))).collect();
            }
        }
        if !is_conflict(&last_error) {
            break;
        }
        mode = ConcurrencyMode::LockedWithRecheck;
    }
    if operations.len() < 2 {
        tracing::error!(error = %last_error, "database operation failed");
        return operations.iter().map(|_| Err(StoreError::QueryFailed(Error::RollbackTransaction))).collect();
    }
    let (first, second) = operations.split_at(operations.len() / 2);
    let mut results = commit_until(store, first, deadline);
    results.extend(commit_until(store, second, deadline));
    results
}

/// Whether another replica came in between: the same batch will now see what
/// that one did. diesel tells a deadlock by its words alone.
fn is_conflict(error: &Error) -> bool {
    match error {
        Error::DatabaseError(
            DatabaseErrorKind::UniqueViolation
            | DatabaseErrorKind::SerializationFailure
            // A stroke's.
            | DatabaseErrorKind::CheckViolation,
            _,
        )
        | Error::RollbackTransaction => true,
        Error::DatabaseError(_, words) => words.message().contains("deadlock detected"),
        _ => false,
    }
}

/// One transaction. When the answer to its COMMIT is lost, the outcome is found
/// out before anybody is told.
fn try_commit(
    store: &Store,
    operations: &[Operation],
    mode: ConcurrencyMode,
) -> Result<Vec<CommandResult>, StoreError> {
    let planned = RefCell::new(None);
    let write = || match mode {
        ConcurrencyMode::Optimistic => store.write_single_statement(
            |conn| {
                let (statement, results, commit_marker) = Batch::plan(conn, operations)?;
                *planned.borrow_mut() = Some((results, commit_marker));
                Ok(statement)
            },
            |conn, statement| statement.execute(conn),
        ),
        ConcurrencyMode::Locked | ConcurrencyMode::LockedWithRecheck => store.write(|conn| {
            *planned.borrow_mut() = Some(Batch::execute(conn, operations, mode)?);
            Ok(())
        }),
    };
    let result = catch_unwind(AssertUnwindSafe(write)).unwrap_or(Err(StoreError::OutcomeUnknown));
    match (result, planned.into_inner()) {
        (Ok(()), Some((results, _))) => Ok(results),
        // Nothing was written, so nothing can be lost.
        (Err(StoreError::OutcomeUnknown), Some((results, None))) => Ok(results),
        // A panic, and the operation that caused it will be found alone.
        (Err(StoreError::OutcomeUnknown), None) => Err(StoreError::QueryFailed(Error::RollbackTransaction)),
        (Err(StoreError::OutcomeUnknown), Some((results, Some(commit_marker)))) => {
            match was_committed(store, &commit_marker) {
                Some(true) => Ok(results),
                Some(false) => Err(StoreError::QueryFailed(Error::RollbackTransaction)),
                None => Err(StoreError::OutcomeUnknown),
            }
        }
        (Err(error), _) => Err(error),
        (Ok(()), None) => Err(StoreError::OutcomeUnknown),
    }
}

/// Whether the transaction of this event was committed; if it was not, it never will
/// be. `None` when the database does not say so in time.
fn was_committed(store: &Store, commit_marker: &NewAuditEntry) -> Option<bool> {
    let started = Instant::now();
    while started.elapsed() < OUTCOME_LOOKUP_TIMEOUT {
        match store.write(|conn| audit_log::was_committed(conn, commit_marker)) {
            Ok(committed) => return Some(committed),
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
    None
}

/// Adds up uses of export tokens.
pub fn record_uses(store: &Store, deltas: &[UsageDelta]) -> Result<(), StoreError> {
    store.with_point_lookup_pool().write(|conn| export_tokens::add_uses(conn, deltas))
}
