//! The pages: what people use in a browser. HTML that is written here, and works without
//! scripts; looking at a page changes nothing, however often, by whatever scanner.
//!
//! A handler takes a `Visit` (who looks, in which language) or, where something
//! is to be done, a `Post` (which a form of ours sent), and answers with a page
//! of a template, by `view`. What people read is in [`crate::words`]. Who is not signed
//! in, and has to be, is asked to, and led back.

mod account;
mod api_keys;
mod assets;
mod audit_log;
mod context;
mod dev_mail;
mod error;
mod export_tokens;
mod form;
mod home;
mod pager;
mod password;
mod permissions;
mod qr;
mod redeem;
mod requests;
mod session;
mod sign_in;
mod staff;
mod templates;
mod timeline;
mod user_agent;

use actix_web::web::{self, ServiceConfig};
use utoipa::OpenApi;

use super::openapi::error_responses::ErrorSchemas;
use super::routing::{get, resource};

pub(crate) use dev_mail::is_enabled as has_dev_mail;
pub(crate) use error::not_found;
#[cfg(any(test, fuzzing))]
pub(crate) use form::fuzz;

/// Puts the pages in place.
pub fn routes(app: &mut ServiceConfig) {
    app.service(
        resource("/assets/{file}", "GET, HEAD")
            .app_data(error::ERROR_RENDERER)
            .route(get().to(assets::serve)),
    )
    .service(templates::resource("/", "GET, HEAD").route(get().to(home::show)))
    .service(
        templates::resource("/sign-in", "GET, HEAD, POST")
            .route(get().to(sign_in::show))
            .route(web::post().to(sign_in::sign_in)),
    )
    .service(templates::resource("/sign-out", "POST").route(web::post().to(sign_in::sign_out)))
    .service(
        templates::resource("/redeem", "GET, HEAD, POST")
            .route(get().to(redeem::show))
            .route(web::post().to(redeem::decide)),
    )
    .configure(requests::routes)
    .configure(permissions::routes)
    .configure(export_tokens::routes)
    .configure(api_keys::routes)
    .configure(password::routes)
    .configure(account::routes)
    .configure(dev_mail::routes)
    .configure(staff::routes)
    .service(templates::resource("/requests/{id}", "GET, HEAD").route(get().to(timeline::show)))
    .service(templates::resource("/account/activity", "GET, HEAD").route(get().to(audit_log::own_activity)))
    .service(templates::resource("/staff/audit", "GET, HEAD").route(get().to(audit_log::all_entries)));
}

/// What is told of the pages.
pub fn openapi_document() -> utoipa::openapi::OpenApi {
    let parts = [
        assets::Document::openapi(),
        home::Document::openapi(),
        timeline::Document::openapi(),
        audit_log::Document::openapi(),
        dev_mail::Document::openapi(),
        sign_in::Document::openapi(),
        password::Document::openapi(),
        account::Document::openapi(),
        staff::openapi_document(),
        requests::Document::openapi(),
        permissions::Document::openapi(),
        export_tokens::Document::openapi(),
        api_keys::Document::openapi(),
    ];
    let mut whole = redeem::Document::openapi();
    parts.into_iter().for_each(|part| whole.merge(part));
    super::openapi::section::<HtmlErrors>("Pages", whole)
}

/// The pages' way to tell that something went wrong: a page.
enum HtmlErrors {}

impl ErrorSchemas for HtmlErrors {
    const API_NAME: &'static str = "page";
    const MEDIA_TYPE: &'static str = "text/html";
    type Body = String;
    type BadRequestBody = String;
}
