//! The audit trail: who did what to what, when, from where. A row is written in
//! the transaction of its deed, and so also witnesses that it was committed.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};
use uuid::Uuid;

use super::bulk::bulk;
use super::schema::audit_log::dsl;
use super::types::{DbTimestamp, DbUuid, SqlTimestamp, SqlUuid};
use super::{Backend, Conn, api_keys, with_backend};
use crate::domain::audit::{AuditAction, AuditContext};
use crate::domain::timestamp::Timestamp;
use crate::domain::user::UserId;
use crate::entropy;

/// One entry of the trail.
#[derive(Clone, Debug)]
pub struct NewAuditEntry {
    /// The entry's own id.
    pub id: Uuid,
    /// When.
    pub at: Timestamp,
    /// Who, and from where.
    pub context: AuditContext,
    /// What was done.
    pub action: AuditAction,
    /// To what: its kind and its id, e.g. `request:12`.
    pub subject: String,
    /// Whom it concerns besides who did it: they find it in their own trail.
    pub affected_users: [Option<UserId>; 2],
}

impl NewAuditEntry {
    /// A new entry for a deed done now, about these people: those of them who did not
    /// do it, two at the most.
    pub fn new(
        now: Timestamp,
        context: &AuditContext,
        action: AuditAction,
        subject: String,
        affected: &[UserId],
    ) -> Self {
        let mut others = affected.iter().copied().filter(|user| context.actor != Some(*user));
        Self {
            id: entropy::token().uuid(now),
            at: now,
            context: context.clone(),
            action,
            subject,
            affected_users: [others.next(), others.next()],
        }
    }
}

bulk! {
    /// New entries.
    InsertAuditEntries {
        id: SqlUuid => DbUuid,
        at: SqlTimestamp => DbTimestamp,
        actor: Nullable<BigInt> => Option<i64>,
        action: Text => &'static str,
        subject: Text => &'a str,
        ip: Nullable<Text> => Option<String>,
        user_agent: Nullable<Text> => Option<&'a str>,
        affected_user_1: Nullable<BigInt> => Option<i64>,
        affected_user_2: Nullable<BigInt> => Option<i64>,
    }
    "INSERT INTO audit_log (id, at, actor, action, subject, ip, user_agent, affected_user_1, affected_user_2) SELECT * FROM" w
    "WHERE true ON CONFLICT (id) DO NOTHING"
}

/// Adds one entry for a deed done now.
pub fn record(
    conn: &mut Conn,
    context: &AuditContext,
    action: AuditAction,
    subject: String,
    now: Timestamp,
) -> QueryResult<()> {
    let about = affected_user(conn, action, &subject)?;
    insert(conn, &[NewAuditEntry::new(now, context, action, subject, about.as_slice())])
}

/// Whose account, role or key a subject is. What is somebody else's affair (from whom
/// they take no requests) is none of theirs.
fn affected_user(conn: &mut Conn, action: AuditAction, subject: &str) -> QueryResult<Option<UserId>> {
    let number = |text: &str| text.parse().ok().map(UserId);
    Ok(match subject.split_once(':') {
        Some(("user", id)) if action.name().starts_with("user.") => number(id),
        Some(("hub", rest)) => rest.rsplit_once("/user:").and_then(|(_, id)| number(id)),
        Some(("key", id)) => match id.parse() {
            Ok(id) => api_keys::owner(conn, id)?,
            Err(_) => None,
        },
        _ => None,
    })
}

/// Adds entries; one whose id is taken is passed over.
pub(super) fn insert(conn: &mut Conn, entries: &[NewAuditEntry]) -> QueryResult<()> {
    insert_statement(entries).run(conn).map(drop)
}

/// Whether this entry was committed; if it was not, it never will be. Waits for a
/// transaction that may yet commit it: its id is unique, so nobody else can add it
/// before that one is over. A statement that has not come by yet is not waited for,
/// so the id is taken: what comes late finds it so, and does nothing.
pub(super) fn was_committed(conn: &mut Conn, event: &NewAuditEntry) -> QueryResult<bool> {
    let abandoned =
        NewAuditEntry { action: AuditAction::OperationAbandoned, affected_users: [None; 2], ..event.clone() };
    insert(conn, std::slice::from_ref(&abandoned))?;
    let action: String = with_backend!(conn, c => dsl::audit_log.filter(dsl::id.eq(DbUuid(event.id))).select(dsl::action).first(c))?;
    Ok(action != abandoned.action.name())
}

/// The entries, to be added.
pub(super) fn insert_statement(events: &[NewAuditEntry]) -> InsertAuditEntries<'_> {
    let mut rows = InsertAuditEntries::default();
    for event in events {
        let [first, second] = event.affected_users;
        rows.push((
            DbUuid(event.id),
            DbTimestamp(event.at),
            event.context.actor.map(|user| user.0),
            event.action.name(),
            &event.subject,
            event.context.ip.map(|address| address.to_string()),
            event.context.user_agent.as_deref(),
            first.map(|user| user.0),
            second.map(|user| user.0),
        ));
    }
    rows
}

/// Deletes up to `most` of the entries that were made before `cutoff`, but for those
/// that somebody else is about to delete; how many that were.
pub fn delete_expired(conn: &mut Conn, cutoff: Timestamp, limit: i64) -> QueryResult<usize> {
    conn.disable_statement_timeout()?;
    let old = dsl::audit_log
        .filter(dsl::id.lt(DbUuid(min_id_at(cutoff))))
        .order(dsl::id)
        .limit(limit)
        .select(dsl::id);
    let old: Vec<DbUuid> = match &mut conn.backend {
        Backend::Postgres(pg) => old.for_update().skip_locked().load(&mut **pg)?,
        Backend::Sqlite(sqlite) => old.load(&mut **sqlite)?,
    };
    with_backend!(conn, c => diesel::delete(dsl::audit_log.filter(dsl::id.eq_any(&old))).execute(c))
}

/// The ids that an entry may have which was made at just this moment, to a quarter of a
/// microsecond (see [`Entropy::uuid`](crate::domain::token::Entropy::uuid)): from the
/// first, and below the second.
pub(super) fn id_range_at(at: Timestamp) -> (Uuid, Uuid) {
    let from = min_id_at(at).as_u128();
    let fraction = u128::try_from(at.micros().rem_euclid(1_000) * 4_096 / 1_000).unwrap_or_default();
    let first = from | 7 << 76 | fraction << 64;
    (Uuid::from_u128(first), Uuid::from_u128(first + (1 << 64)))
}

/// What no id of an entry is below that was made at this moment or later: the ids begin
/// with milliseconds.
pub(super) fn min_id_at(at: Timestamp) -> Uuid {
    let millis = u64::try_from(at.millis()).unwrap_or_default();
    Uuid::from_u128(u128::from(millis) << 80)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_its_moment() {
        for micros in [1_893_456_000_000_000, 1_893_456_000_000_001, 1_893_456_000_000_999] {
            let at = Timestamp::from_micros(micros);
            let (id, (first, next)) = (entropy::token().uuid(at), id_range_at(at));
            assert!(min_id_at(at) <= first && first <= id && id < next, "{id} {first} {next}");
            let later = Timestamp::from_micros(micros + 1);
            assert!(id < id_range_at(later).0);
        }
    }
}
