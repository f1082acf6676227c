//! The page that a mail's link opens: it shows a form, and acts on what the form
//! sends. Looking at it changes nothing, however often, by whatever scanner.

mod form;
mod redeem;
mod view;

use actix_web::web::ServiceConfig;
use actix_web::{HttpResponse, web};

use super::problem::Problem;
use super::routing::{get, resource};
use view::Page;

/// Puts the pages in place.
pub fn routes(app: &mut ServiceConfig) {
    app.service(
        resource("/redeem", "GET, HEAD, POST")
            .route(get().to(redeem::show))
            .route(web::post().to(redeem::decide)),
    )
    .service(resource("/redeem/style.css", "GET, HEAD").route(get().to(view::style)));
}

#[cfg(any(test, fuzzing))]
pub(crate) use form::probe;

/// A problem as a page.
pub fn problem(problem: &Problem) -> HttpResponse {
    Page::Problem { words: problem.to_string() }.answer(problem.status())
}
