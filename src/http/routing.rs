//! Endpoints: handlers with their paths, methods and documentation. The routes and the OpenAPI
//! document both come from them.

use actix_web::guard::{self, AnyGuard};
use actix_web::http::Method;
use actix_web::http::header::Allow;
use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};
use actix_web::{FromRequest, Handler, HttpRequest, HttpResponse, Resource, Responder, Route};
use utoipa::__dev::SchemaReferences;
use utoipa::openapi::{Components, HttpMethod, OpenApi};

use super::error::ApiError;
use super::middleware::handler::run_handler;
use super::openapi::error_responses::{self, ErrorSchemas};
use super::openapi::operations;

/// Returns the [`Endpoint`] of a handler with `#[utoipa::path]`. `endpoint!(handler, adapter)` is
/// served by `adapter(handler)`.
macro_rules! endpoint {
    ($handler:ident $(, $adapter:ident)?) => {
        pastey::paste! {
            $crate::http::routing::Endpoint::new::<[<__path_ $handler>], _, _>($($adapter)?($handler))
        }
    };
    ($module:ident::$handler:ident $(, $adapter:ident)?) => {
        pastey::paste! {
            $crate::http::routing::Endpoint::new::<$module::[<__path_ $handler>], _, _>(
                $($adapter)?($module::$handler),
            )
        }
    };
}

/// Returns the [`Endpoint`]s of handlers with `#[utoipa::path]`. Requests are matched in this order:
/// `/requests/new` comes before `/requests/{id}`.
macro_rules! endpoints {
    ($($($segment:ident)::+),+ $(,)?) => {
        vec![$($crate::http::routing::endpoint!($($segment)::+)),+]
    };
}

pub(crate) use {endpoint, endpoints};

/// A handler with its path, its methods and its documentation.
pub struct Endpoint {
    /// The path in the document.
    path: String,
    methods: Vec<Method>,
    route: Route,
    /// Adds the operation and its schemas to a document.
    document: fn(&mut OpenApi),
}

impl Endpoint {
    /// The endpoint that the attribute `#[utoipa::path]` of a handler describes as `P`.
    pub fn new<P, F, Args>(handler: F) -> Self
    where
        P: utoipa::Path + SchemaReferences,
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let methods = P::methods().iter().flat_map(served_methods).collect();
        Self { path: P::path(), methods, route: web::route().to(handler), document: document_path::<P> }
    }

    /// An endpoint for GET whose documentation is not in an attribute.
    pub fn get<F, Args>(path: String, handler: F, document: fn(&mut OpenApi)) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let methods = served_methods(&HttpMethod::Get);
        Self { path, methods, route: web::route().to(handler), document }
    }

    /// Replaces the methods. Their order is that of the `Allow` header.
    pub fn with_methods(self, methods: impl Into<Vec<Method>>) -> Self {
        Self { methods: methods.into(), ..self }
    }

    /// Returns the path in the document.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the methods in the order of the `Allow` header.
    pub fn methods(&self) -> &[Method] {
        &self.methods
    }

    fn into_route(self) -> Route {
        let mut methods = self.methods.into_iter().map(guard::Method);
        match methods.next().map(guard::Any) {
            Some(first) => self.route.guard(methods.fold(first, AnyGuard::or)),
            None => self.route,
        }
    }
}

/// The methods that serve an operation. The server drops the body of a response to HEAD.
fn served_methods(operation: &HttpMethod) -> Vec<Method> {
    match operation {
        HttpMethod::Get => vec![Method::GET, Method::HEAD],
        HttpMethod::Post => vec![Method::POST],
        HttpMethod::Put => vec![Method::PUT],
        HttpMethod::Patch => vec![Method::PATCH],
        HttpMethod::Delete => vec![Method::DELETE],
        HttpMethod::Options => vec![Method::OPTIONS],
        HttpMethod::Head => vec![Method::HEAD],
        HttpMethod::Trace => vec![Method::TRACE],
    }
}

fn document_path<P: utoipa::Path + SchemaReferences>(document: &mut OpenApi) {
    document.paths.add_path_operation(P::path(), P::methods(), P::operation());
    let mut schemas = Vec::new();
    P::schemas(&mut schemas);
    document.components.get_or_insert_default().schemas.extend(schemas);
}

