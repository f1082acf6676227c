//! `/staff/hubs` and `/staff/hub`: hubs and their members. A hub's ID may contain any
//! character, so URLs have it in the query.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use minijinja::value::Serde;
use minijinja::{Value, context};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::form_field::{self, FormField};
use crate::domain::hub::HubId;
use crate::domain::rights::Role;
use crate::domain::user::Email;
use crate::domain::validated_text::{sanitize_for_display, validate_optional};
use crate::http::error::ApiError;
use crate::http::openapi::error_responses::Errors;
use crate::http::pages::context::PageContext;
use crate::http::pages::error::PageError;
use crate::http::pages::form::{Form, FormFields};
use crate::http::pages::hub_tokens::hub_tokens_url;
use crate::http::pages::pager::Pager;
use crate::http::pages::responses::{HtmlErrors, StaffForm, StaffPage};
use crate::http::pages::url::{query_encode, see_other};
use crate::http::routing::{Endpoint, endpoints};
use crate::http::state::AppState;
use crate::services::admin::hubs::{self, HubError, HubMembers};

const PATH: &str = "/staff/hubs";
/// The fields of a new hub that are kept during sign-in.
const KEPT: &[&str] = &["id", "owner", "name"];
/// Characters of a hub's name, and of a search.
const MAX_NAME_LENGTH: usize = 100;

pub(super) fn endpoints() -> Vec<Endpoint> {
    endpoints![list, add, show, grant_role, revoke_role]
}

/// Lists the hubs, for staff.
#[utoipa::path(
    get,
    path = "/staff/hubs",
    operation_id = "staff_hubs_page",
    security(()),
    params(
        ("q" = Option<String>, Query, nullable = false, description = "Text to search for in ids and names."),
        ("offset" = Option<String>, Query, nullable = false, description = "Number of rows to skip."),
        ("id" = Option<String>, Query, nullable = false, description = "The id of a new hub."),
        ("name" = Option<String>, Query, nullable = false, description = "The name of a new hub."),
        ("owner" = Option<String>, Query, nullable = false, description = "The owner of a new hub."),
    ),
    responses(StaffPage),
)]
async fn list(state: Data<AppState>, ctx: PageContext) -> Result<HttpResponse, PageError> {
    ctx.require_staff()?;
    render_list(&state, &ctx, StatusCode::OK, &HubFormState::of_link(&ctx)).await
}

/// The list, with the form for a new hub.
async fn render_list(
    state: &AppState,
    ctx: &PageContext,
    status: StatusCode,
    form: &HubFormState,
) -> Result<HttpResponse, PageError> {
    let q = ctx.query_param("q").unwrap_or_default();
    let q = q.trim();
    let pagination = Pager::new(ctx, "offset");
    let page = pagination.limit_plus_one();
    let text = q.to_lowercase();
    let mut found = match q.chars().count() <= MAX_NAME_LENGTH {
        true => state.store.read(hubs::search(text, page)).await?,
        false => Vec::new(),
    };
    let pagination = pagination.finish(&mut found);
    let row = |(id, name): &(HubId, String)| {
        context! { id => id.as_str(), name => sanitize_for_display(name), link => hub_url(id) }
    };
    let hubs: Vec<Value> = found.iter().map(row).collect();
    let open = status != StatusCode::OK || FormFields::of_link(ctx, KEPT).is_some();
    let context = context! { q, hubs, pagination, flash => None::<()>, form => Serde(form), open };
    Ok(ctx.render(status, "staff-hubs", context))
}

/// The URL of a hub's page.
fn hub_url(id: &HubId) -> String {
    format!("/staff/hub?id={}", query_encode(id.as_str()))
}

/// The fields of the form that adds a hub.
#[derive(Deserialize, ToSchema)]
#[schema(as = page::NewHub)]
struct NewHubForm {
    /// The CSRF token of the page.
    #[serde(rename = "csrf")]
    _csrf: String,
    #[schema(min_length = 1, max_length = 64)]
    id: String,
    #[schema(max_length = 100)]
    name: String,
    /// The owner's email address.
    owner: String,
    /// Identifies the form, so that sending it twice creates one hub.
    #[serde(rename = "form_id")]
    #[schema(nullable = false)]
    _form_id: Option<String>,
}

/// The form that adds a hub, as the template shows it.
#[derive(Serialize)]
struct HubFormState {
    id: FormField,
    name: FormField,
    owner: FormField,
}

