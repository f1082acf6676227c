//! The OpenAPI document, served at `/openapi.json` and shown at `/docs`.
//!
//! Each handler documents its route with `#[utoipa::path]`, and each file lists its handlers in a
//! `Document`. [`document`] merges these documents; a test compares the result with the routes that
//! are registered. The error responses are defined in [`error_responses`].

pub mod document;
pub mod error_responses;
mod page;
pub mod schemas;

use utoipa::ToSchema as _;
use utoipa::openapi::OpenApi;
use utoipa::openapi::path::{Operation, PathItem};

use self::error_responses::ErrorSchemas;

/// Puts an API's document under a heading, and adds the API's error responses.
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

/// The operations of a path, for the methods that this server supports.
fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, patch, .. } = item;
    [get, put, post, delete, patch].into_iter().flatten()
}
