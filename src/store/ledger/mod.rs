//! The ledger: everything that makes, redeems, ends or revokes a token, a
//! request or a permission, as one transaction per batch.
//!
//! A batch locks its rows, lets the domain decide each operation in turn on
//! what is locked, and writes what was decided with guards that repeat the
//! decision. One of redemptions alone leaves out the locks, on PostgreSQL: if its
//! guards find that anything has changed, it starts over with them. So two
//! operations on one row are in order, whether they are in one batch, in two, or
//! on two replicas.

mod book;
mod restraints;
mod stroke;

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use diesel::result::{DatabaseErrorKind, Error};

use super::cast::Cast;
use super::events::{self, Event};
use super::exports::{self, Uses};
use super::{Store, StoreError};
use crate::domain::block::Block;
use crate::domain::event::Origin;
use crate::domain::export::{ExportRef, ExportToken, MayNotExport, NewExport};
use crate::domain::grant::{Grant, GrantId, Terms};
use crate::domain::limit::{AskLimits, Exceeded, Standing};
use crate::domain::request::{NewRequest, Outcome, PermissionRequest, Refusal, RequestId};
use crate::domain::text::IdempotencyKey;
use crate::domain::token::{Entropy, RedeemId, Token};
use crate::domain::user::Authority;
use crate::domain::user::UserId;
use crate::entropy;
use crate::faults::planted;
use book::Book;

/// How long after it was begun a batch may be tried anew: its callers wait no
/// longer than two seconds.
const PATIENCE: Duration = Duration::from_millis(1_400);
/// How often a batch is tried anew when the database refused it: another
/// replica may have come in between (a unique constraint, a deadlock).
const TRIES: usize = 3;
/// How long to ask, after a lost answer to COMMIT, whether it took place.
const SETTLING: Duration = Duration::from_secs(20);

/// Something to be done, by whom and from where.
#[derive(Clone, Debug)]
pub struct Operation {
    /// What.
    pub deed: Deed,
    /// By whom and from where, for the audit trail.
    pub origin: Origin,
    /// Within what limits; whatever asks nobody for anything has none.
    pub limits: AskLimits,
    entropy: Entropy,
}

impl Operation {
    /// An operation with randomness of its own, and no limits.
    pub fn new(deed: Deed, origin: Origin) -> Self {
        Self { deed, origin, limits: AskLimits::default(), entropy: entropy::token() }
    }

    /// The same within these limits.
    #[must_use]
    pub fn within(self, limits: AskLimits) -> Self {
        Self { limits, ..self }
    }
}

/// What can be done.
#[derive(Clone, Debug)]
pub enum Deed {
    /// Make an export token.
    CreateExport(NewExport),
    /// Revoke an export token.
    RevokeExport {
        /// Which.
        which: ExportRef,
        /// Who wants it.
        by: Authority,
    },
    /// Ask for a permission.
    Ask(NewRequest),
    /// Redeem a request.
    Redeem {
        /// Whose token this is the id of.
        id: RedeemId,
        /// Who redeems.
        by: UserId,
        /// The `Idempotency-Key` it comes with.
        once: Option<IdempotencyKey>,
    },
    /// Decline or withdraw a request.
    End {
        /// Which.
        which: RequestRef,
        /// Who wants it.
        by: Authority,
    },
    /// Have a live request's mail sent anew, as its requester.
    Resend {
        /// Which.
        id: RequestId,
        /// What it is about, which its limits go by.
        terms: Terms,
        /// Who wants it.
        by: UserId,
    },
    /// Give a permission unasked.
    Give(Terms),
    /// Delete a permission, as a party to it.
    TakeBack {
        /// Which.
        id: GrantId,
        /// Who wants it.
        by: UserId,
    },
    /// Name users in a body.
    Refer {
        /// Who does.
        by: UserId,
        /// Whether one of them is nobody.
        astray: bool,
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
    Number(RequestId),
}

/// What came of a [`Deed`], variant by variant.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// The token and its row.
    ExportCreated(Result<(ExportToken, Token), MayNotExport>),
    /// The token as it is now; `None` when there is none for this caller.
    ExportRevoked(Option<ExportToken>),
    /// The request, the seconds that it has left, and what is left of the requester's
    /// limits; of none if it was made before.
    Asked(Result<(PermissionRequest, i64, Vec<Standing>), AskRefusal>),
    /// The permission that stands now, and whom it names.
    Redeemed(Result<(Grant, Arc<Cast>), Refusal>),
    /// How the request ended.
    Ended(Result<Outcome, Refusal>),
    /// Whether another mail is owed now.
    Resent(Result<(), ResendRefusal>),
    /// The permission; `None` when it stood already.
    Given(Option<Grant>),
    /// Whether there was one to delete.
    TakenBack(bool),
    /// Whether they may be told what came of it.
    Referred(Result<(), Exceeded>),
    /// Whether it did not stand already.
    Blocked(bool),
    /// Whether it stood.
    Unblocked(bool),
}

/// Why a request was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskRefusal {
    /// There is nothing to ask for.
    #[error("the permission is already active")]
    Granted,
    /// The `Idempotency-Key` came with another body before.
    #[error("the idempotency key was used for a different request")]
    AnotherUnderThisKey,
    /// Who is asked takes no requests from the one who asks.
    #[error("the target has blocked the requester")]
    Blocked,
    /// Asked too often.
    #[error(transparent)]
    TooOften(#[from] Exceeded),
}

