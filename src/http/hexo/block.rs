//! `block`: from whom the caller takes no requests. A block has the number of the
//! user who is blocked, and is seen by the one who made it alone.

use actix_web::HttpResponse;
use actix_web::http::header::LOCATION;
use actix_web::web::{self, Data, ServiceConfig};

use super::error::HexoError;
use super::fields::Fields;
use super::path::{IdSet, Number};
use super::query::Query;
use super::reference::{self, Reference};
use super::terms::refer;
use super::view::BlockView;
use super::{Answer, Kind, Prefix, schema};
use crate::domain::block::Block;
use crate::domain::user::UserId;
use crate::http::Services;
use crate::http::auth::Caller;
use crate::http::body::{Body, From};
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

async fn schema(prefix: Prefix) -> Answer {
    schema::answer(KIND, prefix)
}

/// `GET /api/block/`
async fn list(From(caller, query): From<Query>, prefix: Prefix, services: Data<Services>) -> Answer {
    let (target, page) = (caller.id(), query.page());
    let listed = services.directory.read(move |conn| blocks::of(conn, target, page)).await?;
    let objects = listed.rows.into_iter().map(|user| BlockView::new(user, prefix)).collect();
    Ok(query.answer(&prefix.list(KIND), listed.total, objects))
}

/// `GET /api/block/set/1;2/`
async fn set(From(caller, ids): From<IdSet>, prefix: Prefix, services: Data<Services>) -> Answer {
    let blocked = services.blocked(&caller, ids.numbers()).await?;
    Ok(ids.answer(blocked.into_iter().map(|user| (user.0, BlockView::new(user, prefix)))))
}

/// `GET /api/block/1/`
async fn detail(From(caller, Number(id)): From<Number>, prefix: Prefix, services: Data<Services>) -> Answer {
    let blocked = services.blocked(&caller, vec![id]).await?;
    let user = blocked.first().ok_or(Problem::NotFound)?;
    Ok(HttpResponse::Ok().json(BlockView::new(*user, prefix)))
}

/// `POST /api/block/`: blocks a user. Once more does no harm.
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
        return Err(HexoError::invalid(KIND, "user", "This must be another user than yourself."));
    }
    let block = Block { target: caller.id(), blocked };
    let fresh = services.registry.block(block, caller.origin).await?;
    let view = BlockView::new(blocked, prefix);
    let mut response = if fresh { HttpResponse::Created() } else { HttpResponse::Ok() };
    Ok(response.insert_header((LOCATION, view.resource_uri.clone())).json(view))
}

/// `DELETE /api/block/1/`
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
