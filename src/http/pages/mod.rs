//! The browser interface: HTML pages that work without scripts. A GET request changes nothing.
//!
//! A handler takes a `context::PageContext` (the visitor and their language) or a
//! `form::Form` (fields whose CSRF token is valid), calls [`crate::services`] or the
//! registry, and renders a template. The texts are in [`crate::i18n`].

mod account;
mod api_keys;
mod assets;
mod audit_log;
mod context;
mod cookies;
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
mod responses;
mod sign_in;
mod staff;
mod templates;
mod url;
mod user_agent;

use actix_web::web::ServiceConfig;
use utoipa::OpenApi;

pub(crate) use dev_mail::is_enabled as has_dev_mail;
pub(crate) use error::not_found;
#[cfg(any(test, fuzzing))]
pub(crate) use form::fuzz;

/// Registers the pages.
pub fn routes(app: &mut ServiceConfig) {
    app.configure(assets::routes)
        .configure(home::routes)
        .configure(sign_in::routes)
        .configure(redeem::routes)
        .configure(requests::routes)
        .configure(permissions::routes)
        .configure(export_tokens::routes)
        .configure(api_keys::routes)
        .configure(password::routes)
        .configure(account::routes)
        .configure(audit_log::routes)
        .configure(dev_mail::routes)
        .configure(staff::routes);
}

/// The OpenAPI document of the pages.
pub fn openapi_document() -> utoipa::openapi::OpenApi {
    let parts = [
        assets::Document::openapi(),
        home::Document::openapi(),
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
    let mut document = redeem::Document::openapi();
    parts.into_iter().for_each(|part| document.merge(part));
    super::openapi::section::<responses::HtmlErrors>("Pages", document)
}
