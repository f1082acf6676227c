//! `/staff`: the administration pages. Users who are not staff get 404.

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
use crate::http::error::ApiError;
use crate::http::openapi::error_responses::{BodyErrors, Errors};
use crate::http::routing::get;
use crate::services::sessions::SignedIn;

/// Registers the routes.
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

/// The OpenAPI document of these pages.
pub(super) fn openapi_document() -> utoipa::openapi::OpenApi {
    let parts = [
        users::Document::openapi(),
        hubs::Document::openapi(),
        bundles::Document::openapi(),
        mail::Document::openapi(),
    ];
    let mut document = overview::Document::openapi();
    parts.into_iter().for_each(|part| document.merge(part));
    document
}

/// [`PageContext::require_staff`] for a submitted form: after sign-in, the user is redirected to
/// `return_path`, the page of the form.
fn require_staff<'a>(ctx: &'a PageContext, return_path: &str) -> Result<&'a SignedIn, PageError> {
    ctx.require_staff().map_err(|error| match error {
        PageError::SignInRequired { .. } => PageError::SignInRequired { next: return_path.to_owned() },
        other => other,
    })
}

/// Parses an ID in a path. One that is malformed is answered like one that does not exist.
fn parse_id<T: FromStr>(segment: &str) -> Result<T, PageError> {
    segment.parse().map_err(|_| ApiError::NotFound.into())
}

type Responses = BTreeMap<String, RefOr<Response>>;

/// The responses of a page, for the OpenAPI document.
struct PageResponses;

/// The responses of a form, for the OpenAPI document.
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
