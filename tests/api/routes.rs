//! The registered routes, as actix-web reports them, and the comparison with the OpenAPI document.

use std::collections::BTreeSet;

use actix_web::App;
use actix_web::introspection::{IntrospectionNode, IntrospectionTree, ResourceType};
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::web::Data;
use countersign::http;
use serde_json::Value;

/// A method and a path without a trailing slash, with `{}` for parameters.
pub type Route = (String, String);

/// A path in the format of [`Route`].
pub fn normalize(path: &str) -> String {
    let mut pattern = String::new();
    let mut inside = false;
    for c in path.trim_end_matches('/').chars() {
        inside = inside && c != '}';
        if !inside {
            pattern.push(c);
        }
        inside = inside || c == '{';
    }
    pattern
}

/// Every registered route.
pub async fn registered_routes() -> BTreeSet<Route> {
    let service = init_service(App::new().configure(http::routes)).await;
    let answer = call_service(&service, TestRequest::get().uri("/healthz").to_request()).await;
    let tree = answer.request().app_data::<Data<IntrospectionTree>>().expect("actix-web reports its routes");
    let mut routes = BTreeSet::new();
    collect(&tree.root, &mut routes);
    assert!(!routes.is_empty());
    routes
}

fn collect(node: &IntrospectionNode, routes: &mut BTreeSet<Route>) {
    if matches!(node.kind, ResourceType::Resource) {
        assert!(!node.methods.is_empty(), "{} takes any method, so nobody can tell which", node.full_path);
    }
    for method in &node.methods {
        routes.insert((method.to_string(), normalize(&node.full_path)));
    }
    assert!(!node.potentially_unreachable, "{}: {:?}", node.full_path, node.reachability_notes);
    for child in &node.children {
        collect(child, routes);
    }
}

/// Whether this path is below `/api/v1/`, which has the same routes as `/api/`.
pub fn is_v1_alias(path: &str) -> bool {
    path == "/api/v1" || path.starts_with("/api/v1/")
}

/// The registered routes without HEAD, which every GET has, and without `/api/v1/`.
pub async fn distinct_routes() -> BTreeSet<Route> {
    let mut routes = registered_routes().await;
    routes.retain(|(method, path)| method != "HEAD" && !is_v1_alias(path));
    routes
}

/// The routes in the OpenAPI document.
pub fn documented_routes(document: &Value) -> BTreeSet<Route> {
    let mut routes = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys().filter(|key| *key != "parameters") {
            routes.insert((method.to_uppercase(), normalize(path)));
        }
    }
    routes
}

/// Endpoints are registered and documented from one list; this finds a route that is registered
/// without it, and a document that is changed afterwards.
#[actix_web::test]
async fn every_route_is_documented_and_nothing_else_is() {
    let document = serde_json::to_value(http::openapi::document::document()).unwrap();
    assert_eq!(distinct_routes().await, documented_routes(&document));
}
