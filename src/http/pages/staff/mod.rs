//! `/staff`: the administration pages. Users who are not staff get 404.

mod bundles;
mod chart;
mod form_field;
mod hubs;
mod mail;
mod overview;
mod users;

use actix_web::web::{self, ServiceConfig};
use utoipa::OpenApi;

use super::templates;
use crate::http::routing::get;

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
