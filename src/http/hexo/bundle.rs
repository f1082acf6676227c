//! `bundle`: named sets of rights, for everybody to see and for staff to make.

use actix_web::HttpResponse;
use actix_web::http::header::LOCATION;
use actix_web::web::{self, Data, ServiceConfig};
use utoipa::{OpenApi, ToSchema};

use super::error::HexoError;
use super::fields::JsonFields;
use super::path::{IdParam, IdPath, IdSet, IdsPath, SetResponse};
use super::query::{ListQuery, ListResponse, PagingParams};
use super::view::BundleView;
use super::{ApiPrefix, HandlerResult, HexoApi, ResourceKind, schema};
use crate::domain::bundle::{BundleId, BundleName, Description};
use crate::domain::permission::Mask;
use crate::http::error::ApiError;
use crate::http::extract::authenticated::Authenticated;
use crate::http::extract::body::Body;
use crate::http::openapi::error_responses::{AuthErrors, BodyErrors, Errors};
use crate::http::openapi::schemas;
use crate::http::routing::{get, resource};
use crate::http::state::AppState;
use crate::services::admin;
use crate::store::bundles;
use crate::store::bundles::{BundleChange, NewBundle};

const KIND: ResourceKind = ResourceKind::Bundle;
const STAFF_REQUIRED: &str = "Only staff can change bundles.";

pub(super) fn routes(scope: &mut ServiceConfig) {
    scope
        .service(resource("/bundle", "GET, HEAD, POST").route(get().to(list)).route(web::post().to(create)))
        .service(resource("/bundle/schema", "GET, HEAD").route(get().to(schema)))
        .service(resource("/bundle/set/{id}", "GET, HEAD").route(get().to(set)))
        .service(
            resource("/bundle/{id}", "GET, HEAD, PUT, DELETE")
                .route(get().to(detail))
                .route(web::put().to(update))
                .route(web::delete().to(delete)),
        );
}

#[derive(OpenApi)]
#[openapi(paths(list, create, schema, set, detail, update, delete))]
pub(super) struct Document;

/// What the resource is made of, for anybody.
#[utoipa::path(
    get,
    path = "/api/bundle/schema/",
    operation_id = "get_bundle_schema",
    security(()),
    responses((status = 200, description = "The schema of the resource, as in django-tastypie.", body = schema::SchemaResponse)),
)]
async fn schema(prefix: ApiPrefix) -> HandlerResult {
    schema::to_response(KIND, prefix)
}

/// Lists the bundles.
#[utoipa::path(
    get,
    path = "/api/bundle/",
    operation_id = "list_bundles",
    params(PagingParams),
    responses(
        (status = 200, description = "One page.", body = ListResponse<BundleView>),
        AuthErrors<HexoApi>,
        Errors<HexoApi, 400>,
    ),
)]
async fn list(
    Authenticated(_, query): Authenticated<ListQuery>,
    prefix: ApiPrefix,
    state: Data<AppState>,
) -> HandlerResult {
    let page = query.page();
    let listed = state.store.read(move |conn| bundles::list(conn, page)).await?;
    let objects = listed.rows.iter().map(|bundle| BundleView::new(bundle, prefix)).collect();
    Ok(query.to_response(&prefix.list_uri(KIND), listed.total, objects))
}

/// Several bundles at once.
#[utoipa::path(
    get,
    path = "/api/bundle/set/{ids}/",
    operation_id = "get_bundles",
    params(IdsPath),
    responses(
        (status = 200, description = "The objects found, and the ids not found.", body = SetResponse<BundleView>),
        AuthErrors<HexoApi>,
        Errors<HexoApi, 400>,
    ),
)]
async fn set(
    Authenticated(_, ids): Authenticated<IdSet>,
    prefix: ApiPrefix,
    state: Data<AppState>,
) -> HandlerResult {
    let numbers: Vec<BundleId> = ids.integer_ids().into_iter().map(BundleId).collect();
    let found = state.store.read(move |conn| bundles::by_ids(conn, &numbers)).await?;
    Ok(ids.to_response(found.iter().map(|bundle| (bundle.id.0, BundleView::new(bundle, prefix)))))
}

