//! Committing batches: retries, the fallback to locks, bisecting, and lost answers.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use diesel::QueryResult;
use diesel::result::{DatabaseErrorKind, Error};

use super::batch::Batch;
use super::command::{AnyOperation, Command, Operation};
use super::load::{ConcurrencyMode, RowSelection};
use super::pending_writes::persist_locked;
use super::single_statement::{NeedsLocks, persist_single_statement};
use crate::store::audit_log::{self, NewAuditEntry};
use crate::store::connection::{Conn, Store};
use crate::store::error::StoreError;

/// How long after its start a batch can be retried: its callers wait at most two
/// seconds.
const RETRY_BUDGET: Duration = Duration::from_millis(1_400);
/// Attempts to commit a batch when it conflicts with another replica (a unique
/// constraint, a deadlock).
const MAX_ATTEMPTS: usize = 3;
/// How long to look up the outcome of a COMMIT whose answer was lost.
const OUTCOME_LOOKUP_TIMEOUT: Duration = Duration::from_secs(20);
const OUTCOME_LOOKUP_PAUSE: Duration = Duration::from_millis(50);

/// Commits a batch, as a whole or in parts: an operation that cannot be committed fails
/// alone. The results are in the order of the operations; the reply of a successful
/// operation is in the operation ([`Operation::take_reply`]).
pub fn commit(store: &Store, operations: &[Arc<dyn AnyOperation>]) -> Vec<Result<(), StoreError>> {
    commit_until(&store.with_point_lookup_pool(), operations, Instant::now() + RETRY_BUDGET)
}

/// Commits one operation.
pub fn commit_one<C: Command>(store: &Store, operation: Operation<C>) -> Result<C::Reply, StoreError> {
    let operation = Arc::new(operation);
    let batch: [Arc<dyn AnyOperation>; 1] = [Arc::clone(&operation) as _];
    commit(store, &batch).into_iter().collect::<Result<(), StoreError>>()?;
    operation.take_reply()
}

/// No attempt starts after the deadline, when no caller waits for the result.
fn commit_until(
    store: &Store,
    operations: &[Arc<dyn AnyOperation>],
    deadline: Instant,
) -> Vec<Result<(), StoreError>> {
    let fail_all = |error: &dyn Fn() -> StoreError| operations.iter().map(|_| Err(error())).collect();
    let mut last_error = Error::RollbackTransaction;
    let mut mode = initial_mode(store, operations);
    let mut attempts_left = MAX_ATTEMPTS;
    while attempts_left > 0 {
        if Instant::now() >= deadline {
            return fail_all(&|| StoreError::Unavailable(format!("retry budget used up: {last_error}")));
        }
        match try_commit(store, operations, mode) {
            Ok(Ok(())) => return operations.iter().map(|_| Ok(())).collect(),
            Ok(Err(NeedsLocks)) => {
                mode = ConcurrencyMode::Locked;
                continue;
            }
            Err(StoreError::QueryFailed(error)) => last_error = error,
            Err(StoreError::OutcomeUnknown) => return fail_all(&|| StoreError::OutcomeUnknown),
            Err(StoreError::Unavailable(why) | StoreError::Unsuitable(why)) => {
                return fail_all(&|| StoreError::Unavailable(why.clone()));
            }
        }
        if !is_conflict(&last_error) {
            break;
        }
        mode = ConcurrencyMode::LockedWithRecheck;
        attempts_left -= 1;
    }
    if operations.len() < 2 {
        tracing::error!(error = %last_error, "database operation failed");
        return fail_all(&|| StoreError::QueryFailed(Error::RollbackTransaction));
    }
    let (first, second) = operations.split_at(operations.len() / 2);
    let mut results = commit_until(store, first, deadline);
    results.extend(commit_until(store, second, deadline));
    results
}

