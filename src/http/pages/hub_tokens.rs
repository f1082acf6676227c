//! `/hub/tokens`: all export tokens of a hub, for its admins and for staff.

use actix_web::HttpResponse;
use actix_web::web::Data;
use minijinja::{Value, context};
use serde::Deserialize;
use utoipa::ToSchema;

use super::context::PageContext;
use super::error::PageError;
use super::export_tokens::row;
use super::form::Form;
use super::pager::Pager;
use super::responses::{StaffForm, StaffPage};
use super::url::{query_encode, see_other};
use crate::domain::export_token::ExportTokenRef;
use crate::domain::hub::HubId;
use crate::domain::user::{Authority, Email};
use crate::domain::validated_text::sanitize_for_display;
use crate::http::error::ApiError;
use crate::http::routing::{Endpoint, endpoints};
use crate::http::state::AppState;
use crate::services::export_tokens::{self, TokensWithCreators};
use crate::services::sessions::SignedIn;
use crate::store::export_tokens::ListedExport;

pub(super) fn endpoints() -> Vec<Endpoint> {
    endpoints![show, revoke]
}

/// The URL of the page of a hub.
pub(super) fn hub_tokens_url(hub: &HubId) -> String {
    format!("/hub/tokens?id={}", query_encode(hub.as_str()))
}

/// Lists the export tokens of a hub, for its admins and for staff.
#[utoipa::path(
    get,
    path = "/hub/tokens",
    operation_id = "hub_tokens_page",
    security(()),
    params(
        ("id" = Option<String>, Query, nullable = false, description = "The hub's id."),
        ("offset" = Option<String>, Query, nullable = false, description = "Number of tokens to skip."),
        ("flash" = Option<String>, Query, nullable = false, description = "The result of the last action."),
    ),
    responses(StaffPage),
)]
async fn show(state: Data<AppState>, ctx: PageContext) -> Result<HttpResponse, PageError> {
    let user = &ctx.require_user()?.user;
    let id = HubId::new(&ctx.query_param("id").unwrap_or_default()).map_err(|_| ApiError::NotFound)?;
    let pager = Pager::new(&ctx, "offset");
    let listed = export_tokens::list_of_hub(&state.store, user, id.clone(), pager.limit_plus_one());
    let (name, TokensWithCreators { mut tokens, creators }) = listed.await?.ok_or(ApiError::NotFound)?;
    let pagination = pager.finish(&mut tokens);
    let row = |listed: &ListedExport| {
        let creator = creators.get(&listed.token.creator).map(Email::as_str);
        context! { creator, ..row(listed, &ctx) }
    };
    let context = context! {
        id => id.as_str(),
        name => sanitize_for_display(&name),
        flash => ctx.flash("flash", &["token-revoked"]),
        tokens => tokens.iter().map(row).collect::<Vec<Value>>(),
        pagination,
    };
    Ok(ctx.render_ok("hub-tokens", context))
}

/// The fields of the form.
#[derive(Deserialize, ToSchema)]
#[schema(as = page::RevokeHubToken)]
struct RevokeForm {
    /// The CSRF token of the page.
    #[serde(rename = "csrf")]
    _csrf: String,
    /// The hub's id.
    hub: String,
    /// The token's id.
    token: String,
}

/// Revokes an export token of a hub, no matter who created it, for its admins and for staff.
/// Idempotent.
#[utoipa::path(
    post,
    path = "/hub/tokens/revoke",
    operation_id = "revoke_hub_token_form",
    security(()),
    request_body(content = RevokeForm, content_type = "application/x-www-form-urlencoded"),
    responses(StaffForm),
)]
async fn revoke(state: Data<AppState>, form: Form) -> Result<HttpResponse, PageError> {
    let SignedIn { user, .. } = form.require_user("/tokens")?;
    let RevokeForm { hub, token, .. } = form.fields.to()?;
    let hub = HubId::new(&hub).map_err(|_| ApiError::NotFound)?;
    let token = ExportTokenRef::parse(&token).filter(|token| token.digest.is_none());
    let by = if user.staff { Authority::Operator } else { Authority::User(user.id) };
    let back = format!("{}&flash=token-revoked", hub_tokens_url(&hub));
    let audit = form.ctx.audit.clone();
    let revoked = state.registry.revoke_export_of_hub(token.ok_or(ApiError::NotFound)?, hub, by, audit);
    match revoked.await? {
        Some(_) => Ok(see_other(&back)),
        None => Err(ApiError::NotFound.into()),
    }
}
