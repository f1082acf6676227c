//! The OpenAPI document, served at `/openapi.json` and shown at `/docs`.
//!
//! Each handler documents its route with `#[utoipa::path]`. [`document`] merges the documents of all
//! endpoints ([`super::routing`]). The error responses are defined in [`error_responses`].

pub mod document;
pub mod error_responses;
mod page;
pub mod schemas;

use utoipa::openapi::path::{Operation, PathItem};

/// The operations of a path, for the methods that this server supports.
pub fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, patch, .. } = item;
    [get, put, post, delete, patch].into_iter().flatten()
}
