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
mod filled_in;
mod form;
mod home;
mod hub_tokens;
mod mail_settings;
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
mod webhooks;

use self::responses::HtmlErrors;
use super::routing::Endpoints;

pub(crate) use dev_mail::{is_enabled as has_dev_mail, secret_url as dev_mail_url};
pub(crate) use error::not_found;
#[cfg(any(test, fuzzing))]
pub(crate) use form::fuzz;

/// The pages.
pub fn endpoints() -> Endpoints {
    let endpoints = [
        assets::endpoints(),
        home::endpoints(),
        sign_in::endpoints(),
        redeem::endpoints(),
        requests::endpoints(),
        permissions::endpoints(),
        export_tokens::endpoints(),
        hub_tokens::endpoints(),
        api_keys::endpoints(),
        webhooks::endpoints(),
        password::endpoints(),
        account::endpoints(),
        mail_settings::endpoints(),
        audit_log::endpoints(),
        dev_mail::endpoints(),
        staff::endpoints(),
    ];
    Endpoints::new::<HtmlErrors>("Pages", endpoints.into_iter().flatten().collect())
        .with_resources(templates::add_resource)
}
