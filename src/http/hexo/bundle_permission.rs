//! `bundle_permission`: what users have given each other. A row is for its two
//! parties alone, staff included.

use actix_web::HttpResponse;
use actix_web::http::header::LOCATION;
use actix_web::web::{self, Data, ServiceConfig};
use utoipa::OpenApi;

use super::error::HexoError;
use super::fields::Fields;
use super::path::{ById, ByIds, IdSet, Number, Set};
use super::query::{self, List, Paging, Query};
use super::reference;
use super::schema::PermissionFilters;
use super::terms::{Author, TermsFields, Wish};
use super::view::GrantView;
use super::{Answer, Hexo, Kind, Prefix, schema};
use crate::config::PublicUrl;
use crate::domain::grant::{Grant, GrantId};
use crate::domain::user::{Email, User, UserId};
use crate::http::Services;
use crate::http::auth::Caller;
use crate::http::body::{Body, From};
use crate::http::openapi::refusals::{AnyBody, AnyCall, May};
use crate::http::problem::Problem;
use crate::http::routing::{get, resource};
use crate::store::cast::Cast;
use crate::store::grants::{self, GrantFilter};
use crate::store::lookup::UserName;
use crate::store::{Conn, QueryResult, users};

const KIND: Kind = Kind::BundlePermission;

pub(super) fn routes(scope: &mut ServiceConfig) {
    scope
        .service(
            resource("/bundle_permission", "GET, HEAD, POST")
                .route(get().to(list))
                .route(web::post().to(give)),
        )
        .service(resource("/bundle_permission/schema", "GET, HEAD").route(get().to(schema)))
        .service(resource("/bundle_permission/set/{name}", "GET, HEAD").route(get().to(set)))
        .service(
            resource("/bundle_permission/{name}", "GET, HEAD, DELETE")
                .route(get().to(detail))
                .route(web::delete().to(take_back)),
        );
}

#[derive(OpenApi)]
#[openapi(paths(list, give, schema, set, detail, take_back))]
pub(super) struct Document;

/// What the resource is made of, for anybody.
#[utoipa::path(
    get,
    path = "/api/bundle_permission/schema/",
    operation_id = "bundle_permission_schema",
    security(()),
    responses((status = 200, description = "The schema of the resource, as in django-tastypie.", body = schema::Schema)),
)]
async fn schema(prefix: Prefix) -> Answer {
    schema::answer(KIND, prefix)
}

/// Lists the permissions to which the caller is a party.
#[utoipa::path(
    get,
    path = "/api/bundle_permission/",
    operation_id = "list_permissions",
    params(Paging, PermissionFilters),
    responses(
        (status = 200, description = "One page.", body = List<GrantView>),
        AnyCall<Hexo>,
        May<Hexo, 400>,
    ),
)]
async fn list(From(caller, query): From<Query>, prefix: Prefix, services: Data<Services>) -> Answer {
    let (viewer, page) = (caller.id(), query.page());
    let conditions = Conditions::read(&query, &services.config.public_url)?;
    let listed = services.directory.read(move |conn| {
        let filter = conditions.resolve(conn)?;
        let listed = grants::of_party(conn, viewer, &filter, page)?;
        let cast = Cast::of(conn, listed.rows.iter().map(|grant| grant.terms))?;
        Ok((listed, cast))
    });
    let (listed, cast) = listed.await?;
    let objects = views(&listed.rows, &cast, prefix).map(|(_, view)| view).collect();
    Ok(query.answer(&prefix.list(KIND), listed.total, objects))
}

/// Several permissions at once.
#[utoipa::path(
    get,
    path = "/api/bundle_permission/set/{ids}/",
    operation_id = "permission_set",
    params(ByIds),
    responses(
        (status = 200, description = "The objects found, and the ids not found.", body = Set<GrantView>),
        AnyCall<Hexo>,
        May<Hexo, 400>,
    ),
)]
async fn set(From(caller, ids): From<IdSet>, prefix: Prefix, services: Data<Services>) -> Answer {
    let (found, cast) = services.grants(&caller, ids.numbers()).await?;
    Ok(ids.answer(views(&found, &cast, prefix)))
}

/// One permission, for its parties.
#[utoipa::path(
    get,
    path = "/api/bundle_permission/{id}/",
    operation_id = "permission",
    params(ById),
    responses(
        (status = 200, description = "The permission.", body = GrantView),
        AnyCall<Hexo>,
        May<Hexo, 404>,
    ),
)]
async fn detail(From(caller, Number(id)): From<Number>, prefix: Prefix, services: Data<Services>) -> Answer {
    let (found, cast) = services.grants(&caller, vec![id]).await?;
    let (_, view) = views(&found, &cast, prefix).next().ok_or(Problem::NotFound)?;
    Ok(HttpResponse::Ok().json(view))
}

