//! The seals of the audit log ([`crate::domain::seal`]).
//!
//! The transaction that appends a seal holds the lock of the reader [`AuditReader::Seals`](super::audit_log::AuditReader::Seals), so
//! that the seals of several replicas are one chain. The last seal is always signed with the current key: a rotation
//! appends a seal too.

mod append;
mod purge;
mod verify;

use diesel::prelude::*;

use super::connection::{Conn, with_backend};
use super::schema::seals::{self, dsl};
use super::types::{DbTimestamp, DbUuid};
use crate::domain::seal::{Hash, Place, Seal, SignedSeal};

pub use append::{Draft, SealError, drafts, seal, seal_all, seal_page};
pub(super) use append::{hand_over, lock};
pub use purge::{has_expired, purge, purge_all};
pub use verify::{Report, verify};

/// A seal without its leaves.
#[derive(Queryable, Selectable)]
#[diesel(table_name = seals)]
struct SealRow {
    number: i64,
    first_position: i64,
    first_id: DbUuid,
    last_position: i64,
    last_id: DbUuid,
    entries: i64,
    newest_at: DbTimestamp,
    root: Vec<u8>,
    previous: Vec<u8>,
    continues: bool,
    purged: i64,
    sealed_at: DbTimestamp,
    kid: String,
    signature: String,
}

impl From<SealRow> for SignedSeal {
    fn from(row: SealRow) -> Self {
        // A hash of another length is none that was signed.
        let hash = |bytes: Vec<u8>| bytes.try_into().unwrap_or([0xff; 32]);
        Self {
            seal: Seal {
                number: row.number,
                first: Place { position: row.first_position, id: row.first_id.0 },
                last: Place { position: row.last_position, id: row.last_id.0 },
                entries: row.entries,
                newest_at: row.newest_at.0,
                root: hash(row.root),
                previous: hash(row.previous),
                continues: row.continues,
                purged: row.purged,
                sealed_at: row.sealed_at.0,
            },
            kid: row.kid,
            signature: row.signature,
        }
    }
}

/// The seals after the one with this number, at most `limit`, in order. 0 is before the first.
pub fn after(conn: &mut Conn, number: i64, limit: i64) -> QueryResult<Vec<SignedSeal>> {
    let rows: Vec<SealRow> = with_backend!(conn, c => dsl::seals
        .filter(dsl::number.gt(number))
        .order(dsl::number)
        .limit(limit)
        .select(SealRow::as_select())
        .load(c))?;
    Ok(rows.into_iter().map(SignedSeal::from).collect())
}

/// The last seal.
pub fn latest(conn: &mut Conn) -> QueryResult<Option<SignedSeal>> {
    let row: Option<SealRow> = with_backend!(conn, c => dsl::seals
        .order(dsl::number.desc())
        .select(SealRow::as_select())
        .first(c)
        .optional())?;
    Ok(row.map(SignedSeal::from))
}

/// The leaves of a seal whose entries have not been purged.
fn leaves(conn: &mut Conn, number: i64) -> QueryResult<Vec<Hash>> {
    let bytes: Option<Vec<u8>> =
        with_backend!(conn, c => dsl::seals.find(number).select(dsl::leaves).first(c))?;
    let (leaves, _) = bytes.as_deref().unwrap_or_default().as_chunks();
    Ok(leaves.to_vec())
}
