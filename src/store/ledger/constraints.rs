//! What can prevent a request: blocks and rate limits, as loaded and as changed by
//! the operations of a batch. A batch without requests, mails or blocks loads none.

use std::collections::BTreeSet;

use diesel::QueryResult;

use super::guard::expect_rows;
use crate::domain::block::Block;
use crate::domain::rate_limit::{KeyedLimit, QuotaStatus, RateLimitKey, RateLimited, RateLimiter};
use crate::domain::timestamp::Timestamp;
use crate::domain::user::UserId;
use crate::store::blocks::LockUnblocked;
use crate::store::connection::Conn;
use crate::store::rate_limits::WriteStatements;
use crate::store::{blocks, rate_limits};

/// The blocks and rate limits to lock.
#[derive(Debug, Default)]
pub(super) struct ConstraintSelection {
    pub blocks: BTreeSet<Block>,
    /// Whether a command of the batch creates or deletes blocks.
    pub changes_blocks: bool,
    pub rate_limits: Vec<RateLimitKey>,
}

impl ConstraintSelection {
    pub(super) fn add_limits(&mut self, limits: impl IntoIterator<Item = KeyedLimit>) {
        self.rate_limits.extend(limits.into_iter().map(|(key, _)| key));
    }
}

/// The blocks and rate limits of a batch, with their pending changes.
#[derive(Debug, Default)]
pub(super) struct RequestConstraints {
    /// The blocks that were looked for without locks, and do not exist.
    absent_blocks: BTreeSet<Block>,
    existing_blocks: BTreeSet<Block>,
    new_blocks: BTreeSet<Block>,
    removed_blocks: BTreeSet<Block>,
    rate_limiter: RateLimiter,
}

impl RequestConstraints {
    /// Loads the selected blocks, which it locks, and rate limits, which it locks with `lock`. A batch that locks rows
    /// locks these before any other, so that two batches cannot deadlock.
    pub(super) fn load(conn: &mut Conn, selection: &ConstraintSelection, lock: bool) -> QueryResult<Self> {
        let existing_blocks = if selection.blocks.is_empty() {
            BTreeSet::new()
        } else {
            let targets: BTreeSet<UserId> = selection.blocks.iter().map(|block| block.target).collect();
            blocks::lock_users(conn, &targets, selection.changes_blocks)?;
            blocks::existing(conn, &selection.blocks)?
        };
        let rate_limiter = if selection.rate_limits.is_empty() {
            RateLimiter::default()
        } else if lock {
            rate_limits::lock(conn, &selection.rate_limits)?
        } else {
            rate_limits::read(conn, &selection.rate_limits)?
        };
        Ok(Self { existing_blocks, rate_limiter, ..Self::default() })
    }

    /// Adds blocks that were looked for without locks, and those of them that exist.
    pub(super) fn add_blocks(&mut self, sought: impl Iterator<Item = Block>, existing: &[Block]) {
        self.absent_blocks.extend(sought.filter(|block| !existing.contains(block)));
        self.existing_blocks.extend(existing);
    }

    /// Whether a block exists after the operations decided so far.
    pub(super) fn is_blocked(&self, block: &Block) -> bool {
        (self.existing_blocks.contains(block) && !self.removed_blocks.contains(block))
            || self.new_blocks.contains(block)
    }

    /// Creates a block; false if it exists.
    pub(super) fn block(&mut self, block: Block) -> bool {
        self.removed_blocks.remove(&block)
            || (!self.existing_blocks.contains(&block) && self.new_blocks.insert(block))
    }

    /// Deletes a block; false if there is none.
    pub(super) fn unblock(&mut self, block: &Block) -> bool {
        self.new_blocks.remove(block)
            || (self.existing_blocks.contains(block) && self.removed_blocks.insert(*block))
    }

    /// [`RateLimiter::check`], for a limit that may not be configured.
    pub(super) fn check_limit(
        &self,
        keyed_limit: Option<KeyedLimit>,
        now: Timestamp,
    ) -> Result<(), RateLimited> {
        self.rate_limiter.check(keyed_limit.as_slice(), now)
    }

    /// [`RateLimiter::consume`].
    pub(super) fn consume_limit(
        &mut self,
        keyed_limits: &[KeyedLimit],
        now: Timestamp,
    ) -> Result<Vec<QuotaStatus>, RateLimited> {
        self.rate_limiter.consume(keyed_limits, now)
    }

    pub(super) fn changes_blocks(&self) -> bool {
        !self.new_blocks.is_empty() || !self.removed_blocks.is_empty()
    }

    pub(super) fn changes_limits(&self) -> bool {
        self.rate_limiter.changed().next().is_some()
    }

    /// The condition that the blocks that did not exist still do not.
    pub(super) fn lock_unblocked(&self) -> LockUnblocked {
        LockUnblocked::new(&self.absent_blocks)
    }

    /// The statements that write the changed limits.
    pub(super) fn write_limits(&self) -> WriteStatements<'_> {
        WriteStatements::new(&self.rate_limiter)
    }

    /// Writes the changes.
    pub(super) fn persist(&self, conn: &mut Conn, now: Timestamp) -> QueryResult<()> {
        let Self { absent_blocks: _, existing_blocks: _, new_blocks, removed_blocks, rate_limiter } = self;
        rate_limits::write(conn, rate_limiter)?;
        if !removed_blocks.is_empty() {
            expect_rows(blocks::delete(conn, removed_blocks)?, removed_blocks.len())?;
        }
        if !new_blocks.is_empty() {
            blocks::insert(conn, new_blocks, now)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_created_and_removed_in_one_batch_is_persisted_in_its_final_state() {
        let block = Block { target: UserId(1), blocked: UserId(2) };
        let mut constraints = RequestConstraints::default();
        assert!(constraints.block(block) && !constraints.block(block) && constraints.is_blocked(&block));
        assert!(constraints.changes_blocks());
        assert!(
            constraints.unblock(&block) && !constraints.unblock(&block) && !constraints.is_blocked(&block)
        );
        assert!(constraints.new_blocks.is_empty() && constraints.removed_blocks.is_empty());

        let mut constraints =
            RequestConstraints { existing_blocks: BTreeSet::from([block]), ..RequestConstraints::default() };
        assert!(!constraints.block(block) && constraints.is_blocked(&block));
        assert!(
            constraints.unblock(&block) && !constraints.unblock(&block) && !constraints.is_blocked(&block)
        );
        assert!(constraints.changes_blocks());
        assert!(constraints.block(block) && constraints.is_blocked(&block));
        assert!(constraints.new_blocks.is_empty() && constraints.removed_blocks.is_empty());
        assert!(!constraints.changes_blocks());
    }
}