/// A path prefix, with the data and the default service of its routes.
#[derive(Clone, Copy)]
struct Scope {
    path: &'static str,
    configure: fn(&mut ServiceConfig),
}

/// Endpoints with a common error format and perhaps a common path prefix.
pub struct Endpoints {
    /// The sections of the document, each with its heading.
    sections: Vec<(String, Vec<Endpoint>)>,
    scope: Option<Scope>,
    add_resource: fn(&mut ServiceConfig, Resource),
    adjust_document: fn(&mut OpenApi),
    document_errors: fn(&mut Components),
}

impl Endpoints {
    /// Endpoints under a heading of the document, whose errors have the format `D`.
    pub fn new<D: ErrorSchemas>(heading: &str, endpoints: Vec<Endpoint>) -> Self {
        Self {
            sections: vec![(heading.to_owned(), endpoints)],
            scope: None,
            add_resource: |app, resource| {
                app.service(resource.wrap(from_fn(run_handler)));
            },
            adjust_document: |_| {},
            document_errors: error_responses::add_components::<D>,
        }
    }

    /// Adds endpoints under another heading.
    pub fn with_section(mut self, heading: String, endpoints: Vec<Endpoint>) -> Self {
        self.sections.push((heading, endpoints));
        self
    }

    /// Puts the endpoints into a scope. The configuration may add data, a default service and other
    /// routes, which are matched before the endpoints.
    pub fn in_scope(self, path: &'static str, configure: fn(&mut ServiceConfig)) -> Self {
        Self { scope: Some(Scope { path, configure }), ..self }
    }

    /// Replaces the function that adds data and middleware to each resource and registers it.
    pub fn with_resources(self, add_resource: fn(&mut ServiceConfig, Resource)) -> Self {
        Self { add_resource, ..self }
    }

    /// Adds a function that changes the document.
    pub fn with_adjusted_document(self, adjust_document: fn(&mut OpenApi)) -> Self {
        Self { adjust_document, ..self }
    }

    /// The paths in the document.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.sections.iter().flat_map(|(_, endpoints)| endpoints).map(Endpoint::path)
    }

    /// Registers the endpoints in their scope.
    pub fn register(self, app: &mut ServiceConfig) {
        match self.scope {
            Some(Scope { path, configure }) => {
                app.service(web::scope(path).configure(configure).configure(|scope| self.register_in(scope)));
            }
            None => self.register_in(app),
        }
    }

    /// Registers the endpoints in a scope that has replaced their own.
    ///
    /// A resource answers a method that none of its endpoints serves with 405, before it
    /// authenticates the caller.
    pub fn register_in(self, scope: &mut ServiceConfig) {
        let mut resources: Vec<(String, Vec<Endpoint>)> = Vec::new();
        for endpoint in self.sections.into_iter().flat_map(|(_, endpoints)| endpoints) {
            match resources.iter_mut().find(|(path, _)| *path == endpoint.path) {
                Some((_, endpoints)) => endpoints.push(endpoint),
                None => resources.push((endpoint.path.clone(), vec![endpoint])),
            }
        }
        for (path, endpoints) in resources {
            let path = match self.scope {
                // Only the document has trailing slashes: requests lose theirs before the routing.
                Some(scope) => path.strip_prefix(scope.path).unwrap_or(&path).trim_end_matches('/'),
                None => &path,
            };
            let allow = Allow(endpoints.iter().flat_map(|endpoint| endpoint.methods.clone()).collect());
            let method_not_allowed = move |request: HttpRequest| {
                let error = ApiError::MethodNotAllowed(allow.clone());
                async move { error.to_response(&request) }
            };
            let resource = web::resource(path).default_service(web::to(method_not_allowed));
            let routes = endpoints.into_iter().map(Endpoint::into_route);
            (self.add_resource)(scope, routes.fold(resource, Resource::route));
        }
    }

    /// Builds the document of the endpoints.
    pub fn document(&self) -> OpenApi {
        let mut document = OpenApi::default();
        for (heading, endpoints) in &self.sections {
            let mut section = OpenApi::default();
            endpoints.iter().for_each(|endpoint| (endpoint.document)(&mut section));
            for operation in section.paths.paths.values_mut().flat_map(operations) {
                operation.tags = Some(vec![heading.clone()]);
            }
            document.merge(section);
        }
        (self.adjust_document)(&mut document);
        (self.document_errors)(document.components.get_or_insert_default());
        document
    }
}

