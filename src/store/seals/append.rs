//! Appending a seal to the chain.

use diesel::prelude::*;

use super::latest;
use crate::domain::jws::{Jwk, JwkSet, SigningKey};
use crate::domain::seal::{Hash, Place, Seal, SignedSeal, StoredEntry, root};
use crate::domain::timestamp::Timestamp;
use crate::domain::token::Keyring;
use crate::store::audit_log::{self, AuditReader, Pace, Page};
use crate::store::connection::{Conn, Store, with_backend};
use crate::store::error::StoreError;
use crate::store::schema::seals::dsl;
use crate::store::signing_keys::{self, SealedUnderOtherSecret};
use crate::store::types::{DbTimestamp, DbUuid};

/// Entries of one seal are purged together, so they are of about the same time.
const MAX_SECONDS: i64 = 3_600;

/// Why the audit log was not sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Key(#[from] SealedUnderOtherSecret),
}

/// Entries to be sealed. They are hashed before the transaction that seals them.
pub struct Draft {
    /// The reader's place before them.
    from: Place,
    content: Content,
}

/// The entries of a seal.
struct Content {
    first: Place,
    last: Place,
    newest_at: Timestamp,
    leaves: Vec<Hash>,
}

/// Seals all entries that readers can take now.
pub fn seal_all(store: &Store, keyring: &Keyring) -> Result<(), SealError> {
    let mut handle = |page: &Page| seal_page(store, keyring, page);
    audit_log::read_all(store, Pace::Fast, &mut [(AuditReader::Seals, &mut handle)]).map(drop)
}

