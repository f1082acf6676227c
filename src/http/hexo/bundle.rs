//! `bundle`: named sets of rights, for everybody to see and for staff to make.

use actix_web::HttpResponse;
use actix_web::http::header::LOCATION;
use actix_web::web::{self, Data, ServiceConfig};
use utoipa::{OpenApi, ToSchema};

use super::error::HexoError;
use super::fields::Fields;
use super::path::{ById, ByIds, IdSet, Number, Set};
use super::query::{List, Paging, Query};
use super::view::BundleView;
use super::{Answer, Hexo, Kind, Prefix, schema};
use crate::domain::bundle::{BundleId, BundleName, Description};
use crate::domain::permission::Mask;
use crate::http::Services;
use crate::http::body::{Body, From};
use crate::http::openapi::refusals::{AnyBody, AnyCall, May};
use crate::http::openapi::schemas;
use crate::http::problem::Problem;
use crate::http::routing::{get, resource};
use crate::store::bundles::{BundleChange, NewBundle};
use crate::store::{bundles, staff};

const KIND: Kind = Kind::Bundle;
const ONLY_STAFF: &str = "Only staff can change bundles.";

pub(super) fn routes(scope: &mut ServiceConfig) {
    scope
        .service(resource("/bundle", "GET, HEAD, POST").route(get().to(list)).route(web::post().to(create)))
        .service(resource("/bundle/schema", "GET, HEAD").route(get().to(schema)))
        .service(resource("/bundle/set/{name}", "GET, HEAD").route(get().to(set)))
        .service(
            resource("/bundle/{name}", "GET, HEAD, PUT, DELETE")
                .route(get().to(detail))
                .route(web::put().to(put))
                .route(web::delete().to(delete)),
        );
}

#[derive(OpenApi)]
#[openapi(paths(list, create, schema, set, detail, put, delete))]
pub(super) struct Document;

/// What the resource is made of, for anybody.
#[utoipa::path(
    get,
    path = "/api/bundle/schema/",
    operation_id = "bundle_schema",
    security(()),
    responses((status = 200, description = "The schema of the resource, as in django-tastypie.", body = schema::Schema)),
)]
async fn schema(prefix: Prefix) -> Answer {
    schema::answer(KIND, prefix)
}

/// Lists the bundles.
#[utoipa::path(
    get,
    path = "/api/bundle/",
    operation_id = "list_bundles",
    params(Paging),
    responses(
        (status = 200, description = "One page.", body = List<BundleView>),
        AnyCall<Hexo>,
        May<Hexo, 400>,
    ),
)]
async fn list(From(_, query): From<Query>, prefix: Prefix, services: Data<Services>) -> Answer {
    let page = query.page();
    let listed = services.directory.read(move |conn| bundles::list(conn, page)).await?;
    let objects = listed.rows.iter().map(|bundle| BundleView::new(bundle, prefix)).collect();
    Ok(query.answer(&prefix.list(KIND), listed.total, objects))
}

/// Several bundles at once.
#[utoipa::path(
    get,
    path = "/api/bundle/set/{ids}/",
    operation_id = "bundle_set",
    params(ByIds),
    responses(
        (status = 200, description = "The objects found, and the ids not found.", body = Set<BundleView>),
        AnyCall<Hexo>,
        May<Hexo, 400>,
    ),
)]
async fn set(From(_, ids): From<IdSet>, prefix: Prefix, services: Data<Services>) -> Answer {
    let numbers: Vec<BundleId> = ids.numbers().into_iter().map(BundleId).collect();
    let found = services.directory.read(move |conn| bundles::by_ids(conn, &numbers)).await?;
    Ok(ids.answer(found.iter().map(|bundle| (bundle.id.0, BundleView::new(bundle, prefix)))))
}

/// One bundle.
#[utoipa::path(
    get,
    path = "/api/bundle/{id}/",
    operation_id = "bundle",
    params(ById),
    responses(
        (status = 200, description = "The bundle.", body = BundleView),
        AnyCall<Hexo>,
        May<Hexo, 404>,
    ),
)]
async fn detail(From(_, Number(id)): From<Number>, prefix: Prefix, services: Data<Services>) -> Answer {
    let found = services.directory.read(move |conn| bundles::by_ids(conn, &[BundleId(id)])).await?;
    let bundle = found.first().ok_or(Problem::NotFound)?;
    Ok(HttpResponse::Ok().json(BundleView::new(bundle, prefix)))
}

