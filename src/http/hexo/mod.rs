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
//! - **Webhooks.** An extension. Only the owner sees a webhook. Its secret is in the response that creates it.
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
mod decisions;
mod error;
mod fields;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod headers;
mod index;
mod new_request;
mod new_webhook;
mod path;
mod query;
mod receipt;
mod reference;
mod resource;
mod schema;
mod terms;
mod unsupported_oauth;
mod user;
mod view;
mod webhook;
mod webhook_delivery;

use actix_web::HttpResponse;
use actix_web::web::{self, ServiceConfig};
use utoipa::openapi::{OpenApi, RefOr, Required};

use super::error::{ApiError, ErrorContext, ErrorRenderer};
use super::routing::{Endpoints, endpoints, not_found};
use common::{ApiPrefix, ResourceKind};
use error::HexoApi;

/// The resources and their index.
pub fn endpoints() -> Endpoints {
    let index =
        Endpoints::new::<HexoApi>("hexo", endpoints![index::index, unsupported_oauth::reject_oauth_token]);
    [
        (ResourceKind::Account, account::endpoints()),
        (ResourceKind::Audit, audit::endpoints()),
        (ResourceKind::Block, block::endpoints()),
        (ResourceKind::BundlePermissionRequest, bundle_permission_request::endpoints()),
        (ResourceKind::BundlePermission, bundle_permission::endpoints()),
        (ResourceKind::Bundle, bundle::endpoints()),
        (ResourceKind::User, user::endpoints()),
        (ResourceKind::Webhook, webhook::endpoints()),
    ]
    .into_iter()
    .fold(index, |all, (kind, resource)| all.with_section(format!("hexo: {}", kind.name()), resource))
    .with_adjusted_document(make_changes_optional)
    .in_scope("/api", configure)
}

/// Configures the scope `/api`, and adds `/api/v1` with the same endpoints.
fn configure(scope: &mut ServiceConfig) {
    let v1 = web::scope("/v1").app_data(ApiPrefix::V1).default_service(not_found());
    scope
        .app_data(ErrorRenderer(render_error))
        .app_data(ApiPrefix::Unversioned)
        .service(v1.configure(|scope| endpoints().register_in(scope)))
        .default_service(not_found());
}

/// Documents that PUT and PATCH accept an empty body, which changes nothing.
fn make_changes_optional(document: &mut OpenApi) {
    for item in document.paths.paths.values_mut() {
        for operation in [&mut item.put, &mut item.patch].into_iter().flatten() {
            if let Some(RefOr::T(body)) = &mut operation.request_body {
                body.required = Some(Required::False);
            }
        }
    }
}

/// Renders an error in the format of the hexo API.
fn render_error(error: &ApiError, _: &ErrorContext) -> HttpResponse {
    error::render_api_error(error)
}
