//! What this server can be asked: for machines at `/openapi.json`, for people at
//! `/docs`.
//!
//! A route is told of where it is: by `#[utoipa::path]` at its handler, which the
//! `Document` of its file names. What several of them answer is in [`error_responses`],
//! and `document` below puts it all together. A test compares that with the routes
//! that are put in place, so that none is forgotten.

pub mod error_responses;
mod page;
pub mod schemas;

use std::sync::LazyLock;

use actix_web::web::ServiceConfig;
use actix_web::{HttpResponse, Responder};
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{OpenApi, RefOr};
use utoipa::{OpenApi as _, ToSchema as _};

use self::error_responses::ErrorSchemas;
use super::routing::{get, resource};
use super::{health, hexo, mfs, pages, resource_server};

/// Puts the document and its page in place.
pub fn routes(app: &mut ServiceConfig) {
    app.service(resource("/openapi.json", "GET, HEAD").route(get().to(openapi_json)))
        .service(resource("/docs", "GET, HEAD").route(get().to(page::show)))
        .service(resource("/docs/{file}", "GET, HEAD").route(get().to(page::file)));
}

/// What holds for the whole: who this is, and how one signs in.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "countersign", description = include_str!("about.md")),
    security(("password" = []), ("key" = []), ("email_and_key" = [])),
)]
struct BaseDocument;

#[derive(utoipa::OpenApi)]
#[openapi(paths(openapi_json, page::show, page::file))]
struct Document;

/// The document.
pub fn document() -> OpenApi {
    let mut whole = BaseDocument::openapi();
    let parts = [
        mfs::document(),
        hexo::document(),
        resource_server::document(),
        pages::openapi_document(),
        health::document(),
        section::<health::PlainApi>("Operations", Document::openapi()),
    ];
    parts.into_iter().for_each(|part| whole.merge(part));
    let components = whole.components.get_or_insert_default();
    components.security_schemes.extend(security_schemes());
    whole
}

/// The document of a dialect, or of a part of one, under a heading: with what may
/// go wrong there.
pub fn section<D: ErrorSchemas>(heading: &str, mut document: OpenApi) -> OpenApi {
    for operation in document.paths.paths.values_mut().flat_map(operations) {
        operation.tags = Some(vec![heading.to_owned()]);
    }
    let components = document.components.get_or_insert_default();
    components.responses.extend(error_responses::components::<D>());
    let mut schemas = Vec::new();
    D::Body::schemas(&mut schemas);
    D::BadRequestBody::schemas(&mut schemas);
    components.schemas.extend(schemas);
    document
}

/// The operations of a path, as far as any path here has them.
fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, patch, .. } = item;
    [get, put, post, delete, patch].into_iter().flatten()
}

/// How one signs in.
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

/// This document.
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
            tracing::error!(%error, "writing the OpenAPI document failed");
            "{}".to_owned()
        })
    });
    HttpResponse::Ok().content_type("application/json").body(JSON.as_str())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_operation_has_a_name_of_its_own_and_a_sentence() {
        let mut document = document();
        let mut names = BTreeSet::new();
        for (path, item) in &mut document.paths.paths {
            for operation in operations(item) {
                let name = operation.operation_id.clone().unwrap();
                assert!(names.insert(name.clone()), "{path}: {name} is there twice");
                assert!(operation.summary.as_ref().is_some_and(|words| words.ends_with('.')), "{path}");
            }
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = serde_json::to_value(document()).unwrap();
        let mut wanted = vec![&document];
        let mut references = 0;
        while let Some(value) = wanted.pop() {
            if let Some(reference) = value.get("$ref").and_then(|reference| reference.as_str()) {
                let place = reference.strip_prefix('#').unwrap();
                assert!(document.pointer(place).is_some(), "{reference}");
                references += 1;
            }
            match value {
                serde_json::Value::Array(values) => wanted.extend(values),
                serde_json::Value::Object(fields) => wanted.extend(fields.values()),
                _ => {}
            }
        }
        assert!(references > 100, "{references}");
    }
}
