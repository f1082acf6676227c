//! Recording that a user referred to other users.

use crate::domain::rate_limit::RateLimited;
use crate::domain::user::UserId;
use crate::store::ledger::batch::Batch;
use crate::store::ledger::command::{Command, OperationContext};
use crate::store::ledger::load::RowSelection;
use crate::store::ledger::row_key::RowKey;

/// Records that a user referred to other users, and whether one of them does not exist.
#[derive(Clone, Debug)]
pub struct RecordUserLookup {
    pub by: UserId,
    pub unknown_user: bool,
}

impl Command for RecordUserLookup {
    /// An error if the user has referred to unknown users too often to be answered.
    type Reply = Result<(), RateLimited>;

    fn row_key(&self) -> Option<RowKey> {
        None
    }

    fn select_rows(&self, context: &OperationContext, rows: &mut RowSelection) {
        rows.constraints.add_limits(context.limits.for_unknown_references(self.by));
    }

    fn decide(&self, context: &OperationContext, batch: &mut Batch) -> Self::Reply {
        let limit = context.limits.for_unknown_references(self.by);
        if self.unknown_user {
            batch.writes.constraints.consume_limit(limit.as_slice(), batch.now).map(drop)
        } else {
            batch.writes.constraints.check_limit(limit, batch.now)
        }
    }
}
