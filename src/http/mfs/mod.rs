//! The mfs dialect: export tokens, as Drumee's `mfs_api` speaks of them
//! (`seeds/drumee-mfs_api.txt`). A call is `/-/svc/mfs_api.<method>`, by GET or
//! POST; every answer comes in one envelope.

mod create;
mod envelope;
mod error;
mod list;
mod params;
mod revoke;

use std::future::Future;

use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, Route, guard};
use serde::Serialize;

use self::error::MfsError;
use self::params::Parameters;
use super::Services;
use super::body::From;
use super::problem::{Addressee, Problem};
use super::routing::{self, refuse_foreign_pages, resource};

/// Where the calls are.
const ROOT: &str = "/-/svc";

/// Puts the dialect's routes in place.
pub fn routes(app: &mut ServiceConfig) {
    app.service(
        web::scope(ROOT)
            .service(resource("/mfs_api.create_token", "GET, POST").route(changing(create::create_token)))
            .service(resource("/mfs_api.revoke", "GET, POST").route(changing(revoke::revoke)))
            .service(
                resource("/mfs_api.list", "GET, HEAD, POST")
                    .route(routing::get().to(envelope::call(list::list)))
                    .route(web::post().to(envelope::call(list::list))),
            )
            .default_service(web::to(unknown)),
    );
}

/// A problem in the dialect's envelope.
pub fn problem(problem: &Problem, addressee: &Addressee) -> HttpResponse {
    let (status, code) = error::of_problem(problem);
    envelope::failure(addressee, status, code, &problem.to_string())
}

/// A route for a method that changes something. It does so by GET too, so the
/// guard against other sites' pages stands here for every method.
fn changing<F, D>(method: fn(Data<Services>, From<Parameters>) -> F) -> Route
where
    F: Future<Output = Result<D, MfsError>> + 'static,
    D: Serialize + 'static,
{
    let guarded = move |request: HttpRequest, services: Data<Services>, sent: From<Parameters>| async move {
        let answer = match refuse_foreign_pages(&request, &services.config) {
            Ok(()) => method(services, sent).await,
            Err(problem) => Err(problem.into()),
        };
        envelope::answer(&request, answer)
    };
    web::route().guard(guard::Any(guard::Get()).or(guard::Post())).to(guarded)
}

/// What is asked for is no method of ours, whoever asks.
async fn unknown(request: HttpRequest) -> HttpResponse {
    envelope::answer::<()>(&request, Err(MfsError::unknown(envelope::asked(request.path()))))
}
