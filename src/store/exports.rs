//! The export tokens' rows, and how often each was used.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Nullable, SmallInt, Text};

use super::bulk::bulk;
use super::clock::clock_timestamp;
use super::schema::{export_tokens, export_uses, hub_members, users};
use super::types::{At, Id, Instant, Uid};
use super::{Conn, Link, hubs, locked, on};
use crate::domain::clock::Timestamp;
use crate::domain::export::{ExportStatus, ExportToken};
use crate::domain::hub::{HubId, NodeId};
use crate::domain::permission::Mask;
use crate::domain::token::{ExportId, TokenDigest};
use crate::domain::user::UserId;
use crate::faults::planted;

#[derive(Queryable, Selectable)]
#[diesel(table_name = export_tokens)]
struct ExportRow {
    id: Uid,
    creator: i64,
    hub_id: String,
    node_id: String,
    permission: i16,
    created_at: At,
    expires_at: Option<At>,
    revoked_at: Option<At>,
}

impl From<ExportRow> for ExportToken {
    fn from(row: ExportRow) -> Self {
        Self {
            id: ExportId(row.id.0),
            creator: UserId(row.creator),
            hub: HubId::from_store(row.hub_id),
            node: NodeId::from_store(row.node_id),
            mask: Mask::from_store(row.permission),
            created_at: row.created_at.0,
            expires_at: row.expires_at.map(|at| at.0),
            revoked_at: row.revoked_at.map(|at| at.0),
        }
    }
}

bulk! {
    /// New tokens.
    Insertion {
        id: Id => Uid,
        creator: BigInt => i64,
        hub_id: Text => &'a str,
        node_id: Text => &'a str,
        permission: SmallInt => i16,
        digest: Binary => &'a [u8],
        created_at: Instant => At,
        expires_at: Nullable<Instant> => Option<At>,
        revoked_at: Nullable<Instant> => Option<At>,
    }
    "INSERT INTO export_tokens (id, creator, hub_id, node_id, permission, digest, created_at, \
     expires_at, revoked_at) SELECT * FROM" w ""
}

bulk! {
    /// Uses to be added up.
    Addition { id: Id => Uid, count: BigInt => i64, last: Instant => At }
    "INSERT INTO export_uses (token_id, uses, last_used_at) SELECT * FROM" w
    "WHERE true ON CONFLICT (token_id) DO UPDATE \
     SET uses = export_uses.uses + excluded.uses, last_used_at = excluded.last_used_at"
}

/// A token with what it takes to judge a use of it.
#[derive(Clone, Debug)]
pub struct KnownExport {
    /// The token.
    pub token: ExportToken,
    /// What its secret must hash to.
    pub digest: TokenDigest,
    /// What its creator holds in the hub now; `None` without a role, or when disabled.
    pub privilege: Option<Mask>,
}

/// A token in a list, with its uses.
#[derive(Clone, Debug)]
pub struct ListedExport {
    /// The token.
    pub token: ExportToken,
    /// How often it was used, some seconds ago.
    pub uses: i64,
    /// When it was last used, as far as is known.
    pub last_used_at: Option<Timestamp>,
}

/// Which tokens to list.
#[derive(Clone, Debug)]
pub struct ExportFilter {
    /// Whose; `None` is everybody's, for the operator.
    pub creator: Option<UserId>,
    /// In which states.
    pub statuses: Vec<ExportStatus>,
    /// Older than this one: the last of the page before.
    pub before: Option<ExportId>,
    /// The most rows.
    pub limit: i64,
    /// Rows to pass over.
    pub offset: i64,
}

/// Uses of a token since they were last written down.
#[derive(Clone, Copy, Debug)]
pub struct Uses {
    /// The token.
    pub id: ExportId,
    /// How many.
    pub count: i64,
    /// When the last was.
    pub last: Timestamp,
}

/// Adds tokens.
pub(super) fn insert(conn: &mut Conn, new: &[(ExportToken, TokenDigest)]) -> QueryResult<()> {
    let mut rows = Insertion::default();
    for (token, digest) in new {
        rows.push((
            Uid(token.id.0),
            token.creator.0,
            token.hub.as_str(),
            token.node.as_str(),
            token.mask.bits().into(),
            digest.as_bytes(),
            At(token.created_at),
            token.expires_at.map(At),
            token.revoked_at.map(At),
        ));
    }
    rows.run(conn).map(drop)
}

/// Locks tokens, in the order of their ids.
pub(super) fn lock(conn: &mut Conn, ids: &[ExportId]) -> QueryResult<Vec<(ExportToken, TokenDigest)>> {
    let ids = uids(ids);
    let rows: Vec<(ExportRow, Vec<u8>)> = locked!(
        conn,
        export_tokens::table
            .filter(export_tokens::id.eq_any(&ids))
            .order(export_tokens::id)
            .select((ExportRow::as_select(), export_tokens::digest))
    )?;
    Ok(rows
        .into_iter()
        .filter_map(|(row, digest)| Some((row.into(), TokenDigest::from_slice(&digest)?)))
        .collect())
}

