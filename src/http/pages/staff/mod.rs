//! `/staff`: what those do who administer the server. For everybody else there is nothing
//! here.

mod bundles;
mod chart;
mod form;
mod hubs;
mod mail;
mod overview;
mod users;

use std::collections::BTreeMap;
use std::str::FromStr;

use actix_web::web::{self, ServiceConfig};
use utoipa::openapi::{ContentBuilder, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, OpenApi, PartialSchema};

use super::error::PageError;
use super::session::SignedIn;
use super::visit::Visit;
use super::{Html, view};
use crate::domain::clock::Timestamp;
use crate::domain::event::Origin;
use crate::http::Services;
use crate::http::openapi::refusals::{AnyBody, May};
use crate::http::problem::Problem;
use crate::http::routing::get;
use crate::store::{Conn, QueryResult};

/// Puts the rooms in place.
pub(super) fn routes(app: &mut ServiceConfig) {
    app.service(view::resource("/staff", "GET, HEAD").route(get().to(overview::show)))
        .service(
            view::resource("/staff/users", "GET, HEAD, POST")
                .route(get().to(users::list))
                .route(web::post().to(users::add)),
        )
        .service(view::resource("/staff/users/{id}/disable", "POST").route(web::post().to(users::disable)))
        .service(view::resource("/staff/users/{id}/enable", "POST").route(web::post().to(users::enable)))
        .service(
            view::resource("/staff/hubs", "GET, HEAD, POST")
                .route(get().to(hubs::list))
                .route(web::post().to(hubs::add)),
        )
        .service(view::resource("/staff/hub", "GET, HEAD").route(get().to(hubs::show)))
        .service(view::resource("/staff/hub/give", "POST").route(web::post().to(hubs::give)))
        .service(view::resource("/staff/hub/take", "POST").route(web::post().to(hubs::take)))
        .service(
            view::resource("/staff/bundles", "GET, HEAD, POST")
                .route(get().to(bundles::list))
                .route(web::post().to(bundles::add)),
        )
        .service(
            view::resource("/staff/bundles/{id}", "GET, HEAD, POST")
                .route(get().to(bundles::show))
                .route(web::post().to(bundles::change)),
        )
        .service(view::resource("/staff/bundles/{id}/delete", "POST").route(web::post().to(bundles::delete)))
        .service(view::resource("/staff/mail", "GET, HEAD").route(get().to(mail::list)))
        .service(view::resource("/staff/mail/{id}/retry", "POST").route(web::post().to(mail::retry)));
}

/// What is told of the rooms.
pub(super) fn document() -> utoipa::openapi::OpenApi {
    let parts = [
        users::Document::openapi(),
        hubs::Document::openapi(),
        bundles::Document::openapi(),
        mail::Document::openapi(),
    ];
    let mut whole = overview::Document::openapi();
    parts.into_iter().for_each(|part| whole.merge(part));
    whole
}

/// [`Visit::staff`], for what a form sends: who has to sign in first comes back to the room
/// that the form is in.
fn staff_in<'a>(visit: &'a Visit, room: &str) -> Result<&'a SignedIn, PageError> {
    visit.staff().map_err(|error| match error {
        PageError::SignIn { .. } => PageError::SignIn { next: room.to_owned() },
        other => other,
    })
}

/// What an id in a path is; one that cannot be read is nobody's.
fn id<T: FromStr>(segment: &str) -> Result<T, PageError> {
    segment.parse().map_err(|_| Problem::NotFound.into())
}

/// Does what somebody of the staff wants done, as one transaction.
async fn perform<T: Send + 'static>(
    services: &Services,
    visit: &Visit,
    deed: impl Fn(&mut Conn, &Origin, Timestamp) -> QueryResult<T> + Send + 'static,
) -> Result<T, PageError> {
    let origin = visit.origin.clone();
    let done = services.directory.write(move |conn| {
        let now = conn.now()?;
        deed(conn, &origin, now)
    });
    Ok(done.await?)
}

type Responses = BTreeMap<String, RefOr<Response>>;

/// What may come of looking at a room, as it is documented.
struct Look;

/// What may come of a form that a room has, as it is documented.
struct Done;

impl IntoResponses for Look {
    fn responses() -> Responses {
        let page = ContentBuilder::new().schema(Some(String::schema())).build();
        let page = ResponseBuilder::new().description("The page.").content("text/html", page).build();
        let mut responses = Responses::from([
            ("200".to_owned(), page.into()),
            lead("Not signed in. Redirects to the sign-in page."),
        ]);
        responses.extend(May::<Html, 400>::responses());
        responses.extend(May::<Html, 404>::responses());
        responses.extend(May::<Html, 503>::responses());
        responses
    }
}

impl IntoResponses for Done {
    fn responses() -> Responses {
        let mut responses = Responses::from([lead("Done. Redirects to the list, or to the sign-in page.")]);
        responses.extend(AnyBody::<Html>::responses());
        responses.extend(May::<Html, 403>::responses());
        responses.extend(May::<Html, 404>::responses());
        responses.extend(May::<Html, 503>::responses());
        responses
    }
}

fn lead(says: &str) -> (String, RefOr<Response>) {
    ("303".to_owned(), ResponseBuilder::new().description(says).build().into())
}