/// The mode of the first attempt. SQLite has no round trips to save, and only one writer
/// at a time.
fn initial_mode(store: &Store, operations: &[Arc<dyn AnyOperation>]) -> ConcurrencyMode {
    if store.has_concurrent_writers() && operations.iter().all(|operation| operation.is_optimistic()) {
        ConcurrencyMode::Optimistic
    } else {
        ConcurrencyMode::Locked
    }
}

/// Whether the batch conflicted with another replica, whose changes the next attempt
/// will see. diesel has no error kind for a deadlock.
fn is_conflict(error: &Error) -> bool {
    match error {
        Error::DatabaseError(
            DatabaseErrorKind::UniqueViolation
            | DatabaseErrorKind::SerializationFailure
            // Of the single statement.
            | DatabaseErrorKind::CheckViolation,
            _,
        )
        | Error::RollbackTransaction => true,
        Error::DatabaseError(_, details) => details.message().contains("deadlock detected"),
        _ => false,
    }
}

/// Runs one transaction. If the answer to its COMMIT is lost, the outcome is looked up.
fn try_commit(
    store: &Store,
    operations: &[Arc<dyn AnyOperation>],
    mode: ConcurrencyMode,
) -> Result<Result<(), NeedsLocks>, StoreError> {
    // The commit marker of a batch that has been decided.
    let decided: RefCell<Option<Option<NewAuditEntry>>> = RefCell::new(None);
    let write = || match mode {
        ConcurrencyMode::Optimistic => store.write_single_statement(
            |conn| {
                let batch = decide(conn, operations, mode)?;
                decided.replace(Some(batch.writes.audit_entries.commit_marker()));
                Ok(batch)
            },
            |conn, batch| persist_single_statement(conn, &batch),
        ),
        ConcurrencyMode::Locked | ConcurrencyMode::LockedWithRecheck => {
            store.write_batch(operations.len(), |conn| {
                let batch = decide(conn, operations, mode)?;
                persist_locked(conn, &batch.writes, batch.now)?;
                decided.replace(Some(batch.writes.audit_entries.commit_marker()));
                Ok(Ok(()))
            })
        }
    };
    let result = catch_unwind(AssertUnwindSafe(write)).unwrap_or(Err(StoreError::OutcomeUnknown));
    match (result, decided.into_inner()) {
        (Err(StoreError::OutcomeUnknown), decided) => match decided {
            // A panic before any write: bisecting will find the operation that caused it. Or a
            // batch without a change: it has not been confirmed that a standby has the rows that
            // it acknowledges.
            None | Some(None) => Err(StoreError::QueryFailed(Error::RollbackTransaction)),
            Some(Some(commit_marker)) => match was_committed(store, &commit_marker) {
                Some(true) => Ok(Ok(())),
                Some(false) => Err(StoreError::QueryFailed(Error::RollbackTransaction)),
                None => Err(StoreError::OutcomeUnknown),
            },
        },
        (result, _) => result,
    }
}

/// Loads the rows of a batch and decides its commands in order.
fn decide(
    conn: &mut Conn,
    operations: &[Arc<dyn AnyOperation>],
    mode: ConcurrencyMode,
) -> QueryResult<Batch> {
    let mut rows = RowSelection::default();
    operations.iter().for_each(|operation| operation.select_rows(&mut rows));
    let mut batch = Batch::load(conn, rows, mode)?;
    operations.iter().for_each(|operation| operation.decide(&mut batch));
    Ok(batch)
}

/// Whether the batch with this marker was committed; if it was not, it never will be.
/// `None` if the database does not answer in time.
fn was_committed(store: &Store, commit_marker: &NewAuditEntry) -> Option<bool> {
    let started_at = Instant::now();
    while started_at.elapsed() < OUTCOME_LOOKUP_TIMEOUT {
        match store.write(|conn| audit_log::was_committed(conn, commit_marker)) {
            Ok(committed) => return Some(committed),
            Err(_) => std::thread::sleep(OUTCOME_LOOKUP_PAUSE),
        }
    }
    None
}
