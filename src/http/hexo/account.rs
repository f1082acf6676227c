//! `account`: a list with one object, the caller.

use actix_web::web::ServiceConfig;
use utoipa::openapi::OpenApi;

use super::common::ResourceKind;
use super::error::HexoError;
use super::query::ListQuery;
use super::resource::{self, OperationDoc, ReadOperations, Resource};
use super::schema::FieldSchema;
use super::user::Users;
use super::view::{UserView, ViewContext};
use crate::domain::user::User;
use crate::http::auth::Caller;
use crate::http::error::ApiError;
use crate::http::routing::get;
use crate::http::state::AppState;
use crate::services;

struct Account;

impl Resource for Account {
    const KIND: ResourceKind = ResourceKind::Account;
    const LIST_METHODS: &'static str = "GET, HEAD";
    const DETAIL_METHODS: &'static str = "";
    const FIELDS: &'static [FieldSchema] = Users::FIELDS;
    const OPERATIONS: ReadOperations = ReadOperations {
        list: OperationDoc::new("get_account", "Lists one user: the caller."),
        schema_id: "get_account_schema",
        set: None,
        detail: None,
    };

    type Id = i64;
    type Rows = Vec<User>;
    type View<'a> = UserView<'a>;

    async fn list(
        caller: &Caller,
        query: &ListQuery,
        state: &AppState,
    ) -> Result<(i64, Self::Rows), HexoError> {
        // The caller's cached credentials may be a few seconds old.
        let user = services::users::find(&state.store, caller.id()).await?;
        let user = user.ok_or(ApiError::Unauthenticated)?;
        Ok((1, query.slice_page(vec![user])))
    }

    fn views<'a>(
        users: &'a Self::Rows,
        context: ViewContext<'a>,
    ) -> impl Iterator<Item = (i64, UserView<'a>)> {
        Users::views(users, context)
    }
}

pub(super) fn routes(scope: &mut ServiceConfig) {
    resource::list_routes::<Account>(scope, [get().to(resource::list::<Account>)]);
}

pub(super) fn document() -> OpenApi {
    resource::document::<Account>(OpenApi::default())
}
