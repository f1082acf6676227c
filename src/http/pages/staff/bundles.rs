//! `/staff/bundles`: adding, changing and deleting bundles.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use minijinja::value::Serde;
use minijinja::{Value, context};
use serde::Serialize;
use utoipa::ToSchema;

use super::form_field::{self, FormField};
use crate::domain::bundle::{Bundle, BundleId, BundleName, Description};
use crate::domain::rights::{Mask, Right};
use crate::http::error::ApiError;
use crate::http::openapi::error_responses::Errors;
use crate::http::pages::context::PageContext;
use crate::http::pages::error::PageError;
use crate::http::pages::form::{CsrfForm, Form, FormFields};
use crate::http::pages::pager::Pager;
use crate::http::pages::responses::{HtmlErrors, StaffForm, StaffPage};
use crate::http::pages::url::{parse_id, see_other};
use crate::http::routing::{Endpoint, endpoints};
use crate::http::state::AppState;
use crate::services::admin::bundles;
use crate::store::bundles::{BundleChange, BundleError, BundleVersion, NewBundle};

const PATH: &str = "/staff/bundles";
/// The fields of a new bundle that are kept during sign-in.
const KEPT: &[&str] = &["name", "right", "description"];

pub(super) fn endpoints() -> Vec<Endpoint> {
    endpoints![list, add, show, change, delete]
}

/// Lists the bundles, for staff.
#[utoipa::path(
    get,
    path = "/staff/bundles",
    operation_id = "staff_bundles_page",
    security(()),
    params(
        ("offset" = Option<String>, Query, nullable = false, description = "Number of rows to skip."),
        ("name" = Option<String>, Query, nullable = false, description = "The name of a new bundle."),
        ("description" = Option<String>, Query, nullable = false, description = "The description of a new bundle."),
        ("right" = Option<Vec<String>>, Query, nullable = false, description = "The rights of a new bundle."),
    ),
    responses(StaffPage),
)]
async fn list(state: Data<AppState>, ctx: PageContext) -> Result<HttpResponse, PageError> {
    ctx.require_staff()?;
    render_list(&state, &ctx, StatusCode::OK, &BundleFormState::of_link(&ctx)).await
}

/// The list, with the form for a new bundle.
async fn render_list(
    state: &AppState,
    ctx: &PageContext,
    status: StatusCode,
    form: &BundleFormState,
) -> Result<HttpResponse, PageError> {
    let pagination = Pager::new(ctx, "offset");
    let page = pagination.page();
    let listed = state.store.read(bundles::list(page)).await?;
    let row = |bundle: &Bundle| {
        context! {
            id => bundle.id.0,
            name => bundle.display_name(),
            description => bundle.display_description(),
            rights => bundle.permission.to_string(),
        }
    };
    let bundles: Vec<Value> = listed.rows.iter().map(row).collect();
    let context = context! {
        bundles,
        pagination => pagination.links(listed.total),
        flash => ctx.flash("staff-bundles", &["added", "changed", "deleted"]),
        form => Serde(form),
        open => status != StatusCode::OK || FormFields::of_link(ctx, KEPT).is_some(),
    };
    Ok(ctx.render(status, "staff-bundles", context))
}

/// The fields of the form.
#[derive(Default, ToSchema)]
#[schema(as = page::Bundle)]
struct BundleForm {
    /// The CSRF token of the page.
    #[schema(rename = "csrf")]
    _csrf: String,
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    #[schema(max_length = 1000)]
    description: String,
    /// The names of the rights, one field each, at least one.
    right: Vec<String>,
}

impl BundleForm {
    fn from_fields(fields: &FormFields) -> Result<Self, ApiError> {
        Ok(Self {
            name: fields.required("name")?.to_owned(),
            description: fields.required("description")?.to_owned(),
            right: fields.get_all("right").map(str::to_owned).collect(),
            ..Self::default()
        })
    }
}

/// The form that adds or changes a bundle, as the template shows it.
#[derive(Serialize)]
struct BundleFormState {
    name: FormField,
    description: FormField,
    rights: Vec<RightCheckbox>,
    /// The message key of the error at the rights.
    rights_error: Option<&'static str>,
}