/// One bundle.
#[utoipa::path(
    get,
    path = "/api/bundle/{id}/",
    operation_id = "get_bundle",
    params(IdPath),
    responses(
        (status = 200, description = "The bundle.", body = BundleView),
        AuthErrors<HexoApi>,
        Errors<HexoApi, 404>,
    ),
)]
async fn detail(
    Authenticated(_, IdParam(id)): Authenticated<IdParam>,
    prefix: ApiPrefix,
    state: Data<AppState>,
) -> HandlerResult {
    let found = state.store.read(move |conn| bundles::by_ids(conn, &[BundleId(id)])).await?;
    let bundle = found.first().ok_or(ApiError::NotFound)?;
    Ok(HttpResponse::Ok().json(BundleView::new(bundle, prefix)))
}

/// What makes a bundle, as it is documented.
#[derive(ToSchema)]
#[schema(as = hexo::NewBundle)]
#[expect(dead_code, reason = "parsed by `parse_change`; declared for the OpenAPI schema")]
struct NewBundleSchema {
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
#[schema(as = hexo::BundleUpdate)]
#[expect(dead_code, reason = "parsed by `parse_change`; declared for the OpenAPI schema")]
struct BundleUpdateSchema {
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
    operation_id = "create_bundle",
    request_body = NewBundleSchema,
    responses(
        (status = 201, description = "The bundle.", body = BundleView,
            headers(("Location" = String, description = "Its URI."))),
        AuthErrors<HexoApi>,
        BodyErrors<HexoApi>,
    ),
)]
async fn create(
    Authenticated(caller, fields): Authenticated<JsonFields>,
    prefix: ApiPrefix,
    state: Data<AppState>,
) -> HandlerResult {
    caller.require_staff(STAFF_REQUIRED)?;
    fields.required("name")?;
    let change = parse_change(&fields)?;
    let new = NewBundle {
        name: change.name.ok_or(HexoError::MissingField("name"))?,
        description: change.description.unwrap_or_default(),
        permission: change.permission.unwrap_or(Mask::READ),
    };
    let bundle = state.store.write(admin::bundles::add(new, caller.audit_context)).await?;
    let uri = prefix.detail_uri(KIND, bundle.id.0);
    Ok(HttpResponse::Created().insert_header((LOCATION, uri)).json(BundleView::new(&bundle, prefix)))
}

/// Changes a bundle, for staff.
///
/// What the body does not have stays. While the bundle is in use its rights stay
/// in any case (409): they are what people agreed to.
#[utoipa::path(
    put,
    path = "/api/bundle/{id}/",
    operation_id = "update_bundle",
    params(IdPath),
    request_body = BundleUpdateSchema,
    responses(
        (status = 200, description = "The bundle.", body = BundleView),
        AuthErrors<HexoApi>,
        BodyErrors<HexoApi>,
        Errors<HexoApi, 404>,
        Errors<HexoApi, 409>,
    ),
)]
async fn update(
    Authenticated(caller, (IdParam(id), fields)): Authenticated<(IdParam, JsonFields)>,
    prefix: ApiPrefix,
    state: Data<AppState>,
) -> HandlerResult {
    caller.require_staff(STAFF_REQUIRED)?;
    let change = parse_change(&fields)?;
    let changed = state.store.write(admin::bundles::update(BundleId(id), change, caller.audit_context));
    Ok(HttpResponse::Ok().json(BundleView::new(&changed.await??, prefix)))
}

/// Deletes a bundle that is not in use, for staff.
#[utoipa::path(
    delete,
    path = "/api/bundle/{id}/",
    operation_id = "delete_bundle",
    params(IdPath),
    responses(
        (status = 204, description = "Deleted."),
        AuthErrors<HexoApi>,
        Errors<HexoApi, 404>,
        Errors<HexoApi, 409>,
    ),
)]
async fn delete(
    Authenticated(caller, (IdParam(id), _)): Authenticated<(IdParam, Body)>,
    state: Data<AppState>,
) -> HandlerResult {
    caller.require_staff(STAFF_REQUIRED)?;
    state.store.write(admin::bundles::delete(BundleId(id), caller.audit_context)).await??;
    Ok(HttpResponse::NoContent().finish())
}

fn parse_change(fields: &JsonFields) -> Result<BundleChange, HexoError> {
    let mask = |bits| {
        let reason = || format!("Provide a whole number from 1 to {}.", Mask::MAX.bits());
        Mask::new(bits).map_err(|_| HexoError::invalid_field(KIND, "permission", reason()))
    };
    Ok(BundleChange {
        name: fields.text(KIND, "name", BundleName::new)?,
        description: fields.text(KIND, "description", Description::new)?,
        permission: fields.integer(KIND, "permission")?.map(mask).transpose()?,
    })
}
