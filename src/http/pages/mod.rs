//! The page that a mail's link opens: it shows a form, and acts on what the form
//! sends. Looking at it changes nothing, however often, by whatever scanner.

mod form;
mod redeem;
mod view;

use actix_web::web::ServiceConfig;
use actix_web::{HttpResponse, web};
use utoipa::OpenApi;

use super::openapi::refusals::Refusals;
use super::problem::Problem;
use super::routing::{get, resource};
use view::Page;

#[cfg(any(test, fuzzing))]
pub(crate) use form::probe;

/// Puts the pages in place.
pub fn routes(app: &mut ServiceConfig) {
    app.service(
        resource("/redeem", "GET, HEAD, POST")
            .route(get().to(redeem::show))
            .route(web::post().to(redeem::decide)),
    )
    .service(resource("/redeem/style.css", "GET, HEAD").route(get().to(view::style)));
}

#[derive(OpenApi)]
#[openapi(paths(redeem::show, redeem::decide, view::style))]
struct Document;

/// What is told of the pages.
pub fn document() -> utoipa::openapi::OpenApi {
    super::openapi::part::<Html>("The page", Document::openapi())
}

/// The pages' way to tell that something went wrong: a page.
enum Html {}

impl Refusals for Html {
    const DIALECT: &'static str = "page";
    const MEDIA_TYPE: &'static str = "text/html";
    type Body = String;
    type Invalid = String;
}

/// A problem as a page.
pub fn problem(problem: &Problem) -> HttpResponse {
    Page::Problem { words: problem.to_string() }.answer(problem.status())
}
