//! The whole document, and the endpoints that serve it.

use std::sync::LazyLock;

use actix_web::{HttpResponse, Responder};
use utoipa::OpenApi as _;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{OpenApi, RefOr};

use super::page;
use crate::http;
use crate::http::base_path::base_path;
use crate::http::plain_error::PlainApi;
use crate::http::routing::{Endpoints, endpoints};

/// The document and the page that shows it.
pub fn endpoints() -> Endpoints {
    Endpoints::new::<PlainApi>("Operations", endpoints![openapi_json, page::show, page::file])
}

/// The title and the authentication that apply to the whole document.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "countersign", description = include_str!("about.md")),
    security(("password" = []), ("key" = []), ("email_and_key" = [])),
)]
struct BaseDocument;

/// Builds the document.
pub fn document() -> OpenApi {
    let mut whole = BaseDocument::openapi();
    http::endpoints().iter().for_each(|endpoints| whole.merge(endpoints.document()));
    let components = whole.components.get_or_insert_default();
    components.security_schemes.extend(security_schemes());
    whole
}

fn security_schemes() -> [(String, RefOr<SecurityScheme>); 5] {
    let http = |scheme: HttpAuthScheme, description: &str| {
        SecurityScheme::Http(HttpBuilder::new().scheme(scheme).description(Some(description)).build())
    };
    let header = |name: &str, description: &str| {
        SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(name, description)))
    };
    [
        ("password", http(HttpAuthScheme::Basic, "Email and password.")),
        ("key", http(HttpAuthScheme::Bearer, "An API key, `csk_…`.")),
        ("email_and_key", header("Authorization", "As in django-tastypie: `ApiKey email:csk_…`.")),
        ("export_token", http(HttpAuthScheme::Bearer, "The export token to check, `cse_…`.")),
        ("drumee_token", header("X-Param-Mfs-Token", "The export token in Drumee's header.")),
    ]
    .map(|(name, scheme)| (name.to_owned(), scheme.into()))
}

/// Returns this document.
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "get_openapi",
    security(()),
    responses((status = 200, description = "OpenAPI 3.1.", body = serde_json::Value)),
)]
async fn openapi_json() -> impl Responder {
    static JSON: LazyLock<String> = LazyLock::new(|| {
        document().to_json().unwrap_or_else(|error| {
            tracing::error!(%error, "serializing the OpenAPI document failed");
            "{}".to_owned()
        })
    });
    let mut response = HttpResponse::Ok();
    response.content_type("application/json");
    match base_path() {
        base if base.is_empty() => response.body(JSON.as_str()),
        base => response.body(JSON.replacen('{', &format!(r#"{{"servers":[{{"url":"{base}"}}],"#), 1)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::http::openapi::operations;

    #[test]
    fn every_operation_has_a_unique_id_and_a_summary_sentence() {
        let mut document = document();
        let mut ids = BTreeSet::new();
        for (path, item) in &mut document.paths.paths {
            for operation in operations(item) {
                let id = operation.operation_id.clone().unwrap();
                assert!(ids.insert(id.clone()), "{path}: {id} is there twice");
                assert!(operation.summary.as_ref().is_some_and(|summary| summary.ends_with('.')), "{path}");
            }
        }
    }

    #[test]
    fn every_reference_resolves() {
        let document = serde_json::to_value(document()).unwrap();
        let mut unvisited = vec![&document];
        let mut references = 0;
        while let Some(value) = unvisited.pop() {
            if let Some(reference) = value.get("$ref").and_then(|reference| reference.as_str()) {
                let pointer = reference.strip_prefix('#').unwrap();
                assert!(document.pointer(pointer).is_some(), "{reference}");
                references += 1;
            }
            match value {
                serde_json::Value::Array(values) => unvisited.extend(values),
                serde_json::Value::Object(fields) => unvisited.extend(fields.values()),
                _ => {}
            }
        }
        assert!(references > 100, "{references}");
    }
}