/// What makes a bundle, as it is documented.
#[derive(ToSchema)]
#[schema(as = hexo::NewBundle)]
#[expect(dead_code, reason = "read by `read`; this is what it looks like")]
struct NewBundleFields {
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    #[schema(max_length = 1000)]
    description: Option<String>,
    /// The rights, as a mask. 2, to read, unless told.
    #[schema(schema_with = schemas::mask)]
    permission: Option<i64>,
}

/// What changes a bundle, as it is documented. What is absent or null stays.
#[derive(ToSchema)]
#[schema(as = hexo::BundleChange)]
#[expect(dead_code, reason = "read by `read`; this is what it looks like")]
struct BundleFields {
    #[schema(min_length = 1, max_length = 100)]
    name: Option<String>,
    #[schema(max_length = 1000)]
    description: Option<String>,
    /// The rights, as a mask. They stay while the bundle is in use.
    #[schema(schema_with = schemas::mask)]
    permission: Option<i64>,
}

/// Makes a bundle, for staff.
#[utoipa::path(
    post,
    path = "/api/bundle/",
    operation_id = "make_bundle",
    request_body = NewBundleFields,
    responses(
        (status = 201, description = "The bundle.", body = BundleView,
            headers(("Location" = String, description = "Its URI."))),
        AnyCall<Hexo>,
        AnyBody<Hexo>,
    ),
)]
async fn create(From(caller, fields): From<Fields>, prefix: Prefix, services: Data<Services>) -> Answer {
    caller.must_be_staff(ONLY_STAFF)?;
    fields.required("name")?;
    let change = read(&fields)?;
    let new = NewBundle {
        name: change.name.ok_or(HexoError::Missing("name"))?,
        description: change.description.unwrap_or_default(),
        permission: change.permission.unwrap_or(Mask::READ),
    };
    let added = services.directory.write(move |conn| {
        let now = conn.now()?;
        staff::add_bundle(conn, &new, &caller.origin, now)
    });
    let bundle = added.await?;
    let uri = prefix.detail(KIND, bundle.id.0);
    Ok(HttpResponse::Created().insert_header((LOCATION, uri)).json(BundleView::new(&bundle, prefix)))
}

/// Changes a bundle, for staff.
///
/// What the body does not have stays. While the bundle is in use its rights stay
/// in any case (409): they are what people agreed to.
#[utoipa::path(
    put,
    path = "/api/bundle/{id}/",
    operation_id = "change_bundle",
    params(ById),
    request_body = BundleFields,
    responses(
        (status = 200, description = "The bundle.", body = BundleView),
        AnyCall<Hexo>,
        AnyBody<Hexo>,
        May<Hexo, 404>,
        May<Hexo, 409>,
    ),
)]
async fn put(
    From(caller, (Number(id), fields)): From<(Number, Fields)>,
    prefix: Prefix,
    services: Data<Services>,
) -> Answer {
    caller.must_be_staff(ONLY_STAFF)?;
    let change = read(&fields)?;
    let changed = services.directory.write(move |conn| {
        let now = conn.now()?;
        staff::change_bundle(conn, BundleId(id), &change, &caller.origin, now)
    });
    Ok(HttpResponse::Ok().json(BundleView::new(&changed.await??, prefix)))
}

/// Deletes a bundle that is not in use, for staff.
#[utoipa::path(
    delete,
    path = "/api/bundle/{id}/",
    operation_id = "delete_bundle",
    params(ById),
    responses(
        (status = 204, description = "Deleted."),
        AnyCall<Hexo>,
        May<Hexo, 404>,
        May<Hexo, 409>,
    ),
)]
async fn delete(From(caller, (Number(id), _)): From<(Number, Body)>, services: Data<Services>) -> Answer {
    caller.must_be_staff(ONLY_STAFF)?;
    let deleted = services.directory.write(move |conn| {
        let now = conn.now()?;
        staff::delete_bundle(conn, BundleId(id), &caller.origin, now)
    });
    deleted.await??;
    Ok(HttpResponse::NoContent().finish())
}

fn read(fields: &Fields) -> Result<BundleChange, HexoError> {
    let mask = |bits| {
        Mask::new(bits)
            .map_err(|_| HexoError::invalid(KIND, "permission", "Provide a whole number from 1 to 63."))
    };
    Ok(BundleChange {
        name: fields.text(KIND, "name", BundleName::new)?,
        description: fields.text(KIND, "description", Description::new)?,
        permission: fields.integer(KIND, "permission")?.map(mask).transpose()?,
    })
}
