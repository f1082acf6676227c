//! `user`: those whom the caller may see, and for staff everybody.

use actix_web::HttpResponse;
use actix_web::http::header::LOCATION;
use actix_web::web::{self, Data, ServiceConfig};
use utoipa::{OpenApi, ToSchema};

use super::error::HexoError;
use super::fields::JsonFields;
use super::path::{IdParam, IdPath, IdSet, IdsPath, SetResponse};
use super::query::{self, ListQuery, ListResponse, MAX_ITEMS, PagingParams};
use super::schema::UserFilters;
use super::view::UserView;
use super::{ApiPrefix, HandlerResult, HexoApi, ResourceKind, schema};
use crate::domain::audit::AuditAction;
use crate::domain::user::{Email, PersonName, User, UserId};
use crate::http::error::ApiError;
use crate::http::extract::authenticated::{Authenticated, Caller};
use crate::http::openapi::error_responses::{AuthErrors, BodyErrors, Errors};
use crate::http::routing::{get, resource};
use crate::http::state::AppState;
use crate::services::admin;
use crate::store::users::{NewUser, UserFilter};
use crate::store::{LimitOffset, audit_log, users};

const KIND: ResourceKind = ResourceKind::User;

pub(super) fn routes(scope: &mut ServiceConfig) {
    scope
        .service(resource("/user", "GET, HEAD, POST").route(get().to(list)).route(web::post().to(create)))
        .service(resource("/user/schema", "GET, HEAD").route(get().to(schema)))
        .service(resource("/user/set/{id}", "GET, HEAD").route(get().to(set)))
        .service(
            resource("/user/{id}", "GET, HEAD, PUT, PATCH")
                .route(get().to(detail))
                .route(web::put().to(update))
                .route(web::patch().to(patch)),
        );
}

#[derive(OpenApi)]
#[openapi(paths(list, create, schema, set, detail, update, patch))]
pub(super) struct Document;

/// What the resource is made of, for anybody.
#[utoipa::path(
    get,
    path = "/api/user/schema/",
    operation_id = "get_user_schema",
    security(()),
    responses((status = 200, description = "The schema of the resource, as in django-tastypie.", body = schema::SchemaResponse)),
)]
async fn schema(prefix: ApiPrefix) -> HandlerResult {
    schema::to_response(KIND, prefix)
}

/// Lists the users whom the caller may see.
///
/// That is oneself, and whom a permission or a live request links to them, either
/// way; for staff it is everybody.
#[utoipa::path(
    get,
    path = "/api/user/",
    operation_id = "list_users",
    params(PagingParams, UserFilters),
    responses(
        (status = 200, description = "One page.", body = ListResponse<UserView>),
        AuthErrors<HexoApi>,
        Errors<HexoApi, 400>,
    ),
)]
async fn list(
    Authenticated(caller, query): Authenticated<ListQuery>,
    prefix: ApiPrefix,
    state: Data<AppState>,
) -> HandlerResult {
    let listed = state.visible_users(&caller, parse_filter(&query)?, query.page()).await?;
    let objects = listed.rows.iter().map(|user| UserView::new(user, prefix)).collect();
    Ok(query.to_response(&prefix.list_uri(KIND), listed.total, objects))
}

/// Several users at once.
#[utoipa::path(
    get,
    path = "/api/user/set/{ids}/",
    operation_id = "get_users",
    params(IdsPath),
    responses(
        (status = 200, description = "The objects found, and the ids not found.", body = SetResponse<UserView>),
        AuthErrors<HexoApi>,
        Errors<HexoApi, 400>,
    ),
)]
async fn set(
    Authenticated(caller, ids): Authenticated<IdSet>,
    prefix: ApiPrefix,
    state: Data<AppState>,
) -> HandlerResult {
    let filter = UserFilter { ids: Some(ids.integer_ids()), ..UserFilter::default() };
    let listed =
        state.visible_users(&caller, filter, LimitOffset { limit: MAX_ITEMS as i64, offset: 0 }).await?;
    Ok(ids.to_response(listed.rows.iter().map(|user| (user.id.0, UserView::new(user, prefix)))))
}

/// One user, if the caller may see them.
#[utoipa::path(
    get,
    path = "/api/user/{id}/",
    operation_id = "get_user",
    params(IdPath),
    responses(
        (status = 200, description = "The user.", body = UserView),
        AuthErrors<HexoApi>,
        Errors<HexoApi, 404>,
    ),
)]
async fn detail(
    Authenticated(caller, IdParam(id)): Authenticated<IdParam>,
    prefix: ApiPrefix,
    state: Data<AppState>,
) -> HandlerResult {
    let user = state.visible_user(&caller, UserId(id)).await?;
    Ok(HttpResponse::Ok().json(UserView::new(&user, prefix)))
}

/// What makes a user, as it is documented.
#[derive(ToSchema)]
#[schema(as = hexo::NewUser)]
#[expect(dead_code, reason = "parsed by `create`; declared for the OpenAPI schema")]
struct NewUserSchema {
    #[schema(min_length = 3, format = Email)]
    email: String,
    #[schema(max_length = 150)]
    first_name: Option<String>,
    #[schema(max_length = 150)]
    last_name: Option<String>,
}

/// What changes a user, as it is documented. What is absent or null stays.
#[derive(ToSchema)]
#[schema(as = hexo::UserUpdate)]
#[expect(dead_code, reason = "parsed by `rename`; declared for the OpenAPI schema")]
struct UserUpdateSchema {
    #[schema(max_length = 150)]
    first_name: Option<String>,
    #[schema(max_length = 150)]
    last_name: Option<String>,
}

