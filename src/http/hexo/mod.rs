//! The hexo dialect: consent requests, as Hexoskin's tastypie API speaks of
//! them (`bundle_permission_request` in the public "Hexostore API Documentation").
//!
//! A resource is a file; what they share has files of its own: `query` reads and
//! answers lists, `path` sets and ids, `fields` bodies, `reference` what names a
//! user or a bundle, `view` writes resources, `error` says what was wrong.
//!
//! # Where the documentation is silent
//!
//! - **Order.** Credentials, `Idempotency-Key`, content type, JSON, what the body
//!   alone shows (missing and malformed fields), the author (400 when they are
//!   nobody, 403 when the caller may not act for them), then the other user and
//!   the bundle, then whether the two users are one, then what the registry
//!   knows. So whoever may not ask learns nothing of a third party.
//! - **Partial bodies.** What a PUT does not name stays, as does what it says
//!   null for. Read-only fields are passed over.
//! - **Bundles.** Everybody sees them all. While a permission or a live request
//!   is about one, a PUT may change its words and not its rights (409): those
//!   are what people agreed to. Without a `permission` a new one is for reading.
//! - **Lists.** `previous` is there whenever something lies before the page. A
//!   parameter that has one value and is given twice is refused, and so are
//!   more than 1,000 values of a filter or a set.
//! - **Blocks.** A resource of our own: whom the caller takes no requests from. It has
//!   the number of the user who is blocked. Whoever they ask is told so (403), since
//!   they would find out anyway; open requests of theirs are declined, permissions stay.
//! - **The audit trail.** A resource of our own, read and never written: staff see all of
//!   it, others what they did and what concerns them. The newest first, and no more than
//!   10,000 entries are counted and paged through; what is older is found by `at__lt`.
//! - **Ids.** One that no number of 64 bits is names nothing: 404 in a path, 400
//!   in a body or a filter. `not_found` of a set is always there.
//! - **Redeem URLs.** At most 900 bytes, and no `token` of its own. At our own
//!   origin it has no query: a link in our own mail must not call our services.

mod account;
mod audit;
mod block;
mod bundle;
mod bundle_permission;
mod bundle_permission_request;
mod error;
mod fields;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod headers;
mod path;
mod query;
mod reference;
mod schema;
mod terms;
mod user;
mod view;

use std::fmt::Display;
use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::web::{self, ServiceConfig};
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use utoipa::OpenApi;
use utoipa::openapi::{RefOr, Required};

use super::error::{ApiError, ErrorContext, ErrorRenderer};
use super::openapi::error_responses::{ErrorSchemas, Errors};
use super::routing::{get, not_found, resource};
use error::{ErrorBody, HexoError};

/// What a handler comes to.
type HandlerResult = Result<HttpResponse, HexoError>;

/// Puts the dialect's routes in place, under both of its prefixes.
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
        .service(resource("", "GET, HEAD").route(get().to(schema::index)))
        .service(resource("/connect/oauth2/token", "POST").route(web::post().to(reject_oauth_token)))
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
#[openapi(paths(schema::index, reject_oauth_token))]
struct Document;

/// What is told of the dialect.
pub fn document() -> utoipa::openapi::OpenApi {
    use super::openapi::section;
    let mut document = section::<HexoApi>("hexo", Document::openapi());
    for (heading, resource) in [
        ("hexo: account", account::Document::openapi()),
        ("hexo: audit", audit::Document::openapi()),
        ("hexo: block", block::Document::openapi()),
        ("hexo: bundle_permission_request", bundle_permission_request::Document::openapi()),
        ("hexo: bundle_permission", bundle_permission::Document::openapi()),
        ("hexo: bundle", bundle::Document::openapi()),
        ("hexo: user", user::Document::openapi()),
    ] {
        document.merge(section::<HexoApi>(heading, resource));
    }
    // What changes nothing may be empty.
    for item in document.paths.paths.values_mut() {
        for change in [&mut item.put, &mut item.patch].into_iter().flatten() {
            if let Some(RefOr::T(body)) = &mut change.request_body {
                body.required = Some(Required::False);
            }
        }
    }
    document
}

/// The dialect's way to tell that something went wrong.
enum HexoApi {}

impl ErrorSchemas for HexoApi {
    const API_NAME: &'static str = "hexo";
    type Body = ErrorBody;
    type BadRequestBody = error::BadRequestBody;
}

/// There is no OAuth here.
///
/// Hexoskin's client tries this first, and goes on with other credentials when it
/// is told so.
#[utoipa::path(
    post,
    path = "/api/connect/oauth2/token/",
    operation_id = "reject_oauth_token",
    security(()),
    responses(Errors<HexoApi, 400>, Errors<HexoApi, 403>),
)]
async fn reject_oauth_token() -> HttpResponse {
    HttpResponse::BadRequest().json(ErrorBody::new("unsupported_grant_type"))
}

/// Renders an error in the API's format.
fn render_error(error: &ApiError, _: &ErrorContext) -> HttpResponse {
    error::render_api_error(error)
}

/// Under which prefix a request came, and its answer's URIs go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ApiPrefix {
    /// `/api/`
    Unversioned,
    /// `/api/v1/`
    V1,
}

impl ApiPrefix {
    const fn path(self) -> &'static str {
        match self {
            Self::Unversioned => "/api/",
            Self::V1 => "/api/v1/",
        }
    }

    /// The URI of a resource's list.
    fn list_uri(self, kind: ResourceKind) -> String {
        format!("{}{}/", self.path(), kind.name())
    }

    /// The URI of one of a kind.
    fn detail_uri(self, kind: ResourceKind, id: impl Display) -> String {
        format!("{}{}/{id}/", self.path(), kind.name())
    }

    /// The URI of a kind's schema.
    fn schema_uri(self, kind: ResourceKind) -> String {
        format!("{}{}/schema/", self.path(), kind.name())
    }
}

impl FromRequest for ApiPrefix {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(request.app_data().copied().unwrap_or(Self::Unversioned)))
    }
}

/// What the dialect calls a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ResourceKind {
    /// The caller, as a list of one.
    Account,
    /// An entry of the audit trail.
    Audit,
    /// Somebody from whom the caller takes no requests.
    Block,
    /// A named set of rights.
    Bundle,
    /// What a redeemed request leaves.
    BundlePermission,
    /// One user asks another for a bundle.
    BundlePermissionRequest,
    /// Who asks and who is asked.
    User,
}

impl ResourceKind {
    const ALL: [Self; 7] = [
        Self::Account,
        Self::Audit,
        Self::Block,
        Self::Bundle,
        Self::BundlePermission,
        Self::BundlePermissionRequest,
        Self::User,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Audit => "audit",
            Self::Block => "block",
            Self::Bundle => "bundle",
            Self::BundlePermission => "bundle_permission",
            Self::BundlePermissionRequest => "bundle_permission_request",
            Self::User => "user",
        }
    }
}
