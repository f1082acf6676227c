//! `/access`: the permissions that somebody has given, and those that they have.

use actix_web::HttpResponse;
use actix_web::web::{self, Data, Path, ServiceConfig};
use minijinja::{Value, context};
use utoipa::OpenApi;

use super::HtmlErrors;
use super::context::PageContext;
use super::error::{PageError, see_other};
use super::form::{CsrfForm, Form};
use super::pager::{Pager, flash, parse_number};
use super::templates;
use crate::domain::bundle_permission::{BundlePermission, BundlePermissionId};
use crate::domain::user::UserId;
use crate::http::error::ApiError;
use crate::http::openapi::error_responses::{BodyErrors, Errors};
use crate::http::routing::get;
use crate::http::state::AppState;
use crate::store::participants::Participants;
use crate::store::permissions::{self, PermissionFilter};

pub(super) fn routes(app: &mut ServiceConfig) {
    app.service(templates::resource("/access", "GET, HEAD").route(get().to(show)))
        .service(templates::resource("/access/{id}/revoke", "POST").route(web::post().to(revoke)));
}

#[derive(OpenApi)]
#[openapi(paths(show, revoke))]
pub(super) struct Document;

/// The permissions that the one who is signed in gives and has.
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
    responses(
        (status = 200, description = "The page.", body = String, content_type = "text/html"),
        (status = 303, description = "Not signed in. Redirects to the sign-in page."),
        Errors<HtmlErrors, 503>,
    ),
)]
async fn show(services: Data<AppState>, ctx: PageContext) -> Result<HttpResponse, PageError> {
    let me = ctx.require_user()?.user.id;
    let [granted, received] = ["granted", "received"].map(|name| Pager::new(&ctx, name));
    let [granted_page, received_page] = [granted, received].map(Pager::page);
    let found = services.store.read(move |conn| {
        let of_me = || Some(vec![me.0]);
        let own = PermissionFilter { targets: of_me(), ..PermissionFilter::default() };
        let others = PermissionFilter { grantees: of_me(), ..PermissionFilter::default() };
        let own = permissions::list_for_party(conn, me, &own, granted_page)?;
        let others = permissions::list_for_party(conn, me, &others, received_page)?;
        let participants =
            Participants::load(conn, own.rows.iter().chain(&others.rows).map(|grant| grant.terms))?;
        Ok((own, others, participants))
    });
    let (own, others, participants) = found.await?;
    let rows = |grants: &[BundlePermission]| -> Vec<Value> {
        grants.iter().filter_map(|grant| row(grant, me, &participants)).collect()
    };
    let context = context! {
        flash => flash(&ctx, "flash", &["revoked", "given-up"]),
        granted_rows => rows(&own.rows),
        granted => granted.links(own.total),
        received_rows => rows(&others.rows),
        received => received.links(others.total),
    };
    Ok(ctx.render_ok("permissions", context))
}

/// Who is the other party to what, since when.
fn row(grant: &BundlePermission, me: UserId, participants: &Participants) -> Option<Value> {
    let parties = participants.parties(grant.terms)?;
    let other = if grant.terms.target == me { parties.grantee } else { parties.target };
    Some(context! {
        id => grant.id.0,
        name => other.display_name(),
        email => other.email.as_str(),
        bundle => parties.bundle.display_name(),
        rights => parties.bundle.permission.bits(),
        since => grant.created_at.micros(),
    })
}

/// Ends a permission, as either party to it.
#[utoipa::path(
    post,
    path = "/access/{id}/revoke",
    operation_id = "revoke_permission_form",
    security(()),
    params(("id" = String, Path, description = "The permission's number.")),
    request_body(content = CsrfForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 303, description = "Revoked. Redirects to the list, or to the sign-in page."),
        BodyErrors<HtmlErrors>,
        Errors<HtmlErrors, 403>,
        Errors<HtmlErrors, 404>,
        Errors<HtmlErrors, 503>,
    ),
)]
async fn revoke(services: Data<AppState>, id: Path<String>, form: Form) -> Result<HttpResponse, PageError> {
    let me = form.require_user("/access")?.user.id;
    let id = BundlePermissionId(parse_number(&id)?);
    let found = services.store.read(move |conn| permissions::by_ids(conn, &[id], me)).await?;
    let grant = found.first().ok_or(ApiError::NotFound)?;
    if !services.registry.revoke_permission(id, me, form.ctx.audit).await? {
        return Err(ApiError::NotFound.into());
    }
    let flash = if grant.terms.target == me { "revoked" } else { "given-up" };
    Ok(see_other(&format!("/access?flash={flash}")))
}
