//! The mfs API: export tokens, compatible with Drumee's `mfs_api` (its public "MFS_API API
//! Reference"). A call is a GET or a POST to `/-/svc/mfs_api.<method>`; every response has the
//! same envelope.

mod create;
mod envelope;
mod error;
mod list;
mod params;
mod revoke;

use std::future::Future;

use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{Handler, HttpRequest, HttpResponse, Route, guard};
use serde::Serialize;
use utoipa::OpenApi;
use utoipa::openapi::path::{Operation, Parameter, ParameterIn};
use utoipa::openapi::{RefOr, Required};

use self::envelope::{MfsApi, ROOT_PATH};
use self::error::MfsError;
use self::params::Parameters;
use super::error::ErrorRenderer;
use super::extract::authenticated::Authenticated;
use super::middleware::cross_site::reject_cross_site;
use super::openapi::section;
use super::routing::{self, resource};
use super::state::AppState;

#[cfg(any(test, fuzzing))]
pub(crate) use params::fuzz;

/// Registers the API's routes.
pub fn routes(app: &mut ServiceConfig) {
    app.service(
        web::scope(ROOT_PATH)
            .app_data(ErrorRenderer(envelope::render_error))
            .service(
                resource("/mfs_api.create_token", "GET, POST")
                    .route(state_changing_route(create::create_token)),
            )
            .service(resource("/mfs_api.revoke", "GET, POST").route(state_changing_route(revoke::revoke)))
            .service(
                resource("/mfs_api.list", "GET, HEAD, POST")
                    .route(routing::get().to(method_handler(list::list)))
                    .route(web::post().to(method_handler(list::list))),
            )
            .default_service(routing::default_service(unknown_method)),
    );
}

#[derive(OpenApi)]
#[openapi(paths(create::create_token, revoke::revoke, list::list), components(schemas(envelope::Failure)))]
struct Document;

/// Returns the API's document. Each method is documented by POST, and by GET without a body.
pub fn document() -> utoipa::openapi::OpenApi {
    let mut document = Document::openapi();
    for item in document.paths.paths.values_mut() {
        let Some(post) = &mut item.post else { continue };
        let headers = header_parameters(post);
        post.parameters.get_or_insert_default().extend(headers);
        // All parameters may come from the headers or the query.
        if let Some(RefOr::T(body)) = &mut post.request_body {
            body.required = Some(Required::False);
        }
        let mut get = post.clone();
        get.request_body = None;
        get.operation_id = post.operation_id.as_ref().map(|name| format!("{name}_get"));
        item.get = Some(get);
    }
    section::<MfsApi>("mfs: export tokens", document)
}

/// Returns the parameters of a method as headers.
fn header_parameters(method: &Operation) -> Vec<RefOr<Parameter>> {
    let in_header = |parameter: &RefOr<Parameter>| {
        let RefOr::T(parameter) = parameter else { return None };
        let mut header = parameter.clone();
        header.name = format!("x-param-{}", parameter.name.replace('_', "-"));
        header.parameter_in = ParameterIn::Header;
        Some(RefOr::T(header))
    };
    method.parameters.iter().flatten().filter_map(in_header).collect()
}

/// Converts a method into an actix handler.
fn method_handler<F, D>(
    method: fn(Data<AppState>, Authenticated<Parameters>) -> F,
) -> impl Handler<(HttpRequest, Data<AppState>, Authenticated<Parameters>), Output = HttpResponse>
where
    F: Future<Output = Result<D, MfsError>> + 'static,
    D: Serialize + 'static,
{
    move |request: HttpRequest, state: Data<AppState>, parameters: Authenticated<Parameters>| async move {
        to_response(&request, method(state, parameters).await)
    }
}

/// A route for a method that changes state. GET changes state too, so the route itself rejects
/// cross-site requests: the middleware does not check GET.
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
        to_response(&request, result)
    };
    web::route().guard(guard::Any(guard::Get()).or(guard::Post())).to(guarded)
}

fn to_response<D: Serialize>(request: &HttpRequest, result: Result<D, MfsError>) -> HttpResponse {
    match result {
        Ok(data) => envelope::success_response(request.path(), data),
        Err(error) => error.to_response(request),
    }
}

async fn unknown_method(request: HttpRequest) -> HttpResponse {
    MfsError::for_unknown_method(envelope::method_name(request.path())).to_response(&request)
}