/// Seals the entries of a page. Returns whether this replica sealed all of them.
pub fn seal_page(store: &Store, keyring: &Keyring, page: &Page) -> Result<bool, SealError> {
    for draft in drafts(page) {
        if !store.write_in_background(|conn| seal(conn, keyring, &draft))?? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The seals of a page.
pub fn drafts(page: &Page) -> impl Iterator<Item = Draft> {
    let (mut from, mut rest) = (page.after, page.entries.as_slice());
    std::iter::from_fn(move || {
        let end = rest.first()?.1.at.plus_seconds(MAX_SECONDS);
        let length = rest.iter().position(|(_, entry)| entry.at > end).unwrap_or(rest.len());
        let (entries, later) = rest.split_at(length);
        rest = later;
        let content = Content::new(entries)?;
        Some(Draft { from: std::mem::replace(&mut from, content.last), content })
    })
}

impl Content {
    /// `None` without entries.
    fn new(entries: &[(Place, StoredEntry)]) -> Option<Self> {
        let ((first, _), (last, _)) = (entries.first()?, entries.last()?);
        Some(Self {
            first: *first,
            last: *last,
            newest_at: entries.iter().map(|(_, entry)| entry.at).max()?,
            leaves: entries.iter().map(|(_, entry)| entry.leaf()).collect(),
        })
    }
}

/// Seals entries, unless another replica has sealed them. Returns whether it did.
pub fn seal(
    conn: &mut Conn,
    keyring: &Keyring,
    draft: &Draft,
) -> QueryResult<Result<bool, SealedUnderOtherSecret>> {
    lock(conn)?;
    let now = conn.now()?;
    let key = match current_key(conn, keyring, now)? {
        Ok(key) => key,
        Err(error) => return Ok(Err(error)),
    };
    if !audit_log::move_cursor(conn, AuditReader::Seals, draft.from, draft.content.last)? {
        return Ok(Ok(false));
    }
    let last = latest(conn)?;
    let continues = last.as_ref().is_none_or(|last| is_signed_with(last, &key));
    append(conn, &key, last, Some(&draft.content), Changes { continues, purged: None }, now)?;
    Ok(Ok(true))
}

/// Locks the chain until the end of the transaction.
pub(in crate::store) fn lock(conn: &mut Conn) -> QueryResult<()> {
    audit_log::lock(conn, AuditReader::Seals)
}

/// Appends a seal with a new key, which confirms the seals that were made with the previous one. The caller has
/// [locked](lock) the chain before it replaced the key.
pub(in crate::store) fn hand_over(
    conn: &mut Conn,
    previous: Option<&SigningKey>,
    key: &SigningKey,
    now: Timestamp,
) -> QueryResult<()> {
    let Some(last) = latest(conn)? else { return Ok(()) };
    let continues = previous.is_some_and(|previous| is_signed_with(&last, previous));
    append(conn, key, Some(last), None, Changes { continues, purged: None }, now)
}

/// Appends a seal that records a purge of the entries of all seals up to `purged`.
pub(super) fn append_purge(
    conn: &mut Conn,
    key: &SigningKey,
    last: SignedSeal,
    purged: i64,
) -> QueryResult<()> {
    let now = conn.now()?;
    let continues = is_signed_with(&last, key);
    append(conn, key, Some(last), None, Changes { continues, purged: Some(purged) }, now)
}

/// The current key. Creates it if there is none.
pub(super) fn current_key(
    conn: &mut Conn,
    keyring: &Keyring,
    now: Timestamp,
) -> QueryResult<Result<SigningKey, SealedUnderOtherSecret>> {
    if let Some(key) = signing_keys::current(conn, keyring)? {
        return Ok(key);
    }
    signing_keys::create_first(conn, keyring, now)?;
    Ok(signing_keys::current(conn, keyring)?.unwrap_or(Err(SealedUnderOtherSecret)))
}

/// What distinguishes a seal from the one before, other than its entries.
struct Changes {
    continues: bool,
    purged: Option<i64>,
}

fn is_signed_with(seal: &SignedSeal, key: &SigningKey) -> bool {
    seal.verify(&JwkSet { keys: vec![Jwk::new(&key.public_bytes())] }).is_ok()
}

fn append(
    conn: &mut Conn,
    key: &SigningKey,
    last: Option<SignedSeal>,
    content: Option<&Content>,
    changes: Changes,
    now: Timestamp,
) -> QueryResult<()> {
    if let Some(last) = last.as_ref().filter(|_| !changes.continues) {
        tracing::error!(
            seal = last.seal.number,
            "the last seal of the audit log is not one that this server made with its key; run `countersign audit verify`"
        );
    }
    let leaves = content.map(|content| content.leaves.as_slice()).unwrap_or_default();
    let last_place = last.as_ref().map_or(Place::START, |last| last.seal.last);
    let seal = Seal {
        number: last.as_ref().map_or(1, |last| last.seal.number + 1),
        first: content.map_or(last_place, |content| content.first),
        last: content.map_or(last_place, |content| content.last),
        entries: i64::try_from(leaves.len()).unwrap_or(i64::MAX),
        newest_at: content.map_or(now, |content| content.newest_at),
        root: root(leaves),
        previous: last.as_ref().map_or([0; 32], SignedSeal::hash),
        continues: changes.continues,
        purged: changes.purged.or(last.map(|last| last.seal.purged)).unwrap_or(0),
        sealed_at: now,
    };
    insert(conn, seal.sign(key), leaves)
}

fn insert(conn: &mut Conn, signed: SignedSeal, leaves: &[Hash]) -> QueryResult<()> {
    let SignedSeal { seal, kid, signature } = signed;
    let values = (
        dsl::number.eq(seal.number),
        dsl::first_position.eq(seal.first.position),
        dsl::first_id.eq(DbUuid(seal.first.id)),
        dsl::last_position.eq(seal.last.position),
        dsl::last_id.eq(DbUuid(seal.last.id)),
        dsl::entries.eq(seal.entries),
        dsl::newest_at.eq(DbTimestamp(seal.newest_at)),
        dsl::root.eq(seal.root.as_slice()),
        dsl::previous.eq(seal.previous.as_slice()),
        dsl::continues.eq(seal.continues),
        dsl::purged.eq(seal.purged),
        dsl::sealed_at.eq(DbTimestamp(seal.sealed_at)),
        dsl::kid.eq(kid),
        dsl::signature.eq(signature),
        dsl::leaves.eq(Some(leaves.as_flattened())),
    );
    with_backend!(conn, c => diesel::insert_into(dsl::seals).values(&values).execute(c)).map(drop)
}
