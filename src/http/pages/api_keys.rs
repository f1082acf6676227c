//! `/keys`: the signed-in user's API keys.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use minijinja::{Value, context};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::context::PageContext;
use super::error::PageError;
use super::form::{CsrfForm, FieldError, Form};
use super::pager::Pager;
use super::responses::{FormErrors, HtmlErrors, SignedInPage};
use super::url::see_other;
use crate::domain::token::ApiKeyId;
use crate::domain::validated_text::validate_optional;
use crate::http::error::ApiError;
use crate::http::openapi::error_responses::Errors;
use crate::http::routing::{Endpoint, endpoints};
use crate::http::state::AppState;
use crate::services::api_keys::{self, CreateKeyError};
use crate::store::api_keys::{ApiKey, Scope};

/// Characters of a key's label.
const MAX_LABEL_LENGTH: usize = 100;

pub(super) fn endpoints() -> Vec<Endpoint> {
    endpoints![show, show_form, create, revoke]
}

/// Lists the signed-in user's API keys.
#[utoipa::path(
    get,
    path = "/keys",
    operation_id = "api_keys_page",
    security(()),
    params(
        ("keys" = Option<String>, Query, nullable = false, description = "Number of rows to skip."),
        ("flash" = Option<String>, Query, nullable = false, description = "The result of the last action."),
    ),
    responses(SignedInPage),
)]
async fn show(state: Data<AppState>, ctx: PageContext) -> Result<HttpResponse, PageError> {
    let me = ctx.require_user()?.user.id;
    let pager = Pager::new(&ctx, "keys");
    let listed = api_keys::list(&state.store, me, pager.page()).await?;
    let context = context! {
        flash => ctx.flash("flash", &["key-revoked", "key-created-before"]),
        keys => listed.rows.iter().map(row).collect::<Vec<Value>>(),
        pagination => pager.links(listed.total),
    };
    Ok(ctx.render_ok("api-keys", context))
}

/// A key in a list.
pub(super) fn row(key: &ApiKey) -> Value {
    context! {
        id => key.id.to_string(),
        label => &key.label,
        scope => key.scope.name().unwrap_or("all"),
        since => key.created_at.micros(),
        revoked => key.revoked_at.map(|at| at.micros()),
    }
}

/// Shows the form that creates an API key.
#[utoipa::path(
    get,
    path = "/keys/new",
    operation_id = "new_api_key_page",
    security(()),
    params(
        ("label" = Option<String>, Query, nullable = false, description = "A name for the key."),
        ("scope" = Option<String>, Query, nullable = false, description = "The scope."),
    ),
    responses(SignedInPage),
)]
async fn show_form(ctx: PageContext) -> Result<HttpResponse, PageError> {
    ctx.require_user()?;
    let label = ctx.query_param("label").unwrap_or_default();
    let scope = match ctx.query_param("scope").as_deref() {
        Some(name @ "introspect") if choices(&ctx).contains(&name) => ScopeChoice::Introspect,
        Some(name @ "check") if choices(&ctx).contains(&name) => ScopeChoice::Check,
        _ => ScopeChoice::All,
    };
    Ok(render_form(&ctx, &label, scope, None))
}

#[derive(Deserialize, ToSchema)]
#[schema(as = page::NewKey)]
struct NewKeyForm {
    #[serde(rename = "csrf")]
    _csrf: String,
    /// A name for the key. May be empty.
    #[schema(max_length = 100)]
    label: String,
    scope: ScopeChoice,
    /// Identifies the form, so that sending it twice creates one key.
    #[serde(rename = "form_id")]
    #[schema(nullable = false)]
    _form_id: Option<String>,
}

#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = page::Scope)]
enum ScopeChoice {
    /// Everything that the user can do.
    All,
    /// Only introspection of export tokens. For administrators.
    Introspect,
    /// Only decisions (AuthZEN). For administrators.
    Check,
}

