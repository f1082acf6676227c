//! `/tokens`: the export tokens that somebody has made.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{self, Data, Path, ServiceConfig};
use minijinja::{Value, context};
use utoipa::{OpenApi, ToSchema};

use super::context::PageContext;
use super::error::{PageError, see_other};
use super::form::{CsrfForm, Form, FormFields};
use super::pager::{FieldError, Pager, flash, parse_number};
use super::{HtmlErrors, qr, templates};
use crate::actors::registry::CommandError;
use crate::domain::export_token::{
    ExpiryHours, ExportToken, ExportTokenRef, ExportTokenStatus, NewExportToken,
};
use crate::domain::hub::{HubId, NodeId};
use crate::domain::permission::{Mask, Right};
use crate::domain::timestamp::Timestamp;
use crate::domain::user::UserId;
use crate::domain::validated_text::sanitize_for_display;
use crate::http::error::ApiError;
use crate::http::openapi::error_responses::{BodyErrors, Errors};
use crate::http::routing::get;
use crate::http::state::AppState;
use crate::store::export_tokens::{self, ExportFilter, ListedExport};
use crate::store::hubs;

/// The most hubs to choose from.
const MAX_HUBS: i64 = 500;
/// Hours to choose from; 0 is for ever.
const EXPIRY_CHOICES_HOURS: [i64; 6] = [1, 24, 168, 720, 8_760, 0];

pub(super) fn routes(app: &mut ServiceConfig) {
    app.service(templates::resource("/tokens", "GET, HEAD").route(get().to(show)))
        .service(
            templates::resource("/tokens/new", "GET, HEAD, POST")
                .route(get().to(show_form))
                .route(web::post().to(create)),
        )
        .service(templates::resource("/tokens/{id}/revoke", "POST").route(web::post().to(revoke)));
}

#[derive(OpenApi)]
#[openapi(paths(show, show_form, create, revoke))]
pub(super) struct Document;

/// The export tokens of the one who is signed in.
#[utoipa::path(
    get,
    path = "/tokens",
    operation_id = "export_tokens_page",
    security(()),
    params(
        ("tokens" = Option<String>, Query, nullable = false, description = "Number of rows to skip."),
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
    let pagination = Pager::new(&ctx, "tokens");
    let page = pagination.page();
    let filter = ExportFilter {
        creator: Some(me),
        statuses: ExportTokenStatus::ALL.to_vec(),
        before: None,
        limit: page.limit,
        offset: page.offset,
    };
    let found = services.store.read(move |conn| {
        let now = conn.now()?;
        Ok((export_tokens::list(conn, &filter, now)?, export_tokens::count_by_creator(conn, me, now)?, now))
    });
    let (listed, (total, _), now) = found.await?;
    let context = context! {
        flash => flash(&ctx, "flash", &["token-revoked"]),
        tokens => listed.iter().map(|listed| row(listed, &ctx, now)).collect::<Vec<Value>>(),
        pagination => pagination.links(total),
    };
    Ok(ctx.render_ok("export-tokens", context))
}

fn row(listed: &ListedExport, ctx: &PageContext, now: Timestamp) -> Value {
    context! {
        status => listed.token.status(now).name(),
        uses => listed.uses,
        last_used => listed.last_used_at.map(|at| at.micros()),
        ..token_details(&listed.token, ctx)
    }
}

/// What a token is for.
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

/// The form that makes a token.
#[utoipa::path(
    get,
    path = "/tokens/new",
    operation_id = "new_export_token_page",
    security(()),
    responses(
        (status = 200, description = "The form.", body = String, content_type = "text/html"),
        (status = 303, description = "Not signed in. Redirects to the sign-in page."),
        Errors<HtmlErrors, 503>,
    ),
)]
async fn show_form(services: Data<AppState>, ctx: PageContext) -> Result<HttpResponse, PageError> {
    let me = ctx.require_user()?.user.id;
    let input = ExportTokenInput { rights: vec![Right::Read], hours: 24, ..ExportTokenInput::default() };
    render_form(&services, &ctx, me, &input, None).await
}

