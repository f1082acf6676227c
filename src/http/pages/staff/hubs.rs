//! `/staff/hubs` and `/staff/hub`: the hubs, and who is what in one. A hub's id may hold
//! anything, so it stands in a query and never in a path.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use minijinja::value::Serde;
use minijinja::{Value, context};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use super::form::{self, Field};
use super::{Done, Look, perform, staff_in};
use crate::domain::hub::HubId;
use crate::domain::permission::Role;
use crate::domain::text::checked_or_empty;
use crate::domain::text::clean;
use crate::domain::user::Email;
use crate::http::Services;
use crate::http::openapi::refusals::May;
use crate::http::pages::Html;
use crate::http::pages::error::{PageError, encoded, see_other};
use crate::http::pages::listing::{Part, done};
use crate::http::pages::post::{Fields, Post};
use crate::http::pages::visit::Visit;
use crate::http::problem::Problem;
use crate::store::hubs;
use crate::store::staff::{self, HubRefusal};

const ROOM: &str = "/staff/hubs";
/// The most characters of a hub's name, and of a search.
const NAME: usize = 100;

#[derive(OpenApi)]
#[openapi(paths(list, add, show, give, take))]
pub(super) struct Document;

/// Lists the hubs, for staff.
#[utoipa::path(
    get,
    path = "/staff/hubs",
    operation_id = "staff_hubs_page",
    security(()),
    params(
        ("q" = Option<String>, Query, nullable = false, description = "Text to search for in ids and names."),
        ("from" = Option<String>, Query, nullable = false, description = "Number of rows to skip."),
    ),
    responses(Look),
)]
pub(super) async fn list(services: Data<Services>, visit: Visit) -> Result<HttpResponse, PageError> {
    visit.staff()?;
    show_all(&services, &visit, StatusCode::OK, &NewHub::new()).await
}

/// The list, with the form as it stands.
async fn show_all(
    services: &Services,
    visit: &Visit,
    status: StatusCode,
    form: &NewHub,
) -> Result<HttpResponse, PageError> {
    let q = visit.parameter("q").unwrap_or_default();
    let q = q.trim();
    let part = Part::of(visit, "from");
    let page = part.page_and_one();
    let text = q.to_lowercase();
    let mut found = match q.chars().count() <= NAME {
        true => services.directory.read(move |conn| hubs::search(conn, &text, page)).await?,
        false => Vec::new(),
    };
    let part = part.cut(&mut found);
    let row = |(id, name): &(HubId, String)| {
        context! { id => id.as_str(), name => clean(name), link => place(id) }
    };
    let hubs: Vec<Value> = found.iter().map(row).collect();
    let open = status != StatusCode::OK;
    let context = context! { q, hubs, part, done => None::<()>, form => Serde(form), open };
    Ok(visit.page(status, "staff-hubs", context))
}

/// Where a hub's own page is.
fn place(id: &HubId) -> String {
    format!("/staff/hub?id={}", encoded(id.as_str()))
}

/// The form that adds a hub, as it is documented.
#[derive(ToSchema)]
#[schema(as = page::NewHub)]
#[expect(dead_code, reason = "read by `add`; this is what it looks like")]
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
struct NewHub {
    id: Field,
    name: Field,
    owner: Field,
}

impl NewHub {
    fn new() -> Self {
        Self {
            id: Field::new("id", "text", "staff-hub-id").required().explained("staff-hub-id-hint"),
            name: Field::new("name", "text", "staff-name"),
            owner: Field::new("owner", "email", "staff-hub-owner").required(),
        }
    }
}

/// Adds a hub with its owner, for staff.
#[utoipa::path(
    post,
    path = "/staff/hubs",
    operation_id = "add_hub_by_page",
    security(()),
    request_body(content = NewHubForm, content_type = "application/x-www-form-urlencoded"),
    responses(Done, May<Html, 409>),
)]
pub(super) async fn add(
    services: Data<Services>,
    Post { visit, fields }: Post,
) -> Result<HttpResponse, PageError> {
    staff_in(&visit, ROOM)?;
    let mut form = NewHub::new();
    let again = async |form: &NewHub, status| show_all(&services, &visit, status, form).await;
    let id = form.id.read(&fields, HubId::new, "staff-error-hub-id")?;
    let name = form.name.read(&fields, |text| checked_or_empty(text, NAME), "staff-error-name")?;
    let owner = form.owner.read(&fields, Email::new, "staff-error-email")?;
    let (Some(id), Some(name), Some(owner)) = (id, name, owner) else {
        return again(&form, form::UNREADABLE).await;
    };
    let hub = id.clone();
    let added = perform(&services, &visit, move |conn, origin, now| {
        staff::add_hub(conn, &hub, &name, &owner, origin, now)
    });
    match added.await? {
        Ok(()) => return Ok(see_other(&format!("{}&done=added", place(&id)))),
        Err(HubRefusal::Nobody) => form.owner.refuse("staff-error-nobody"),
        Err(HubRefusal::Exists | HubRefusal::Unknown | HubRefusal::NoRole) => {
            form.id.refuse("staff-error-hub-taken");
        }
    }
    again(&form, form::IN_THE_WAY).await
}

