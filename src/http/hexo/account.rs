//! `account`: the caller, as a list of one.

use actix_web::web::{Data, ServiceConfig};

use super::query::Query;
use super::view::UserView;
use super::{Answer, Kind, Prefix, schema};
use crate::http::Services;
use crate::http::body::From;
use crate::http::problem::Problem;
use crate::http::routing::{get, resource};
use crate::store::users;

pub(super) fn routes(scope: &mut ServiceConfig) {
    scope
        .service(resource("/account", "GET, HEAD").route(get().to(list)))
        .service(resource("/account/schema", "GET, HEAD").route(get().to(schema)));
}

async fn schema(prefix: Prefix) -> Answer {
    schema::answer(Kind::Account, prefix)
}

/// `GET /api/account/`. Read anew, since credentials are remembered for seconds.
async fn list(From(caller, query): From<Query>, prefix: Prefix, services: Data<Services>) -> Answer {
    let me = caller.id();
    let found = services.directory.read(move |conn| users::by_ids(conn, &[me])).await?;
    let user = found.first().ok_or(Problem::Unauthenticated)?;
    Ok(query.answer(&prefix.list(Kind::Account), 1, query.part(vec![UserView::new(user, prefix)])))
}