/// Why a mail is not sent anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResendRefusal {
    /// There is no such request of theirs that lives.
    #[error(transparent)]
    Request(#[from] Refusal),
    /// The one before has not left yet.
    #[error("a mail about this request is already queued")]
    Owed,
    /// Too often.
    #[error(transparent)]
    TooOften(#[from] Exceeded),
}

/// How a batch keeps its rows from changing between decision and write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// Not at all: it reads, decides, and writes in one statement that does nothing
    /// if any of its rows has changed. Two trips to the database, and no locks.
    Swift,
    /// By locks.
    Locked,
    /// By locks; and it looks whether what is to be redeemed stands already. That is
    /// rare for a request that is open, since none is made then: only a batch that
    /// broke a constraint needs to.
    Wary,
}

impl Manner {
    /// Swift, where rows are named by their tokens and nothing is made. SQLite has
    /// no trips to save, and its writers are alone anyway.
    fn first_for(store: &Store, operations: &[Operation]) -> Self {
        let by_token = |operation: &Operation| {
            matches!(operation.deed, Deed::Redeem { .. } | Deed::End { which: RequestRef::Token(_), .. })
        };
        if store.is_shared() && operations.iter().all(by_token) { Self::Swift } else { Self::Locked }
    }
}

/// Does a batch, whole or operation by operation: a bad one fails alone. The
/// answers are in the order of the operations, and none comes before its COMMIT.
pub fn commit(store: &Store, operations: &[Operation]) -> Vec<Result<Verdict, StoreError>> {
    commit_until(&store.keyed(), operations, Instant::now() + PATIENCE)
}

/// After the deadline nothing more is begun: nobody would hear of it.
fn commit_until(
    store: &Store,
    operations: &[Operation],
    deadline: Instant,
) -> Vec<Result<Verdict, StoreError>> {
    let mut refused = Error::RollbackTransaction;
    let mut manner = Manner::first_for(store, operations);
    for _ in 0..TRIES {
        if Instant::now() >= deadline {
            let late = || StoreError::Unavailable(format!("retry budget used up: {refused}"));
            return operations.iter().map(|_| Err(late())).collect();
        }
        match try_commit(store, operations, manner) {
            Ok(verdicts) => return verdicts.into_iter().map(Ok).collect(),
            Err(StoreError::Refused(error)) => refused = error,
            Err(StoreError::Unknown) => return operations.iter().map(|_| Err(StoreError::Unknown)).collect(),
            Err(StoreError::Unavailable(why)) => {
                return operations.iter().map(|_| Err(StoreError::Unavailable(why.clone()))).collect();
            }
        }
        if !is_race(&refused) {
            break;
        }
        manner = Manner::Wary;
    }
    if operations.len() < 2 {
        tracing::error!(error = %refused, "database operation failed");
        return operations.iter().map(|_| Err(StoreError::Refused(Error::RollbackTransaction))).collect();
    }
    let (first, second) = operations.split_at(operations.len() / 2);
    let mut answers = commit_until(store, first, deadline);
    answers.extend(commit_until(store, second, deadline));
    answers
}

/// Whether another replica came in between: the same batch will now see what
/// that one did. diesel tells a deadlock by its words alone.
fn is_race(error: &Error) -> bool {
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
fn try_commit(store: &Store, operations: &[Operation], manner: Manner) -> Result<Vec<Verdict>, StoreError> {
    let decided = RefCell::new(None);
    let write = || match manner {
        Manner::Swift => store.write_at_once(
            |conn| {
                let (stroke, verdicts, witness) = Book::draft(conn, operations)?;
                *decided.borrow_mut() = Some((verdicts, witness));
                Ok(stroke)
            },
            |conn, stroke| stroke.write(conn),
        ),
        Manner::Locked | Manner::Wary => store.write(|conn| {
            *decided.borrow_mut() = Some(Book::settle(conn, operations, manner)?);
            Ok(())
        }),
    };
    let done = catch_unwind(AssertUnwindSafe(write)).unwrap_or(Err(StoreError::Unknown));
    match (done, decided.into_inner()) {
        (Ok(()), Some((verdicts, _))) => Ok(verdicts),
        (Err(_), Some((verdicts, _))) if planted("ledger.early") => Ok(verdicts),
        (Err(StoreError::Unknown), Some(_)) if planted("ledger.denied") => {
            Err(StoreError::Unavailable("no response".to_owned()))
        }
        // Nothing was written, so nothing can be lost.
        (Err(StoreError::Unknown), Some((verdicts, None))) => Ok(verdicts),
        // A panic, and the operation that caused it will be found alone.
        (Err(StoreError::Unknown), None) => Err(StoreError::Refused(Error::RollbackTransaction)),
        (Err(StoreError::Unknown), Some((verdicts, Some(witness)))) => match was_committed(store, &witness) {
            Some(true) => Ok(verdicts),
            Some(false) => Err(StoreError::Refused(Error::RollbackTransaction)),
            None => Err(StoreError::Unknown),
        },
        (Err(error), _) => Err(error),
        (Ok(()), None) => Err(StoreError::Unknown),
    }
}

/// Whether the transaction of this event was committed; if it was not, it never will
/// be. `None` when the database does not say so in time.
fn was_committed(store: &Store, witness: &Event) -> Option<bool> {
    if planted("ledger.retried") {
        return Some(false);
    }
    let started = Instant::now();
    while started.elapsed() < SETTLING {
        match store.write(|conn| events::was_committed(conn, witness)) {
            Ok(committed) => return Some(committed),
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
    None
}

/// Adds up uses of export tokens.
pub fn count_uses(store: &Store, uses: &[Uses]) -> Result<(), StoreError> {
    store.keyed().write(|conn| exports::count_uses(conn, uses))
}