/// One hub, and who is what in it, for staff.
#[utoipa::path(
    get,
    path = "/staff/hub",
    operation_id = "staff_hub_page",
    security(()),
    params(
        ("id" = Option<String>, Query, nullable = false, description = "The hub's id."),
        ("from" = Option<String>, Query, nullable = false, description = "Number of members to skip."),
    ),
    responses(Look),
)]
pub(super) async fn show(services: Data<Services>, visit: Visit) -> Result<HttpResponse, PageError> {
    visit.staff()?;
    let id = HubId::new(&visit.parameter("id").unwrap_or_default()).map_err(|_| Problem::NotFound)?;
    show_one(&services, &visit, StatusCode::OK, id, &Membership::new()).await
}

/// A hub's page, with the form as it stands.
async fn show_one(
    services: &Services,
    visit: &Visit,
    status: StatusCode,
    id: HubId,
    form: &Membership,
) -> Result<HttpResponse, PageError> {
    let hub = id.clone();
    // Where a form was sent to is not where its page is.
    let here = if status == StatusCode::OK { visit.here.clone() } else { place(&id) };
    let part = Part::at(&here, "from");
    let page = part.page_and_one();
    let found = services.directory.read(move |conn| {
        let Some(name) = hubs::name(conn, &hub)? else { return Ok(None) };
        Ok(Some((name, hubs::members(conn, &hub, page)?)))
    });
    let (name, mut found) = found.await?.ok_or(Problem::NotFound)?;
    let part = part.cut(&mut found);
    let members: Vec<Value> = found
        .iter()
        .map(|(user, role)| {
            context! { email => user.email.as_str(), name => user.display_name(), role => role.name() }
        })
        .collect();
    let roles = Role::ALL.map(Role::name);
    let done = done(visit, "staff-hub", &["added", "given", "taken", "had-none"]);
    let context =
        context! { id => id.as_str(), name => clean(&name), members, roles, part, done, form => Serde(form) };
    Ok(visit.page(status, "staff-hub", context))
}

/// The form that gives a role, as it is documented.
#[derive(ToSchema)]
#[schema(as = page::Membership)]
#[expect(dead_code, reason = "read by `give`; this is what it looks like")]
struct MembershipForm {
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
#[schema(as = page::Member)]
#[expect(dead_code, reason = "read by `take`; this is what it looks like")]
struct MemberForm {
    /// What shows that the form was ours.
    csrf: String,
    /// The hub's id.
    hub: String,
    /// The user's address.
    email: String,
}

/// The form that gives a role.
#[derive(Serialize)]
struct Membership {
    email: Field,
    role: &'static str,
}

impl Membership {
    fn new() -> Self {
        let email = Field::new("email", "email", "email").required().explained("staff-hub-give-hint");
        Self { email, role: Role::Contributor.name() }
    }
}

/// The hub that a form is about.
fn hub_of(fields: &Fields) -> Result<HubId, PageError> {
    HubId::new(fields.one("hub")?).map_err(|_| Problem::NotFound.into())
}

/// Gives a user a role in a hub, in place of the one they had, for staff.
#[utoipa::path(
    post,
    path = "/staff/hub/give",
    operation_id = "give_role_by_page",
    security(()),
    request_body(content = MembershipForm, content_type = "application/x-www-form-urlencoded"),
    responses(Done, May<Html, 409>),
)]
pub(super) async fn give(
    services: Data<Services>,
    Post { visit, fields }: Post,
) -> Result<HttpResponse, PageError> {
    staff_in(&visit, ROOM)?;
    let hub = hub_of(&fields)?;
    let role: Role =
        fields.one("role")?.parse().map_err(|_| Problem::BadRequest("Unknown role.".to_owned()))?;
    let mut form = Membership { role: role.name(), ..Membership::new() };
    let again =
        async |form: &Membership, status| show_one(&services, &visit, status, hub.clone(), form).await;
    let Some(email) = form.email.read(&fields, Email::new, "staff-error-email")? else {
        return again(&form, form::UNREADABLE).await;
    };
    let id = hub.clone();
    let given = perform(&services, &visit, move |conn, origin, now| {
        staff::give_role(conn, &id, &email, role, origin, now)
    });
    match given.await? {
        Ok(()) => Ok(see_other(&format!("{}&done=given", place(&hub)))),
        Err(HubRefusal::Nobody) => {
            form.email.refuse("staff-error-nobody");
            again(&form, form::IN_THE_WAY).await
        }
        Err(HubRefusal::Unknown | HubRefusal::Exists | HubRefusal::NoRole) => Err(Problem::NotFound.into()),
    }
}

/// Takes a user's role in a hub, for staff.
#[utoipa::path(
    post,
    path = "/staff/hub/take",
    operation_id = "take_role_by_page",
    security(()),
    request_body(content = MemberForm, content_type = "application/x-www-form-urlencoded"),
    responses(Done),
)]
pub(super) async fn take(
    services: Data<Services>,
    Post { visit, fields }: Post,
) -> Result<HttpResponse, PageError> {
    staff_in(&visit, ROOM)?;
    let hub = hub_of(&fields)?;
    let email = Email::new(fields.one("email")?).map_err(|_| Problem::NotFound)?;
    let id = hub.clone();
    let taken =
        perform(&services, &visit, move |conn, origin, now| staff::take_role(conn, &id, &email, origin, now));
    let done = match taken.await? {
        Ok(()) => "taken",
        Err(HubRefusal::NoRole) => "had-none",
        Err(HubRefusal::Unknown | HubRefusal::Exists | HubRefusal::Nobody) => {
            return Err(Problem::NotFound.into());
        }
    };
    Ok(see_other(&format!("{}&done={done}", place(&hub))))
}
