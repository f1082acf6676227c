//! `/staff/hubs` and `/staff/hub`: the hubs, and who is what in one. A hub's id may hold
//! anything, so it stands in a query and never in a path.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use minijinja::value::Serde;
use minijinja::{Value, context};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use super::form_field::{self, FormField};
use super::{FormResponses, PageResponses, require_staff, run_audited};
use crate::domain::hub::HubId;
use crate::domain::permission::Role;
use crate::domain::user::Email;
use crate::domain::validated_text::sanitize_for_display;
use crate::domain::validated_text::validate_optional;
use crate::http::error::ApiError;
use crate::http::openapi::error_responses::Errors;
use crate::http::pages::context::PageContext;
use crate::http::pages::error::PageError;
use crate::http::pages::form::{Form, FormFields};
use crate::http::pages::pager::Pager;
use crate::http::pages::responses::HtmlErrors;
use crate::http::pages::url::{query_encode, see_other};
use crate::http::state::AppState;
use crate::store::admin::{self, HubError};
use crate::store::hubs;

const PATH: &str = "/staff/hubs";
/// The most characters of a hub's name, and of a search.
const MAX_NAME_LENGTH: usize = 100;

#[derive(OpenApi)]
#[openapi(paths(list, add, show, grant_role, revoke_role))]
pub(super) struct Document;

/// Lists the hubs, for staff.
#[utoipa::path(
    get,
    path = "/staff/hubs",
    operation_id = "staff_hubs_page",
    security(()),
    params(
        ("q" = Option<String>, Query, nullable = false, description = "Text to search for in ids and names."),
        ("offset" = Option<String>, Query, nullable = false, description = "Number of rows to skip."),
    ),
    responses(PageResponses),
)]
pub(super) async fn list(services: Data<AppState>, ctx: PageContext) -> Result<HttpResponse, PageError> {
    ctx.require_staff()?;
    render_list(&services, &ctx, StatusCode::OK, &HubFormState::new()).await
}

/// The list, with the form as it stands.
async fn render_list(
    services: &AppState,
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
        true => services.store.read(move |conn| hubs::search(conn, &text, page)).await?,
        false => Vec::new(),
    };
    let pagination = pagination.finish(&mut found);
    let row = |(id, name): &(HubId, String)| {
        context! { id => id.as_str(), name => sanitize_for_display(name), link => hub_url(id) }
    };
    let hubs: Vec<Value> = found.iter().map(row).collect();
    let open = status != StatusCode::OK;
    let context = context! { q, hubs, pagination, flash => None::<()>, form => Serde(form), open };
    Ok(ctx.render(status, "staff-hubs", context))
}

/// Where a hub's own page is.
fn hub_url(id: &HubId) -> String {
    format!("/staff/hub?id={}", query_encode(id.as_str()))
}

/// The form that adds a hub, as it is documented.
#[derive(ToSchema)]
#[schema(as = page::NewHub)]
#[expect(dead_code, reason = "parsed by `add`; declared for the OpenAPI schema")]
struct NewHubForm {
    /// What shows that the form was ours.
    csrf: String,
    #[schema(min_length = 1, max_length = 64)]
    id: String,
    #[schema(max_length = 100)]
    name: String,
    /// The address of the user who owns it.
    owner: String,
}

/// The form that adds a hub.
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
}

/// Adds a hub with its owner, for staff.
#[utoipa::path(
    post,
    path = "/staff/hubs",
    operation_id = "add_hub_form",
    security(()),
    request_body(content = NewHubForm, content_type = "application/x-www-form-urlencoded"),
    responses(FormResponses, Errors<HtmlErrors, 409>),
)]
pub(super) async fn add(
    services: Data<AppState>,
    Form { ctx, fields }: Form,
) -> Result<HttpResponse, PageError> {
    require_staff(&ctx, PATH)?;
    let mut form = HubFormState::new();
    let render_again = async |form: &HubFormState, status| render_list(&services, &ctx, status, form).await;
    let id = form.id.parse(&fields, HubId::new, "staff-error-hub-id")?;
    let name =
        form.name.parse(&fields, |text| validate_optional(text, MAX_NAME_LENGTH), "staff-error-name")?;
    let owner = form.owner.parse(&fields, Email::new, "staff-error-email")?;
    let (Some(id), Some(name), Some(owner)) = (id, name, owner) else {
        return render_again(&form, form_field::INVALID).await;
    };
    let hub = id.clone();
    let added = run_audited(&services, &ctx, move |conn, audit, now| {
        admin::add_hub(conn, &hub, &name, &owner, audit, now)
    });
    match added.await? {
        Ok(()) => return Ok(see_other(&format!("{}&flash=added", hub_url(&id)))),
        Err(HubError::UnknownUser) => form.owner.set_error("staff-error-unknown-user"),
        Err(HubError::Exists | HubError::UnknownHub | HubError::NotAMember) => {
            form.id.set_error("staff-error-hub-taken");
        }
    }
    render_again(&form, form_field::CONFLICT).await
}

/// One hub, and who is what in it, for staff.
#[utoipa::path(
    get,
    path = "/staff/hub",
    operation_id = "staff_hub_page",
    security(()),
    params(
        ("id" = Option<String>, Query, nullable = false, description = "The hub's id."),
        ("offset" = Option<String>, Query, nullable = false, description = "Number of members to skip."),
    ),
    responses(PageResponses),
)]
pub(super) async fn show(services: Data<AppState>, ctx: PageContext) -> Result<HttpResponse, PageError> {
    ctx.require_staff()?;
    let id = HubId::new(&ctx.query_param("id").unwrap_or_default()).map_err(|_| ApiError::NotFound)?;
    render_hub(&services, &ctx, StatusCode::OK, id, &RoleFormState::new()).await
}

