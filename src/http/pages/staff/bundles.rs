//! `/staff/bundles`: the sets of rights that users ask each other for.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use minijinja::value::Serde;
use minijinja::{Value, context};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use super::form::{self, Field};
use super::{Done, Look, id, perform, staff_in};
use crate::domain::bundle::{Bundle, BundleId, BundleName, Description};
use crate::domain::permission::{Mask, Right};
use crate::http::Services;
use crate::http::openapi::refusals::May;
use crate::http::pages::Html;
use crate::http::pages::error::{PageError, see_other};
use crate::http::pages::listing::{Part, done};
use crate::http::pages::post::{Csrf, Fields, Post};
use crate::http::pages::visit::Visit;
use crate::http::problem::Problem;
use crate::store::bundles::{BundleChange, NewBundle, Unchanged};
use crate::store::{bundles, staff};

const ROOM: &str = "/staff/bundles";

#[derive(OpenApi)]
#[openapi(paths(list, add, show, change, delete))]
pub(super) struct Document;

/// Lists the bundles, for staff.
#[utoipa::path(
    get,
    path = "/staff/bundles",
    operation_id = "staff_bundles_page",
    security(()),
    params(("from" = Option<String>, Query, nullable = false, description = "Number of rows to skip.")),
    responses(Look),
)]
pub(super) async fn list(services: Data<Services>, visit: Visit) -> Result<HttpResponse, PageError> {
    visit.staff()?;
    show_all(&services, &visit, StatusCode::OK, &Form::new()).await
}

/// The list, with the form as it stands.
async fn show_all(
    services: &Services,
    visit: &Visit,
    status: StatusCode,
    form: &Form,
) -> Result<HttpResponse, PageError> {
    let part = Part::of(visit, "from");
    let page = part.page();
    let listed = services.directory.read(move |conn| bundles::list(conn, page)).await?;
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
        part => part.links(listed.total),
        done => done(visit, "staff-bundles", &["added", "changed", "deleted"]),
        form => Serde(form),
        open => status != StatusCode::OK,
    };
    Ok(visit.page(status, "staff-bundles", context))
}

/// The form, as it is documented.
#[derive(ToSchema)]
#[schema(as = page::Bundle)]
#[expect(dead_code, reason = "read by `Form::read`; this is what it looks like")]
struct BundleForm {
    /// What shows that the form was ours.
    csrf: String,
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    #[schema(max_length = 1000)]
    description: String,
    /// The names of the rights, each in a field of its own; one at the least.
    right: Vec<String>,
}

/// The form that makes or changes a bundle.
#[derive(Serialize)]
struct Form {
    name: Field,
    description: Field,
    rights: Vec<Box>,
    /// The key of what is wrong with the rights.
    error: Option<&'static str>,
}

/// A right to tick.
#[derive(Serialize)]
struct Box {
    right: &'static str,
    ticked: bool,
}

impl Form {
    fn new() -> Self {
        Self {
            name: Field::new("name", "text", "staff-name").required().explained("staff-bundle-name-hint"),
            description: Field::new("description", "text", "staff-description"),
            rights: boxes(|right| right == Right::Read),
            error: None,
        }
    }

    fn of(bundle: &Bundle) -> Self {
        let new = Self::new();
        Self {
            name: new.name.filled(bundle.name.as_str()),
            description: new.description.filled(bundle.description.as_str()),
            rights: boxes(|right| bundle.permission.rights().any(|other| other == right)),
            error: None,
        }
    }

    /// What somebody filled in, if that can be read.
    fn read(&mut self, fields: &Fields) -> Result<Option<NewBundle>, PageError> {
        let name = self.name.read(fields, BundleName::new, "staff-error-bundle-name")?;
        let description = self.description.read(fields, Description::new, "staff-error-description")?;
        self.rights = boxes(|right| fields.all("right").any(|name| name == right.name()));
        let ticked =
            Right::ALL.into_iter().filter(|right| fields.all("right").any(|name| name == right.name()));
        let permission = Mask::new(ticked.map(|right| right as i64).sum()).ok();
        if permission.is_none() {
            self.error = Some("staff-error-rights");
        }
        let (Some(name), Some(description), Some(permission)) = (name, description, permission) else {
            return Ok(None);
        };
        Ok(Some(NewBundle { name, description, permission }))
    }
}

fn boxes(ticked: impl Fn(Right) -> bool) -> Vec<Box> {
    Right::ALL.map(|right| Box { right: right.name(), ticked: ticked(right) }).into()
}

