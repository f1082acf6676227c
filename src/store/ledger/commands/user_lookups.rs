//! Recording that a user referred to other users.

use crate::domain::rate_limit::RateLimited;
use crate::domain::user::UserId;
use crate::store::ledger::batch::Batch;
use crate::store::ledger::command::{Command, OperationContext};
use crate::store::ledger::load::RowSelection;
use crate::store::ledger::row_key::RowKey;

/// What a user learns from naming other users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserReference {
    /// Nothing: they are linked with the user, or named by their email addresses.
    Known,
    /// An email address of nobody, or not a reference to a user.
    Unknown,
    /// A number or URI with whose user, existing or not, the user is not linked.
    Unlinked,
}

/// Records that a user referred to other users.
#[derive(Clone, Debug)]
pub struct RecordUserLookup {
    pub by: UserId,
    pub reference: UserReference,
}

impl Command for RecordUserLookup {
    /// An error if the user has referred to unknown or unlinked users too often to be answered.
    type Reply = Result<(), RateLimited>;

    fn row_key(&self) -> Option<RowKey> {
        None
    }

    fn select_rows(&self, context: &OperationContext, rows: &mut RowSelection) {
        rows.constraints.add_limits(context.limits.for_unknown_references(self.by));
        rows.constraints.add_limits(context.limits.for_unlinked_references(self.by));
    }

    fn decide(&self, context: &OperationContext, batch: &mut Batch) -> Self::Reply {
        let unknown = context.limits.for_unknown_references(self.by);
        let unlinked = context.limits.for_unlinked_references(self.by);
        let (constraints, now) = (&mut batch.writes.constraints, batch.now);
        match self.reference {
            UserReference::Known => constraints.check_limit(unknown, now),
            UserReference::Unknown => constraints.consume_limit(unknown.as_slice(), now).map(drop),
            UserReference::Unlinked => {
                constraints.check_limit(unknown, now)?;
                constraints.consume_limit(unlinked.as_slice(), now).map(drop)
            }
        }
    }
}
