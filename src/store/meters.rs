//! The meters' rows. Whoever takes of some locks them first, in the order of their
//! keys, and writes them back in the same transaction: a limit holds to the one,
//! however many replicas there are.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::result::Error;
use diesel::sql_types::{Array, Text};

use super::bulk::bulk;
use super::schema::meters;
use super::types::{At, Instant};
use super::{Conn, Link, on};
use crate::domain::clock::Timestamp;
use crate::domain::limit::{Level, Meter, Meters};

/// Meters that are swept at a time.
const SWEPT_AT_ONCE: i64 = 500;

bulk! {
    /// Meters that nobody has used before.
    Insertion { key: Text => &'a str, until: Instant => At }
    "INSERT INTO meters (key, until) SELECT key, until FROM" w "WHERE true ON CONFLICT (key) DO NOTHING"
}

bulk! {
    /// How far meters have risen that are there.
    Rise { key: Text => &'a str, until: Instant => At }
    "UPDATE meters AS m SET until = w.until FROM" w "WHERE m.key = w.key"
}

/// Rows by their keys, locked in the order of these.
struct Locked(Vec<String>);

impl QueryId for Locked {
    type QueryId = Self;
}

impl Query for Locked {
    type SqlType = (Text, Instant);
}

impl RunQueryDsl<PgConnection> for Locked {}

impl QueryFragment<Pg> for Locked {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT key, until FROM meters WHERE key = ANY(");
        out.push_bind_param::<Array<Text>, _>(&self.0)?;
        // Not `key`, in whose order a plan might read the whole table.
        out.push_sql(") ORDER BY key || '' FOR NO KEY UPDATE");
        Ok(())
    }
}

/// Meters as they are just now.
pub fn read(conn: &mut Conn, wanted: &[Meter]) -> QueryResult<Meters> {
    let keys: Vec<String> = wanted.iter().map(Meter::to_string).collect();
    let rows: Vec<(String, At)> = on!(conn, c => meters::table.filter(meters::key.eq_any(&keys)).select((meters::key, meters::until)).load(c))?;
    Ok(of_rows(rows))
}

/// Meters, locked until the transaction ends. One that nobody has used has no row
/// to be locked: whoever is first to write it is ahead of others, who start over.
pub fn lock(conn: &mut Conn, wanted: &[Meter]) -> QueryResult<Meters> {
    match &mut conn.link {
        Link::Postgres(pg) => {
            let keys = Locked(wanted.iter().map(Meter::to_string).collect());
            keys.load::<(String, At)>(&mut **pg).map(of_rows)
        }
        // Its writers hold the whole database.
        Link::Sqlite(_) => read(conn, wanted),
    }
}

fn of_rows(rows: Vec<(String, At)>) -> Meters {
    Meters::new(rows.into_iter().map(|(key, until)| (key, Level(until.0))))
}

/// Writes the meters that have changed. Fails, and the transaction is to be tried
/// anew, when somebody else was first to use one of them.
pub fn write(conn: &mut Conn, meters: &Meters) -> QueryResult<()> {
    let (mut rise, mut insertion) = (Rise::default(), Insertion::default());
    let (mut known, mut new) = (0, 0);
    for (key, Level(until), is_known) in meters.changed() {
        if is_known {
            rise.push((key, At(until)));
            known += 1;
        } else {
            insertion.push((key, At(until)));
            new += 1;
        }
    }
    let risen = if known > 0 { rise.run(conn)? } else { 0 };
    let inserted = if new > 0 { insertion.run(conn)? } else { 0 };
    if (risen, inserted) == (known, new) { Ok(()) } else { Err(Error::RollbackTransaction) }
}

/// Deletes some meters that have run down; how many those were. Those that somebody
/// is just using stay.
pub fn sweep(conn: &mut Conn, now: Timestamp) -> QueryResult<usize> {
    let down = meters::table.filter(meters::until.le(At(now))).limit(SWEPT_AT_ONCE).select(meters::key);
    let keys: Vec<String> = match &mut conn.link {
        Link::Postgres(pg) => down.for_update().skip_locked().load(&mut **pg)?,
        Link::Sqlite(sqlite) => down.load(&mut **sqlite)?,
    };
    if keys.is_empty() {
        return Ok(0);
    }
    on!(conn, c => diesel::delete(meters::table.filter(meters::key.eq_any(&keys))).execute(c))
}