impl From<ScopeChoice> for Scope {
    fn from(choice: ScopeChoice) -> Self {
        match choice {
            ScopeChoice::All => Self::All,
            ScopeChoice::Introspect => Self::Introspect,
            ScopeChoice::Check => Self::Check,
        }
    }
}

/// Creates an API key, and shows it once.
#[utoipa::path(
    post,
    path = "/keys/new",
    operation_id = "create_api_key_form",
    security(()),
    request_body(content = NewKeyForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "The key. It is shown only once.", body = String, content_type = "text/html"),
        (status = 303, description = "Not signed in. Redirects to the sign-in page."),
        FormErrors,
    ),
)]
async fn create(state: Data<AppState>, form: Form) -> Result<HttpResponse, PageError> {
    let me = &form.require_user_or_keep("/keys/new", &["scope", "label"])?.user;
    let Form { ctx, fields } = &form;
    let NewKeyForm { label, scope, .. } = fields.to()?;
    let Ok(label) = validate_optional(label.trim(), MAX_LABEL_LENGTH) else {
        let field_error = FieldError::new("label", "key-error-label");
        return Ok(render_form(ctx, label.trim(), scope, Some(field_error)));
    };
    let create = async {
        let created = api_keys::create(&state.store, ctx.audit.clone(), me, label.clone(), scope.into());
        match created.await? {
            Ok(created) => Ok(Ok(created)),
            Err(CreateKeyError::ScopeNotAllowed) => {
                Ok(Err(FieldError::forbidden("scope", "key-error-scope")))
            }
            Err(CreateKeyError::Disabled) => Err(PageError::SignInRequired { next: "/keys".to_owned() }),
        }
    };
    match form.create_once(&state, me.id, create).await? {
        Some(Ok((key, token))) => {
            state.mailer.notify();
            let context = context! { key => row(&key), secret => token.expose() };
            Ok(ctx.render_ok("api-key-created", context))
        }
        Some(Err(field_error)) => Ok(render_form(ctx, &label, scope, Some(field_error))),
        None => Ok(see_other("/keys?flash=key-created-before")),
    }
}

/// The scopes that the visitor may choose from.
fn choices(ctx: &PageContext) -> &'static [&'static str] {
    let is_staff = ctx.signed_in.as_ref().is_some_and(|signed_in| signed_in.user.staff);
    if is_staff { &["all", "check", "introspect"] } else { &["all"] }
}

fn render_form(
    ctx: &PageContext,
    label: &str,
    scope: ScopeChoice,
    field_error: Option<FieldError>,
) -> HttpResponse {
    let status = field_error.map_or(StatusCode::OK, |field_error| field_error.status);
    let context = context! {
        label,
        scope => Scope::from(scope).name().unwrap_or("all"),
        choices => choices(ctx).to_vec(),
        max_length => MAX_LABEL_LENGTH,
        field_error => FieldError::to_context(field_error, ctx.language),
    };
    ctx.render(status, "api-key-form", context)
}

/// Revokes an API key: on this server immediately, on other replicas within five seconds.
/// Idempotent.
#[utoipa::path(
    post,
    path = "/keys/{id}/revoke",
    operation_id = "revoke_api_key_form",
    security(()),
    params(("id" = String, Path, description = "The key's id.")),
    request_body(content = CsrfForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 303, description = "Revoked. Redirects to the list, or to the sign-in page."),
        FormErrors,
        Errors<HtmlErrors, 404>,
    ),
)]
async fn revoke(state: Data<AppState>, id: Path<String>, form: Form) -> Result<HttpResponse, PageError> {
    let me = form.require_user("/keys")?.user.id;
    let id = ApiKeyId(Uuid::try_parse(&id).map_err(|_| ApiError::NotFound)?);
    if !api_keys::revoke(&state.store, form.ctx.audit, me, id).await? {
        return Err(ApiError::NotFound.into());
    }
    state.authenticator.invalidate(me);
    Ok(see_other("/keys?flash=key-revoked"))
}
