//! `user`: those whom the caller may see, and for staff everybody.

use actix_web::HttpResponse;
use actix_web::http::header::LOCATION;
use actix_web::web::{self, Data, ServiceConfig};
use utoipa::{OpenApi, ToSchema};

use super::error::HexoError;
use super::fields::Fields;
use super::path::{ById, ByIds, IdSet, Number, Set};
use super::query::{self, List, MOST, Paging, Query};
use super::schema::UserFilters;
use super::view::UserView;
use super::{Answer, Hexo, Kind, Prefix, schema};
use crate::domain::event::Action;
use crate::domain::user::{Email, PersonName, User, UserId};
use crate::http::Services;
use crate::http::auth::Caller;
use crate::http::body::From;
use crate::http::openapi::refusals::{AnyBody, AnyCall, May};
use crate::http::problem::Problem;
use crate::http::routing::{get, resource};
use crate::store::users::{NewUser, UserFilter};
use crate::store::{Page, events, staff, users};

const KIND: Kind = Kind::User;

pub(super) fn routes(scope: &mut ServiceConfig) {
    scope
        .service(resource("/user", "GET, HEAD, POST").route(get().to(list)).route(web::post().to(create)))
        .service(resource("/user/schema", "GET, HEAD").route(get().to(schema)))
        .service(resource("/user/set/{name}", "GET, HEAD").route(get().to(set)))
        .service(
            resource("/user/{name}", "GET, HEAD, PUT, PATCH")
                .route(get().to(detail))
                .route(web::put().to(put))
                .route(web::patch().to(patch)),
        );
}

#[derive(OpenApi)]
#[openapi(paths(list, create, schema, set, detail, put, patch))]
pub(super) struct Document;

/// What the resource is made of, for anybody.
#[utoipa::path(
    get,
    path = "/api/user/schema/",
    operation_id = "user_schema",
    security(()),
    responses((status = 200, description = "The schema of the resource, as in django-tastypie.", body = schema::Schema)),
)]
async fn schema(prefix: Prefix) -> Answer {
    schema::answer(KIND, prefix)
}

/// Lists the users whom the caller may see.
///
/// That is oneself, and whom a permission or a live request links to them, either
/// way; for staff it is everybody.
#[utoipa::path(
    get,
    path = "/api/user/",
    operation_id = "list_users",
    params(Paging, UserFilters),
    responses(
        (status = 200, description = "One page.", body = List<UserView>),
        AnyCall<Hexo>,
        May<Hexo, 400>,
    ),
)]
async fn list(From(caller, query): From<Query>, prefix: Prefix, services: Data<Services>) -> Answer {
    let listed = services.visible(&caller, filter(&query)?, query.page()).await?;
    let objects = listed.rows.iter().map(|user| UserView::new(user, prefix)).collect();
    Ok(query.answer(&prefix.list(KIND), listed.total, objects))
}

/// Several users at once.
#[utoipa::path(
    get,
    path = "/api/user/set/{ids}/",
    operation_id = "user_set",
    params(ByIds),
    responses(
        (status = 200, description = "The objects found, and the ids not found.", body = Set<UserView>),
        AnyCall<Hexo>,
        May<Hexo, 400>,
    ),
)]
async fn set(From(caller, ids): From<IdSet>, prefix: Prefix, services: Data<Services>) -> Answer {
    let filter = UserFilter { ids: Some(ids.numbers()), ..UserFilter::default() };
    let listed = services.visible(&caller, filter, Page { limit: MOST as i64, offset: 0 }).await?;
    Ok(ids.answer(listed.rows.iter().map(|user| (user.id.0, UserView::new(user, prefix)))))
}

/// One user, if the caller may see them.
#[utoipa::path(
    get,
    path = "/api/user/{id}/",
    operation_id = "user",
    params(ById),
    responses(
        (status = 200, description = "The user.", body = UserView),
        AnyCall<Hexo>,
        May<Hexo, 404>,
    ),
)]
async fn detail(From(caller, Number(id)): From<Number>, prefix: Prefix, services: Data<Services>) -> Answer {
    let user = services.visible_user(&caller, UserId(id)).await?;
    Ok(HttpResponse::Ok().json(UserView::new(&user, prefix)))
}

/// What makes a user, as it is documented.
#[derive(ToSchema)]
#[schema(as = hexo::NewUser)]
#[expect(dead_code, reason = "read by `create`; this is what it looks like")]
struct NewUserFields {
    #[schema(min_length = 3, format = Email)]
    email: String,
    #[schema(max_length = 150)]
    first_name: Option<String>,
    #[schema(max_length = 150)]
    last_name: Option<String>,
}

