//! What holds askers back: blocks and limits, as a batch finds and leaves them.
//!
//! Nothing of this is touched by a batch in which nobody asks.

use std::collections::BTreeSet;

use diesel::QueryResult;

use super::{Deed, Operation};
use crate::domain::block::Block;
use crate::domain::clock::Timestamp;
use crate::domain::limit::{Exceeded, Meter, Metered, Meters, Standing};
use crate::domain::user::UserId;
use crate::store::{Conn, blocks, meters};

/// The blocks and meters that a batch is about, locked; and what changes of them.
#[derive(Debug, Default)]
pub(super) struct Restraints {
    stand: BTreeSet<Block>,
    new: BTreeSet<Block>,
    old: BTreeSet<Block>,
    meters: Meters,
}

impl Restraints {
    /// Locks those that the operations are about. Every batch does this before it
    /// locks anything else, so that no two wait for each other.
    pub(super) fn open(conn: &mut Conn, operations: &[Operation]) -> QueryResult<Self> {
        let (mut wanted, mut used) = (BTreeSet::new(), Vec::new());
        let mut change = false;
        for Operation { deed, limits, .. } in operations {
            match deed {
                Deed::Ask(new) => {
                    wanted.insert(Block::of(new.terms));
                    used.extend(limits.taken_by(new));
                    used.extend(limits.astray_of(new.asked_by));
                }
                Deed::Resend { terms, by, .. } => used.extend(limits.taken_by_mail(*terms, *by)),
                Deed::Refer { by, .. } => used.extend(limits.astray_of(*by)),
                Deed::Block(block) | Deed::Unblock(block) => {
                    change = true;
                    wanted.insert(*block);
                }
                Deed::CreateExport(_)
                | Deed::RevokeExport { .. }
                | Deed::Redeem { .. }
                | Deed::End { .. }
                | Deed::Give(_)
                | Deed::TakeBack { .. } => {}
            }
        }
        let stand = if wanted.is_empty() {
            BTreeSet::new()
        } else {
            let targets: BTreeSet<UserId> = wanted.iter().map(|block| block.target).collect();
            blocks::hold(conn, &targets, change)?;
            blocks::among(conn, &wanted)?
        };
        let used: Vec<Meter> = used.into_iter().map(|(meter, _)| meter).collect();
        let meters = if used.is_empty() { Meters::default() } else { meters::lock(conn, &used)? };
        Ok(Self { stand, meters, ..Self::default() })
    }

    /// Whether a block stands, by what was found and what has been decided since.
    pub(super) fn forbid(&self, block: &Block) -> bool {
        (self.stand.contains(block) && !self.old.contains(block)) || self.new.contains(block)
    }

    /// Makes a block; false when it stands already.
    pub(super) fn block(&mut self, block: Block) -> bool {
        self.old.remove(&block) || (!self.stand.contains(&block) && self.new.insert(block))
    }

    /// Lifts a block; false when there is none.
    pub(super) fn unblock(&mut self, block: &Block) -> bool {
        self.new.remove(block) || (self.stand.contains(block) && self.old.insert(*block))
    }

    /// As [`Meters::allow`], of what may be limited.
    pub(super) fn allow(&self, metered: Option<Metered>, now: Timestamp) -> Result<(), Exceeded> {
        self.meters.allow(metered.as_slice(), now)
    }

    /// As [`Meters::take`].
    pub(super) fn take(&mut self, metered: &[Metered], now: Timestamp) -> Result<Vec<Standing>, Exceeded> {
        self.meters.take(metered, now)
    }

    /// Writes what has changed.
    pub(super) fn write(&self, conn: &mut Conn, now: Timestamp) -> QueryResult<()> {
        meters::write(conn, &self.meters)?;
        if !self.old.is_empty() {
            super::book::guard(blocks::delete(conn, &self.old)?, self.old.len())?;
        }
        if !self.new.is_empty() {
            blocks::insert(conn, &self.new, now)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_that_comes_and_goes_in_one_batch_is_written_as_it_ends() {
        let one = Block { target: UserId(1), blocked: UserId(2) };
        let mut restraints = Restraints::default();
        assert!(restraints.block(one) && !restraints.block(one) && restraints.forbid(&one));
        assert!(restraints.unblock(&one) && !restraints.unblock(&one) && !restraints.forbid(&one));
        assert!(restraints.new.is_empty() && restraints.old.is_empty());

        let mut restraints = Restraints { stand: BTreeSet::from([one]), ..Restraints::default() };
        assert!(!restraints.block(one) && restraints.forbid(&one));
        assert!(restraints.unblock(&one) && !restraints.unblock(&one) && !restraints.forbid(&one));
        assert!(restraints.block(one) && restraints.forbid(&one));
        assert!(restraints.new.is_empty() && restraints.old.is_empty());
    }
}
