//! `block`: from whom the caller takes no requests. A block has the number of the
//! user who is blocked, and is seen by the one who made it alone.

use actix_web::HttpResponse;
use actix_web::http::header::LOCATION;
use actix_web::web::{self, Data, ServiceConfig};
use utoipa::{OpenApi, ToSchema};

use super::error::HexoError;
use super::fields::Fields;
use super::path::{ById, ByIds, IdSet, Number, Set};
use super::query::{List, Paging, Query};
use super::reference::{self, Reference};
use super::terms::refer;
use super::view::BlockView;
use super::{Answer, Hexo, Kind, Prefix, schema};
use crate::domain::block::Block;
use crate::domain::user::UserId;
use crate::http::Services;
use crate::http::auth::Caller;
use crate::http::body::{Body, From};
use crate::http::openapi::refusals::{AnyBody, AnyCall, May};
use crate::http::openapi::schemas;
use crate::http::problem::Problem;
use crate::http::routing::{get, resource};
use crate::store::blocks;
use crate::store::lookup::Question;

const KIND: Kind = Kind::Block;

pub(super) fn routes(scope: &mut ServiceConfig) {
    scope
        .service(resource("/block", "GET, HEAD, POST").route(get().to(list)).route(web::post().to(block)))
        .service(resource("/block/schema", "GET, HEAD").route(get().to(schema)))
        .service(resource("/block/set/{name}", "GET, HEAD").route(get().to(set)))
        .service(
            resource("/block/{name}", "GET, HEAD, DELETE")
                .route(get().to(detail))
                .route(web::delete().to(unblock)),
        );
}

#[derive(OpenApi)]
#[openapi(paths(list, block, schema, set, detail, unblock))]
pub(super) struct Document;

/// What the resource is made of, for anybody.
#[utoipa::path(
    get,
    path = "/api/block/schema/",
    operation_id = "block_schema",
    security(()),
    responses((status = 200, description = "The schema of the resource, as in django-tastypie.", body = schema::Schema)),
)]
async fn schema(prefix: Prefix) -> Answer {
    schema::answer(KIND, prefix)
}

/// Lists whom the caller blocks.
#[utoipa::path(
    get,
    path = "/api/block/",
    operation_id = "list_blocks",
    params(Paging),
    responses(
        (status = 200, description = "One page.", body = List<BlockView>),
        AnyCall<Hexo>,
        May<Hexo, 400>,
    ),
)]
async fn list(From(caller, query): From<Query>, prefix: Prefix, services: Data<Services>) -> Answer {
    let (target, page) = (caller.id(), query.page());
    let listed = services.directory.read(move |conn| blocks::of(conn, target, page)).await?;
    let objects = listed.rows.into_iter().map(|user| BlockView::new(user, prefix)).collect();
    Ok(query.answer(&prefix.list(KIND), listed.total, objects))
}

/// Several blocks at once.
#[utoipa::path(
    get,
    path = "/api/block/set/{ids}/",
    operation_id = "block_set",
    params(ByIds),
    responses(
        (status = 200, description = "The objects found, and the ids not found.", body = Set<BlockView>),
        AnyCall<Hexo>,
        May<Hexo, 400>,
    ),
)]
async fn set(From(caller, ids): From<IdSet>, prefix: Prefix, services: Data<Services>) -> Answer {
    let blocked = services.blocked(&caller, ids.numbers()).await?;
    Ok(ids.answer(blocked.into_iter().map(|user| (user.0, BlockView::new(user, prefix)))))
}

/// One block, by the number of the user who is blocked.
#[utoipa::path(
    get,
    path = "/api/block/{id}/",
    operation_id = "block",
    params(ById),
    responses(
        (status = 200, description = "The block.", body = BlockView),
        AnyCall<Hexo>,
        May<Hexo, 404>,
    ),
)]
async fn detail(From(caller, Number(id)): From<Number>, prefix: Prefix, services: Data<Services>) -> Answer {
    let blocked = services.blocked(&caller, vec![id]).await?;
    let user = blocked.first().ok_or(Problem::NotFound)?;
    Ok(HttpResponse::Ok().json(BlockView::new(*user, prefix)))
}

/// What makes a block, as it is documented.
#[derive(ToSchema)]
#[schema(as = hexo::NewBlock)]
#[expect(dead_code, reason = "read by `block`; this is what it looks like")]
struct BlockFields {
    /// Who is blocked.
    #[schema(schema_with = schemas::reference)]
    user: String,
}

/// Takes no more requests from a user.
///
/// Their open requests are declined. Once more does no harm.
#[utoipa::path(
    post,
    path = "/api/block/",
    operation_id = "new_block",
    request_body = BlockFields,
    responses(
        (status = 201, description = "The block.", body = BlockView,
            headers(("Location" = String, description = "Its URI."))),
        (status = 200, description = "The block already existed.", body = BlockView,
            headers(("Location" = String, description = "Its URI."))),
        AnyCall<Hexo>,
        AnyBody<Hexo>,
    ),
)]
async fn block(From(caller, fields): From<Fields>, prefix: Prefix, services: Data<Services>) -> Answer {
    let here = &services.config.public_url;
    let given = fields.required("user")?;
    let reference = Reference::read(KIND, "user", given, |text| reference::user(text, here))?;
    let names = reference.names.iter().cloned().collect();
    let found = services.registry.look_up(Question::Names(names, None)).await?;
    let picked = reference.pick(&found);
    refer(&caller, picked.is_err(), &services).await?;
    let blocked = picked?.id;
    if blocked == caller.id() {
        return Err(HexoError::invalid(KIND, "user", "Choose a user other than yourself."));
    }
    let block = Block { target: caller.id(), blocked };
    let fresh = services.registry.block(block, caller.origin).await?;
    let view = BlockView::new(blocked, prefix);
    let mut response = if fresh { HttpResponse::Created() } else { HttpResponse::Ok() };
    Ok(response.insert_header((LOCATION, view.resource_uri.clone())).json(view))
}

/// Takes requests from a user again.
#[utoipa::path(
    delete,
    path = "/api/block/{id}/",
    operation_id = "delete_block",
    params(ById),
    responses(
        (status = 204, description = "Deleted."),
        AnyCall<Hexo>,
        May<Hexo, 404>,
    ),
)]
async fn unblock(From(caller, (Number(id), _)): From<(Number, Body)>, services: Data<Services>) -> Answer {
    let block = Block { target: caller.id(), blocked: UserId(id) };
    match services.registry.unblock(block, caller.origin).await? {
        true => Ok(HttpResponse::NoContent().finish()),
        false => Err(Problem::NotFound.into()),
    }
}

impl Services {
    /// Those of these users whom the caller blocks.
    async fn blocked(&self, caller: &Caller, ids: Vec<i64>) -> Result<Vec<UserId>, HexoError> {
        let target = caller.id();
        let ids: Vec<UserId> = ids.into_iter().map(UserId).collect();
        Ok(self.directory.read(move |conn| blocks::by_ids(conn, target, &ids)).await?)
    }
}
