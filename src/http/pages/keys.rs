//! `/keys`: somebody's API keys.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{self, Data, Path, ServiceConfig};
use minijinja::{Value, context};
use utoipa::{OpenApi, ToSchema};
use uuid::Uuid;

use super::Html;
use super::error::{PageError, see_other};
use super::listing::{Part, Wrong, done};
use super::post::{Csrf, Post};
use super::view;
use super::visit::Visit;
use crate::domain::text::checked_or_empty;
use crate::domain::token::ApiKeyId;
use crate::http::Services;
use crate::http::openapi::refusals::{AnyBody, May};
use crate::http::problem::Problem;
use crate::http::routing::get;
use crate::store::keys::{self, ApiKey, Scope};

/// The most characters of a key's label.
const LABEL: usize = 100;

pub(super) fn routes(app: &mut ServiceConfig) {
    app.service(view::resource("/keys", "GET, HEAD").route(get().to(show)))
        .service(
            view::resource("/keys/new", "GET, HEAD, POST")
                .route(get().to(blank))
                .route(web::post().to(create)),
        )
        .service(view::resource("/keys/{id}/revoke", "POST").route(web::post().to(revoke)));
}

#[derive(OpenApi)]
#[openapi(paths(show, blank, create, revoke))]
pub(super) struct Document;

/// The API keys of the one who is signed in.
#[utoipa::path(
    get,
    path = "/keys",
    operation_id = "keys_page",
    security(()),
    params(
        ("keys" = Option<String>, Query, nullable = false, description = "Number of rows to skip."),
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
    let part = Part::of(&visit, "keys");
    let page = part.page();
    let listed = services.directory.read(move |conn| keys::page_of_user(conn, me, page)).await?;
    let context = context! {
        done => done(&visit, "done", &["key-revoked"]),
        keys => listed.rows.iter().map(row).collect::<Vec<Value>>(),
        part => part.links(listed.total),
    };
    Ok(visit.show("keys", context))
}

fn row(key: &ApiKey) -> Value {
    context! {
        id => key.id.to_string(),
        label => &key.label,
        scope => key.scope.name().unwrap_or("all"),
        since => key.created_at.micros(),
        revoked => key.revoked_at.map(|at| at.micros()),
    }
}

/// The form that makes a key.
#[utoipa::path(
    get,
    path = "/keys/new",
    operation_id = "new_key_page",
    security(()),
    responses(
        (status = 200, description = "The form.", body = String, content_type = "text/html"),
        (status = 303, description = "Not signed in. Redirects to the sign-in page."),
        May<Html, 503>,
    ),
)]
async fn blank(visit: Visit) -> Result<HttpResponse, PageError> {
    visit.user()?;
    Ok(form(&visit, "", Scope::All, None))
}

/// The form, as it is documented.
#[derive(ToSchema)]
#[schema(as = page::NewKey)]
#[expect(dead_code, reason = "read by `create`; this is what it looks like")]
struct NewKeyForm {
    /// What shows that the form was ours.
    csrf: String,
    /// What it is for; may be empty.
    #[schema(max_length = 100)]
    label: String,
    scope: ScopeField,
}

/// What a key may do, as it is documented.
#[derive(ToSchema)]
#[schema(as = page::Scope, rename_all = "lowercase")]
#[expect(dead_code, reason = "as above")]
enum ScopeField {
    /// All that its user may.
    All,
    /// Ask whether export tokens are active.
    Introspect,
}

/// Makes a key: the one answer that ever shows it.
#[utoipa::path(
    post,
    path = "/keys/new",
    operation_id = "new_key",
    security(()),
    request_body(content = NewKeyForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "The key. It is shown only once.", body = String, content_type = "text/html"),
        (status = 303, description = "Not signed in. Redirects to the sign-in page."),
        AnyBody<Html>,
        May<Html, 403>,
        May<Html, 503>,
    ),
)]
async fn create(services: Data<Services>, post: Post) -> Result<HttpResponse, PageError> {
    let me = post.user("/keys")?.user.id;
    let Post { visit, fields } = post;
    let label = fields.one("label")?.trim();
    let scope = match fields.one("scope")? {
        "all" => Scope::All,
        "introspect" => Scope::Introspect,
        _ => return Err(Problem::BadRequest("Unknown scope.".to_owned()).into()),
    };
    let Ok(label) = checked_or_empty(label, LABEL) else {
        return Ok(form(&visit, label, scope, Some(Wrong::new("label", "key-wrong-label"))));
    };
    let origin = visit.origin.clone();
    let made = services.directory.write(move |conn| {
        let now = conn.now()?;
        keys::issue(conn, me, &label, scope, &origin, now)
    });
    let (key, token) = made.await?;
    let context = context! { key => row(&key), secret => token.reveal() };
    Ok(visit.show("key", context))
}

fn form(visit: &Visit, label: &str, scope: Scope, wrong: Option<Wrong>) -> HttpResponse {
    let status = wrong.map_or(StatusCode::OK, |wrong| wrong.status);
    let scope = scope.name().unwrap_or("all");
    visit.page(status, "key-form", context! { label, scope, most => LABEL, wrong => Wrong::told(wrong) })
}

/// Revokes a key: at once here, within five seconds elsewhere. Once more does no harm.
#[utoipa::path(
    post,
    path = "/keys/{id}/revoke",
    operation_id = "revoke_key",
    security(()),
    params(("id" = String, Path, description = "The key's id.")),
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
    let me = post.user("/keys")?.user.id;
    let id = ApiKeyId(Uuid::try_parse(&id).map_err(|_| Problem::NotFound)?);
    let origin = post.visit.origin;
    let revoked = services.directory.write(move |conn| {
        let now = conn.now()?;
        keys::revoke(conn, id, Some(me), &origin, now)
    });
    if !revoked.await? {
        return Err(Problem::NotFound.into());
    }
    services.authenticator.forget(me);
    Ok(see_other("/keys?done=key-revoked"))
}
