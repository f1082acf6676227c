//! The hexo API: consent requests, as the resource `bundle_permission_request` of Hexoskin's
//! public "Hexostore API Documentation". It follows the conventions of django-tastypie.
//!
//! Each resource has a file that declares it (`resource::Resource`) and adds the operations that
//! change it.
//!
//! # Where the Hexostore documentation is silent
//!
//! - **Order of checks.** Credentials, `Idempotency-Key`, content type, JSON, the fields of the
//!   body by themselves, the acting user (400 if unknown, 403 if the caller must not act for them),
//!   the other user and the bundle, whether both users are the same, and last the checks of the
//!   registry. A caller without permission learns nothing about third parties.
//! - **Partial bodies.** PUT keeps a field that is absent or null. Read-only fields are ignored.
//! - **Bundles.** Every user can see every bundle. While a permission or a pending request uses a
//!   bundle, PUT can change its name and description but not its rights (409), because users agreed
//!   to them. A new bundle without `permission` has the right to read.
//! - **Lists.** `previous` is null only on the first page. A repeated parameter that takes one
//!   value is refused, as are more than 1,000 values in a filter or a set.
//! - **Blocks.** An extension: the users whose requests the caller does not accept. The id of a
//!   block is the id of the blocked user. A request by a blocked user fails with 403, since they
//!   would notice the block anyway. Blocking declines their pending requests; permissions stay.
//! - **Audit log.** An extension, read-only. Staff see every entry; other users see their own
//!   actions and actions that affect them. The list is newest first, and counts and pages through
//!   at most 10,000 entries; `at__lt` reaches older ones.
//! - **Ids.** An id that does not fit into 64 bits does not exist: 404 in a path, 400 in a body or
//!   a filter. A set always has `not_found`.
//! - **Redeem URLs.** At most 900 bytes, without a `token` parameter. At the origin of this server,
//!   a redeem URL has no query: a link in a mail of this server must not call its APIs.

mod account;
mod audit;
mod block;
mod bundle;
mod bundle_permission;
mod bundle_permission_request;
mod common;
mod error;
mod fields;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod headers;
mod index;
mod oauth;
mod path;
mod query;
mod reference;
mod resource;
mod schema;
mod terms;
mod user;
mod view;

use actix_web::HttpResponse;
use actix_web::web::{self, ServiceConfig};
use utoipa::OpenApi;
use utoipa::openapi::{RefOr, Required};

use super::error::{ApiError, ErrorContext, ErrorRenderer};
use super::routing::{get, not_found, resource};
use common::{ApiPrefix, ResourceKind};
use error::HexoApi;

/// Registers the routes, under both prefixes.
pub fn routes(app: &mut ServiceConfig) {
    app.service(
        web::scope("/api")
            .app_data(ErrorRenderer(render_error))
            .app_data(ApiPrefix::Unversioned)
            .service(web::scope("/v1").app_data(ApiPrefix::V1).configure(resources))
            .configure(resources),
    );
}

fn resources(scope: &mut ServiceConfig) {
    scope
        .service(resource("", "GET, HEAD").route(get().to(index::index)))
        .service(resource("/connect/oauth2/token", "POST").route(web::post().to(oauth::reject_oauth_token)))
        .configure(account::routes)
        .configure(audit::routes)
        .configure(block::routes)
        .configure(bundle_permission_request::routes)
        .configure(bundle_permission::routes)
        .configure(bundle::routes)
        .configure(user::routes)
        .default_service(not_found());
}

#[derive(OpenApi)]
#[openapi(paths(index::index, oauth::reject_oauth_token))]
struct Document;

/// The hexo part of the OpenAPI document.
pub fn document() -> utoipa::openapi::OpenApi {
    use super::openapi::section;
    let mut document = section::<HexoApi>("hexo", Document::openapi());
    for (kind, resource) in [
        (ResourceKind::Account, account::document()),
        (ResourceKind::Audit, audit::document()),
        (ResourceKind::Block, block::document()),
        (ResourceKind::BundlePermissionRequest, bundle_permission_request::document()),
        (ResourceKind::BundlePermission, bundle_permission::document()),
        (ResourceKind::Bundle, bundle::document()),
        (ResourceKind::User, user::document()),
    ] {
        document.merge(section::<HexoApi>(&format!("hexo: {}", kind.name()), resource));
    }
    // PUT and PATCH accept an empty body, which changes nothing.
    for item in document.paths.paths.values_mut() {
        for operation in [&mut item.put, &mut item.patch].into_iter().flatten() {
            if let Some(RefOr::T(body)) = &mut operation.request_body {
                body.required = Some(Required::False);
            }
        }
    }
    document
}

/// Renders an error in the format of the hexo API.
fn render_error(error: &ApiError, _: &ErrorContext) -> HttpResponse {
    error::render_api_error(error)
}
