//! `/`: what somebody finds who is signed in.

use actix_web::HttpResponse;
use minijinja::context;
use utoipa::OpenApi;

use super::Html;
use super::error::PageError;
use super::visit::Visit;
use crate::http::openapi::refusals::May;

#[derive(OpenApi)]
#[openapi(paths(show))]
pub(super) struct Document;

/// What waits for whoever is signed in.
#[utoipa::path(
    get,
    path = "/",
    operation_id = "home_page",
    security(()),
    responses(
        (status = 200, description = "The page.", body = String, content_type = "text/html"),
        (status = 303, description = "Nobody is signed in."),
        May<Html, 503>,
    ),
)]
pub(super) async fn show(visit: Visit) -> Result<HttpResponse, PageError> {
    visit.user()?;
    Ok(visit.show("home", context! {}))
}
