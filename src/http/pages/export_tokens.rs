//! `/tokens`: the export tokens that the signed-in user created.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use minijinja::{Value, context};
use utoipa::ToSchema;

use super::context::PageContext;
use super::error::PageError;
use super::form::{CsrfForm, FieldError, Form, FormFields};
use super::hub_tokens::hub_tokens_url;
use super::pager::Pager;
use super::qr;
use super::responses::{FormErrors, HtmlErrors, SignedInPage};
use super::url::{parse_number, see_other};
use crate::actors::registry::CommandError;
use crate::domain::export_token::{ExpiryHours, ExportToken, ExportTokenRef, NewExportToken};
use crate::domain::hub::{HubId, NodeId};
use crate::domain::rights::{Mask, Right, Role};
use crate::domain::user::UserId;
use crate::domain::validated_text::sanitize_for_display;
use crate::http::error::ApiError;
use crate::http::openapi::error_responses::Errors;
use crate::http::routing::{Endpoint, endpoints};
use crate::http::state::AppState;
use crate::services::export_tokens;
use crate::store::export_tokens::ListedExport;

/// Hubs that the form offers.
const MAX_HUBS: i64 = 500;
/// Hours that the form offers. A token with 0 does not expire.
const EXPIRY_CHOICES_HOURS: [i64; 6] = [1, 24, 168, 720, 8_760, 0];

/// The fields that are kept during sign-in.
const KEPT: &[&str] = &["hub", "hours", "right", "node"];

pub(super) fn endpoints() -> Vec<Endpoint> {
    endpoints![show, show_form, create, revoke]
}

/// Lists the export tokens that the signed-in user created.
#[utoipa::path(
    get,
    path = "/tokens",
    operation_id = "export_tokens_page",
    security(()),
    params(
        ("tokens" = Option<String>, Query, nullable = false, description = "Number of rows to skip."),
        ("flash" = Option<String>, Query, nullable = false, description = "The result of the last action."),
    ),
    responses(SignedInPage),
)]
async fn show(state: Data<AppState>, ctx: PageContext) -> Result<HttpResponse, PageError> {
    let me = ctx.require_user()?.user.id;
    let pager = Pager::new(&ctx, "tokens");
    let listed = export_tokens::list_by_creator(&state.store, me, pager.page()).await?;
    let hubs = export_tokens::administered_hubs(&state.store, me, MAX_HUBS).await?;
    let hub = |(id, ..): &(HubId, String, Role)| context! { id => id.as_str(), link => hub_tokens_url(id) };
    let context = context! {
        flash => ctx.flash("flash", &["token-revoked", "token-created-before"]),
        tokens => listed.rows.iter().map(|token| row(token, &ctx)).collect::<Vec<Value>>(),
        pagination => pager.links(listed.total),
        hubs => hubs.iter().map(hub).collect::<Vec<Value>>(),
    };
    Ok(ctx.render_ok("export-tokens", context))
}

/// A token in a list.
pub(super) fn row(listed: &ListedExport, ctx: &PageContext) -> Value {
    context! {
        status => listed.status.name(),
        uses => listed.uses,
        last_used => listed.last_used_at.map(|at| at.micros()),
        ..token_details(&listed.token, ctx)
    }
}

/// A token's node, rights and expiry.
fn token_details(token: &ExportToken, ctx: &PageContext) -> Value {
    context! {
        id => token.id.to_string(),
        hub => token.hub.as_str(),
        node => token.node.as_str(),
        rights => token.mask.rights().map(|right| right_label(right, ctx)).collect::<Vec<_>>(),
        since => token.created_at.micros(),
        until => token.expires_at.map(|at| at.micros()),
    }
}

fn right_label(right: Right, ctx: &PageContext) -> String {
    ctx.language.t(&format!("token-right-{}", right.name()))
}

/// Shows the form that creates an export token.
#[utoipa::path(
    get,
    path = "/tokens/new",
    operation_id = "new_export_token_page",
    security(()),
    params(
        ("hub" = Option<String>, Query, nullable = false, description = "The hub's id."),
        ("node" = Option<String>, Query, nullable = false, description = "The file or folder."),
        ("right" = Option<Vec<String>>, Query, nullable = false, description = "The rights."),
        ("hours" = Option<String>, Query, nullable = false, description = "Hours until the token expires."),
    ),
    responses(SignedInPage),
)]
async fn show_form(state: Data<AppState>, ctx: PageContext) -> Result<HttpResponse, PageError> {
    let me = ctx.require_user()?.user.id;
    let default = || NewTokenForm { rights: vec![Right::Read], hours: 24, ..NewTokenForm::default() };
    // A link with an invalid value shows the form without any.
    let filled_in =
        FormFields::of_link(&ctx, KEPT).and_then(|fields| NewTokenForm::from_fields(&fields).ok());
    let input = filled_in.unwrap_or_else(default);
    render_form(&state, &ctx, me, &input, None).await
}

/// The fields of the form.
#[derive(Debug, Default, ToSchema)]
#[schema(as = page::NewToken)]
struct NewTokenForm {
    #[schema(rename = "csrf")]
    _csrf: String,
    #[schema(min_length = 1, max_length = 64)]
    hub: String,
    #[schema(min_length = 1, max_length = 255)]
    node: String,
    /// The names of the rights, at least one.
    #[schema(rename = "right", value_type = Vec<String>)]
    rights: Vec<Right>,
    /// Hours until the token expires. 0: it does not expire.
    #[schema(minimum = 0, maximum = 8760)]
    hours: i64,
}