impl HubFormState {
    fn new() -> Self {
        Self {
            id: FormField::new("id", "text", "staff-hub-id").required().with_hint("staff-hub-id-hint"),
            name: FormField::new("name", "text", "staff-name"),
            owner: FormField::new("owner", "email", "staff-hub-owner").required(),
        }
    }

    /// The form as a link to it fills it in.
    fn of_link(ctx: &PageContext) -> Self {
        let value = |name| ctx.query_param(name).unwrap_or_default();
        let Self { id, name, owner } = Self::new();
        Self {
            id: id.with_value(&value("id")),
            name: name.with_value(&value("name")),
            owner: owner.with_value(&value("owner")),
        }
    }
}

/// Adds a hub with its owner, for staff.
#[utoipa::path(
    post,
    path = "/staff/hubs",
    operation_id = "add_hub_form",
    security(()),
    request_body(content = NewHubForm, content_type = "application/x-www-form-urlencoded"),
    responses(StaffForm, Errors<HtmlErrors, 409>),
)]
async fn add(state: Data<AppState>, sent: Form) -> Result<HttpResponse, PageError> {
    let Form { ctx, fields } = &sent;
    let me = sent.require_staff_or_keep(PATH, KEPT)?.user.id;
    let submitted: NewHubForm = fields.to()?;
    let mut form = HubFormState::new();
    let render_again = async |form: &HubFormState, status| render_list(&state, ctx, status, form).await;
    let id = form.id.parse(&submitted.id, HubId::new, "staff-error-hub-id");
    let validate_name = |name: &str| validate_optional(name, MAX_NAME_LENGTH);
    let name = form.name.parse(&submitted.name, validate_name, "staff-error-name");
    let owner = form.owner.parse(&submitted.owner, Email::new, "staff-error-email");
    let (Some(id), Some(name), Some(owner)) = (id, name, owner) else {
        return render_again(&form, form_field::INVALID).await;
    };
    let add = async { Ok(state.store.write(hubs::add(id.clone(), name, owner, ctx.audit.clone())).await?) };
    // A form that was sent before has added the hub already.
    match sent.create_once(&state, me, add).await?.unwrap_or(Ok(())) {
        Ok(()) => return Ok(see_other(&format!("{}&flash=added", hub_url(&id)))),
        Err(HubError::UnknownUser) => form.owner.set_error("staff-error-unknown-user"),
        Err(HubError::Exists | HubError::UnknownHub | HubError::NotAMember | HubError::LastOwner) => {
            form.id.set_error("staff-error-hub-taken");
        }
    }
    render_again(&form, form_field::CONFLICT).await
}

/// One hub and its members, for staff.
#[utoipa::path(
    get,
    path = "/staff/hub",
    operation_id = "staff_hub_page",
    security(()),
    params(
        ("id" = Option<String>, Query, nullable = false, description = "The hub's id."),
        ("offset" = Option<String>, Query, nullable = false, description = "Number of members to skip."),
    ),
    responses(StaffPage),
)]
async fn show(state: Data<AppState>, ctx: PageContext) -> Result<HttpResponse, PageError> {
    ctx.require_staff()?;
    let id = HubId::new(&ctx.query_param("id").unwrap_or_default()).map_err(|_| ApiError::NotFound)?;
    render_hub(&state, &ctx, StatusCode::OK, id, &RoleFormState::new()).await
}

/// The page of a hub, with the form that grants a role.
async fn render_hub(
    state: &AppState,
    ctx: &PageContext,
    status: StatusCode,
    id: HubId,
    form: &RoleFormState,
) -> Result<HttpResponse, PageError> {
    // A form that is shown again has another URL than the page.
    let page_url = if status == StatusCode::OK { ctx.current_url.clone() } else { hub_url(&id) };
    let pagination = Pager::from_url(&page_url, "offset");
    let found = state.store.read(hubs::members(id.clone(), pagination.limit_plus_one())).await?;
    let HubMembers { name, mut members } = found.ok_or(ApiError::NotFound)?;
    let pagination = pagination.finish(&mut members);
    let members: Vec<Value> = members
        .iter()
        .map(|(user, role)| {
            context! { email => user.email.as_str(), name => user.display_name(), role => role.name() }
        })
        .collect();
    let roles = Role::ALL.map(Role::name);
    let flash = ctx.flash("staff-hub", &["added", "granted", "revoked", "no-role", "last-owner"]);
    let context = context! { id => id.as_str(), name => sanitize_for_display(&name), tokens_link => hub_tokens_url(&id), members, roles, pagination, flash, form => Serde(form) };
    Ok(ctx.render(status, "staff-hub", context))
}

