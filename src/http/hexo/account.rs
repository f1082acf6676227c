//! `account`: the caller, as a list of one.

use actix_web::web::{Data, ServiceConfig};
use utoipa::OpenApi;

use super::query::{List, Paging, Query};
use super::view::UserView;
use super::{Answer, Hexo, Kind, Prefix, schema};
use crate::http::Services;
use crate::http::body::From;
use crate::http::openapi::refusals::{AnyCall, May};
use crate::http::problem::Problem;
use crate::http::routing::{get, resource};
use crate::store::users;

pub(super) fn routes(scope: &mut ServiceConfig) {
    scope
        .service(resource("/account", "GET, HEAD").route(get().to(list)))
        .service(resource("/account/schema", "GET, HEAD").route(get().to(schema)));
}

#[derive(OpenApi)]
#[openapi(paths(list, schema))]
pub(super) struct Document;

/// What the resource is made of, for anybody.
#[utoipa::path(
    get,
    path = "/api/account/schema/",
    operation_id = "account_schema",
    security(()),
    responses((status = 200, description = "The schema of the resource, as in django-tastypie.", body = schema::Schema)),
)]
async fn schema(prefix: Prefix) -> Answer {
    schema::answer(Kind::Account, prefix)
}

/// Who calls, as a list of one.
#[utoipa::path(
    get,
    path = "/api/account/",
    operation_id = "account",
    params(Paging),
    responses(
        (status = 200, description = "The caller, as a list of one.", body = List<UserView>),
        AnyCall<Hexo>,
        May<Hexo, 400>,
    ),
)]
async fn list(From(caller, query): From<Query>, prefix: Prefix, services: Data<Services>) -> Answer {
    // Read anew, since credentials are remembered for seconds.
    let me = caller.id();
    let found = services.directory.read(move |conn| users::by_ids(conn, &[me])).await?;
    let user = found.first().ok_or(Problem::Unauthenticated)?;
    Ok(query.answer(&prefix.list(Kind::Account), 1, query.part(vec![UserView::new(user, prefix)])))
}