/// A checkbox of the form.
#[derive(Serialize)]
struct RightCheckbox {
    right: &'static str,
    checked: bool,
}

impl BundleFormState {
    fn new() -> Self {
        Self {
            name: FormField::new("name", "text", "staff-name").required().with_hint("staff-bundle-name-hint"),
            description: FormField::new("description", "text", "staff-description"),
            rights: right_checkboxes(|right| right == Right::Read),
            rights_error: None,
        }
    }

    /// The form as a link to it fills it in.
    fn of_link(ctx: &PageContext) -> Self {
        let (new, Some(fields)) = (Self::new(), FormFields::of_link(ctx, KEPT)) else { return Self::new() };
        let value = |name| fields.optional(name).unwrap_or_default();
        Self {
            name: new.name.with_value(value("name")),
            description: new.description.with_value(value("description")),
            rights: right_checkboxes(|right| fields.get_all("right").any(|name| name == right.name())),
            rights_error: None,
        }
    }

    fn from_bundle(bundle: &Bundle) -> Self {
        let new = Self::new();
        Self {
            name: new.name.with_value(bundle.name.as_str()),
            description: new.description.with_value(bundle.description.as_str()),
            rights: right_checkboxes(|right| bundle.permission.rights().any(|other| other == right)),
            rights_error: None,
        }
    }

    /// Parses the submitted fields. `None` if one is invalid; the form then shows the errors.
    fn parse(&mut self, form: &BundleForm) -> Option<NewBundle> {
        let name = self.name.parse(&form.name, BundleName::new, "staff-error-bundle-name");
        let description =
            self.description.parse(&form.description, Description::new, "staff-error-description");
        let is_checked = |right: Right| form.right.iter().any(|name| name == right.name());
        self.rights = right_checkboxes(is_checked);
        let checked = Right::ALL.into_iter().filter(|right| is_checked(*right));
        let permission = Mask::new(checked.map(|right| right as i64).sum()).ok();
        if permission.is_none() {
            self.rights_error = Some("staff-error-rights");
        }
        Some(NewBundle { name: name?, description: description?, permission: permission? })
    }
}

fn right_checkboxes(checked: impl Fn(Right) -> bool) -> Vec<RightCheckbox> {
    Right::ALL.map(|right| RightCheckbox { right: right.name(), checked: checked(right) }).into()
}

/// Adds a bundle, for staff.
#[utoipa::path(
    post,
    path = "/staff/bundles",
    operation_id = "create_bundle_form",
    security(()),
    request_body(content = BundleForm, content_type = "application/x-www-form-urlencoded"),
    responses(StaffForm),
)]
async fn add(state: Data<AppState>, sent: Form) -> Result<HttpResponse, PageError> {
    let Form { ctx, fields } = &sent;
    let me = sent.require_staff_or_keep(PATH, KEPT)?.user.id;
    let mut form = BundleFormState::new();
    let Some(new) = form.parse(&BundleForm::from_fields(fields)?) else {
        return render_list(&state, ctx, form_field::INVALID, &form).await;
    };
    let add = async { Ok(Ok::<_, ()>(state.store.write(bundles::add(new, ctx.audit.clone())).await?)) };
    // A form that was sent before has added the bundle already.
    sent.create_once(&state, me, add).await?;
    Ok(see_other(&format!("{PATH}?flash=added")))
}

/// The form that changes a bundle, for staff.
#[utoipa::path(
    get,
    path = "/staff/bundles/{id}",
    operation_id = "staff_bundle_page",
    security(()),
    params(("id" = String, Path, description = "The bundle's number.")),
    responses(StaffPage),
)]
async fn show(
    state: Data<AppState>,
    segment: Path<String>,
    ctx: PageContext,
) -> Result<HttpResponse, PageError> {
    ctx.require_staff()?;
    let bundle = find_bundle(&state, BundleId(parse_id(&segment)?)).await?;
    let versions = state.store.read(bundles::versions(bundle.id)).await?;
    let version = |version: &BundleVersion| {
        let BundleVersion { bundle, replaced_at } = version;
        context! {
            name => bundle.display_name(),
            description => bundle.display_description(),
            rights => bundle.permission.to_string(),
            until => replaced_at.micros(),
        }
    };
    let form = BundleFormState::from_bundle(&bundle);
    let context = context! {
        id => bundle.id.0,
        conflict => None::<()>,
        form => Serde(&form),
        flash => None::<()>,
        versions => versions.iter().map(version).collect::<Vec<Value>>(),
    };
    Ok(ctx.render_ok("staff-bundle", context))
}

