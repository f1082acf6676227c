//! `/access`: the permissions that somebody has given, and those that they have.

use actix_web::HttpResponse;
use actix_web::web::{self, Data, Path, ServiceConfig};
use minijinja::{Value, context};
use utoipa::OpenApi;

use super::Html;
use super::error::{PageError, see_other};
use super::listing::{Part, done, number};
use super::post::{Csrf, Post};
use super::view;
use super::visit::Visit;
use crate::domain::grant::{Grant, GrantId};
use crate::domain::user::UserId;
use crate::http::Services;
use crate::http::openapi::refusals::{AnyBody, May};
use crate::http::problem::Problem;
use crate::http::routing::get;
use crate::store::cast::Cast;
use crate::store::grants::{self, GrantFilter};

pub(super) fn routes(app: &mut ServiceConfig) {
    app.service(view::resource("/access", "GET, HEAD").route(get().to(show)))
        .service(view::resource("/access/{id}/revoke", "POST").route(web::post().to(revoke)));
}

#[derive(OpenApi)]
#[openapi(paths(show, revoke))]
pub(super) struct Document;

/// The permissions that the one who is signed in gives and has.
#[utoipa::path(
    get,
    path = "/access",
    operation_id = "access_page",
    security(()),
    params(
        ("given" = Option<String>, Query, nullable = false, description = "Number of given permissions to skip."),
        ("received" = Option<String>, Query, nullable = false, description = "Number of received permissions to skip."),
        ("done" = Option<String>, Query, nullable = false, description = "The result of the last action."),
    ),
    responses(
        (status = 200, description = "The page.", body = String, content_type = "text/html"),
        (status = 303, description = "Not signed in. Redirects to the sign-in page."),
        May<Html, 503>,
    ),
)]
async fn show(services: Data<Services>, visit: Visit) -> Result<HttpResponse, PageError> {
    let me = visit.user()?.user.id;
    let [given, received] = ["given", "received"].map(|name| Part::of(&visit, name));
    let [given_page, received_page] = [given, received].map(Part::page);
    let found = services.directory.read(move |conn| {
        let of_me = || Some(vec![me.0]);
        let own = GrantFilter { targets: of_me(), ..GrantFilter::default() };
        let others = GrantFilter { allowed: of_me(), ..GrantFilter::default() };
        let own = grants::of_party(conn, me, &own, given_page)?;
        let others = grants::of_party(conn, me, &others, received_page)?;
        let cast = Cast::of(conn, own.rows.iter().chain(&others.rows).map(|grant| grant.terms))?;
        Ok((own, others, cast))
    });
    let (own, others, cast) = found.await?;
    let rows = |grants: &[Grant]| -> Vec<Value> {
        grants.iter().filter_map(|grant| row(grant, me, &cast)).collect()
    };
    let context = context! {
        done => done(&visit, "done", &["taken-back", "given-up"]),
        own => rows(&own.rows),
        given => given.links(own.total),
        others => rows(&others.rows),
        received => received.links(others.total),
    };
    Ok(visit.show("access", context))
}

/// Who is the other party to what, since when.
fn row(grant: &Grant, me: UserId, cast: &Cast) -> Option<Value> {
    let scene = cast.scene(grant.terms)?;
    let other = if grant.terms.target == me { scene.allowed } else { scene.target };
    Some(context! {
        id => grant.id.0,
        name => other.display_name(),
        email => other.email.as_str(),
        bundle => scene.bundle.display_name(),
        rights => scene.bundle.permission.bits(),
        since => grant.created_at.micros(),
    })
}

/// Ends a permission, as either party to it.
#[utoipa::path(
    post,
    path = "/access/{id}/revoke",
    operation_id = "revoke_access",
    security(()),
    params(("id" = String, Path, description = "The permission's number.")),
    request_body(content = Csrf, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 303, description = "Revoked. Redirects to the list, or to the sign-in page."),
        AnyBody<Html>,
        May<Html, 403>,
        May<Html, 404>,
        May<Html, 503>,
    ),
)]
async fn revoke(services: Data<Services>, id: Path<String>, post: Post) -> Result<HttpResponse, PageError> {
    let me = post.user("/access")?.user.id;
    let id = GrantId(number(&id)?);
    let found = services.directory.read(move |conn| grants::by_ids(conn, &[id], me)).await?;
    let grant = found.first().ok_or(Problem::NotFound)?;
    if !services.registry.take_back(id, me, post.visit.origin).await? {
        return Err(Problem::NotFound.into());
    }
    let done = if grant.terms.target == me { "taken-back" } else { "given-up" };
    Ok(see_other(&format!("/access?done={done}")))
}
