//! Webhooks. Each change writes an audit entry.

use diesel::prelude::*;

use super::audit_log::is_visible;
use super::connection::{Conn, for_update, with_backend};
use super::page::{LimitOffset, Paginated};
use super::schema::users;
use super::schema::webhooks::{self, dsl};
use super::types::DbTimestamp;
use super::webhook_secrets::{SealedSecrets, new_secret, seal};
use super::{audit_log, user_row};
use crate::domain::audit::{AuditAction, AuditContext};
use crate::domain::bundle::Description;
use crate::domain::timestamp::Timestamp;
use crate::domain::token::Keyring;
use crate::domain::user::{Email, UserId};
use crate::domain::webhook::{
    DisabledReason, EventFilter, EventScope, InvalidWebhookUrl, MAX_WEBHOOKS_PER_USER,
    SECRET_OVERLAP_SECONDS, Webhook, WebhookId, WebhookSecret, WebhookUrl,
};

#[derive(Queryable, Selectable)]
#[diesel(table_name = webhooks)]
struct WebhookRow {
    id: i64,
    owner: i64,
    url: String,
    events: String,
    scope: String,
    description: String,
    created_at: DbTimestamp,
    disabled_at: Option<DbTimestamp>,
    disabled_reason: Option<String>,
    failures: i32,
    failing_since: Option<DbTimestamp>,
}

/// A webhook to be inserted.
#[derive(Clone, Debug)]
pub struct NewWebhook {
    pub owner: UserId,
    pub url: WebhookUrl,
    pub events: EventFilter,
    pub scope: EventScope,
    pub description: Description,
    /// Whether deliveries are made.
    pub active: bool,
}

/// A change of a webhook. `None` leaves a field unchanged.
#[derive(Clone, Debug, Default)]
pub struct WebhookChange {
    pub url: Option<WebhookUrl>,
    pub events: Option<EventFilter>,
    pub scope: Option<EventScope>,
    pub description: Option<Description>,
    /// `true` also forgets the failures.
    pub active: Option<bool>,
}

/// The owner has [`MAX_WEBHOOKS_PER_USER`] webhooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a user can have at most {MAX_WEBHOOKS_PER_USER} webhooks")]
pub struct TooManyWebhooks;

/// A webhook of an active user.
#[derive(Clone, Debug)]
pub struct ActiveWebhook {
    pub webhook: Webhook,
    pub owner_is_staff: bool,
    pub secrets: SealedSecrets,
}

/// The rows of the webhooks of active users.
macro_rules! active_rows {
    () => {
        dsl::webhooks.inner_join(users::table).filter(users::active).order(dsl::id).select((
            WebhookRow::as_select(),
            SealedSecrets::as_select(),
            users::staff,
        ))
    };
}

impl ActiveWebhook {
    /// Whether it receives the events of all users. A user who is no longer staff gets only those that they see.
    pub const fn receives_all(&self) -> bool {
        matches!(self.webhook.scope, EventScope::All) && self.owner_is_staff
    }

    /// Whether the owner may see an entry of the audit log with this actor and these other affected users, with the
    /// scope of the webhook.
    pub fn may_see(&self, actor: Option<UserId>, affected_users: [Option<UserId>; 2]) -> bool {
        self.receives_all() || is_visible(self.webhook.owner, actor, affected_users)
    }
}

/// Inserts a webhook with a new secret.
pub fn insert(
    conn: &mut Conn,
    new: &NewWebhook,
    keyring: &Keyring,
    context: &AuditContext,
    now: Timestamp,
) -> QueryResult<Result<(Webhook, WebhookSecret), TooManyWebhooks>> {
    // Of two transactions, the second one counts the webhook of the first.
    user_row::lock(conn, new.owner)?;
    let count: i64 = with_backend!(conn, c => dsl::webhooks
        .filter(dsl::owner.eq(new.owner.0))
        .count()
        .get_result(c))?;
    if count >= MAX_WEBHOOKS_PER_USER {
        return Ok(Err(TooManyWebhooks));
    }
    let disabled = (!new.active).then_some((now, DisabledReason::Owner));
    let values = (
        dsl::owner.eq(new.owner.0),
        dsl::url.eq(new.url.as_str()),
        dsl::events.eq(new.events.to_string()),
        dsl::scope.eq(new.scope.name()),
        dsl::description.eq(new.description.as_str()),
        dsl::created_at.eq(DbTimestamp(now)),
        // The seal needs the id.
        dsl::secret.eq(&[] as &[u8]),
        dsl::disabled_at.eq(disabled.map(|(at, _)| DbTimestamp(at))),
        dsl::disabled_reason.eq(disabled.map(|(_, reason)| reason.name())),
    );
    let id: i64 = with_backend!(conn, c => diesel::insert_into(dsl::webhooks)
        .values(values)
        .returning(dsl::id)
        .get_result(c))?;
    let id = WebhookId(id);
    let secret = new_secret();
    with_backend!(conn, c => diesel::update(dsl::webhooks.find(id.0))
        .set(dsl::secret.eq(seal(id, &secret, keyring)))
        .execute(c))?;
    record(conn, id, new.owner, AuditAction::WebhookCreated, context, now)?;
    let NewWebhook { owner, url, events, scope, description, active: _ } = new.clone();
    let webhook = Webhook {
        id,
        owner,
        url,
        events,
        scope,
        description,
        created_at: now,
        disabled,
        failures: 0,
        failing_since: None,
    };
    Ok(Ok((webhook, secret)))
}

