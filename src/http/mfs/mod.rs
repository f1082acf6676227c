//! The mfs dialect: export tokens, as Drumee's `mfs_api` speaks of them
//! (its public "MFS_API API Reference"). A call is `/-/svc/mfs_api.<method>`, by GET or
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
use utoipa::OpenApi;
use utoipa::openapi::path::{Operation, Parameter, ParameterIn};
use utoipa::openapi::{RefOr, Required};

use self::envelope::{Envelope, Failure};
use self::error::MfsError;
use self::params::Parameters;
use super::Services;
use super::body::From;
use super::openapi::refusals::Refusals;
use super::problem::{Addressee, Problem};
use super::routing::{self, refuse_foreign_pages, resource};

#[cfg(any(test, fuzzing))]
pub(crate) use params::probe;

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

#[derive(OpenApi)]
#[openapi(paths(create::create_token, revoke::revoke, list::list), components(schemas(envelope::Failure)))]
struct Document;

/// What is told of the dialect: each call by POST, and by GET the same without a body.
pub fn document() -> utoipa::openapi::OpenApi {
    let mut document = Document::openapi();
    for item in document.paths.paths.values_mut() {
        let Some(post) = &mut item.post else { continue };
        let headers = in_headers(post);
        post.parameters.get_or_insert_default().extend(headers);
        // All that it names may come from elsewhere.
        if let Some(RefOr::T(body)) = &mut post.request_body {
            body.required = Some(Required::False);
        }
        let mut get = post.clone();
        get.request_body = None;
        get.operation_id = post.operation_id.as_ref().map(|name| format!("{name}_by_get"));
        item.get = Some(get);
    }
    super::openapi::part::<Mfs>("mfs: export tokens", document)
}

/// The headers in which a call's parameters may come too.
fn in_headers(call: &Operation) -> Vec<RefOr<Parameter>> {
    let in_header = |parameter: &RefOr<Parameter>| {
        let RefOr::T(parameter) = parameter else { return None };
        let mut header = parameter.clone();
        header.name = format!("x-param-{}", parameter.name.replace('_', "-"));
        header.parameter_in = ParameterIn::Header;
        Some(RefOr::T(header))
    };
    call.parameters.iter().flatten().filter_map(in_header).collect()
}

/// The dialect's way to tell that something went wrong.
enum Mfs {}

impl Refusals for Mfs {
    const DIALECT: &'static str = "mfs";
    type Body = Envelope<'static, Failure<'static>>;
    type Invalid = Envelope<'static, Failure<'static>>;
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
