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

use actix_web::http::Method;
use actix_web::web::Data;
use actix_web::{Handler, HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::openapi::path::{Operation, Parameter, ParameterIn};
use utoipa::openapi::{OpenApi, RefOr, Required};
use utoipa::{PartialSchema as _, ToSchema as _};

use self::envelope::{Failure, MfsApi, ROOT_PATH};
use self::error::MfsError;
use self::params::Parameters;
use super::error::ErrorRenderer;
use super::extract::authenticated::Authenticated;
use super::middleware::cross_site::reject_cross_site;
use super::routing::{Endpoints, default_service, endpoint};
use super::state::AppState;

#[cfg(any(test, fuzzing))]
pub(crate) use params::fuzz;

/// The API's methods.
pub fn endpoints() -> Endpoints {
    let methods = vec![
        endpoint!(create::create_token, state_changing).with_methods([Method::GET, Method::POST]),
        endpoint!(revoke::revoke, state_changing).with_methods([Method::GET, Method::POST]),
        endpoint!(list::list, enveloped).with_methods([Method::GET, Method::HEAD, Method::POST]),
    ];
    Endpoints::new::<MfsApi>("mfs: export tokens", methods).with_adjusted_document(document_sources).in_scope(
        ROOT_PATH,
        |scope| {
            scope
                .app_data(ErrorRenderer(envelope::render_error))
                .default_service(default_service(unknown_method));
        },
    )
}

/// Documents the sources of parameters. Handlers document POST; GET is the same without a body.
fn document_sources(document: &mut OpenApi) {
    document.components.get_or_insert_default().schemas.insert(Failure::name().into(), Failure::schema());
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
fn enveloped<F, D>(
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

/// Converts a method that changes state. GET changes state too, so the handler itself rejects
/// cross-site requests: the middleware does not check GET.
fn state_changing<F, D>(
    method: fn(Data<AppState>, Authenticated<Parameters>) -> F,
) -> impl Handler<(HttpRequest, Data<AppState>, Authenticated<Parameters>), Output = HttpResponse>
where
    F: Future<Output = Result<D, MfsError>> + 'static,
    D: Serialize + 'static,
{
    move |request: HttpRequest, state: Data<AppState>, parameters: Authenticated<Parameters>| async move {
        let result = match reject_cross_site(&request, &state.config) {
            Ok(()) => method(state, parameters).await,
            Err(error) => Err(error.into()),
        };
        to_response(&request, result)
    }
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
