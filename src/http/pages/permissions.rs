//! `/access`: the permissions that the signed-in user gave and received.

use actix_web::HttpResponse;
use actix_web::http::header::CONTENT_DISPOSITION;
use actix_web::web::{Data, Path};
use minijinja::{Value, context};

use super::context::PageContext;
use super::error::PageError;
use super::form::{CsrfForm, Form};
use super::pager::Pager;
use super::responses::{FormErrors, HtmlErrors, SignedInPage};
use super::url::{parse_number, see_other};
use crate::domain::bundle_permission::{BundlePermission, BundlePermissionId};
use crate::domain::timestamp::Timestamp;
use crate::domain::user::UserId;
use crate::http::error::ApiError;
use crate::http::openapi::error_responses::Errors;
use crate::http::routing::{Endpoint, endpoints};
use crate::http::state::AppState;
use crate::receipt::{MEDIA_TYPE, ReceiptEvent};
use crate::services::permissions;
use crate::store::participants::Participants;

pub(super) fn endpoints() -> Vec<Endpoint> {
    endpoints![show, revoke, receipt]
}

/// Lists the permissions that the signed-in user gave and received.
#[utoipa::path(
    get,
    path = "/access",
    operation_id = "permissions_page",
    security(()),
    params(
        ("granted" = Option<String>, Query, nullable = false, description = "Number of given permissions to skip."),
        ("received" = Option<String>, Query, nullable = false, description = "Number of received permissions to skip."),
        ("flash" = Option<String>, Query, nullable = false, description = "The result of the last action."),
    ),
    responses(SignedInPage),
)]
async fn show(state: Data<AppState>, ctx: PageContext) -> Result<HttpResponse, PageError> {
    let me = ctx.require_user()?.user.id;
    let [granted, received] = ["granted", "received"].map(|name| Pager::new(&ctx, name));
    let lists = permissions::list_for_user(&state.store, me, granted.page(), received.page()).await?;
    let rows = |permissions: &[BundlePermission]| -> Vec<Value> {
        permissions.iter().filter_map(|permission| row(permission, me, &lists.participants)).collect()
    };
    let context = context! {
        flash => ctx.flash("flash", &["revoked", "given-up"]),
        granted_rows => rows(&lists.granted.rows),
        granted => granted.links(lists.granted.total),
        received_rows => rows(&lists.received.rows),
        received => received.links(lists.received.total),
    };
    Ok(ctx.render_ok("permissions", context))
}

/// A permission with its other party.
fn row(permission: &BundlePermission, me: UserId, participants: &Participants) -> Option<Value> {
    let parties = participants.parties(permission.terms)?;
    let other = if permission.terms.target == me { parties.grantee } else { parties.target };
    Some(context! {
        id => permission.id.0,
        name => other.display_name(),
        email => other.email.as_str(),
        bundle => parties.bundle.display_name(),
        rights => permission.permission.bits(),
        since => permission.granted_at.micros(),
        until => permission.expires_at.map(Timestamp::micros),
    })
}

/// Revokes a permission, as either of its parties.
#[utoipa::path(
    post,
    path = "/access/{id}/revoke",
    operation_id = "revoke_permission_form",
    security(()),
    params(("id" = String, Path, description = "The permission's number.")),
    request_body(content = CsrfForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 303, description = "Revoked. Redirects to the list, or to the sign-in page."),
        FormErrors,
        Errors<HtmlErrors, 404>,
    ),
)]
async fn revoke(state: Data<AppState>, id: Path<String>, form: Form) -> Result<HttpResponse, PageError> {
    let me = form.require_user("/access")?.user.id;
    let id = BundlePermissionId(parse_number(&id)?);
    let revoked = permissions::revoke(&state.store, &state.registry, form.ctx.audit, me, id).await?;
    let terms = revoked.ok_or(ApiError::NotFound)?;
    let flash = if terms.target == me { "revoked" } else { "given-up" };
    Ok(see_other(&format!("/access?flash={flash}")))
}

/// Downloads the receipt of a permission, as either of its parties, also after it has ended.
#[utoipa::path(
    get,
    path = "/access/{id}/receipt",
    operation_id = "download_receipt",
    security(()),
    params(
        ("id" = String, Path, description = "The permission's number."),
        ("event_type" = Option<String>, Query, nullable = false, description = "`given`, `withdrawn` or `expired`. Default: the latest."),
    ),
    responses(
        (status = 200, description = "The receipt, as an attachment.", body = String, content_type = MEDIA_TYPE),
        (status = 303, description = "Not signed in. Redirects to the sign-in page."),
        Errors<HtmlErrors, 404>,
        Errors<HtmlErrors, 503>,
    ),
)]
async fn receipt(
    state: Data<AppState>,
    id: Path<String>,
    ctx: PageContext,
) -> Result<HttpResponse, PageError> {
    let me = ctx.require_user()?.user.id;
    let id = BundlePermissionId(parse_number(&id)?);
    let event =
        ctx.query_param("event_type").map(|name| ReceiptEvent::from_name(&name).ok_or(ApiError::NotFound));
    let receipt = state.receipts.issue(&state.store, id, me, event.transpose()?).await?;
    let receipt = receipt.ok_or(ApiError::NotFound)?;
    let attachment = format!("attachment; filename=\"{}\"", receipt.file_name);
    Ok(HttpResponse::Ok()
        .content_type(MEDIA_TYPE)
        .insert_header((CONTENT_DISPOSITION, attachment))
        .body(receipt.text))
}
