//! The index of the resources.

use std::collections::BTreeMap;

use actix_web::HttpResponse;
use serde::Serialize;
use utoipa::ToSchema;

use super::common::{ApiPrefix, ResourceKind};

/// The URIs of a resource.
#[derive(Serialize, ToSchema)]
#[schema(as = hexo::IndexEntry)]
struct IndexEntry {
    list_endpoint: String,
    schema: String,
}

/// Lists the resources.
///
/// Needs no credentials: Hexoskin's client caches a refusal permanently.
#[utoipa::path(
    get,
    path = "/api/",
    operation_id = "list_resources",
    security(()),
    responses((status = 200, description = "The resources, by name.", body = HashMap<String, IndexEntry>)),
)]
pub(super) async fn index(prefix: ApiPrefix) -> HttpResponse {
    let entry = |kind: ResourceKind| {
        let entry = IndexEntry { list_endpoint: prefix.list_uri(kind), schema: prefix.schema_uri(kind) };
        (kind.name(), entry)
    };
    let entries: BTreeMap<&str, IndexEntry> = ResourceKind::ALL.into_iter().map(entry).collect();
    HttpResponse::Ok().json(entries)
}