/// Changes a webhook of this owner. `None`: there is no such webhook.
pub fn update(
    conn: &mut Conn,
    id: WebhookId,
    owner: UserId,
    change: WebhookChange,
    context: &AuditContext,
    now: Timestamp,
) -> QueryResult<Option<Webhook>> {
    let Some(before) = lock(conn, id, Some(owner))? else { return Ok(None) };
    let WebhookChange { url, events, scope, description, active } = change;
    let mut after = before.clone();
    after.url = url.unwrap_or(after.url);
    after.events = events.unwrap_or(after.events);
    after.scope = scope.unwrap_or(after.scope);
    after.description = description.unwrap_or(after.description);
    match active {
        Some(true) => (after.disabled, after.failures, after.failing_since) = (None, 0, None),
        Some(false) => after.disabled = after.disabled.or(Some((now, DisabledReason::Owner))),
        None => {}
    }
    if after == before {
        return Ok(Some(after));
    }
    let values = (
        dsl::url.eq(after.url.as_str()),
        dsl::events.eq(after.events.to_string()),
        dsl::scope.eq(after.scope.name()),
        dsl::description.eq(after.description.as_str()),
        dsl::disabled_at.eq(after.disabled.map(|(at, _)| DbTimestamp(at))),
        dsl::disabled_reason.eq(after.disabled.map(|(_, reason)| reason.name())),
        dsl::failures.eq(after.failures),
        dsl::failing_since.eq(after.failing_since.map(DbTimestamp)),
    );
    with_backend!(conn, c => diesel::update(dsl::webhooks.find(id.0)).set(values).execute(c))?;
    record(conn, id, owner, AuditAction::WebhookChanged, context, now)?;
    Ok(Some(after))
}

/// Deletes a webhook, if its owner matches `owner_filter`. Returns whether there was such a webhook.
pub fn delete(
    conn: &mut Conn,
    id: WebhookId,
    owner_filter: Option<UserId>,
    context: &AuditContext,
    now: Timestamp,
) -> QueryResult<bool> {
    let Some(webhook) = lock(conn, id, owner_filter)? else { return Ok(false) };
    with_backend!(conn, c => diesel::delete(dsl::webhooks.find(id.0)).execute(c))?;
    record(conn, id, webhook.owner, AuditAction::WebhookDeleted, context, now)?;
    Ok(true)
}

/// Gives a webhook of this owner a new secret. The one before it also signs for [`SECRET_OVERLAP_SECONDS`]. `None`:
/// there is no such webhook.
pub fn rotate_secret(
    conn: &mut Conn,
    id: WebhookId,
    owner: UserId,
    keyring: &Keyring,
    context: &AuditContext,
    now: Timestamp,
) -> QueryResult<Option<WebhookSecret>> {
    if lock(conn, id, Some(owner))?.is_none() {
        return Ok(None);
    }
    let secret = new_secret();
    let values = (
        dsl::previous_secret.eq(dsl::secret.nullable()),
        dsl::previous_secret_ends_at.eq(Some(DbTimestamp(now.plus_seconds(SECRET_OVERLAP_SECONDS)))),
        dsl::secret.eq(seal(id, &secret, keyring)),
    );
    with_backend!(conn, c => diesel::update(dsl::webhooks.find(id.0)).set(values).execute(c))?;
    record(conn, id, owner, AuditAction::WebhookSecretRotated, context, now)?;
    Ok(Some(secret))
}

/// A page of a user's webhooks, oldest first.
pub fn list_by_owner(conn: &mut Conn, owner: UserId, page: LimitOffset) -> QueryResult<Paginated<Webhook>> {
    macro_rules! own {
        () => {
            dsl::webhooks.filter(dsl::owner.eq(owner.0))
        };
    }
    let total = with_backend!(conn, c => own!().count().get_result(c))?;
    let rows: Vec<WebhookRow> = with_backend!(conn, c => own!()
        .order(dsl::id)
        .limit(page.limit)
        .offset(page.offset)
        .select(WebhookRow::as_select())
        .load(c))?;
    Ok(Paginated { rows: rows.into_iter().map(Webhook::try_from).collect::<Result<_, _>>()?, total })
}