/// Creates an export token, and shows it once.
#[utoipa::path(
    post,
    path = "/tokens/new",
    operation_id = "create_export_token_form",
    security(()),
    request_body(content = NewTokenForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "The token. It is shown only once.", body = String, content_type = "text/html"),
        (status = 303, description = "Not signed in. Redirects to the sign-in page."),
        FormErrors,
    ),
)]
async fn create(state: Data<AppState>, form: Form) -> Result<HttpResponse, PageError> {
    let me = form.require_user_or_keep("/tokens/new", KEPT)?.user.id;
    let Form { ctx, fields } = &form;
    let input = NewTokenForm::from_fields(fields)?;
    let create = async {
        let new = match input.to_new_export(me) {
            Ok(new) => new,
            Err(field_error) => return Ok(Err(field_error)),
        };
        match state.registry.create_export(new, ctx.audit.clone()).await {
            Ok(created) => Ok(Ok(created)),
            Err(CommandError::Rejected(_)) => Ok(Err(FieldError::forbidden("hub", "token-error-hub"))),
            Err(CommandError::Unavailable(error)) => Err(error.into()),
        }
    };
    match form.create_once(&state, me, create).await? {
        Some(Ok((export, token))) => {
            let secret = token.expose();
            let context =
                context! { token => token_details(&export, ctx), qr => qr::qr_svg(&secret), secret };
            Ok(ctx.render_ok("export-token-created", context))
        }
        Some(Err(field_error)) => render_form(&state, ctx, me, &input, Some(field_error)).await,
        None => Ok(see_other("/tokens?flash=token-created-before")),
    }
}

impl NewTokenForm {
    fn from_fields(fields: &FormFields) -> Result<Self, ApiError> {
        let unexpected_value =
            || ApiError::BadRequest("The form contains a value that was not offered.".to_owned());
        let right = |name: &str| Right::ALL.into_iter().find(|right| right.name() == name);
        Ok(Self {
            hub: fields.required("hub")?.to_owned(),
            node: fields.required("node")?.to_owned(),
            rights: fields.get_all("right").map(right).collect::<Option<_>>().ok_or_else(unexpected_value)?,
            hours: parse_number(fields.required("hours")?).map_err(|_| unexpected_value())?,
            ..Self::default()
        })
    }

    fn to_new_export(&self, creator: UserId) -> Result<NewExportToken, FieldError> {
        let hub = HubId::new(&self.hub).map_err(|_| FieldError::new("hub", "token-error-hub"))?;
        let node = NodeId::new(&self.node).map_err(|_| FieldError::new("node", "token-error-node"))?;
        let bits = self.rights.iter().fold(0, |bits, right| bits | *right as i64);
        let mask = Mask::new(bits).map_err(|_| FieldError::new("right", "token-error-rights"))?;
        let expiry =
            ExpiryHours::new(self.hours).map_err(|_| FieldError::new("hours", "token-error-hours"))?;
        Ok(NewExportToken { creator, hub, node, mask, expiry })
    }
}

/// The form with the previous input. It offers the hubs that the user administers, and the
/// rights that the user has in at least one of them.
async fn render_form(
    state: &AppState,
    ctx: &PageContext,
    me: UserId,
    input: &NewTokenForm,
    field_error: Option<FieldError>,
) -> Result<HttpResponse, PageError> {
    let administered = export_tokens::administered_hubs(&state.store, me, MAX_HUBS).await?;
    let highest = administered.iter().map(|(.., role)| *role).max();
    let hubs = administered.iter().map(|(id, name, _)| {
        context! { id => id.as_str(), name => sanitize_for_display(name), selected => id.as_str() == input.hub }
    });
    let rights = highest.into_iter().flat_map(|role| role.privilege().rights()).map(|right| {
        let (name, checked) = (right.name(), input.rights.contains(&right));
        context! { name, checked, label => right_label(right, ctx) }
    });
    let hours =
        EXPIRY_CHOICES_HOURS.into_iter().map(|hours| context! { hours, selected => hours == input.hours });
    let context = context! {
        hubs => hubs.collect::<Vec<Value>>(),
        rights => rights.collect::<Vec<Value>>(),
        hours => hours.collect::<Vec<Value>>(),
        node => &input.node,
        field_error => FieldError::to_context(field_error, ctx.language),
    };
    let status = field_error.map_or(StatusCode::OK, |field_error| field_error.status);
    Ok(ctx.render(status, "export-token-form", context))
}

/// Revokes an export token that the signed-in user created. Idempotent.
#[utoipa::path(
    post,
    path = "/tokens/{id}/revoke",
    operation_id = "revoke_export_token_form",
    security(()),
    params(("id" = String, Path, description = "The token's id.")),
    request_body(content = CsrfForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 303, description = "Revoked. Redirects to the list, or to the sign-in page."),
        FormErrors,
        Errors<HtmlErrors, 404>,
    ),
)]
async fn revoke(state: Data<AppState>, id: Path<String>, form: Form) -> Result<HttpResponse, PageError> {
    let me = form.require_user("/tokens")?.user.id;
    let token_ref = ExportTokenRef::parse(&id)
        .filter(|token_ref| token_ref.digest.is_none())
        .ok_or(ApiError::NotFound)?;
    match state.registry.revoke_export(token_ref, me, form.ctx.audit).await? {
        Some(_) => Ok(see_other("/tokens?flash=token-revoked")),
        None => Err(ApiError::NotFound.into()),
    }
}