/// Adds a user, for staff.
///
/// The new user has no password, and gets a mail with a link, good for a week, by which
/// they set one.
#[utoipa::path(
    post,
    path = "/api/user/",
    operation_id = "create_user",
    request_body = NewUserSchema,
    responses(
        (status = 201, description = "The user.", body = UserView,
            headers(("Location" = String, description = "Their URI."))),
        AuthErrors<HexoApi>,
        BodyErrors<HexoApi>,
    ),
)]
async fn create(
    Authenticated(caller, fields): Authenticated<JsonFields>,
    prefix: ApiPrefix,
    state: Data<AppState>,
) -> HandlerResult {
    caller.require_staff("Only staff can add users.")?;
    fields.required("email")?;
    let new = NewUser {
        email: fields.text(KIND, "email", Email::new)?.ok_or(HexoError::MissingField("email"))?,
        first_name: fields.text(KIND, "first_name", PersonName::new)?.unwrap_or_default(),
        last_name: fields.text(KIND, "last_name", PersonName::new)?.unwrap_or_default(),
        staff: false,
        password: None,
    };
    let added = state.store.write(admin::users::add(new, caller.audit_context));
    let taken = || HexoError::invalid_field(KIND, "email", "A user with this email already exists.");
    let user = added.await?.ok_or_else(taken)?;
    state.mailer.notify();
    let uri = prefix.detail_uri(KIND, user.id.0);
    Ok(HttpResponse::Created().insert_header((LOCATION, uri)).json(UserView::new(&user, prefix)))
}

/// Renames oneself, or for staff anybody.
#[utoipa::path(
    put,
    path = "/api/user/{id}/",
    operation_id = "update_user",
    params(IdPath),
    request_body = UserUpdateSchema,
    responses(
        (status = 200, description = "The user.", body = UserView),
        AuthErrors<HexoApi>,
        BodyErrors<HexoApi>,
        Errors<HexoApi, 404>,
    ),
)]
async fn update(
    authenticated: Authenticated<(IdParam, JsonFields)>,
    prefix: ApiPrefix,
    state: Data<AppState>,
) -> HandlerResult {
    let user = state.rename(authenticated).await?;
    Ok(HttpResponse::Ok().json(UserView::new(&user, prefix)))
}

/// Renames oneself, or for staff anybody.
#[utoipa::path(
    patch,
    path = "/api/user/{id}/",
    operation_id = "patch_user",
    params(IdPath),
    request_body = UserUpdateSchema,
    responses(
        (status = 202, description = "The user.", body = UserView),
        AuthErrors<HexoApi>,
        BodyErrors<HexoApi>,
        Errors<HexoApi, 404>,
    ),
)]
async fn patch(
    authenticated: Authenticated<(IdParam, JsonFields)>,
    prefix: ApiPrefix,
    state: Data<AppState>,
) -> HandlerResult {
    let user = state.rename(authenticated).await?;
    Ok(HttpResponse::Accepted().json(UserView::new(&user, prefix)))
}

impl AppState {
    /// A page of the users that the caller may see.
    async fn visible_users(
        &self,
        caller: &Caller,
        filter: UserFilter,
        page: LimitOffset,
    ) -> Result<crate::store::Paginated<User>, HexoError> {
        let viewer = caller.user.clone();
        let listed = self.store.read(move |conn| {
            let now = conn.now()?;
            users::visible_to(conn, &viewer, &filter, page, now)
        });
        Ok(listed.await?)
    }

    /// One user, if the caller may see them.
    async fn visible_user(&self, caller: &Caller, id: UserId) -> Result<User, HexoError> {
        let filter = UserFilter { ids: Some(vec![id.0]), ..UserFilter::default() };
        let listed = self.visible_users(caller, filter, LimitOffset { limit: 1, offset: 0 }).await?;
        Ok(listed.rows.into_iter().next().ok_or(ApiError::NotFound)?)
    }

    /// Sets the names that a body has, of oneself or as staff; all else in it is
    /// read-only and passed over, and what it does not have stays.
    async fn rename(
        &self,
        Authenticated(caller, (IdParam(id), fields)): Authenticated<(IdParam, JsonFields)>,
    ) -> Result<User, HexoError> {
        let user = self.visible_user(&caller, UserId(id)).await?;
        caller.require_acts_for(user.id, "Only the user or staff can change a user.")?;
        let first_name = fields.text(KIND, "first_name", PersonName::new)?;
        let last_name = fields.text(KIND, "last_name", PersonName::new)?;
        if first_name.is_none() && last_name.is_none() {
            return Ok(user);
        }
        let renamed = self.store.write(move |conn| {
            let now = conn.now()?;
            let renamed = users::rename(conn, user.id, first_name.as_ref(), last_name.as_ref())?;
            audit_log::record(
                conn,
                &caller.audit_context,
                AuditAction::UserRenamed,
                format!("user:{}", user.id),
                now,
            )?;
            Ok(renamed)
        });
        Ok(renamed.await?.ok_or(ApiError::NotFound)?)
    }
}

fn parse_filter(query: &ListQuery) -> Result<UserFilter, HexoError> {
    let lower = |text: &str| Ok(text.to_ascii_lowercase());
    let mut emails = query.filter_values("email", lower)?;
    emails.extend(query.filter_values("username", lower)?);
    let mut email_prefixes = Vec::new();
    for name in ["email__startswith", "username__startswith"] {
        email_prefixes.extend(query.single_value(name)?.map(str::to_ascii_lowercase));
    }
    Ok(UserFilter {
        ids: query::intersection(query.filter_values("id", query::parse_id)?),
        emails: query::intersection(emails),
        email_prefixes,
    })
}