/// The fields of the form that grants a role.
#[derive(Deserialize, ToSchema)]
#[schema(as = page::GrantRole)]
struct GrantRoleForm {
    /// The CSRF token of the page.
    #[serde(rename = "csrf")]
    _csrf: String,
    /// The hub's ID.
    hub: String,
    /// The user's email address.
    email: String,
    /// The role's name.
    role: String,
}

/// The fields of the form that revokes a role.
#[derive(Deserialize, ToSchema)]
#[schema(as = page::RevokeRole)]
struct RevokeRoleForm {
    /// The CSRF token of the page.
    #[serde(rename = "csrf")]
    _csrf: String,
    /// The hub's ID.
    hub: String,
    /// The user's email address.
    email: String,
}

/// The form that grants a role, as the template shows it.
#[derive(Serialize)]
struct RoleFormState {
    email: FormField,
    role: &'static str,
}

impl RoleFormState {
    fn new() -> Self {
        let email = FormField::new("email", "email", "email").required().with_hint("staff-hub-grant-hint");
        Self { email, role: Role::Contributor.name() }
    }
}

/// The hub of a submitted form.
fn parse_hub_id(hub: &str) -> Result<HubId, ApiError> {
    HubId::new(hub).map_err(|_| ApiError::NotFound)
}

/// Gives a user a role in a hub, for staff. It replaces the user's current role.
#[utoipa::path(
    post,
    path = "/staff/hub/members/grant",
    operation_id = "grant_role_form",
    security(()),
    request_body(content = GrantRoleForm, content_type = "application/x-www-form-urlencoded"),
    responses(StaffForm, Errors<HtmlErrors, 409>),
)]
async fn grant_role(state: Data<AppState>, Form { ctx, fields }: Form) -> Result<HttpResponse, PageError> {
    ctx.require_staff_or_return_to(PATH)?;
    let submitted: GrantRoleForm = fields.to()?;
    let hub = parse_hub_id(&submitted.hub)?;
    let role: Role = submitted.role.parse().map_err(|_| ApiError::BadRequest("Unknown role.".to_owned()))?;
    let mut form = RoleFormState { role: role.name(), ..RoleFormState::new() };
    let render_again =
        async |form: &RoleFormState, status| render_hub(&state, &ctx, status, hub.clone(), form).await;
    let Some(email) = form.email.parse(&submitted.email, Email::new, "staff-error-email") else {
        return render_again(&form, form_field::INVALID).await;
    };
    let granted = state.store.write(hubs::grant_role(hub.clone(), email, role, ctx.audit.clone()));
    match granted.await? {
        Ok(()) => Ok(see_other(&format!("{}&flash=granted", hub_url(&hub)))),
        Err(HubError::UnknownUser) => {
            form.email.set_error("staff-error-unknown-user");
            render_again(&form, form_field::CONFLICT).await
        }
        Err(HubError::LastOwner) => {
            form.email.set_error("staff-hub-last-owner");
            render_again(&form, form_field::CONFLICT).await
        }
        Err(HubError::UnknownHub | HubError::Exists | HubError::NotAMember) => Err(ApiError::NotFound.into()),
    }
}

/// Removes a user from a hub, for staff.
#[utoipa::path(
    post,
    path = "/staff/hub/members/revoke",
    operation_id = "revoke_role_form",
    security(()),
    request_body(content = RevokeRoleForm, content_type = "application/x-www-form-urlencoded"),
    responses(StaffForm),
)]
async fn revoke_role(state: Data<AppState>, Form { ctx, fields }: Form) -> Result<HttpResponse, PageError> {
    ctx.require_staff_or_return_to(PATH)?;
    let RevokeRoleForm { hub, email, .. } = fields.to()?;
    let hub = parse_hub_id(&hub)?;
    let email = Email::new(&email).map_err(|_| ApiError::NotFound)?;
    let revoked = state.store.write(hubs::revoke_role(hub.clone(), email, ctx.audit.clone()));
    let flash = match revoked.await? {
        Ok(()) => "revoked",
        Err(HubError::NotAMember) => "no-role",
        Err(HubError::LastOwner) => "last-owner",
        Err(HubError::UnknownHub | HubError::Exists | HubError::UnknownUser) => {
            return Err(ApiError::NotFound.into());
        }
    };
    Ok(see_other(&format!("{}&flash={flash}", hub_url(&hub))))
}
