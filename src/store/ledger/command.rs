//! Commands and operations: what a caller asks the ledger to do.

use std::fmt;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use super::batch::Batch;
use super::load::RowSelection;
use super::row_key::RowKey;
use crate::domain::audit::AuditContext;
use crate::domain::rate_limit::RequestLimits;
use crate::domain::token::Entropy;
use crate::entropy;
use crate::store::error::StoreError;

/// A change that the ledger can make: which rows it needs, how it is decided, and what
/// the caller receives. Each command implements this in `super::commands`.
pub trait Command: fmt::Debug + Send + Sync + 'static {
    /// What the caller receives after COMMIT.
    type Reply: fmt::Debug + Send + 'static;

    /// The row that the command changes, as the caller named it; `None` if no other
    /// command can name it.
    fn row_key(&self) -> Option<RowKey>;

    /// Whether the command can be part of a batch without locks: it may only create requests, and close
    /// those that it names by token.
    fn is_optimistic(&self) -> bool {
        false
    }

    /// Adds the rows that [`Self::decide`] needs.
    fn select_rows(&self, context: &OperationContext, rows: &mut RowSelection);

    /// Decides what to change and records it in the batch. A batch is retried, so the
    /// same command can be decided several times, each time on freshly loaded rows.
    fn decide(&self, context: &OperationContext, batch: &mut Batch) -> Self::Reply;
}

/// Who wants a command, from where, and within which limits.
#[derive(Clone, Debug)]
pub struct OperationContext {
    pub(super) audit: AuditContext,
    pub(super) limits: RequestLimits,
    entropy: OnceLock<Entropy>,
}

impl OperationContext {
    /// The randomness of a new id or token. It is drawn once, so that deciding can be repeated.
    pub(super) fn entropy(&self) -> &Entropy {
        self.entropy.get_or_init(entropy::token)
    }
}

/// A command with its context, and a place for its reply.
#[derive(Debug)]
pub struct Operation<C: Command> {
    command: C,
    context: OperationContext,
    reply: Mutex<Option<C::Reply>>,
}

impl<C: Command> Operation<C> {
    /// An operation without rate limits.
    pub fn new(command: C, audit_context: AuditContext) -> Self {
        let context = OperationContext {
            audit: audit_context,
            limits: RequestLimits::default(),
            entropy: OnceLock::new(),
        };
        Self { command, context, reply: Mutex::new(None) }
    }

    /// The same operation with these rate limits.
    #[must_use]
    pub fn with_limits(mut self, limits: RequestLimits) -> Self {
        self.context.limits = limits;
        self
    }

    /// Takes the reply. It is valid only if [`super::commit()`] reported success; without
    /// a reply the outcome is unknown.
    pub fn take_reply(&self) -> Result<C::Reply, StoreError> {
        self.lock_reply().take().ok_or(StoreError::OutcomeUnknown)
    }

    /// The lock cannot be poisoned: no code that can panic runs under it.
    fn lock_reply(&self) -> MutexGuard<'_, Option<C::Reply>> {
        self.reply.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An [`Operation`] whose command type is erased, so that a batch can hold different
/// commands.
pub trait AnyOperation: fmt::Debug + Send + Sync {
    /// [`Command::row_key`].
    fn row_key(&self) -> Option<RowKey>;

    /// [`Command::is_optimistic`].
    fn is_optimistic(&self) -> bool;

    /// [`Command::select_rows`].
    fn select_rows(&self, rows: &mut RowSelection);

    /// [`Command::decide`]; keeps the reply until [`Operation::take_reply`].
    fn decide(&self, batch: &mut Batch);
}

impl<C: Command> AnyOperation for Operation<C> {
    fn row_key(&self) -> Option<RowKey> {
        self.command.row_key()
    }

    fn is_optimistic(&self) -> bool {
        self.command.is_optimistic()
    }

    fn select_rows(&self, rows: &mut RowSelection) {
        self.command.select_rows(&self.context, rows);
    }

    fn decide(&self, batch: &mut Batch) {
        let reply = self.command.decide(&self.context, batch);
        *self.lock_reply() = Some(reply);
    }
}
