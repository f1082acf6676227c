//! Blocks: a target refuses requests from a blocked user.

use std::collections::BTreeSet;

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt};

use super::bulk::{Column, bulk};
use super::connection::{Backend, Conn, with_backend};
use super::page::{LimitOffset, Paginated};
use super::schema::blocks;
use super::types::DbTimestamp;
use crate::domain::block::Block;
use crate::domain::timestamp::Timestamp;
use crate::domain::user::UserId;

bulk! {
    FindBlocks { user_target: BigInt => i64, user_blocked: BigInt => i64 }
    "SELECT w.user_target, w.user_blocked FROM"
    w "WHERE (SELECT true FROM blocks AS b WHERE b.user_target = w.user_target AND b.user_blocked = w.user_blocked)"
    returns (BigInt, BigInt)
}

/// Advisory locks on the ids of targets, because a block that does not exist has no row to lock.
struct AdvisoryLocks<const EXCLUSIVE: bool>(Column<i64>);

impl<const EXCLUSIVE: bool> QueryId for AdvisoryLocks<EXCLUSIVE> {
    type QueryId = Self;
}

impl<const EXCLUSIVE: bool> RunQueryDsl<PgConnection> for AdvisoryLocks<EXCLUSIVE> {}

impl<const EXCLUSIVE: bool> QueryFragment<Pg> for AdvisoryLocks<EXCLUSIVE> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(if EXCLUSIVE {
            "SELECT pg_advisory_xact_lock(target) FROM unnest("
        } else {
            "SELECT pg_advisory_xact_lock_shared(target) FROM unnest("
        });
        out.push_bind_param::<Array<BigInt>, _>(&self.0)?;
        out.push_sql(") AS target");
        Ok(())
    }
}

/// A condition: none of these blocks exists. Locks them until the end of the transaction.
pub(super) struct LockUnblocked {
    targets: Column<i64>,
    requesters: Column<i64>,
}

impl LockUnblocked {
    /// The condition for these blocks.
    pub fn new(absent: &BTreeSet<Block>) -> Self {
        Self {
            targets: absent.iter().map(|block| block.target.0).collect(),
            requesters: absent.iter().map(|block| block.blocked.0).collect(),
        }
    }
}

impl QueryFragment<Pg> for LockUnblocked {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("lock_unblocked(");
        out.push_bind_param::<Array<BigInt>, _>(&self.targets)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&self.requesters)?;
        out.push_sql(")");
        Ok(())
    }
}

/// Locks the blocks of targets until the end of the transaction, in the order of their ids:
/// shared for creating requests, exclusively for changing blocks. SQLite has one writer at a time
/// and needs no lock.
pub(super) fn lock_users(conn: &mut Conn, targets: &BTreeSet<UserId>, exclusive: bool) -> QueryResult<()> {
    let targets = targets.iter().map(|user| user.0).collect();
    match &mut conn.backend {
        Backend::Postgres(pg) if exclusive => AdvisoryLocks::<true>(targets).execute(&mut **pg).map(drop),
        Backend::Postgres(pg) => AdvisoryLocks::<false>(targets).execute(&mut **pg).map(drop),
        Backend::Sqlite(_) => Ok(()),
    }
}

/// The blocks that exist, of these.
pub(super) fn existing(conn: &mut Conn, wanted: &BTreeSet<Block>) -> QueryResult<BTreeSet<Block>> {
    let mut rows = FindBlocks::default();
    for Block { target, blocked } in wanted {
        rows.push((target.0, blocked.0));
    }
    let found: Vec<(i64, i64)> = rows.fetch(conn)?;
    let block = |(target, blocked)| Block { target: UserId(target), blocked: UserId(blocked) };
    Ok(found.into_iter().map(block).collect())
}

/// Inserts blocks that do not exist.
pub(super) fn insert(conn: &mut Conn, new: &BTreeSet<Block>, now: Timestamp) -> QueryResult<usize> {
    let row = |Block { target, blocked }: &Block| {
        (
            blocks::user_target.eq(target.0),
            blocks::user_blocked.eq(blocked.0),
            blocks::created_at.eq(DbTimestamp(now)),
        )
    };
    let rows: Vec<_> = new.iter().map(row).collect();
    with_backend!(conn, c => diesel::insert_into(blocks::table).values(&rows).execute(c))
}

/// Deletes blocks, and returns their number.
pub(super) fn delete(conn: &mut Conn, old: &BTreeSet<Block>) -> QueryResult<usize> {
    let delete = |Block { target, blocked }: &Block| with_backend!(conn, c => diesel::delete(blocks::table.find((target.0, blocked.0))).execute(c));
    old.iter().map(delete).sum()
}

/// A page of the users that a target blocks, by id.
pub fn list_by_target(conn: &mut Conn, target: UserId, page: LimitOffset) -> QueryResult<Paginated<UserId>> {
    macro_rules! own {
        () => {
            blocks::table.filter(blocks::user_target.eq(target.0))
        };
    }
    let total = with_backend!(conn, c => own!().count().get_result(c))?;
    let ids: Vec<i64> = with_backend!(conn, c => own!()
        .order(blocks::user_blocked)
        .limit(page.limit)
        .offset(page.offset)
        .select(blocks::user_blocked)
        .load(c))?;
    Ok(Paginated { rows: ids.into_iter().map(UserId).collect(), total })
}

/// The users that a target blocks, of these, in no particular order.
pub fn by_ids(conn: &mut Conn, target: UserId, ids: &[UserId]) -> QueryResult<Vec<UserId>> {
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    let found: Vec<i64> = with_backend!(conn, c => blocks::table
        .filter(blocks::user_target.eq(target.0).and(blocks::user_blocked.eq_any(&ids)))
        .select(blocks::user_blocked)
        .load(c))?;
    Ok(found.into_iter().map(UserId).collect())
}
