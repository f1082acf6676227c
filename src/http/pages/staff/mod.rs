//! `/staff`: what those do who administer the server. For everybody else there is nothing
//! here.

mod bundles;
mod chart;
mod form_field;
mod hubs;
mod mail;
mod overview;
mod users;

use std::collections::BTreeMap;
use std::str::FromStr;

use actix_web::web::{self, ServiceConfig};
use utoipa::openapi::{ContentBuilder, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, OpenApi, PartialSchema};

use super::context::PageContext;
use super::error::PageError;
use super::responses::HtmlErrors;
use super::templates;
use crate::domain::audit::AuditContext;
use crate::domain::timestamp::Timestamp;
use crate::http::error::ApiError;
use crate::http::openapi::error_responses::{BodyErrors, Errors};
use crate::http::routing::get;
use crate::http::state::AppState;
use crate::services::sessions::SignedIn;
use crate::store::{Conn, QueryResult};

/// Puts the rooms in place.
pub(super) fn routes(app: &mut ServiceConfig) {
    app.service(templates::resource("/staff", "GET, HEAD").route(get().to(overview::show)))
        .service(
            templates::resource("/staff/users", "GET, HEAD, POST")
                .route(get().to(users::list))
                .route(web::post().to(users::add)),
        )
        .service(
            templates::resource("/staff/users/{id}/disable", "POST").route(web::post().to(users::disable)),
        )
        .service(templates::resource("/staff/users/{id}/enable", "POST").route(web::post().to(users::enable)))
        .service(
            templates::resource("/staff/hubs", "GET, HEAD, POST")
                .route(get().to(hubs::list))
                .route(web::post().to(hubs::add)),
        )
        .service(templates::resource("/staff/hub", "GET, HEAD").route(get().to(hubs::show)))
        .service(
            templates::resource("/staff/hub/members/grant", "POST").route(web::post().to(hubs::grant_role)),
        )
        .service(
            templates::resource("/staff/hub/members/revoke", "POST").route(web::post().to(hubs::revoke_role)),
        )
        .service(
            templates::resource("/staff/bundles", "GET, HEAD, POST")
                .route(get().to(bundles::list))
                .route(web::post().to(bundles::add)),
        )
        .service(
            templates::resource("/staff/bundles/{id}", "GET, HEAD, POST")
                .route(get().to(bundles::show))
                .route(web::post().to(bundles::change)),
        )
        .service(
            templates::resource("/staff/bundles/{id}/delete", "POST").route(web::post().to(bundles::delete)),
        )
        .service(templates::resource("/staff/mail", "GET, HEAD").route(get().to(mail::list)))
        .service(templates::resource("/staff/mail/{id}/retry", "POST").route(web::post().to(mail::retry)));
}

/// What is told of the rooms.
pub(super) fn openapi_document() -> utoipa::openapi::OpenApi {
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
fn require_staff<'a>(ctx: &'a PageContext, return_path: &str) -> Result<&'a SignedIn, PageError> {
    ctx.require_staff().map_err(|error| match error {
        PageError::SignInRequired { .. } => PageError::SignInRequired { next: return_path.to_owned() },
        other => other,
    })
}

/// What an id in a path is; one that cannot be read is nobody's.
fn parse_id<T: FromStr>(segment: &str) -> Result<T, PageError> {
    segment.parse().map_err(|_| ApiError::NotFound.into())
}

/// Does what somebody of the staff wants done, as one transaction.
async fn run_audited<T: Send + 'static>(
    services: &AppState,
    ctx: &PageContext,
    action: impl Fn(&mut Conn, &AuditContext, Timestamp) -> QueryResult<T> + Send + 'static,
) -> Result<T, PageError> {
    let audit = ctx.audit.clone();
    let result = services.store.write(move |conn| {
        let now = conn.now()?;
        action(conn, &audit, now)
    });
    Ok(result.await?)
}

type Responses = BTreeMap<String, RefOr<Response>>;

/// What may come of looking at a room, as it is documented.
struct PageResponses;

/// What may come of a form that a room has, as it is documented.
struct FormResponses;

impl IntoResponses for PageResponses {
    fn responses() -> Responses {
        let page = ContentBuilder::new().schema(Some(String::schema())).build();
        let page = ResponseBuilder::new().description("The page.").content("text/html", page).build();
        let mut responses = Responses::from([
            ("200".to_owned(), page.into()),
            redirect_response("Not signed in. Redirects to the sign-in page."),
        ]);
        responses.extend(Errors::<HtmlErrors, 400>::responses());
        responses.extend(Errors::<HtmlErrors, 404>::responses());
        responses.extend(Errors::<HtmlErrors, 503>::responses());
        responses
    }
}

impl IntoResponses for FormResponses {
    fn responses() -> Responses {
        let mut responses =
            Responses::from([redirect_response("Done. Redirects to the list, or to the sign-in page.")]);
        responses.extend(BodyErrors::<HtmlErrors>::responses());
        responses.extend(Errors::<HtmlErrors, 403>::responses());
        responses.extend(Errors::<HtmlErrors, 404>::responses());
        responses.extend(Errors::<HtmlErrors, 503>::responses());
        responses
    }
}

fn redirect_response(description: &str) -> (String, RefOr<Response>) {
    ("303".to_owned(), ResponseBuilder::new().description(description).build().into())
}
