//! `block`: the users whose requests the caller does not accept. The id of a block is the id of
//! the blocked user. Only the user who created a block can see it.

use actix_web::HttpResponse;
use actix_web::http::header::LOCATION;
use actix_web::web::Data;
use utoipa::ToSchema;

use super::common::{ApiPrefix, ResourceKind, deleted};
use super::error::{HandlerResult, HexoApi, HexoError};
use super::fields::JsonFields;
use super::path::IdParam;
use super::query::ListQuery;
use super::reference::{self, Reference};
use super::resource::{self, ById, OperationDoc, Resource};
use super::schema::FieldSchema;
use super::terms::record_lookup;
use super::view::{BlockView, ViewContext};
use crate::config::PublicUrl;
use crate::domain::block::Block;
use crate::domain::user::UserId;
use crate::http::extract::authenticated::{Authenticated, Caller};
use crate::http::extract::body::Body;
use crate::http::openapi::error_responses::{AuthErrors, BodyErrors, Errors};
use crate::http::openapi::schemas;
use crate::http::routing::{Endpoint, endpoints};
use crate::http::state::AppState;
use crate::services;
use crate::store::lookup::{LookupKey, UserRef};

const KIND: ResourceKind = ResourceKind::Block;

struct Blocks;

impl Resource for Blocks {
    const KIND: ResourceKind = KIND;
    const FIELDS: &'static [FieldSchema] = &[FieldSchema::uri(), FieldSchema::user("user")];
    const LIST: OperationDoc = OperationDoc::new("list_blocks", "Lists the users that the caller blocks.");
    const SCHEMA_ID: &'static str = "get_block_schema";

    type Id = i64;
    type Rows = Vec<UserId>;
    type View<'a> = BlockView;

    async fn list(
        caller: &Caller,
        query: &ListQuery,
        state: &AppState,
    ) -> Result<(i64, Self::Rows), HexoError> {
        let listed = services::blocks::list(&state.store, caller.id(), query.page()).await?;
        Ok((listed.total, listed.rows))
    }

    fn views<'a>(
        blocked: &'a Self::Rows,
        ViewContext { prefix, .. }: ViewContext<'a>,
    ) -> impl Iterator<Item = (i64, BlockView)> {
        blocked.iter().map(move |user| (user.0, BlockView::new(*user, prefix)))
    }
}

impl ById for Blocks {
    const SET: OperationDoc = OperationDoc::new("get_blocks", "Returns several blocks.");
    const DETAIL: Option<OperationDoc> =
        Some(OperationDoc::new("get_block", "Returns a block, by the id of the blocked user."));

    async fn by_ids(caller: &Caller, ids: Vec<i64>, state: &AppState) -> Result<Self::Rows, HexoError> {
        let users = ids.into_iter().map(UserId).collect();
        Ok(services::blocks::by_users(&state.store, caller.id(), users).await?)
    }
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    resource::endpoints::<Blocks>(endpoints![create, delete])
}

/// A new block.
#[derive(ToSchema)]
#[schema(as = hexo::NewBlock)]
struct NewBlockBody {
    #[schema(schema_with = schemas::uri_or_id)]
    user: Reference<UserRef>,
}

impl NewBlockBody {
    fn parse(fields: &JsonFields, public_url: &PublicUrl) -> Result<Self, HexoError> {
        let user_ref = |text: &str| reference::parse_user(text, public_url);
        Ok(Self { user: Reference::from_json(KIND, "user", fields.required("user")?, user_ref)? })
    }
}

/// Blocks a user.
///
/// Their pending requests to the caller are declined. Blocking the same user again has no effect.
#[utoipa::path(
    post,
    path = "/api/block/",
    operation_id = "create_block",
    request_body = NewBlockBody,
    responses(
        (status = 201, description = "The block.", body = BlockView,
            headers(("Location" = String, description = "The URI of the block."))),
        (status = 200, description = "The block already existed.", body = BlockView,
            headers(("Location" = String, description = "The URI of the block."))),
        AuthErrors<HexoApi>,
        BodyErrors<HexoApi>,
    ),
)]
async fn create(
    Authenticated(caller, fields): Authenticated<JsonFields>,
    prefix: ApiPrefix,
    state: Data<AppState>,
) -> HandlerResult {
    let NewBlockBody { user } = NewBlockBody::parse(&fields, &state.config.public_url)?;
    state.meter_write(&caller.user).await?;
    let users: Vec<UserRef> = user.parsed.iter().cloned().collect();
    let unlinked = state.has_unlinked_reference(&caller.user, users.iter()).await?;
    let found = state.registry.look_up(LookupKey::UsersAndBundle(users, None)).await?;
    let blocked = user.find_user(&found);
    record_lookup(&caller, unlinked, blocked.is_err(), &state).await?;
    let blocked = blocked?.id;
    if blocked == caller.id() {
        return Err(HexoError::invalid_field(KIND, "user", "Choose a user other than yourself."));
    }
    let block = Block { target: caller.id(), blocked };
    let created = state.registry.block(block, caller.audit_context).await?;
    let view = BlockView::new(blocked, prefix);
    let mut response = if created { HttpResponse::Created() } else { HttpResponse::Ok() };
    Ok(response.insert_header((LOCATION, view.resource_uri.clone())).json(view))
}

/// Unblocks a user.
#[utoipa::path(
    delete,
    path = "/api/block/{id}/",
    operation_id = "delete_block",
    params(IdParam<i64>),
    responses(
        (status = 204, description = "Deleted."),
        AuthErrors<HexoApi>,
        Errors<HexoApi, 404>,
    ),
)]
async fn delete(
    Authenticated(caller, (IdParam(id), _)): Authenticated<(IdParam<i64>, Body)>,
    state: Data<AppState>,
) -> HandlerResult {
    state.meter_write(&caller.user).await?;
    let block = Block { target: caller.id(), blocked: UserId(id) };
    deleted(state.registry.unblock(block, caller.audit_context).await?)
}
