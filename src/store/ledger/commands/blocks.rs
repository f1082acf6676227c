//! Creating and deleting blocks.

use crate::domain::audit::AuditAction;
use crate::domain::block::Block;
use crate::domain::user::Authority;
use crate::store::ledger::batch::Batch;
use crate::store::ledger::command::{Command, OperationContext};
use crate::store::ledger::load::RowSelection;
use crate::store::ledger::request_rows::RequestWrite;
use crate::store::ledger::row_key::RowKey;

/// Blocks requests from one user to another, and declines the pending ones.
#[derive(Clone, Debug)]
pub struct CreateBlock(pub Block);

impl Command for CreateBlock {
    /// Whether the block is new.
    type Reply = bool;

    fn row_key(&self) -> Option<RowKey> {
        Some(RowKey::Block(self.0))
    }

    fn select_rows(&self, _: &OperationContext, rows: &mut RowSelection) {
        rows.constraints.blocks.insert(self.0);
        rows.constraints.changes_blocks = true;
        rows.requests.blocks.push(self.0);
    }

    fn decide(&self, context: &OperationContext, batch: &mut Batch) -> Self::Reply {
        let Self(block) = *self;
        let (now, audit_entries) = (batch.now, &mut batch.writes.audit_entries);
        let newly_blocked = batch.writes.constraints.block(block);
        if newly_blocked {
            audit_entries.add_blocked_user(AuditAction::BlockCreated, &context.audit, block.blocked, now);
        }
        let by = Authority::User(block.target);
        for row in batch.writes.requests.iter_mut() {
            if Block::from_terms(row.request.terms) == block && row.request.close(by, now).is_ok() {
                row.mark(RequestWrite::Close);
                audit_entries.add_request(AuditAction::RequestDeclined, &context.audit, &row.request, now);
            }
        }
        newly_blocked
    }
}

/// Deletes a block.
#[derive(Clone, Debug)]
pub struct DeleteBlock(pub Block);

impl Command for DeleteBlock {
    /// Whether the block existed.
    type Reply = bool;

    fn row_key(&self) -> Option<RowKey> {
        Some(RowKey::Block(self.0))
    }

    fn select_rows(&self, _: &OperationContext, rows: &mut RowSelection) {
        rows.constraints.blocks.insert(self.0);
        rows.constraints.changes_blocks = true;
    }

    fn decide(&self, context: &OperationContext, batch: &mut Batch) -> Self::Reply {
        let Self(block) = *self;
        let existed = batch.writes.constraints.unblock(&block);
        if existed {
            let audit_entries = &mut batch.writes.audit_entries;
            audit_entries.add_blocked_user(
                AuditAction::BlockDeleted,
                &context.audit,
                block.blocked,
                batch.now,
            );
        }
        existed
    }
}
