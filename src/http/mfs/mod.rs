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
use super::body::Authenticated;
use super::error::{ApiError, ErrorContext};
use super::openapi::error_responses::ErrorSchemas;
use super::routing::{self, reject_cross_site, resource};
use super::state::AppState;

#[cfg(any(test, fuzzing))]
pub(crate) use params::fuzz;

/// Where the calls are.
const ROOT_PATH: &str = "/-/svc";

/// Puts the dialect's routes in place.
pub fn routes(app: &mut ServiceConfig) {
    app.service(
        web::scope(ROOT_PATH)
            .service(
                resource("/mfs_api.create_token", "GET, POST")
                    .route(state_changing_route(create::create_token)),
            )
            .service(resource("/mfs_api.revoke", "GET, POST").route(state_changing_route(revoke::revoke)))
            .service(
                resource("/mfs_api.list", "GET, HEAD, POST")
                    .route(routing::get().to(envelope::method_handler(list::list)))
                    .route(web::post().to(envelope::method_handler(list::list))),
            )
            .default_service(web::to(unknown_method)),
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
        let headers = header_parameters(post);
        post.parameters.get_or_insert_default().extend(headers);
        // All that it names may come from elsewhere.
        if let Some(RefOr::T(body)) = &mut post.request_body {
            body.required = Some(Required::False);
        }
        let mut get = post.clone();
        get.request_body = None;
        get.operation_id = post.operation_id.as_ref().map(|name| format!("{name}_get"));
        item.get = Some(get);
    }
    super::openapi::section::<MfsApi>("mfs: export tokens", document)
}

/// The headers in which a call's parameters may come too.
fn header_parameters(call: &Operation) -> Vec<RefOr<Parameter>> {
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
enum MfsApi {}

impl ErrorSchemas for MfsApi {
    const API_NAME: &'static str = "mfs";
    type Body = Envelope<'static, Failure<'static>>;
    type BadRequestBody = Envelope<'static, Failure<'static>>;
}

/// A problem in the dialect's envelope.
pub fn render_error(error: &ApiError, context: &ErrorContext) -> HttpResponse {
    let (status, code) = error::status_and_code(error);
    envelope::error_response(context, status, code, &error.to_string())
}

/// A route for a method that changes something. It does so by GET too, so the
/// guard against other sites' pages stands here for every method.
fn state_changing_route<F, D>(method: fn(Data<AppState>, Authenticated<Parameters>) -> F) -> Route
where
    F: Future<Output = Result<D, MfsError>> + 'static,
    D: Serialize + 'static,
{
    let guarded = move |request: HttpRequest,
                        state: Data<AppState>,
                        parameters: Authenticated<Parameters>| async move {
        let result = match reject_cross_site(&request, &state.config) {
            Ok(()) => method(state, parameters).await,
            Err(error) => Err(error.into()),
        };
        envelope::to_response(&request, result)
    };
    web::route().guard(guard::Any(guard::Get()).or(guard::Post())).to(guarded)
}

/// What is asked for is no method of ours, whoever asks.
async fn unknown_method(request: HttpRequest) -> HttpResponse {
    envelope::to_response::<()>(
        &request,
        Err(MfsError::for_unknown_method(envelope::method_name(request.path()))),
    )
}
