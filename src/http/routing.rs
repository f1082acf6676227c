//! Resources and routes: allowed methods, and the middleware that each of them has.

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::middleware::from_fn;
use actix_web::{HttpRequest, Resource, Route, guard, web};

use super::error::ApiError;
use super::middleware::handler::run_handler;

/// A resource at `path`. It answers a method that none of its routes serves with 405 and this
/// `Allow` header, before it authenticates the caller.
pub fn resource(
    path: &str,
    allow: &'static str,
) -> Resource<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<BoxBody>,
        Error = actix_web::Error,
        InitError = (),
    > + use<>,
> {
    web::resource(path)
        .default_service(web::to(move |request: HttpRequest| async move {
            ApiError::MethodNotAllowed(allow).to_response(&request)
        }))
        .wrap(from_fn(run_handler))
}

/// A route for GET and HEAD. The server drops the body of a response to HEAD.
pub fn get() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

/// The default service of a scope or of the app: 404.
pub fn not_found() -> Route {
    default_service(async |request: HttpRequest| ApiError::NotFound.to_response(&request))
}

/// A default service with the middleware that [`resource`] gives to a resource.
pub fn default_service<F>(handler: F) -> Route
where
    F: actix_web::Handler<(HttpRequest,), Output = actix_web::HttpResponse>,
    F::Future: 'static,
{
    web::to(handler).wrap(from_fn(run_handler))
}
