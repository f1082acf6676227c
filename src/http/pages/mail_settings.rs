//! The mails that a user gets: the form on `/account`, and `/unsubscribe`, to which mails link.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use minijinja::{Value, context};
use utoipa::ToSchema;

use super::context::PageContext;
use super::error::PageError;
use super::form::Form;
use super::responses::{FormErrors, HtmlErrors};
use super::url::{query_token, see_other};
use crate::domain::mail_kinds::{MailKind, MailKinds};
use crate::http::error::ApiError;
use crate::http::extract::body::Body;
use crate::http::openapi::error_responses::{BodyErrors, Errors};
use crate::http::routing::{Endpoint, endpoints};
use crate::http::state::AppState;
use crate::services::mail_settings;

pub(super) fn endpoints() -> Vec<Endpoint> {
    endpoints![change_mails, show_unsubscribe, unsubscribe]
}

/// The kinds as checkboxes.
pub(super) fn checkboxes(checked: MailKinds) -> Vec<Value> {
    MailKind::ALL.map(|kind| context! { name => kind.name(), checked => checked.contains(kind) }).into()
}

/// The fields of the form on the account page.
#[derive(ToSchema)]
#[schema(as = page::Mails)]
#[expect(dead_code, reason = "describes the form; a field that occurs repeatedly is not deserialized")]
struct MailsForm {
    csrf: String,
    /// The kinds of mails to get, one field each: `decisions`, `expired`, `reminders`, `endings`.
    /// The others are turned off.
    #[schema(nullable = false)]
    mails: Option<Vec<String>>,
}

/// Sets which mails the signed-in user gets.
#[utoipa::path(
    post,
    path = "/account/mails",
    operation_id = "change_mails",
    security(()),
    request_body(content = MailsForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 303, description = "Saved. Redirects to the account page, or to the sign-in page."),
        FormErrors,
    ),
)]
async fn change_mails(state: Data<AppState>, form: Form) -> Result<HttpResponse, PageError> {
    let user = &form.require_user("/account")?.user;
    let kinds = form.fields.get_all("mails").map(MailKind::from_name).collect::<Option<MailKinds>>();
    let kinds = kinds.ok_or_else(|| ApiError::BadRequest("Unknown kind of mail.".to_owned()))?;
    mail_settings::set_muted(&state.store, user.id, kinds.complement()).await?;
    Ok(see_other("/account?flash=mails"))
}

/// Asks whether to turn off the mails that a link names.
#[utoipa::path(
    get,
    path = "/unsubscribe",
    operation_id = "unsubscribe_page",
    security(()),
    params(("token" = Option<String>, Query, nullable = false, description = "The token of a link in a mail.")),
    responses(
        (status = 200, description = "The kinds of mails, with a button.", body = String,
            content_type = "text/html"),
        Errors<HtmlErrors, 404>,
        Errors<HtmlErrors, 503>,
    ),
)]
async fn show_unsubscribe(state: Data<AppState>, request: HttpRequest, ctx: PageContext) -> HttpResponse {
    let token = query_token(&request).unwrap_or_default();
    match state.keyring.verify_unsubscribe_token(&token) {
        Ok(link) => ctx.render_ok("unsubscribe", context! { token, kinds => kind_names(link.kinds) }),
        Err(_) => inactive_page(&ctx),
    }
}

/// Turns off the mails that a link names (RFC 8058).
///
/// The token alone authorizes this: programs of mail providers send the request, without a cookie,
/// and with a form or a multipart body that is not read. Any number of calls have the effect of one.
#[utoipa::path(
    post,
    path = "/unsubscribe",
    operation_id = "unsubscribe",
    security(()),
    params(("token" = Option<String>, Query, nullable = false, description = "The token of a link in a mail.")),
    responses(
        (status = 200, description = "Turned off.", body = String, content_type = "text/html"),
        Errors<HtmlErrors, 404>,
        BodyErrors<HtmlErrors>,
        Errors<HtmlErrors, 503>,
    ),
)]
async fn unsubscribe(
    state: Data<AppState>,
    request: HttpRequest,
    ctx: PageContext,
    _body: Body,
) -> Result<HttpResponse, PageError> {
    let token = query_token(&request).unwrap_or_default();
    let Ok(link) = state.keyring.verify_unsubscribe_token(&token) else { return Ok(inactive_page(&ctx)) };
    mail_settings::unsubscribe(&state.store, link).await?;
    Ok(ctx.render_ok("unsubscribed", context! { kinds => kind_names(link.kinds) }))
}

fn kind_names(kinds: MailKinds) -> Vec<&'static str> {
    kinds.iter().map(MailKind::name).collect()
}

/// The page of a link that is not valid.
fn inactive_page(ctx: &PageContext) -> HttpResponse {
    ctx.render(StatusCode::NOT_FOUND, "unsubscribe-inactive", context! {})
}
