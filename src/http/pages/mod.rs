//! The pages: what people use in a browser. HTML that is written here, and works without
//! scripts; looking at a page changes nothing, however often, by whatever scanner.
//!
//! A handler takes a [`visit::Visit`] (who looks, in which language) or, where something
//! is to be done, a [`post::Post`] (which a form of ours sent), and answers with a page
//! of a template, by [`view`]. What people read is in [`crate::words`]. Who is not signed
//! in, and has to be, is asked to, and led back.

mod access;
mod assets;
mod error;
mod home;
mod keys;
mod listing;
mod post;
mod qr;
mod redeem;
mod requests;
mod session;
mod sign_in;
mod tokens;
mod view;
mod visit;

use actix_web::web::{self, ServiceConfig};
use utoipa::OpenApi;

use super::openapi::refusals::Refusals;
use super::routing::get;

pub(crate) use error::problem;
#[cfg(any(test, fuzzing))]
pub(crate) use post::probe;
pub(crate) use view::language_of;

/// What the pages' paths begin with, but for the first one's: there, errors are pages too.
pub const ROOTS: [&str; 10] = [
    "/assets",
    "/redeem",
    "/sign-in",
    "/sign-out",
    "/requests",
    "/ask",
    "/blocks",
    "/access",
    "/tokens",
    "/keys",
];

/// Puts the pages in place.
pub fn routes(app: &mut ServiceConfig) {
    app.service(assets::resource("/assets/{file}", "GET, HEAD").route(get().to(assets::file)))
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
        .configure(keys::routes);
}

/// What is told of the pages.
pub fn document() -> utoipa::openapi::OpenApi {
    let parts = [
        assets::Document::openapi(),
        home::Document::openapi(),
        sign_in::Document::openapi(),
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
