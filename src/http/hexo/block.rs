//! `block`: from whom the caller takes no requests. A block has the number of the
//! user who is blocked, and is seen by the one who made it alone.

use actix_web::HttpResponse;
use actix_web::http::header::LOCATION;
use actix_web::web::{self, Data, ServiceConfig};
use utoipa::{OpenApi, ToSchema};

use super::error::HexoError;
use super::fields::JsonFields;
use super::path::{IdParam, IdPath, IdSet, IdsPath, SetResponse};
use super::query::{ListQuery, ListResponse, PagingParams};
use super::reference::{self, Reference};
use super::terms::record_lookup;
use super::view::BlockView;
use super::{ApiPrefix, HandlerResult, HexoApi, ResourceKind, schema};
use crate::domain::block::Block;
use crate::domain::user::UserId;
use crate::http::error::ApiError;
use crate::http::extract::authenticated::{Authenticated, Caller};
use crate::http::extract::body::Body;
use crate::http::openapi::error_responses::{AuthErrors, BodyErrors, Errors};
use crate::http::openapi::schemas;
use crate::http::routing::{get, resource};
use crate::http::state::AppState;
use crate::store::blocks;
use crate::store::lookup::LookupKey;

const KIND: ResourceKind = ResourceKind::Block;

pub(super) fn routes(scope: &mut ServiceConfig) {
    scope
        .service(resource("/block", "GET, HEAD, POST").route(get().to(list)).route(web::post().to(create)))
        .service(resource("/block/schema", "GET, HEAD").route(get().to(schema)))
        .service(resource("/block/set/{id}", "GET, HEAD").route(get().to(set)))
        .service(
            resource("/block/{id}", "GET, HEAD, DELETE")
                .route(get().to(detail))
                .route(web::delete().to(delete)),
        );
}

#[derive(OpenApi)]
#[openapi(paths(list, create, schema, set, detail, delete))]
pub(super) struct Document;

/// What the resource is made of, for anybody.
#[utoipa::path(
    get,
    path = "/api/block/schema/",
    operation_id = "get_block_schema",
    security(()),
    responses((status = 200, description = "The schema of the resource, as in django-tastypie.", body = schema::SchemaResponse)),
)]
async fn schema(prefix: ApiPrefix) -> HandlerResult {
    schema::to_response(KIND, prefix)
}

/// Lists whom the caller blocks.
#[utoipa::path(
    get,
    path = "/api/block/",
    operation_id = "list_blocks",
    params(PagingParams),
    responses(
        (status = 200, description = "One page.", body = ListResponse<BlockView>),
        AuthErrors<HexoApi>,
        Errors<HexoApi, 400>,
    ),
)]
async fn list(
    Authenticated(caller, query): Authenticated<ListQuery>,
    prefix: ApiPrefix,
    state: Data<AppState>,
) -> HandlerResult {
    let (target, page) = (caller.id(), query.page());
    let listed = state.store.read(move |conn| blocks::list_by_target(conn, target, page)).await?;
    let objects = listed.rows.into_iter().map(|user| BlockView::new(user, prefix)).collect();
    Ok(query.to_response(&prefix.list_uri(KIND), listed.total, objects))
}

/// Several blocks at once.
#[utoipa::path(
    get,
    path = "/api/block/set/{ids}/",
    operation_id = "get_blocks",
    params(IdsPath),
    responses(
        (status = 200, description = "The objects found, and the ids not found.", body = SetResponse<BlockView>),
        AuthErrors<HexoApi>,
        Errors<HexoApi, 400>,
    ),
)]
async fn set(
    Authenticated(caller, ids): Authenticated<IdSet>,
    prefix: ApiPrefix,
    state: Data<AppState>,
) -> HandlerResult {
    let blocked = state.blocked_users(&caller, ids.integer_ids()).await?;
    Ok(ids.to_response(blocked.into_iter().map(|user| (user.0, BlockView::new(user, prefix)))))
}

/// One block, by the number of the user who is blocked.
#[utoipa::path(
    get,
    path = "/api/block/{id}/",
    operation_id = "get_block",
    params(IdPath),
    responses(
        (status = 200, description = "The block.", body = BlockView),
        AuthErrors<HexoApi>,
        Errors<HexoApi, 404>,
    ),
)]
async fn detail(
    Authenticated(caller, IdParam(id)): Authenticated<IdParam>,
    prefix: ApiPrefix,
    state: Data<AppState>,
) -> HandlerResult {
    let blocked = state.blocked_users(&caller, vec![id]).await?;
    let user = blocked.first().ok_or(ApiError::NotFound)?;
    Ok(HttpResponse::Ok().json(BlockView::new(*user, prefix)))
}

/// What makes a block, as it is documented.
#[derive(ToSchema)]
#[schema(as = hexo::NewBlock)]
#[expect(dead_code, reason = "parsed by `create`; declared for the OpenAPI schema")]
struct NewBlockSchema {
    /// Who is blocked.
    #[schema(schema_with = schemas::uri_or_id)]
    user: String,
}

/// Takes no more requests from a user.
///
/// Their open requests are declined. Once more does no harm.
#[utoipa::path(
    post,
    path = "/api/block/",
    operation_id = "create_block",
    request_body = NewBlockSchema,
    responses(
        (status = 201, description = "The block.", body = BlockView,
            headers(("Location" = String, description = "Its URI."))),
        (status = 200, description = "The block already existed.", body = BlockView,
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
    let public_url = &state.config.public_url;
    let given = fields.required("user")?;
    let reference =
        Reference::from_json(KIND, "user", given, |text| reference::parse_user(text, public_url))?;
    let names = reference.parsed.iter().cloned().collect();
    let found = state.registry.look_up(LookupKey::UsersAndBundle(names, None)).await?;
    let found_user = reference.find_user(&found);
    record_lookup(&caller, found_user.is_err(), &state).await?;
    let blocked = found_user?.id;
    if blocked == caller.id() {
        return Err(HexoError::invalid_field(KIND, "user", "Choose a user other than yourself."));
    }
    let block = Block { target: caller.id(), blocked };
    let created = state.registry.block(block, caller.audit_context).await?;
    let view = BlockView::new(blocked, prefix);
    let mut response = if created { HttpResponse::Created() } else { HttpResponse::Ok() };
    Ok(response.insert_header((LOCATION, view.resource_uri.clone())).json(view))
}

/// Takes requests from a user again.
#[utoipa::path(
    delete,
    path = "/api/block/{id}/",
    operation_id = "delete_block",
    params(IdPath),
    responses(
        (status = 204, description = "Deleted."),
        AuthErrors<HexoApi>,
        Errors<HexoApi, 404>,
    ),
)]
async fn delete(
    Authenticated(caller, (IdParam(id), _)): Authenticated<(IdParam, Body)>,
    state: Data<AppState>,
) -> HandlerResult {
    let block = Block { target: caller.id(), blocked: UserId(id) };
    match state.registry.unblock(block, caller.audit_context).await? {
        true => Ok(HttpResponse::NoContent().finish()),
        false => Err(ApiError::NotFound.into()),
    }
}

impl AppState {
    /// Those of these users whom the caller blocks.
    async fn blocked_users(&self, caller: &Caller, ids: Vec<i64>) -> Result<Vec<UserId>, HexoError> {
        let target = caller.id();
        let ids: Vec<UserId> = ids.into_iter().map(UserId).collect();
        Ok(self.store.read(move |conn| blocks::by_ids(conn, target, &ids)).await?)
    }
}