/// What changes a user, as it is documented. What is absent or null stays.
#[derive(ToSchema)]
#[schema(as = hexo::UserChange)]
#[expect(dead_code, reason = "read by `rename`; this is what it looks like")]
struct UserFields {
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
    operation_id = "add_user",
    request_body = NewUserFields,
    responses(
        (status = 201, description = "The user.", body = UserView,
            headers(("Location" = String, description = "Their URI."))),
        AnyCall<Hexo>,
        AnyBody<Hexo>,
    ),
)]
async fn create(From(caller, fields): From<Fields>, prefix: Prefix, services: Data<Services>) -> Answer {
    caller.must_be_staff("Only staff can add users.")?;
    fields.required("email")?;
    let new = NewUser {
        email: fields.text(KIND, "email", Email::new)?.ok_or(HexoError::Missing("email"))?,
        first_name: fields.text(KIND, "first_name", PersonName::new)?.unwrap_or_default(),
        last_name: fields.text(KIND, "last_name", PersonName::new)?.unwrap_or_default(),
        staff: false,
        password: None,
    };
    let added = services.directory.write(move |conn| {
        let now = conn.now()?;
        staff::add_user(conn, &new, &caller.origin, now)
    });
    let taken = || HexoError::invalid(KIND, "email", "A user with this email already exists.");
    let user = added.await?.ok_or_else(taken)?;
    services.mailer.hint();
    let uri = prefix.detail(KIND, user.id.0);
    Ok(HttpResponse::Created().insert_header((LOCATION, uri)).json(UserView::new(&user, prefix)))
}

/// Renames oneself, or for staff anybody.
#[utoipa::path(
    put,
    path = "/api/user/{id}/",
    operation_id = "rename_user",
    params(ById),
    request_body = UserFields,
    responses(
        (status = 200, description = "The user.", body = UserView),
        AnyCall<Hexo>,
        AnyBody<Hexo>,
        May<Hexo, 404>,
    ),
)]
async fn put(from: From<(Number, Fields)>, prefix: Prefix, services: Data<Services>) -> Answer {
    let user = services.rename(from).await?;
    Ok(HttpResponse::Ok().json(UserView::new(&user, prefix)))
}

/// Renames oneself, or for staff anybody.
#[utoipa::path(
    patch,
    path = "/api/user/{id}/",
    operation_id = "patch_user",
    params(ById),
    request_body = UserFields,
    responses(
        (status = 202, description = "The user.", body = UserView),
        AnyCall<Hexo>,
        AnyBody<Hexo>,
        May<Hexo, 404>,
    ),
)]
async fn patch(from: From<(Number, Fields)>, prefix: Prefix, services: Data<Services>) -> Answer {
    let user = services.rename(from).await?;
    Ok(HttpResponse::Accepted().json(UserView::new(&user, prefix)))
}

impl Services {
    /// A page of the users that the caller may see.
    async fn visible(
        &self,
        caller: &Caller,
        filter: UserFilter,
        page: Page,
    ) -> Result<crate::store::Listed<User>, HexoError> {
        let viewer = caller.user.clone();
        let listed = self.directory.read(move |conn| {
            let now = conn.now()?;
            users::visible_to(conn, &viewer, &filter, page, now)
        });
        Ok(listed.await?)
    }

    /// One user, if the caller may see them.
    async fn visible_user(&self, caller: &Caller, id: UserId) -> Result<User, HexoError> {
        let filter = UserFilter { ids: Some(vec![id.0]), ..UserFilter::default() };
        let listed = self.visible(caller, filter, Page { limit: 1, offset: 0 }).await?;
        Ok(listed.rows.into_iter().next().ok_or(Problem::NotFound)?)
    }

    /// Sets the names that a body has, of oneself or as staff; all else in it is
    /// read-only and passed over, and what it does not have stays.
    async fn rename(
        &self,
        From(caller, (Number(id), fields)): From<(Number, Fields)>,
    ) -> Result<User, HexoError> {
        let user = self.visible_user(&caller, UserId(id)).await?;
        caller.must_act_for(user.id, "Only the user or staff can change a user.")?;
        let first_name = fields.text(KIND, "first_name", PersonName::new)?;
        let last_name = fields.text(KIND, "last_name", PersonName::new)?;
        if first_name.is_none() && last_name.is_none() {
            return Ok(user);
        }
        let renamed = self.directory.write(move |conn| {
            let now = conn.now()?;
            let renamed = users::rename(conn, user.id, first_name.as_ref(), last_name.as_ref())?;
            events::record(conn, &caller.origin, Action::UserRenamed, format!("user:{}", user.id), now)?;
            Ok(renamed)
        });
        Ok(renamed.await?.ok_or(Problem::NotFound)?)
    }
}

fn filter(query: &Query) -> Result<UserFilter, HexoError> {
    let lower = |text: &str| Ok(text.to_ascii_lowercase());
    let mut emails = query.conditions("email", lower)?;
    emails.extend(query.conditions("username", lower)?);
    let mut email_prefixes = Vec::new();
    for name in ["email__startswith", "username__startswith"] {
        email_prefixes.extend(query.one(name)?.map(str::to_ascii_lowercase));
    }
    Ok(UserFilter {
        ids: query::common(query.conditions("id", query::id)?),
        emails: query::common(emails),
        email_prefixes,
    })
}