/// Makes a bundle, for staff.
#[utoipa::path(
    post,
    path = "/staff/bundles",
    operation_id = "make_bundle_by_page",
    security(()),
    request_body(content = BundleForm, content_type = "application/x-www-form-urlencoded"),
    responses(Done),
)]
pub(super) async fn add(
    services: Data<Services>,
    Post { visit, fields }: Post,
) -> Result<HttpResponse, PageError> {
    staff_in(&visit, ROOM)?;
    let mut form = Form::new();
    let Some(new) = form.read(&fields)? else {
        return show_all(&services, &visit, form::UNREADABLE, &form).await;
    };
    let added =
        perform(&services, &visit, move |conn, origin, now| staff::add_bundle(conn, &new, origin, now));
    added.await?;
    Ok(see_other(&format!("{ROOM}?done=added")))
}

/// A bundle's form, for staff.
#[utoipa::path(
    get,
    path = "/staff/bundles/{id}",
    operation_id = "staff_bundle_page",
    security(()),
    params(("id" = String, Path, description = "The bundle's number.")),
    responses(Look),
)]
pub(super) async fn show(
    services: Data<Services>,
    segment: Path<String>,
    visit: Visit,
) -> Result<HttpResponse, PageError> {
    visit.staff()?;
    let bundle = find(&services, BundleId(id(&segment)?)).await?;
    Ok(show_one(&visit, StatusCode::OK, bundle.id, None, &Form::of(&bundle)))
}

async fn find(services: &Services, id: BundleId) -> Result<Bundle, PageError> {
    let found = services.directory.read(move |conn| bundles::by_ids(conn, &[id])).await?;
    Ok(found.into_iter().next().ok_or(Problem::NotFound)?)
}

/// A bundle's form as it stands, and why the bundle stays as it is.
fn show_one(
    visit: &Visit,
    status: StatusCode,
    id: BundleId,
    refusal: Option<&str>,
    form: &Form,
) -> HttpResponse {
    visit.page(
        status,
        "staff-bundle",
        context! { id => id.0, refusal, form => Serde(form), done => None::<()> },
    )
}

/// Changes a bundle, for staff. While it is in use its rights stay.
#[utoipa::path(
    post,
    path = "/staff/bundles/{id}",
    operation_id = "change_bundle_by_page",
    security(()),
    params(("id" = String, Path, description = "The bundle's number.")),
    request_body(content = BundleForm, content_type = "application/x-www-form-urlencoded"),
    responses(Done, May<Html, 409>),
)]
pub(super) async fn change(
    services: Data<Services>,
    segment: Path<String>,
    Post { visit, fields }: Post,
) -> Result<HttpResponse, PageError> {
    staff_in(&visit, ROOM)?;
    let bundle = find(&services, BundleId(id(&segment)?)).await?;
    let mut form = Form::of(&bundle);
    let Some(new) = form.read(&fields)? else {
        return Ok(show_one(&visit, form::UNREADABLE, bundle.id, None, &form));
    };
    let change = BundleChange {
        name: Some(new.name),
        description: Some(new.description),
        permission: Some(new.permission),
    };
    let changed = perform(&services, &visit, move |conn, origin, now| {
        staff::change_bundle(conn, bundle.id, &change, origin, now)
    });
    match changed.await? {
        Ok(_) => Ok(see_other(&format!("{ROOM}?done=changed"))),
        Err(Unchanged::Unknown) => Err(Problem::NotFound.into()),
        Err(Unchanged::InUse) => {
            let refusal = Some("staff-bundle-rights-in-use");
            Ok(show_one(&visit, form::IN_THE_WAY, bundle.id, refusal, &form))
        }
    }
}

/// Deletes a bundle that is not in use, for staff.
#[utoipa::path(
    post,
    path = "/staff/bundles/{id}/delete",
    operation_id = "delete_bundle_by_page",
    security(()),
    params(("id" = String, Path, description = "The bundle's number.")),
    request_body(content = Csrf, content_type = "application/x-www-form-urlencoded"),
    responses(Done, May<Html, 409>),
)]
pub(super) async fn delete(
    services: Data<Services>,
    segment: Path<String>,
    Post { visit, .. }: Post,
) -> Result<HttpResponse, PageError> {
    staff_in(&visit, ROOM)?;
    let bundle = find(&services, BundleId(id(&segment)?)).await?;
    let id = bundle.id;
    let deleted =
        perform(&services, &visit, move |conn, origin, now| staff::delete_bundle(conn, id, origin, now));
    match deleted.await? {
        Ok(()) => Ok(see_other(&format!("{ROOM}?done=deleted"))),
        Err(Unchanged::Unknown) => Err(Problem::NotFound.into()),
        Err(Unchanged::InUse) => {
            let refusal = Some("staff-bundle-in-use");
            Ok(show_one(&visit, form::IN_THE_WAY, id, refusal, &Form::of(&bundle)))
        }
    }
}
