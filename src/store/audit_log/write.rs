//! Writing audit entries.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Nullable, Text};
use uuid::Uuid;

use crate::domain::audit::{AuditAction, AuditContext};
use crate::domain::seal::SALT_BYTES;
use crate::domain::timestamp::Timestamp;
use crate::domain::user::UserId;
use crate::entropy;
use crate::store::bulk::bulk;
use crate::store::connection::{Conn, with_backend};
use crate::store::schema::audit_log::dsl;
use crate::store::types::{DbTimestamp, DbUuid, SqlTimestamp, SqlUuid};

/// An entry to be written.
#[derive(Clone, Debug)]
pub struct NewAuditEntry {
    pub id: Uuid,
    pub at: Timestamp,
    pub context: AuditContext,
    pub action: AuditAction,
    /// The type and the id of the subject, for example `request:12`.
    pub subject: String,
    /// Users other than the actor who see the entry in their own audit log.
    pub affected_users: [Option<UserId>; 2],
    /// The salt of the commitment to the address and the client, if there are any.
    salt: Option<[u8; SALT_BYTES]>,
}

impl NewAuditEntry {
    /// An entry for an operation that happens now. Of the affected users, the first two other
    /// than the actor are kept.
    pub fn new(
        now: Timestamp,
        context: &AuditContext,
        action: AuditAction,
        subject: String,
        affected: &[UserId],
    ) -> Self {
        let entropy = entropy::token();
        let mut others = affected.iter().copied().filter(|user| context.actor != Some(*user));
        Self {
            id: entropy.uuid(now),
            at: now,
            context: context.clone(),
            action,
            subject,
            affected_users: [others.next(), others.next()],
            salt: (context.ip.is_some() || context.user_agent.is_some()).then(|| entropy.salt()),
        }
    }
}

bulk! {
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
        salt: Nullable<Binary> => Option<[u8; SALT_BYTES]>,
    }
    "INSERT INTO audit_log (id, at, actor, action, subject, ip, user_agent, affected_user_1, affected_user_2, salt) \
     SELECT * FROM" w ""
}

/// Writes one entry. The affected user is the one that the subject names, if any.
pub fn record(
    conn: &mut Conn,
    context: &AuditContext,
    action: AuditAction,
    subject: String,
    now: Timestamp,
) -> QueryResult<()> {
    let affected = user_of_subject(action, &subject);
    insert(conn, &[NewAuditEntry::new(now, context, action, subject, affected.as_slice())])
}

/// Writes one entry that affects a user whom the subject does not name.
pub(in crate::store) fn record_affecting(
    conn: &mut Conn,
    affected: UserId,
    context: &AuditContext,
    action: AuditAction,
    subject: String,
    now: Timestamp,
) -> QueryResult<()> {
    insert(conn, &[NewAuditEntry::new(now, context, action, subject, &[affected])])
}

/// The user of the subjects `user:<id>` and `hub:<hub>/user:<id>`. An action about a user that
/// is not about their account, such as blocking them, does not affect them.
fn user_of_subject(action: AuditAction, subject: &str) -> Option<UserId> {
    let id = match subject.split_once(':')? {
        ("user", id) if action.name().starts_with("user.") => id,
        ("hub", member) => member.rsplit_once("/user:")?.1,
        _ => return None,
    };
    id.parse().ok().map(UserId)
}

/// Writes entries.
pub(in crate::store) fn insert(conn: &mut Conn, entries: &[NewAuditEntry]) -> QueryResult<()> {
    insert_statement(entries).run(conn).map(drop)
}

/// Whether the transaction with this entry was committed. If it was not, it never will be.
///
/// Inserts `operation.abandoned` under the entry's id. If a transaction that has inserted the
/// entry is still open, the unique id makes this insert wait for its end. A statement that has
/// not reached the database yet fails, because the id is taken.
pub(in crate::store) fn was_committed(conn: &mut Conn, entry: &NewAuditEntry) -> QueryResult<bool> {
    let abandoned = AuditAction::OperationAbandoned;
    let values = (
        dsl::id.eq(DbUuid(entry.id)),
        dsl::at.eq(DbTimestamp(entry.at)),
        dsl::actor.eq(entry.context.actor.map(|user| user.0)),
        dsl::action.eq(abandoned.name()),
        dsl::subject.eq(&entry.subject),
        dsl::ip.eq(entry.context.ip.map(|address| address.to_string())),
        dsl::user_agent.eq(entry.context.user_agent.as_deref()),
        dsl::salt.eq(entry.salt.as_ref().map(<[u8; SALT_BYTES]>::as_slice)),
    );
    with_backend!(conn, c => diesel::insert_into(dsl::audit_log)
        .values(&values)
        .on_conflict_do_nothing()
        .execute(c))?;
    // If the id is taken, the transaction has a number, for the position, but has written nothing: its COMMIT would
    // not wait for a synchronous standby.
    conn.confirm_visible_rows()?;
    let stored = dsl::audit_log.filter(dsl::id.eq(DbUuid(entry.id))).select(dsl::action);
    let action: String = with_backend!(conn, c => stored.first(c))?;
    Ok(action != abandoned.name())
}

/// The statement that inserts entries.
pub(in crate::store) fn insert_statement(entries: &[NewAuditEntry]) -> InsertAuditEntries<'_> {
    let mut rows = InsertAuditEntries::default();
    for entry in entries {
        let [first, second] = entry.affected_users;
        rows.push((
            DbUuid(entry.id),
            DbTimestamp(entry.at),
            entry.context.actor.map(|user| user.0),
            entry.action.name(),
            &entry.subject,
            entry.context.ip.map(|address| address.to_string()),
            entry.context.user_agent.as_deref(),
            first.map(|user| user.0),
            second.map(|user| user.0),
            entry.salt,
        ));
    }
    rows
}
