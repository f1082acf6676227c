//! The pages: what people use in a browser. HTML that is written here, and works without
//! scripts; looking at a page changes nothing, however often, by whatever scanner.
//!
//! A handler takes a `Visit` (who looks, in which language) or, where something
//! is to be done, a `Post` (which a form of ours sent), and answers with a page
//! of a template, by `view`. What people read is in [`crate::words`]. Who is not signed
//! in, and has to be, is asked to, and led back.

mod access;
mod account;
mod agent;
mod assets;
mod error;
mod home;
mod keys;
mod listing;
mod mailbox;
mod password;
mod post;
mod qr;
mod redeem;
mod requests;
mod session;
mod sign_in;
mod staff;
mod timeline;
mod tokens;
mod trail;
mod view;
mod visit;

use actix_web::web::{self, ServiceConfig};
use utoipa::OpenApi;

use super::openapi::refusals::Refusals;
use super::routing::{get, resource};

pub(crate) use error::problem;
pub(crate) use mailbox::is_kept as has_mailbox;
#[cfg(any(test, fuzzing))]
pub(crate) use post::probe;
pub(crate) use view::language_of;

/// What the pages' paths begin with, but for the first one's: there, errors are pages too.
pub const ROOTS: [&str; 15] = [
    "/access",
    "/account",
    "/ask",
    "/assets",
    "/blocks",
    "/forgot-password",
    "/keys",
    "/mailbox",
    "/redeem",
    "/requests",
    "/set-password",
    "/sign-in",
    "/sign-out",
    "/staff",
    "/tokens",
];

/// Puts the pages in place.
pub fn routes(app: &mut ServiceConfig) {
    app.service(resource("/assets/{file}", "GET, HEAD").route(get().to(assets::file)))
        .service(view::resource("/", "GET, HEAD").route(get().to(home::show)))
        .service(
            view::resource("/sign-in", "GET, HEAD, POST")
                .route(get().to(sign_in::show))
                .route(web::post().to(sign_in::sign_in)),
        )
        .service(view::resource("/sign-out", "POST").route(web::post().to(sign_in::sign_out)))
        .service(
            view::resource("/redeem", "GET, HEAD, POST")
                .route(get().to(redeem::show))
                .route(web::post().to(redeem::decide)),
        )
        .configure(requests::routes)
        .configure(access::routes)
        .configure(tokens::routes)
        .configure(keys::routes)
        .configure(password::routes)
        .configure(account::routes)
        .configure(mailbox::routes)
        .configure(staff::routes)
        .service(view::resource("/requests/{id}", "GET, HEAD").route(get().to(timeline::show)))
        .service(view::resource("/account/activity", "GET, HEAD").route(get().to(trail::own)))
        .service(view::resource("/staff/audit", "GET, HEAD").route(get().to(trail::all)));
}

/// What is told of the pages.
pub fn document() -> utoipa::openapi::OpenApi {
    let parts = [
        assets::Document::openapi(),
        home::Document::openapi(),
        timeline::Document::openapi(),
        trail::Document::openapi(),
        mailbox::Document::openapi(),
        sign_in::Document::openapi(),
        password::Document::openapi(),
        account::Document::openapi(),
        staff::document(),
        requests::Document::openapi(),
        access::Document::openapi(),
        tokens::Document::openapi(),
        keys::Document::openapi(),
    ];
    let mut whole = redeem::Document::openapi();
    parts.into_iter().for_each(|part| whole.merge(part));
    super::openapi::part::<Html>("Pages", whole)
}

/// The pages' way to tell that something went wrong: a page.
enum Html {}

impl Refusals for Html {
    const DIALECT: &'static str = "page";
    const MEDIA_TYPE: &'static str = "text/html";
    type Body = String;
    type Invalid = String;
}