/// The form, as it is documented.
#[derive(ToSchema)]
#[schema(as = page::NewToken)]
#[expect(dead_code, reason = "parsed by `create`; declared for the OpenAPI schema")]
struct NewTokenForm {
    /// What shows that the form was ours.
    csrf: String,
    #[schema(min_length = 1, max_length = 64)]
    hub: String,
    #[schema(min_length = 1, max_length = 255)]
    node: String,
    /// The names of the rights, one at least.
    right: Vec<String>,
    /// Hours that the token lives; 0 is for ever.
    #[schema(minimum = 0, maximum = 8760)]
    hours: i64,
}

/// Makes an export token: the one answer that ever shows it.
#[utoipa::path(
    post,
    path = "/tokens/new",
    operation_id = "create_export_token_form",
    security(()),
    request_body(content = NewTokenForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "The token. It is shown only once.", body = String, content_type = "text/html"),
        (status = 303, description = "Not signed in. Redirects to the sign-in page."),
        BodyErrors<HtmlErrors>,
        Errors<HtmlErrors, 403>,
        Errors<HtmlErrors, 503>,
    ),
)]
async fn create(services: Data<AppState>, post: Form) -> Result<HttpResponse, PageError> {
    let me = post.require_user("/tokens")?.user.id;
    let Form { ctx, fields } = post;
    let input = ExportTokenInput::from_fields(&fields)?;
    let field_error = match input.to_new_export(me) {
        Ok(new) => match services.registry.create_export(new, ctx.audit.clone()).await {
            Ok((export, token)) => {
                let secret = token.expose();
                let context =
                    context! { token => token_details(&export, &ctx), qr => qr::qr_svg(&secret), secret };
                return Ok(ctx.render_ok("export-token-created", context));
            }
            Err(CommandError::Rejected(_)) => FieldError::forbidden("hub", "token-error-hub"),
            Err(CommandError::Unavailable(error)) => return Err(error.into()),
        },
        Err(field_error) => field_error,
    };
    render_form(&services, &ctx, me, &input, Some(field_error)).await
}

/// The form, filled in so far.
#[derive(Debug, Default)]
struct ExportTokenInput {
    hub: String,
    node: String,
    rights: Vec<Right>,
    hours: i64,
}

impl ExportTokenInput {
    fn from_fields(fields: &FormFields) -> Result<Self, ApiError> {
        let unexpected_value =
            || ApiError::BadRequest("The form contains a value that was not offered.".to_owned());
        let right = |name: &str| Right::ALL.into_iter().find(|right| right.name() == name);
        Ok(Self {
            hub: fields.required("hub")?.to_owned(),
            node: fields.required("node")?.to_owned(),
            rights: fields.get_all("right").map(right).collect::<Option<_>>().ok_or_else(unexpected_value)?,
            hours: parse_number(fields.required("hours")?).map_err(|_| unexpected_value())?,
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

/// The form, with what was wrong the last time: the hubs that they administer, and no
/// rights beyond what they hold in any of these.
async fn render_form(
    services: &AppState,
    ctx: &PageContext,
    me: UserId,
    input: &ExportTokenInput,
    field_error: Option<FieldError>,
) -> Result<HttpResponse, PageError> {
    let administered = services.store.read(move |conn| hubs::administered_by(conn, me, MAX_HUBS)).await?;
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
        field_error => FieldError::to_context(field_error),
    };
    let status = field_error.map_or(StatusCode::OK, |field_error| field_error.status);
    Ok(ctx.render(status, "export-token-form", context))
}

/// Revokes an export token, as who has made it. Once more does no harm.
#[utoipa::path(
    post,
    path = "/tokens/{id}/revoke",
    operation_id = "revoke_export_token_form",
    security(()),
    params(("id" = String, Path, description = "The token's id.")),
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
    let me = form.require_user("/tokens")?.user.id;
    let token_ref =
        ExportTokenRef::parse(&id).filter(|which| which.digest.is_none()).ok_or(ApiError::NotFound)?;
    match services.registry.revoke_export(token_ref, me, form.ctx.audit).await? {
        Some(_) => Ok(see_other("/tokens?flash=token-revoked")),
        None => Err(ApiError::NotFound.into()),
    }
}