/// All webhooks, or those of this owner, each with the address of its owner, oldest first.
pub fn with_owners(conn: &mut Conn, owner: Option<UserId>) -> QueryResult<Vec<(Webhook, Email)>> {
    let rows: Vec<(WebhookRow, String)> = with_backend!(conn, c => {
        let mut query = dsl::webhooks.inner_join(users::table).into_boxed();
        if let Some(owner) = owner {
            query = query.filter(dsl::owner.eq(owner.0));
        }
        query.order(dsl::id).select((WebhookRow::as_select(), users::email)).load(c)
    })?;
    rows.into_iter().map(|(row, email)| Ok((row.try_into()?, Email::from_db(email)))).collect()
}

/// Those of a user's webhooks with these ids, in no particular order.
pub fn by_ids(conn: &mut Conn, owner: UserId, ids: &[WebhookId]) -> QueryResult<Vec<Webhook>> {
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    let rows: Vec<WebhookRow> = with_backend!(conn, c => dsl::webhooks
        .filter(dsl::id.eq_any(&ids).and(dsl::owner.eq(owner.0)))
        .select(WebhookRow::as_select())
        .load(c))?;
    rows.into_iter().map(Webhook::try_from).collect()
}

/// A webhook, if its owner matches `owner_filter`.
pub fn find(conn: &mut Conn, id: WebhookId, owner_filter: Option<UserId>) -> QueryResult<Option<Webhook>> {
    let row: Option<WebhookRow> = with_backend!(conn, c => dsl::webhooks
        .find(id.0)
        .select(WebhookRow::as_select())
        .first(c)
        .optional())?;
    let row = row.filter(|row| owner_filter.is_none_or(|owner| owner.0 == row.owner));
    row.map(Webhook::try_from).transpose()
}

/// Every webhook that is not disabled and has an active owner, by id.
pub fn active(conn: &mut Conn) -> QueryResult<Vec<ActiveWebhook>> {
    load_active(with_backend!(conn, c => active_rows!().filter(dsl::disabled_at.is_null()).load(c))?)
}

/// Whether there is a webhook that is not disabled. Its owner may be.
pub fn is_any_active(conn: &mut Conn) -> QueryResult<bool> {
    let enabled = dsl::webhooks.filter(dsl::disabled_at.is_null()).select(dsl::id).limit(1);
    let found: Option<i64> = with_backend!(conn, c => enabled.first(c).optional())?;
    Ok(found.is_some())
}

/// Ends the pause after a failure: the next attempt is made at once.
pub fn end_pause(conn: &mut Conn, id: WebhookId) -> QueryResult<()> {
    let set = dsl::paused_until.eq(None::<DbTimestamp>);
    with_backend!(conn, c => diesel::update(dsl::webhooks.find(id.0)).set(set).execute(c)).map(drop)
}

/// Those of the webhooks with these ids that have an active owner, also if they are disabled.
pub(super) fn active_by_ids(conn: &mut Conn, ids: &[WebhookId]) -> QueryResult<Vec<ActiveWebhook>> {
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    load_active(with_backend!(conn, c => active_rows!().filter(dsl::id.eq_any(&ids)).load(c))?)
}

fn load_active(rows: Vec<(WebhookRow, SealedSecrets, bool)>) -> QueryResult<Vec<ActiveWebhook>> {
    rows.into_iter()
        .map(|(row, secrets, owner_is_staff)| {
            Ok(ActiveWebhook { webhook: row.try_into()?, owner_is_staff, secrets })
        })
        .collect()
}

/// A webhook, if its owner matches `owner_filter`. Locks its row until the end of the transaction.
fn lock(conn: &mut Conn, id: WebhookId, owner_filter: Option<UserId>) -> QueryResult<Option<Webhook>> {
    let rows: Vec<WebhookRow> =
        for_update!(conn, dsl::webhooks.filter(dsl::id.eq(id.0)).select(WebhookRow::as_select()))?;
    let row = rows.into_iter().find(|row| owner_filter.is_none_or(|owner| owner.0 == row.owner));
    row.map(Webhook::try_from).transpose()
}

fn record(
    conn: &mut Conn,
    id: WebhookId,
    owner: UserId,
    action: AuditAction,
    context: &AuditContext,
    now: Timestamp,
) -> QueryResult<()> {
    audit_log::record_affecting(conn, owner, context, action, format!("webhook:{id}"), now)
}

impl TryFrom<WebhookRow> for Webhook {
    type Error = diesel::result::Error;

    /// The URL was checked when it was written.
    fn try_from(row: WebhookRow) -> Result<Self, Self::Error> {
        let invalid = |error: InvalidWebhookUrl| diesel::result::Error::DeserializationError(Box::new(error));
        let disabled = row.disabled_at.zip(row.disabled_reason);
        Ok(Self {
            id: WebhookId(row.id),
            owner: UserId(row.owner),
            url: row.url.parse().map_err(invalid)?,
            events: EventFilter::from_db(&row.events),
            scope: EventScope::from_name(&row.scope).unwrap_or_default(),
            description: Description::from_db(row.description),
            created_at: row.created_at.0,
            disabled: disabled.map(|(at, reason)| (at.0, DisabledReason::from_db(&reason))),
            failures: row.failures,
            failing_since: row.failing_since.map(|at| at.0),
        })
    }
}