/// Gives a permission unasked, as `user_target` or staff.
#[utoipa::path(
    post,
    path = "/api/bundle_permission/",
    operation_id = "give",
    request_body = TermsFields,
    responses(
        (status = 201, description = "The permission.", body = GrantView,
            headers(("Location" = String, description = "Its URI."))),
        AnyCall<Hexo>,
        AnyBody<Hexo>,
    ),
)]
async fn give(From(caller, fields): From<Fields>, prefix: Prefix, services: Data<Services>) -> Answer {
    let wish = Wish::read(KIND, &fields, &services.config.public_url)?;
    let parties = wish.resolve(KIND, Author::Target, &caller, &services).await?;
    let given = services.registry.give(parties.terms, caller.origin).await?;
    let grant =
        given.ok_or_else(|| HexoError::invalid(KIND, "bundle", "This permission is already active."))?;
    let view = GrantView::new(&grant, parties.scene(), prefix);
    Ok(HttpResponse::Created().insert_header((LOCATION, view.resource_uri.clone())).json(view))
}

/// Takes a permission back, or gives it up: by either party.
#[utoipa::path(
    delete,
    path = "/api/bundle_permission/{id}/",
    operation_id = "take_back",
    params(ById),
    responses(
        (status = 204, description = "Deleted."),
        AnyCall<Hexo>,
        May<Hexo, 404>,
    ),
)]
async fn take_back(From(caller, (Number(id), _)): From<(Number, Body)>, services: Data<Services>) -> Answer {
    let by = caller.id();
    match services.registry.take_back(GrantId(id), by, caller.origin).await? {
        true => Ok(HttpResponse::NoContent().finish()),
        false => Err(Problem::NotFound.into()),
    }
}

impl Services {
    /// The permissions of these numbers to which the caller is a party.
    async fn grants(&self, caller: &Caller, ids: Vec<i64>) -> Result<(Vec<Grant>, Cast), HexoError> {
        let viewer = caller.id();
        let ids: Vec<GrantId> = ids.into_iter().map(GrantId).collect();
        let found = self.directory.read(move |conn| {
            let found = grants::by_ids(conn, &ids, viewer)?;
            let cast = Cast::of(conn, found.iter().map(|grant| grant.terms))?;
            Ok((found, cast))
        });
        Ok(found.await?)
    }
}

fn views<'a>(
    found: &'a [Grant],
    cast: &'a Cast,
    prefix: Prefix,
) -> impl Iterator<Item = (i64, GrantView<'a>)> {
    let view = move |grant: &Grant| {
        let scene = cast.scene(grant.terms)?;
        Some((grant.id.0, GrantView::new(grant, scene, prefix)))
    };
    found.iter().filter_map(view)
}

/// What a list's filters ask for, before emails have become users.
#[derive(Debug)]
struct Conditions {
    bundles: Option<Vec<i64>>,
    allowed: Vec<Vec<UserName>>,
    targets: Vec<Vec<UserName>>,
}

impl Conditions {
    fn read(query: &Query, here: &PublicUrl) -> Result<Self, HexoError> {
        let bundle = |text: &str| reference::bundle(text, here).map(|id| id.0).ok_or(HexoError::Lookup);
        let user = |text: &str| reference::user(text, here).ok_or(HexoError::Lookup);
        Ok(Self {
            bundles: query::common(query.conditions("bundle", bundle)?),
            allowed: query.conditions("user_allowed", user)?,
            targets: query.conditions("user_target", user)?,
        })
    }

    /// A filter by numbers. An email of nobody is the number of nothing.
    fn resolve(&self, conn: &mut Conn) -> QueryResult<GrantFilter> {
        let names = || self.allowed.iter().chain(&self.targets).flatten();
        let emails: Vec<Email> = names()
            .filter_map(|name| match name {
                UserName::Email(email) => Some(email.clone()),
                UserName::Id(_) => None,
            })
            .collect();
        let people = if emails.is_empty() { Vec::new() } else { users::by_emails(conn, &emails)? };
        let ids = |conditions: &[Vec<UserName>]| {
            let ids = |names: &Vec<UserName>| names.iter().filter_map(|name| id(name, &people)).collect();
            query::common(conditions.iter().map(ids).collect())
        };
        Ok(GrantFilter {
            bundles: self.bundles.clone(),
            allowed: ids(&self.allowed),
            targets: ids(&self.targets),
        })
    }
}

fn id(name: &UserName, people: &[User]) -> Option<i64> {
    match name {
        UserName::Id(UserId(id)) => Some(*id),
        UserName::Email(email) => people.iter().find(|user| user.email == *email).map(|user| user.id.0),
    }
}
