//! Purging sealed entries. The seals stay.

use std::thread;
use std::time::Instant;

use diesel::prelude::*;

use super::append::{SealError, append_purge, current_key, lock, seal_all};
use super::latest;
use crate::domain::seal::Place;
use crate::domain::timestamp::Timestamp;
use crate::domain::token::Keyring;
use crate::store::audit_log;
use crate::store::connection::{Conn, Store, with_backend};
use crate::store::schema::seals::dsl;
use crate::store::signing_keys::SealedUnderOtherSecret;
use crate::store::types::{DbTimestamp, DbUuid};

/// Entries that one transaction deletes, or those of one seal.
const STEP_SIZE: i64 = 1_000;

/// Whether any entry is older than `cutoff`.
pub fn has_expired(conn: &mut Conn, cutoff: Timestamp) -> QueryResult<bool> {
    audit_log::has_older(conn, cutoff)
}

/// Deletes the entries of the first seals, all of which were written before `cutoff`: about `limit`, and those of one
/// seal at least. Returns their number.
///
/// A new seal records it, so that a purge differs from a deletion by hand: only the server can sign a seal.
pub fn purge(
    conn: &mut Conn,
    keyring: &Keyring,
    cutoff: Timestamp,
    limit: i64,
) -> QueryResult<Result<usize, SealedUnderOtherSecret>> {
    lock(conn)?;
    let Some(last) = latest(conn)? else { return Ok(Ok(0)) };
    let Some(purged) = expired(conn, last.seal.purged, cutoff, limit)? else { return Ok(Ok(0)) };
    let now = conn.now()?;
    let key = match current_key(conn, keyring, now)? {
        Ok(key) => key,
        Err(error) => return Ok(Err(error)),
    };
    let deleted = audit_log::delete_through(conn, purged.last)?;
    if i64::try_from(deleted) != Ok(purged.entries) {
        tracing::error!(
            sealed = purged.entries,
            deleted,
            "the purged part of the audit log did not have the sealed number of entries: it was changed by hand"
        );
    }
    let with_leaves = dsl::seals.filter(dsl::number.gt(last.seal.purged).and(dsl::number.le(purged.number)));
    with_backend!(conn, c => diesel::update(with_leaves).set(dsl::leaves.eq(None::<Vec<u8>>)).execute(c))?;
    append_purge(conn, &key, last, purged.number)?;
    Ok(Ok(deleted))
}

/// The seals whose entries are to be purged.
struct Purged {
    /// The last of them.
    number: i64,
    /// The place of their last entry.
    last: Place,
    /// The number of their entries.
    entries: i64,
}

/// The first seals after `purged` with entries from before `cutoff`. `None` if there are none.
fn expired(conn: &mut Conn, purged: i64, cutoff: Timestamp, limit: i64) -> QueryResult<Option<Purged>> {
    let rows: Vec<(i64, i64, DbUuid, i64, DbTimestamp)> = with_backend!(conn, c => dsl::seals
        .filter(dsl::number.gt(purged).and(dsl::entries.gt(0)))
        .order(dsl::number)
        .limit(limit)
        .select((dsl::number, dsl::last_position, dsl::last_id, dsl::entries, dsl::newest_at))
        .load(c))?;
    let mut expired: Option<Purged> = None;
    for (number, position, id, entries, newest_at) in rows {
        let before = expired.as_ref().map_or(0, |expired| expired.entries);
        if newest_at.0 >= cutoff || before >= limit {
            break;
        }
        let last = Place { position, id: id.0 };
        expired = Some(Purged { number, last, entries: before + entries });
    }
    Ok(expired)
}

/// Seals the log, and purges all sealed entries from before `cutoff`, in small transactions. Returns their number.
pub fn purge_all(store: &Store, keyring: &Keyring, cutoff: Timestamp) -> Result<usize, SealError> {
    seal_all(store, keyring)?;
    let mut total = 0;
    loop {
        let started_at = Instant::now();
        let deleted = store.write_in_background(|conn| purge(conn, keyring, cutoff, STEP_SIZE))??;
        if deleted == 0 {
            return Ok(total);
        }
        total += deleted;
        // SQLite does not queue its writers. A pause as long as the transaction lets others take the write lock.
        thread::sleep(started_at.elapsed());
    }
}