/// A hub's page, with the form as it stands.
async fn render_hub(
    services: &AppState,
    ctx: &PageContext,
    status: StatusCode,
    id: HubId,
    form: &RoleFormState,
) -> Result<HttpResponse, PageError> {
    let hub = id.clone();
    // Where a form was sent to is not where its page is.
    let here = if status == StatusCode::OK { ctx.current_url.clone() } else { hub_url(&id) };
    let pagination = Pager::from_url(&here, "offset");
    let page = pagination.limit_plus_one();
    let found = services.store.read(move |conn| {
        let Some(name) = hubs::name(conn, &hub)? else { return Ok(None) };
        Ok(Some((name, hubs::members(conn, &hub, page)?)))
    });
    let (name, mut found) = found.await?.ok_or(ApiError::NotFound)?;
    let pagination = pagination.finish(&mut found);
    let members: Vec<Value> = found
        .iter()
        .map(|(user, role)| {
            context! { email => user.email.as_str(), name => user.display_name(), role => role.name() }
        })
        .collect();
    let roles = Role::ALL.map(Role::name);
    let flash = ctx.flash("staff-hub", &["added", "granted", "revoked", "no-role"]);
    let context = context! { id => id.as_str(), name => sanitize_for_display(&name), members, roles, pagination, flash, form => Serde(form) };
    Ok(ctx.render(status, "staff-hub", context))
}

/// The form that gives a role, as it is documented.
#[derive(ToSchema)]
#[schema(as = page::GrantRole)]
#[expect(dead_code, reason = "parsed by `grant_role`; declared for the OpenAPI schema")]
struct GrantRoleForm {
    /// What shows that the form was ours.
    csrf: String,
    /// The hub's id.
    hub: String,
    /// The user's address.
    email: String,
    /// The role's name.
    role: String,
}

/// The form that takes a role, as it is documented.
#[derive(ToSchema)]
#[schema(as = page::RevokeRole)]
#[expect(dead_code, reason = "parsed by `revoke_role`; declared for the OpenAPI schema")]
struct RevokeRoleForm {
    /// What shows that the form was ours.
    csrf: String,
    /// The hub's id.
    hub: String,
    /// The user's address.
    email: String,
}

/// The form that gives a role.
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

/// The hub that a form is about.
fn parse_hub_id(fields: &FormFields) -> Result<HubId, PageError> {
    HubId::new(fields.required("hub")?).map_err(|_| ApiError::NotFound.into())
}

/// Gives a user a role in a hub, in place of the one they had, for staff.
#[utoipa::path(
    post,
    path = "/staff/hub/members/grant",
    operation_id = "grant_role_form",
    security(()),
    request_body(content = GrantRoleForm, content_type = "application/x-www-form-urlencoded"),
    responses(FormResponses, Errors<HtmlErrors, 409>),
)]
pub(super) async fn grant_role(
    services: Data<AppState>,
    Form { ctx, fields }: Form,
) -> Result<HttpResponse, PageError> {
    require_staff(&ctx, PATH)?;
    let hub = parse_hub_id(&fields)?;
    let role: Role =
        fields.required("role")?.parse().map_err(|_| ApiError::BadRequest("Unknown role.".to_owned()))?;
    let mut form = RoleFormState { role: role.name(), ..RoleFormState::new() };
    let render_again =
        async |form: &RoleFormState, status| render_hub(&services, &ctx, status, hub.clone(), form).await;
    let Some(email) = form.email.parse(&fields, Email::new, "staff-error-email")? else {
        return render_again(&form, form_field::INVALID).await;
    };
    let id = hub.clone();
    let given = run_audited(&services, &ctx, move |conn, audit, now| {
        admin::grant_role(conn, &id, &email, role, audit, now)
    });
    match given.await? {
        Ok(()) => Ok(see_other(&format!("{}&flash=granted", hub_url(&hub)))),
        Err(HubError::UnknownUser) => {
            form.email.set_error("staff-error-unknown-user");
            render_again(&form, form_field::CONFLICT).await
        }
        Err(HubError::UnknownHub | HubError::Exists | HubError::NotAMember) => Err(ApiError::NotFound.into()),
    }
}

/// Takes a user's role in a hub, for staff.
#[utoipa::path(
    post,
    path = "/staff/hub/members/revoke",
    operation_id = "revoke_role_form",
    security(()),
    request_body(content = RevokeRoleForm, content_type = "application/x-www-form-urlencoded"),
    responses(FormResponses),
)]
pub(super) async fn revoke_role(
    services: Data<AppState>,
    Form { ctx, fields }: Form,
) -> Result<HttpResponse, PageError> {
    require_staff(&ctx, PATH)?;
    let hub = parse_hub_id(&fields)?;
    let email = Email::new(fields.required("email")?).map_err(|_| ApiError::NotFound)?;
    let id = hub.clone();
    let taken = run_audited(&services, &ctx, move |conn, audit, now| {
        admin::revoke_role(conn, &id, &email, audit, now)
    });
    let flash = match taken.await? {
        Ok(()) => "revoked",
        Err(HubError::NotAMember) => "no-role",
        Err(HubError::UnknownHub | HubError::Exists | HubError::UnknownUser) => {
            return Err(ApiError::NotFound.into());
        }
    };
    Ok(see_other(&format!("{}&flash={flash}", hub_url(&hub))))
}
