//! `/keys`: somebody's API keys.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{self, Data, Path, ServiceConfig};
use minijinja::{Value, context};
use utoipa::{OpenApi, ToSchema};
use uuid::Uuid;

use super::HtmlErrors;
use super::context::PageContext;
use super::error::{PageError, see_other};
use super::form::{CsrfForm, Form};
use super::pager::{FieldError, Pager, flash};
use super::templates;
use crate::domain::token::ApiKeyId;
use crate::domain::validated_text::validate_optional;
use crate::http::error::ApiError;
use crate::http::openapi::error_responses::{BodyErrors, Errors};
use crate::http::routing::get;
use crate::http::state::AppState;
use crate::store::api_keys::{self, ApiKey, Scope};

/// The most characters of a key's label.
const MAX_LABEL_LENGTH: usize = 100;

pub(super) fn routes(app: &mut ServiceConfig) {
    app.service(templates::resource("/keys", "GET, HEAD").route(get().to(show)))
        .service(
            templates::resource("/keys/new", "GET, HEAD, POST")
                .route(get().to(show_form))
                .route(web::post().to(create)),
        )
        .service(templates::resource("/keys/{id}/revoke", "POST").route(web::post().to(revoke)));
}

#[derive(OpenApi)]
#[openapi(paths(show, show_form, create, revoke))]
pub(super) struct Document;

/// The API keys of the one who is signed in.
#[utoipa::path(
    get,
    path = "/keys",
    operation_id = "api_keys_page",
    security(()),
    params(
        ("keys" = Option<String>, Query, nullable = false, description = "Number of rows to skip."),
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
    let pagination = Pager::new(&ctx, "keys");
    let page = pagination.page();
    let listed = services.store.read(move |conn| api_keys::page_of_user(conn, me, page)).await?;
    let context = context! {
        flash => flash(&ctx, "flash", &["key-revoked"]),
        keys => listed.rows.iter().map(row).collect::<Vec<Value>>(),
        pagination => pagination.links(listed.total),
    };
    Ok(ctx.render_ok("api-keys", context))
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
    operation_id = "new_api_key_page",
    security(()),
    responses(
        (status = 200, description = "The form.", body = String, content_type = "text/html"),
        (status = 303, description = "Not signed in. Redirects to the sign-in page."),
        Errors<HtmlErrors, 503>,
    ),
)]
async fn show_form(ctx: PageContext) -> Result<HttpResponse, PageError> {
    ctx.require_user()?;
    Ok(render_form(&ctx, "", Scope::All, None))
}

/// The form, as it is documented.
#[derive(ToSchema)]
#[schema(as = page::NewKey)]
#[expect(dead_code, reason = "parsed by `create`; declared for the OpenAPI schema")]
struct NewKeyForm {
    /// What shows that the form was ours.
    csrf: String,
    /// What it is for; may be empty.
    #[schema(max_length = 100)]
    label: String,
    scope: ScopeParam,
}

/// What a key may do, as it is documented.
#[derive(ToSchema)]
#[schema(as = page::Scope, rename_all = "lowercase")]
#[expect(dead_code, reason = "as above")]
enum ScopeParam {
    /// All that its user may.
    All,
    /// Ask whether export tokens are active.
    Introspect,
}

/// Makes a key: the one answer that ever shows it.
#[utoipa::path(
    post,
    path = "/keys/new",
    operation_id = "create_api_key_form",
    security(()),
    request_body(content = NewKeyForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "The key. It is shown only once.", body = String, content_type = "text/html"),
        (status = 303, description = "Not signed in. Redirects to the sign-in page."),
        BodyErrors<HtmlErrors>,
        Errors<HtmlErrors, 403>,
        Errors<HtmlErrors, 503>,
    ),
)]
async fn create(services: Data<AppState>, post: Form) -> Result<HttpResponse, PageError> {
    let me = post.require_user("/keys")?.user.id;
    let Form { ctx, fields } = post;
    let label = fields.required("label")?.trim();
    let scope = match fields.required("scope")? {
        "all" => Scope::All,
        "introspect" => Scope::Introspect,
        _ => return Err(ApiError::BadRequest("Unknown scope.".to_owned()).into()),
    };
    let Ok(label) = validate_optional(label, MAX_LABEL_LENGTH) else {
        return Ok(render_form(&ctx, label, scope, Some(FieldError::new("label", "key-error-label"))));
    };
    let audit = ctx.audit.clone();
    let issued = services.store.write(move |conn| {
        let now = conn.now()?;
        api_keys::create(conn, me, &label, scope, &audit, now)
    });
    let (key, token) = issued.await?;
    let context = context! { key => row(&key), secret => token.expose() };
    Ok(ctx.render_ok("api-key-created", context))
}

fn render_form(
    ctx: &PageContext,
    label: &str,
    scope: Scope,
    field_error: Option<FieldError>,
) -> HttpResponse {
    let status = field_error.map_or(StatusCode::OK, |field_error| field_error.status);
    let scope = scope.name().unwrap_or("all");
    ctx.render(status, "api-key-form", context! { label, scope, max_length => MAX_LABEL_LENGTH, field_error => FieldError::to_context(field_error) })
}

/// Revokes a key: at once here, within five seconds elsewhere. Once more does no harm.
#[utoipa::path(
    post,
    path = "/keys/{id}/revoke",
    operation_id = "revoke_api_key_form",
    security(()),
    params(("id" = String, Path, description = "The key's id.")),
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
    let me = form.require_user("/keys")?.user.id;
    let id = ApiKeyId(Uuid::try_parse(&id).map_err(|_| ApiError::NotFound)?);
    let audit = form.ctx.audit;
    let revoked = services.store.write(move |conn| {
        let now = conn.now()?;
        api_keys::revoke(conn, id, Some(me), &audit, now)
    });
    if !revoked.await? {
        return Err(ApiError::NotFound.into());
    }
    services.authenticator.invalidate(me);
    Ok(see_other("/keys?flash=key-revoked"))
}
