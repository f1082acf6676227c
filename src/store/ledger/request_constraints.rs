//! What holds askers back: blocks and limits, as a batch finds and leaves them.
//!
//! Nothing of this is touched by a batch in which nobody asks.

use std::collections::BTreeSet;

use diesel::QueryResult;

use super::{Command, Operation};
use crate::domain::block::Block;
use crate::domain::rate_limit::{KeyedLimit, QuotaStatus, RateLimitKey, RateLimited, RateLimiter};
use crate::domain::timestamp::Timestamp;
use crate::domain::user::UserId;
use crate::store::{Conn, blocks, rate_limits};

/// The blocks and meters that a batch is about, locked; and what changes of them.
#[derive(Debug, Default)]
pub(super) struct RequestConstraints {
    existing_blocks: BTreeSet<Block>,
    new_blocks: BTreeSet<Block>,
    removed_blocks: BTreeSet<Block>,
    rate_limiter: RateLimiter,
}

impl RequestConstraints {
    /// Locks those that the operations are about. Every batch does this before it
    /// locks anything else, so that no two wait for each other.
    pub(super) fn load(conn: &mut Conn, operations: &[Operation]) -> QueryResult<Self> {
        let (mut relevant_blocks, mut used_limits) = (BTreeSet::new(), Vec::new());
        let mut changes_blocks = false;
        for Operation { command, limits, .. } in operations {
            match command {
                Command::CreateRequest(new) => {
                    relevant_blocks.insert(Block::from_terms(new.terms));
                    used_limits.extend(limits.for_request(new));
                    used_limits.extend(limits.for_unknown_references(new.asked_by));
                }
                Command::ResendMail { terms, by, .. } => used_limits.extend(limits.for_mail(*terms, *by)),
                Command::RecordUserLookup { by, .. } => {
                    used_limits.extend(limits.for_unknown_references(*by))
                }
                Command::Block(block) | Command::Unblock(block) => {
                    changes_blocks = true;
                    relevant_blocks.insert(*block);
                }
                Command::CreateExport(_)
                | Command::RevokeExport { .. }
                | Command::Redeem { .. }
                | Command::CloseRequest { .. }
                | Command::GrantPermission(_)
                | Command::RevokePermission { .. } => {}
            }
        }
        let existing_blocks = if relevant_blocks.is_empty() {
            BTreeSet::new()
        } else {
            let targets: BTreeSet<UserId> = relevant_blocks.iter().map(|block| block.target).collect();
            blocks::lock_users(conn, &targets, changes_blocks)?;
            blocks::existing(conn, &relevant_blocks)?
        };
        let rate_limit_keys: Vec<RateLimitKey> = used_limits.into_iter().map(|(meter, _)| meter).collect();
        let rate_limiter = if rate_limit_keys.is_empty() {
            RateLimiter::default()
        } else {
            rate_limits::lock(conn, &rate_limit_keys)?
        };
        Ok(Self { existing_blocks, rate_limiter, ..Self::default() })
    }

    /// Whether a block stands, by what was found and what has been decided since.
    pub(super) fn is_blocked(&self, block: &Block) -> bool {
        (self.existing_blocks.contains(block) && !self.removed_blocks.contains(block))
            || self.new_blocks.contains(block)
    }

    /// Makes a block; false when it stands already.
    pub(super) fn block(&mut self, block: Block) -> bool {
        self.removed_blocks.remove(&block)
            || (!self.existing_blocks.contains(&block) && self.new_blocks.insert(block))
    }

    /// Lifts a block; false when there is none.
    pub(super) fn unblock(&mut self, block: &Block) -> bool {
        self.new_blocks.remove(block)
            || (self.existing_blocks.contains(block) && self.removed_blocks.insert(*block))
    }

    /// As [`Meters::allow`], of what may be limited.
    pub(super) fn check_limit(
        &self,
        keyed_limit: Option<KeyedLimit>,
        now: Timestamp,
    ) -> Result<(), RateLimited> {
        self.rate_limiter.check(keyed_limit.as_slice(), now)
    }

    /// As [`Meters::take`].
    pub(super) fn consume_limit(
        &mut self,
        keyed_limits: &[KeyedLimit],
        now: Timestamp,
    ) -> Result<Vec<QuotaStatus>, RateLimited> {
        self.rate_limiter.consume(keyed_limits, now)
    }

    /// Writes what has changed.
    pub(super) fn persist(&self, conn: &mut Conn, now: Timestamp) -> QueryResult<()> {
        rate_limits::write(conn, &self.rate_limiter)?;
        if !self.removed_blocks.is_empty() {
            super::batch::expect_rows(
                blocks::delete(conn, &self.removed_blocks)?,
                self.removed_blocks.len(),
            )?;
        }
        if !self.new_blocks.is_empty() {
            blocks::insert(conn, &self.new_blocks, now)?;
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
        assert!(constraints.block(block) && constraints.is_blocked(&block));
        assert!(constraints.new_blocks.is_empty() && constraints.removed_blocks.is_empty());
    }
}
