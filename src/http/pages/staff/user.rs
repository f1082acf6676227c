//! `/staff/users/{id}`: a user's API keys and sessions, which staff can end.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use minijinja::{Value, context};
use uuid::Uuid;

use crate::domain::token::{ApiKeyId, SessionId};
use crate::domain::user::{User, UserId};
use crate::http::error::ApiError;
use crate::http::pages::account::session_row;
use crate::http::pages::api_keys;
use crate::http::pages::context::PageContext;
use crate::http::pages::error::PageError;
use crate::http::pages::form::{CsrfForm, Form};
use crate::http::pages::pager::Pager;
use crate::http::pages::responses::{StaffForm, StaffPage};
use crate::http::pages::url::{parse_id, see_other};
use crate::http::routing::{Endpoint, endpoints};
use crate::http::state::AppState;
use crate::services::admin::{api_keys as keys_of_users, sessions, users};
use crate::services::api_keys as keys;

pub(super) fn endpoints() -> Vec<Endpoint> {
    endpoints![show, revoke_key, end_sessions, end_session]
}

/// The URL of a user's page.
fn user_url(id: UserId) -> String {
    format!("/staff/users/{id}")
}

async fn find_user(state: &AppState, segment: &str) -> Result<User, PageError> {
    let id = UserId(parse_id(segment)?);
    Ok(state.store.read(users::by_id(id)).await?.ok_or(ApiError::NotFound)?)
}

/// A user's API keys and sessions, for staff.
#[utoipa::path(
    get,
    path = "/staff/users/{id}",
    operation_id = "staff_user_page",
    security(()),
    params(
        ("id" = String, Path, description = "The user's number."),
        ("keys" = Option<String>, Query, nullable = false, description = "Number of keys to skip."),
    ),
    responses(StaffPage),
)]
async fn show(
    state: Data<AppState>,
    segment: Path<String>,
    ctx: PageContext,
) -> Result<HttpResponse, PageError> {
    ctx.require_staff()?;
    let user = find_user(&state, &segment).await?;
    let pager = Pager::new(&ctx, "keys");
    let keys = keys::list(&state.store, user.id, pager.page()).await?;
    let sessions = state.store.read(sessions::of_user(user.id)).await?;
    let context = context! {
        id => user.id.0,
        email => user.email.as_str(),
        name => user.full_name(),
        active => user.active,
        flash => ctx.flash("staff-user", &["key-revoked", "session-ended", "sessions-ended"]),
        keys => keys.rows.iter().map(api_keys::row).collect::<Vec<Value>>(),
        pagination => pager.links(keys.total),
        sessions => sessions.iter().map(|session| session_row(session, &ctx)).collect::<Vec<Value>>(),
    };
    Ok(ctx.render_ok("staff-user", context))
}

/// Revokes a user's API key, for staff: on this server immediately, on other replicas within five
/// seconds. Idempotent.
#[utoipa::path(
    post,
    path = "/staff/users/{id}/keys/{key}/revoke",
    operation_id = "staff_revoke_key_form",
    security(()),
    params(
        ("id" = String, Path, description = "The user's number."),
        ("key" = String, Path, description = "The key's id."),
    ),
    request_body(content = CsrfForm, content_type = "application/x-www-form-urlencoded"),
    responses(StaffForm),
)]
async fn revoke_key(
    state: Data<AppState>,
    segments: Path<(String, String)>,
    Form { ctx, .. }: Form,
) -> Result<HttpResponse, PageError> {
    let (user, key) = segments.into_inner();
    ctx.require_staff_or_return_to(super::users::PATH)?;
    let (user, key) = (find_user(&state, &user).await?.id, ApiKeyId(parse_id::<Uuid>(&key)?));
    if !state.store.write(keys_of_users::revoke(key, Some(user), ctx.audit)).await? {
        return Err(ApiError::NotFound.into());
    }
    state.authenticator.invalidate(user);
    Ok(see_other(&format!("{}?flash=key-revoked", user_url(user))))
}

/// Ends a user's session, for staff.
#[utoipa::path(
    post,
    path = "/staff/users/{id}/sessions/{session}/end",
    operation_id = "staff_end_session_form",
    security(()),
    params(
        ("id" = String, Path, description = "The user's number."),
        ("session" = String, Path, description = "The session's id."),
    ),
    request_body(content = CsrfForm, content_type = "application/x-www-form-urlencoded"),
    responses(StaffForm),
)]
async fn end_session(
    state: Data<AppState>,
    segments: Path<(String, String)>,
    Form { ctx, .. }: Form,
) -> Result<HttpResponse, PageError> {
    let (user, session) = segments.into_inner();
    ctx.require_staff_or_return_to(super::users::PATH)?;
    let (user, session) = (find_user(&state, &user).await?.id, SessionId(parse_id::<Uuid>(&session)?));
    if !state.store.write(sessions::end(user, session, ctx.audit)).await? {
        return Err(ApiError::NotFound.into());
    }
    Ok(see_other(&format!("{}?flash=session-ended", user_url(user))))
}

/// Ends all sessions of a user, for staff. Idempotent.
#[utoipa::path(
    post,
    path = "/staff/users/{id}/sessions/end",
    operation_id = "staff_end_sessions_form",
    security(()),
    params(("id" = String, Path, description = "The user's number.")),
    request_body(content = CsrfForm, content_type = "application/x-www-form-urlencoded"),
    responses(StaffForm),
)]
async fn end_sessions(
    state: Data<AppState>,
    segment: Path<String>,
    Form { ctx, .. }: Form,
) -> Result<HttpResponse, PageError> {
    ctx.require_staff_or_return_to(super::users::PATH)?;
    let user = find_user(&state, &segment).await?.id;
    state.store.write(sessions::end_all(user, ctx.audit)).await?;
    Ok(see_other(&format!("{}?flash=sessions-ended", user_url(user))))
}
