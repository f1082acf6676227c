//! `/requests`: the permission requests that the signed-in user created, their history, and
//! the users whose requests they do not accept.

mod actions;
mod list;
mod new_request;
mod timeline;

use actix_web::web::{self, ServiceConfig};
use utoipa::OpenApi;

use super::templates::resource;
use crate::http::routing::get;

pub(super) fn routes(app: &mut ServiceConfig) {
    app.service(resource("/requests", "GET, HEAD").route(get().to(list::show)))
        .service(resource("/requests/{id}/close", "POST").route(web::post().to(actions::close)))
        .service(resource("/requests/{id}/resend", "POST").route(web::post().to(actions::resend)))
        .service(resource("/requests/{id}/block", "POST").route(web::post().to(actions::block)))
        .service(resource("/blocks/{user}/delete", "POST").route(web::post().to(actions::unblock)))
        .service(
            resource("/requests/new", "GET, HEAD, POST")
                .route(get().to(new_request::show))
                .route(web::post().to(new_request::create)),
        )
        .service(resource("/requests/{id}", "GET, HEAD").route(get().to(timeline::show)));
}

#[derive(OpenApi)]
#[openapi(paths(
    list::show,
    timeline::show,
    new_request::show,
    new_request::create,
    actions::close,
    actions::resend,
    actions::block,
    actions::unblock
))]
pub(super) struct Document;
