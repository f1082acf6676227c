//! A user's own account: its password, and an overview of everything the user has.

use super::credentials::{self, KeysOnReset};
use super::sessions;
use crate::domain::audit::AuditContext;
use crate::domain::permission_request::PermissionRequest;
use crate::domain::token::{SessionId, Token};
use crate::domain::user::UserId;
use crate::i18n::Language;
use crate::store::participants::Participants;
use crate::store::permissions;
use crate::store::requests::{self, Side};
use crate::store::sessions as session_rows;
use crate::store::{
    AsyncStore, Conn, LimitOffset, Paginated, QueryResult, StoreError, TermsFilter, api_keys, export_tokens,
    users,
};

/// Why a password was not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChangePasswordError {
    /// The verified password is no longer the current one.
    PasswordChanged,
    SessionEnded,
}

/// What a user has, and the requests that wait for their decision.
pub(crate) struct AccountOverview {
    pub pending_requests: Paginated<PermissionRequest>,
    pub participants: Participants,
    /// Pending requests that the user created.
    pub requested: i64,
    /// Active permissions that the user gave.
    pub granted: i64,
    /// Active permissions that the user received.
    pub received: i64,
    pub active_tokens: i64,
    pub active_keys: i64,
}

/// Changes a password that was verified against `current_hash`, ends all sessions of the user,
/// and opens a new one.
pub(crate) async fn change_password(
    store: &AsyncStore,
    audit: AuditContext,
    session: SessionId,
    user: UserId,
    current_hash: String,
    new_hash: String,
    language: Option<Language>,
) -> Result<Result<Token, ChangePasswordError>, StoreError> {
    let opened = store.write(move |conn| {
        if !users::lock_with_password(conn, user, &current_hash)? {
            return Ok(Err(ChangePasswordError::PasswordChanged));
        }
        let now = conn.now()?;
        if session_rows::active_by_id(conn, session, now)?.is_none() {
            return Ok(Err(ChangePasswordError::SessionEnded));
        }
        credentials::set_password(conn, user, &new_hash, KeysOnReset::Keep, &audit)?;
        sessions::open(conn, user, &audit, language).map(Ok)
    });
    opened.await
}

/// Reads a user's overview, with a page of the pending requests.
pub(crate) async fn overview(
    store: &AsyncStore,
    user: UserId,
    page: LimitOffset,
) -> Result<AccountOverview, StoreError> {
    store.read(move |conn| load_overview(conn, user, page)).await
}

fn load_overview(conn: &mut Conn, user: UserId, page: LimitOffset) -> QueryResult<AccountOverview> {
    const NO_ROWS: LimitOffset = LimitOffset { limit: 0, offset: 0 };
    let granted = TermsFilter { targets: Some(vec![user.0]), ..TermsFilter::default() };
    let received = TermsFilter { grantees: Some(vec![user.0]), ..TermsFilter::default() };
    let now = conn.now()?;
    let pending_requests = requests::pending_of_side(conn, Side::Target, user, page, now)?;
    Ok(AccountOverview {
        participants: Participants::load(conn, pending_requests.rows.iter().map(|request| request.terms))?,
        pending_requests,
        requested: requests::pending_of_side(conn, Side::Grantee, user, NO_ROWS, now)?.total,
        granted: permissions::list_for_party(conn, user, &granted, NO_ROWS, now)?.total,
        received: permissions::list_for_party(conn, user, &received, NO_ROWS, now)?.total,
        active_tokens: export_tokens::count_by_creator(conn, user, now)?.1,
        active_keys: api_keys::count_active(conn, user)?,
    })
}
