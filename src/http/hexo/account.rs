//! `account`: the caller, as a list of one.

use actix_web::web::{Data, ServiceConfig};
use utoipa::OpenApi;

use super::query::{ListQuery, ListResponse, PagingParams};
use super::view::UserView;
use super::{ApiPrefix, HandlerResult, HexoApi, ResourceKind, schema};
use crate::http::error::ApiError;
use crate::http::extract::authenticated::Authenticated;
use crate::http::openapi::error_responses::{AuthErrors, Errors};
use crate::http::routing::{get, resource};
use crate::http::state::AppState;
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
    operation_id = "get_account_schema",
    security(()),
    responses((status = 200, description = "The schema of the resource, as in django-tastypie.", body = schema::SchemaResponse)),
)]
async fn schema(prefix: ApiPrefix) -> HandlerResult {
    schema::to_response(ResourceKind::Account, prefix)
}

/// Who calls, as a list of one.
#[utoipa::path(
    get,
    path = "/api/account/",
    operation_id = "get_account",
    params(PagingParams),
    responses(
        (status = 200, description = "The caller, as a list of one.", body = ListResponse<UserView>),
        AuthErrors<HexoApi>,
        Errors<HexoApi, 400>,
    ),
)]
async fn list(
    Authenticated(caller, query): Authenticated<ListQuery>,
    prefix: ApiPrefix,
    state: Data<AppState>,
) -> HandlerResult {
    // Read anew, since credentials are remembered for seconds.
    let me = caller.id();
    let found = state.store.read(move |conn| users::by_ids(conn, &[me])).await?;
    let user = found.first().ok_or(ApiError::Unauthenticated)?;
    Ok(query.to_response(
        &prefix.list_uri(ResourceKind::Account),
        1,
        query.slice_page(vec![UserView::new(user, prefix)]),
    ))
}