/// The default service of a scope or of the app: 404.
pub fn not_found() -> Route {
    default_service(async |request: HttpRequest| ApiError::NotFound.to_response(&request))
}

/// A default service with the middleware of a resource.
pub fn default_service<F>(handler: F) -> Route
where
    F: Handler<(HttpRequest,), Output = HttpResponse>,
    F::Future: 'static,
{
    web::to(handler).wrap(from_fn(run_handler))
}

#[cfg(test)]
mod tests {
    use actix_web::App;
    use actix_web::http::StatusCode;
    use actix_web::http::header::ALLOW;
    use actix_web::test::{TestRequest, call_service, init_service};

    use super::*;
    use crate::http::plain_error::PlainApi;

    /// Lists the keys.
    #[utoipa::path(get, path = "/safe/key/", operation_id = "list")]
    async fn list() -> HttpResponse {
        HttpResponse::Ok().finish()
    }

    /// Adds a key.
    #[utoipa::path(post, path = "/safe/key/", operation_id = "add")]
    async fn add() -> HttpResponse {
        HttpResponse::Created().finish()
    }

    /// Deletes a key.
    #[utoipa::path(delete, path = "/safe/key/{id}/", operation_id = "delete")]
    async fn delete(id: web::Path<u8>) -> HttpResponse {
        HttpResponse::build(StatusCode::from_u16(200 + u16::from(*id)).unwrap()).finish()
    }

    fn keys() -> Endpoints {
        Endpoints::new::<PlainApi>("Keys", endpoints![list, add, delete]).in_scope("/safe", |scope| {
            scope.default_service(not_found());
        })
    }

    #[actix_web::test]
    async fn endpoints_of_one_path_are_a_resource_with_their_methods_in_allow() {
        let app = init_service(App::new().configure(|app| keys().register(app))).await;
        for (method, path, status, allow) in [
            (Method::GET, "/safe/key", 200, None),
            (Method::HEAD, "/safe/key", 200, None),
            (Method::POST, "/safe/key", 201, None),
            (Method::PUT, "/safe/key", 405, Some("GET, HEAD, POST")),
            (Method::DELETE, "/safe/key/4", 204, None),
            (Method::GET, "/safe/key/4", 405, Some("DELETE")),
            (Method::GET, "/safe/key/%C3%A9", 405, Some("DELETE")),
            (Method::GET, "/safe/lock", 404, None),
        ] {
            let request = TestRequest::with_uri(path).method(method.clone()).to_request();
            let response = call_service(&app, request).await;
            let header = response.headers().get(ALLOW).map(|allow| allow.to_str().unwrap());
            assert_eq!((response.status().as_u16(), header), (status, allow), "{method} {path}");
        }
    }

    #[actix_web::test]
    async fn document_has_the_operations_under_the_heading() {
        let document = serde_json::to_value(keys().document()).unwrap();
        let paths = document["paths"].as_object().unwrap();
        assert_eq!(paths.keys().collect::<Vec<_>>(), ["/safe/key/", "/safe/key/{id}/"]);
        assert_eq!(paths["/safe/key/"]["get"]["tags"][0], "Keys");
        assert_eq!(paths["/safe/key/"]["post"]["operationId"], "add");
        assert!(document["components"]["responses"]["plain_404"].is_object(), "{document}");
    }

    #[actix_web::test]
    async fn registration_builds_no_operation() {
        let built = Endpoint::get("/".to_owned(), list, |_| panic!("this builds an operation"));
        let endpoints = Endpoints::new::<PlainApi>("Keys", vec![built]);
        let app = init_service(App::new().configure(|app| endpoints.register(app))).await;
        assert_eq!(call_service(&app, TestRequest::get().to_request()).await.status(), 200);
    }
}