async fn find_bundle(state: &AppState, id: BundleId) -> Result<Bundle, PageError> {
    Ok(state.store.read(bundles::by_id(id)).await?.ok_or(ApiError::NotFound)?)
}

/// The page of a bundle. `conflict` is the message key that says why the bundle was not changed.
fn render_bundle(
    ctx: &PageContext,
    status: StatusCode,
    id: BundleId,
    conflict: Option<&str>,
    form: &BundleFormState,
) -> HttpResponse {
    ctx.render(
        status,
        "staff-bundle",
        context! { id => id.0, conflict, form => Serde(form), flash => None::<()>, versions => Vec::<Value>::new() },
    )
}

/// Changes a bundle that is not in use, for staff.
#[utoipa::path(
    post,
    path = "/staff/bundles/{id}",
    operation_id = "change_bundle_form",
    security(()),
    params(("id" = String, Path, description = "The bundle's number.")),
    request_body(content = BundleForm, content_type = "application/x-www-form-urlencoded"),
    responses(StaffForm, Errors<HtmlErrors, 409>),
)]
async fn change(
    state: Data<AppState>,
    segment: Path<String>,
    Form { ctx, fields }: Form,
) -> Result<HttpResponse, PageError> {
    ctx.require_staff_or_return_to(PATH)?;
    let bundle = find_bundle(&state, BundleId(parse_id(&segment)?)).await?;
    let mut form = BundleFormState::from_bundle(&bundle);
    let Some(new) = form.parse(&BundleForm::from_fields(&fields)?) else {
        return Ok(render_bundle(&ctx, form_field::INVALID, bundle.id, None, &form));
    };
    let change = BundleChange {
        name: Some(new.name),
        description: Some(new.description),
        permission: Some(new.permission),
    };
    let changed = state.store.write(bundles::update(bundle.id, change, ctx.audit.clone()));
    match changed.await? {
        Ok(_) => Ok(see_other(&format!("{PATH}?flash=changed"))),
        Err(BundleError::NotFound) => Err(ApiError::NotFound.into()),
        Err(BundleError::InUse) => {
            let conflict = Some("staff-bundle-change-in-use");
            Ok(render_bundle(&ctx, form_field::CONFLICT, bundle.id, conflict, &form))
        }
    }
}

/// Deletes a bundle that is not in use, for staff.
#[utoipa::path(
    post,
    path = "/staff/bundles/{id}/delete",
    operation_id = "delete_bundle_form",
    security(()),
    params(("id" = String, Path, description = "The bundle's number.")),
    request_body(content = CsrfForm, content_type = "application/x-www-form-urlencoded"),
    responses(StaffForm, Errors<HtmlErrors, 409>),
)]
async fn delete(
    state: Data<AppState>,
    segment: Path<String>,
    Form { ctx, .. }: Form,
) -> Result<HttpResponse, PageError> {
    ctx.require_staff_or_return_to(PATH)?;
    let bundle = find_bundle(&state, BundleId(parse_id(&segment)?)).await?;
    let id = bundle.id;
    match state.store.write(bundles::delete(id, ctx.audit.clone())).await? {
        Ok(()) => Ok(see_other(&format!("{PATH}?flash=deleted"))),
        Err(BundleError::NotFound) => Err(ApiError::NotFound.into()),
        Err(BundleError::InUse) => {
            let conflict = Some("staff-bundle-in-use");
            Ok(render_bundle(
                &ctx,
                form_field::CONFLICT,
                id,
                conflict,
                &BundleFormState::from_bundle(&bundle),
            ))
        }
    }
}
