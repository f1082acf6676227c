//! `account`: a list with one object, the caller.

use super::common::ResourceKind;
use super::error::HexoError;
use super::query::ListQuery;
use super::resource::{self, OperationDoc, Resource};
use super::schema::FieldSchema;
use super::user::Users;
use super::view::{UserView, ViewContext};
use crate::domain::user::User;
use crate::http::error::ApiError;
use crate::http::extract::authenticated::Caller;
use crate::http::routing::Endpoint;
use crate::http::state::AppState;
use crate::services;

struct Account;

impl Resource for Account {
    const KIND: ResourceKind = ResourceKind::Account;
    const FIELDS: &'static [FieldSchema] = Users::FIELDS;
    const LIST: OperationDoc = OperationDoc::new("get_account", "Lists one user: the caller.");
    const SCHEMA_ID: &'static str = "get_account_schema";

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
        Ok((1, query.page().take(vec![user])))
    }

    fn views<'a>(
        users: &'a Self::Rows,
        context: ViewContext<'a>,
    ) -> impl Iterator<Item = (i64, UserView<'a>)> {
        Users::views(users, context)
    }
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    resource::list_endpoints::<Account>(Vec::new())
}
