//! The blocks' rows: whom each user takes no requests from.

use std::collections::BTreeSet;

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt};

use super::bulk::bulk;
use super::schema::blocks;
use super::types::At;
use super::{Conn, Link, Listed, Page, on};
use crate::domain::block::Block;
use crate::domain::clock::Timestamp;
use crate::domain::user::UserId;

bulk! {
    /// Those of these blocks that stand.
    Among { user_target: BigInt => i64, user_blocked: BigInt => i64 }
    "SELECT b.user_target, b.user_blocked FROM blocks AS b JOIN"
    w "ON b.user_target = w.user_target AND b.user_blocked = w.user_blocked"
    returns (BigInt, BigInt)
}

/// Locks that go by the numbers of users: a block that does not stand has no row that
/// could be locked.
struct Hold<const CHANGE: bool>(Vec<i64>);

impl<const CHANGE: bool> QueryId for Hold<CHANGE> {
    type QueryId = Self;
}

impl<const CHANGE: bool> RunQueryDsl<PgConnection> for Hold<CHANGE> {}

impl<const CHANGE: bool> QueryFragment<Pg> for Hold<CHANGE> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(if CHANGE {
            "SELECT pg_advisory_xact_lock(target) FROM unnest("
        } else {
            "SELECT pg_advisory_xact_lock_shared(target) FROM unnest("
        });
        out.push_bind_param::<Array<BigInt>, _>(&self.0)?;
        out.push_sql(") AS target");
        Ok(())
    }
}

/// Keeps others from changing these users' blocks until the transaction ends; and if
/// that is what this one does, from asking them. In the order of their numbers. On
/// SQLite nobody else writes meanwhile.
pub(super) fn hold(conn: &mut Conn, targets: &BTreeSet<UserId>, change: bool) -> QueryResult<()> {
    let targets = targets.iter().map(|user| user.0).collect();
    match &mut conn.link {
        Link::Postgres(pg) if change => Hold::<true>(targets).execute(&mut **pg).map(drop),
        Link::Postgres(pg) => Hold::<false>(targets).execute(&mut **pg).map(drop),
        Link::Sqlite(_) => Ok(()),
    }
}

/// Those of these blocks that stand.
pub(super) fn among(conn: &mut Conn, wanted: &BTreeSet<Block>) -> QueryResult<BTreeSet<Block>> {
    let mut rows = Among::default();
    for Block { target, blocked } in wanted {
        rows.push((target.0, blocked.0));
    }
    let found: Vec<(i64, i64)> = rows.fetch(conn)?;
    let block = |(target, blocked)| Block { target: UserId(target), blocked: UserId(blocked) };
    Ok(found.into_iter().map(block).collect())
}

/// Adds blocks that do not stand.
pub(super) fn insert(conn: &mut Conn, new: &BTreeSet<Block>, now: Timestamp) -> QueryResult<usize> {
    let row = |Block { target, blocked }: &Block| {
        (blocks::user_target.eq(target.0), blocks::user_blocked.eq(blocked.0), blocks::created_at.eq(At(now)))
    };
    let rows: Vec<_> = new.iter().map(row).collect();
    on!(conn, c => diesel::insert_into(blocks::table).values(&rows).execute(c))
}

/// Deletes blocks that stand; how many that were.
pub(super) fn delete(conn: &mut Conn, old: &BTreeSet<Block>) -> QueryResult<usize> {
    let delete = |Block { target, blocked }: &Block| on!(conn, c => diesel::delete(blocks::table.find((target.0, blocked.0))).execute(c));
    old.iter().map(delete).sum()
}

/// A page of those whom a user blocks, by number.
pub fn of(conn: &mut Conn, target: UserId, page: Page) -> QueryResult<Listed<UserId>> {
    macro_rules! own {
        () => {
            blocks::table.filter(blocks::user_target.eq(target.0))
        };
    }
    let total = on!(conn, c => own!().count().get_result(c))?;
    let ids: Vec<i64> = on!(conn, c => own!()
        .order(blocks::user_blocked)
        .limit(page.limit)
        .offset(page.offset)
        .select(blocks::user_blocked)
        .load(c))?;
    Ok(Listed { rows: ids.into_iter().map(UserId).collect(), total })
}

/// Those of these users whom a user blocks, in no order.
pub fn by_ids(conn: &mut Conn, target: UserId, ids: &[UserId]) -> QueryResult<Vec<UserId>> {
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    let found: Vec<i64> = on!(conn, c => blocks::table
        .filter(blocks::user_target.eq(target.0).and(blocks::user_blocked.eq_any(&ids)))
        .select(blocks::user_blocked)
        .load(c))?;
    Ok(found.into_iter().map(UserId).collect())
}
