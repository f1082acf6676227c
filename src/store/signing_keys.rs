//! The keys that sign receipts and seals of the audit log: the current one with its sealed private key, and the public keys of
//! all earlier ones.

use diesel::prelude::*;
use secrecy::ExposeSecret;

use super::connection::{Conn, with_backend};
use super::schema::signing_keys::{self, dsl};
use super::types::DbTimestamp;
use super::{audit_log, seals};
use crate::domain::audit::{AuditAction, AuditContext};
use crate::domain::jws::{KEY_BYTES, SigningKey};
use crate::domain::timestamp::Timestamp;
use crate::domain::token::Keyring;
use crate::entropy;

/// A key as it is stored. Only the current key has a private key.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = signing_keys)]
struct KeyRow {
    kid: String,
    private_key: Option<Vec<u8>>,
}

/// The current key could not be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the signing key is sealed under another secret; set COUNTERSIGN_SECRET_PREVIOUS to the secret before, or create a new key with `countersign receipt rotate`"
)]
pub struct SealedUnderOtherSecret;

/// The public keys: the current one, then those before it. None is ever deleted.
pub fn public_keys(conn: &mut Conn) -> QueryResult<Vec<[u8; KEY_BYTES]>> {
    let keys: Vec<Vec<u8>> = with_backend!(conn, c => dsl::signing_keys
        .order((dsl::retired_at.is_null().desc(), dsl::created_at.desc(), dsl::kid))
        .select(dsl::public_key)
        .load(c))?;
    Ok(keys.into_iter().filter_map(|key| key.try_into().ok()).collect())
}

/// The current key. `None`: no receipt has been signed yet.
pub fn current(
    conn: &mut Conn,
    keyring: &Keyring,
) -> QueryResult<Option<Result<SigningKey, SealedUnderOtherSecret>>> {
    let key = current_row(conn)?;
    Ok(key.map(|key| key.open(keyring).map(|(key, _)| key).ok_or(SealedUnderOtherSecret)))
}

/// Creates the first key, unless another process has created it.
pub fn create_first(conn: &mut Conn, keyring: &Keyring, now: Timestamp) -> QueryResult<()> {
    let context = AuditContext::OPERATOR;
    if let Some(kid) = insert(conn, keyring, now)? {
        audit_log::record(conn, &context, AuditAction::SigningKeyCreated, format!("signing_key:{kid}"), now)?;
    }
    Ok(())
}

/// Replaces the current key by a new one, and deletes its private key. The new key seals the audit log at once, to
/// confirm the seals that were made before. Returns the id of the new key.
pub fn rotate(
    conn: &mut Conn,
    keyring: &Keyring,
    context: &AuditContext,
    now: Timestamp,
) -> QueryResult<Option<String>> {
    seals::lock(conn)?;
    let previous = current(conn, keyring)?.and_then(Result::ok);
    with_backend!(conn, c => diesel::update(dsl::signing_keys.filter(dsl::retired_at.is_null()))
        .set((dsl::retired_at.eq(DbTimestamp(now)), dsl::private_key.eq(None::<Vec<u8>>)))
        .execute(c))?;
    let kid = insert(conn, keyring, now)?;
    if let Some(kid) = &kid {
        audit_log::record(conn, context, AuditAction::SigningKeyRotated, format!("signing_key:{kid}"), now)?;
        if let Some(Ok(key)) = current(conn, keyring)? {
            seals::hand_over(conn, previous.as_ref(), &key, now)?;
        }
    }
    Ok(kid)
}

/// Seals the current key under the current secret, if it is sealed under the second one. `false`: it
/// is sealed under neither.
pub fn reseal(conn: &mut Conn, keyring: &Keyring) -> QueryResult<bool> {
    let Some(row) = current_row(conn)? else { return Ok(true) };
    let Some((key, is_under_second_key)) = row.open(keyring) else { return Ok(false) };
    if is_under_second_key {
        let sealed = keyring.seal(key.kid(), key.secret_bytes().expose_secret(), entropy::bytes());
        // The condition on the previous content: a rotation in between has deleted the private key.
        with_backend!(conn, c => diesel::update(dsl::signing_keys.find(key.kid()))
            .filter(dsl::private_key.eq(row.private_key).assume_not_null())
            .set(dsl::private_key.eq(Some(sealed)))
            .execute(c))?;
    }
    Ok(true)
}

impl KeyRow {
    /// The key, and whether it is sealed under the second secret.
    fn open(&self, keyring: &Keyring) -> Option<(SigningKey, bool)> {
        let opened = keyring.open(&self.kid, self.private_key.as_deref()?)?;
        Some((SigningKey::from_secret(&opened.private_key)?, opened.is_under_second_key))
    }
}

fn current_row(conn: &mut Conn) -> QueryResult<Option<KeyRow>> {
    with_backend!(conn, c => dsl::signing_keys
        .filter(dsl::retired_at.is_null())
        .select(KeyRow::as_select())
        .first(c)
        .optional())
}

/// Inserts a new key, and returns its id. `None` if another key is current.
fn insert(conn: &mut Conn, keyring: &Keyring, now: Timestamp) -> QueryResult<Option<String>> {
    let secret = entropy::bytes::<KEY_BYTES>();
    let key = SigningKey::from_bytes(&secret);
    let public = key.public_bytes();
    let values = (
        dsl::kid.eq(key.kid()),
        dsl::public_key.eq(public.as_slice()),
        dsl::private_key.eq(keyring.seal(key.kid(), &secret, entropy::bytes())),
        dsl::created_at.eq(DbTimestamp(now)),
    );
    let inserted = with_backend!(conn, c => diesel::insert_into(dsl::signing_keys)
        .values(values)
        .on_conflict_do_nothing()
        .execute(c))?;
    Ok((inserted > 0).then(|| key.kid().to_owned()))
}