/// Revokes open tokens that are locked; how many that were.
pub(super) fn revoke(conn: &mut Conn, ids: &[ExportId], now: Timestamp) -> QueryResult<usize> {
    let ids = uids(ids);
    on!(conn, c => diesel::update(export_tokens::table)
        .filter(export_tokens::id.eq_any(&ids).and(export_tokens::revoked_at.is_null()))
        .set(export_tokens::revoked_at.eq(At(now)))
        .execute(c))
}

/// Tokens with what it takes to judge a use, each with the moment it was read, in
/// no order.
pub(super) fn known(conn: &mut Conn, ids: &[ExportId]) -> QueryResult<Vec<(KnownExport, Timestamp)>> {
    type Row = (ExportRow, Vec<u8>, bool, Option<String>, At);
    let ids = uids(ids);
    macro_rules! known {
        ($now:expr) => {{
            let role = hub_members::hub_id
                .eq(export_tokens::hub_id)
                .and(hub_members::user_id.eq(export_tokens::creator));
            export_tokens::table
                .inner_join(users::table)
                .left_join(hub_members::table.on(role))
                .filter(export_tokens::id.eq_any(&ids))
                .select((
                    ExportRow::as_select(),
                    export_tokens::digest,
                    users::active,
                    hub_members::role.nullable(),
                    $now,
                ))
        }};
    }
    let rows: Vec<Row> = match &mut conn.link {
        Link::Postgres(pg) => known!(clock_timestamp()).load(&mut **pg)?,
        // Its clock is this machine's: what is selected in place of it is not looked at.
        Link::Sqlite(sqlite) => known!(export_tokens::created_at).load(&mut **sqlite)?,
    };
    let known = |(row, digest, active, role, at): Row| {
        let privilege = role.filter(|_| active).as_deref().and_then(hubs::privilege);
        let digest = TokenDigest::from_slice(&digest)?;
        let (mut token, now) = (ExportToken::from(row), conn.moment(at));
        if planted("exports.stale") {
            token.revoked_at.take_if(|at| now < at.plus_seconds(2));
        }
        Some((KnownExport { token, digest, privilege }, now))
    };
    Ok(rows.into_iter().filter_map(known).collect())
}

/// Tokens, the newest first.
pub fn list(conn: &mut Conn, filter: &ExportFilter, now: Timestamp) -> QueryResult<Vec<ListedExport>> {
    type Row = (ExportRow, Option<i64>, Option<At>);
    let has = |status| filter.statuses.contains(&status);
    let rows: Vec<Row> = on!(conn, c => {
        let mut query = export_tokens::table
            .left_join(export_uses::table)
            .select((ExportRow::as_select(), export_uses::uses.nullable(), export_uses::last_used_at.nullable()))
            .order(export_tokens::id.desc())
            .limit(filter.limit)
            .offset(filter.offset)
            .into_boxed();
        if let Some(creator) = filter.creator {
            query = query.filter(export_tokens::creator.eq(creator.0));
        }
        if let Some(before) = filter.before {
            query = query.filter(export_tokens::id.lt(Uid(before.0)));
        }
        let revoked = export_tokens::revoked_at.is_not_null();
        if !has(ExportStatus::Revoked) {
            query = query.filter(export_tokens::revoked_at.is_null());
        }
        if !has(ExportStatus::Expired) {
            let forever = export_tokens::expires_at.is_null();
            query = query.filter(revoked.or(forever).or(export_tokens::expires_at.gt(At(now))));
        }
        if !has(ExportStatus::Active) {
            query = query.filter(revoked.or(export_tokens::expires_at.le(At(now))));
        }
        query.load(c)
    })?;
    Ok(rows
        .into_iter()
        .map(|(row, uses, last)| ListedExport {
            token: row.into(),
            uses: uses.unwrap_or_default(),
            last_used_at: last.map(|at| at.0),
        })
        .collect())
}

/// How many tokens a user has made, and how many of them may be used.
pub fn count(conn: &mut Conn, creator: UserId, now: Timestamp) -> QueryResult<(i64, i64)> {
    let own = || export_tokens::table.filter(export_tokens::creator.eq(creator.0));
    let all = on!(conn, c => own().count().get_result(c))?;
    let forever = export_tokens::expires_at.is_null();
    let lives = forever.or(export_tokens::expires_at.assume_not_null().gt(At(now)));
    let active = on!(conn, c => own()
        .filter(export_tokens::revoked_at.is_null().and(lives))
        .count()
        .get_result(c))?;
    Ok((all, active))
}

/// Adds up uses. Rows are taken in the order of their ids, so that replicas
/// that write down the same tokens at once do not block each other for ever.
pub(super) fn count_uses(conn: &mut Conn, uses: &[Uses]) -> QueryResult<()> {
    if let Link::Postgres(pg) = &mut conn.link {
        // A hint, not an account: it need not wait for the disk.
        pg.batch_execute("SET LOCAL synchronous_commit = off")?;
    }
    let mut uses = uses.to_vec();
    uses.sort_by_key(|uses| uses.id);
    let mut rows = Addition::default();
    for uses in uses {
        rows.push((Uid(uses.id.0), uses.count, At(uses.last)));
    }
    rows.run(conn).map(drop)
}

fn uids(ids: &[ExportId]) -> Vec<Uid> {
    ids.iter().map(|id| Uid(id.0)).collect()
}
