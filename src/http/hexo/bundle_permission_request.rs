//! `bundle_permission_request`: asking for a permission, and the token's loop.

use actix_web::HttpResponse;
use actix_web::http::header::LOCATION;
use actix_web::web::{self, Data, ServiceConfig};
use url::Url;
use utoipa::{OpenApi, ToSchema};

use super::error::HexoError;
use super::fields::Fields;
use super::headers::{Once, Repeatable};
use super::path::{ByIdOrToken, ByIds, IdSet, RequestName, Set};
use super::query::{List, Paging, Query};
use super::terms::{Author, Wish};
use super::view::{GrantView, Reader, RequestView};
use super::{Answer, Hexo, Kind, Prefix, schema};
use crate::config::Config;
use crate::domain::clock::Timestamp;
use crate::domain::limit::Standing;
use crate::domain::request::{NewRequest, PermissionRequest, RequestId};
use crate::http::Services;
use crate::http::auth::Caller;
use crate::http::body::{Body, From};
use crate::http::openapi::refusals::{AnyBody, AnyCall, May};
use crate::http::openapi::schemas;
use crate::http::problem::Problem;
use crate::http::quota;
use crate::http::routing::{get, resource};
use crate::store::cast::Cast;
use crate::store::lookup::Question;
use crate::store::requests;

const KIND: Kind = Kind::BundlePermissionRequest;
/// The most bytes in the URL of a page, so that the link fits into one line of a mail.
const PAGE_BYTES: usize = 900;

pub(super) fn routes(scope: &mut ServiceConfig) {
    scope
        .service(
            resource("/bundle_permission_request", "GET, HEAD, POST")
                .route(get().to(list))
                .route(web::post().to(ask)),
        )
        .service(resource("/bundle_permission_request/schema", "GET, HEAD").route(get().to(schema)))
        .service(resource("/bundle_permission_request/set/{name}", "GET, HEAD").route(get().to(set)))
        .service(
            resource("/bundle_permission_request/{name}", "GET, HEAD, PUT, DELETE")
                .route(get().to(detail))
                .route(web::put().to(redeem))
                .route(web::delete().to(end)),
        );
}

#[derive(OpenApi)]
#[openapi(paths(list, ask, schema, set, detail, redeem, end))]
pub(super) struct Document;

/// What the resource is made of, for anybody.
#[utoipa::path(
    get,
    path = "/api/bundle_permission_request/schema/",
    operation_id = "bundle_permission_request_schema",
    security(()),
    responses((status = 200, description = "The schema of the resource, as in django-tastypie.", body = schema::Schema)),
)]
async fn schema(prefix: Prefix) -> Answer {
    schema::answer(KIND, prefix)
}

/// Lists the live requests to which the caller is a party.
#[utoipa::path(
    get,
    path = "/api/bundle_permission_request/",
    operation_id = "list_requests",
    params(Paging),
    responses(
        (status = 200, description = "One page.", body = List<RequestView>),
        AnyCall<Hexo>,
        May<Hexo, 400>,
    ),
)]
async fn list(From(caller, query): From<Query>, prefix: Prefix, services: Data<Services>) -> Answer {
    let (viewer, page) = (caller.id(), query.page());
    let listed = services.directory.read(move |conn| {
        let now = conn.now()?;
        let listed = requests::live_of_party(conn, viewer, page, now)?;
        let cast = Cast::of(conn, listed.rows.iter().map(|request| request.terms))?;
        Ok((listed.total, Found { requests: listed.rows, cast, now }))
    });
    let (total, found) = listed.await?;
    let reader = Reader { viewer, prefix, services: &services };
    Ok(query.answer(&prefix.list(KIND), total, found.views(reader).map(|(_, view)| view).collect()))
}

/// Several requests at once.
#[utoipa::path(
    get,
    path = "/api/bundle_permission_request/set/{ids}/",
    operation_id = "request_set",
    params(ByIds),
    responses(
        (status = 200, description = "The objects found, and the ids not found.", body = Set<RequestView>),
        AnyCall<Hexo>,
        May<Hexo, 400>,
    ),
)]
async fn set(From(caller, ids): From<IdSet>, prefix: Prefix, services: Data<Services>) -> Answer {
    let numbers = ids.numbers().into_iter().map(RequestId).collect();
    let found = services.live_requests(&caller, numbers).await?;
    let reader = Reader { viewer: caller.id(), prefix, services: &services };
    Ok(ids.answer(found.views(reader)))
}

/// One live request.
///
/// Consumes nothing. A number is for either party, a token for the target.
#[utoipa::path(
    get,
    path = "/api/bundle_permission_request/{id_or_token}/",
    operation_id = "request",
    params(ByIdOrToken),
    responses(
        (status = 200, description = "The request.", body = RequestView),
        AnyCall<Hexo>,
        May<Hexo, 404>,
    ),
)]
async fn detail(From(caller, name): From<RequestName>, prefix: Prefix, services: Data<Services>) -> Answer {
    let viewer = caller.id();
    let reader = Reader { viewer, prefix, services: &services };
    match name {
        RequestName::Number(id) => {
            let found = services.live_requests(&caller, vec![id]).await?;
            let (_, view) = found.views(reader).next().ok_or(Problem::NotFound)?;
            Ok(HttpResponse::Ok().json(view))
        }
        RequestName::Token(id) => {
            let found = services.registry.look_up(Question::Request(id)).await?;
            let (request, scene, now) = found.request(id, viewer).ok_or(Problem::NotFound)?;
            Ok(HttpResponse::Ok().json(RequestView::new(request, request.ttl(now), scene, reader)))
        }
    }
}

/// What asks for a permission, as it is documented.
#[derive(ToSchema)]
#[schema(as = hexo::NewRequest)]
#[expect(dead_code, reason = "read by `ask`; this is what it looks like")]
struct AskFields {
    /// A bundle: its URI or its id.
    #[schema(schema_with = schemas::reference)]
    bundle: String,
    /// Who asks, and receives: a URI, an id or an email.
    #[schema(schema_with = schemas::reference)]
    user_allowed: String,
    /// Who is asked: a URI, an id or an email.
    #[schema(schema_with = schemas::reference)]
    user_target: String,
    /// Seconds that it is to live: no more than the server's configuration allows.
    #[schema(schema_with = schemas::lifetime)]
    ttl: Option<i64>,
    /// The page that the mail leads to, at an origin that the operator allows.
    #[schema(max_length = 900)]
    redeem_url: Option<String>,
}

/// Asks for a permission, and mails `user_target`: as `user_allowed` or staff.
#[utoipa::path(
    post,
    path = "/api/bundle_permission_request/",
    operation_id = "ask",
    params(Repeatable),
    request_body = AskFields,
    responses(
        (status = 201, description = "The request.", body = RequestView,
            headers(("Location" = String, description = "Its URI. It does not contain the token."))),
        AnyCall<Hexo>,
        AnyBody<Hexo>,
        May<Hexo, 422>,
    ),
)]
async fn ask(
    From(caller, (Once(once), fields)): From<(Once, Fields)>,
    prefix: Prefix,
    services: Data<Services>,
) -> Answer {
    let config = &services.config;
    let wish = Wish::read(KIND, &fields, &config.public_url)?;
    let lifetime = lifetime(&fields, config)?;
    let redeem_page = fields.text_or_blank(KIND, "redeem_url", |text| redeem_page(text, config))?;
    let parties = wish.resolve(KIND, Author::Allowed, &caller, &services).await?;
    let viewer = caller.id();
    let new = NewRequest { terms: parties.terms, asked_by: viewer, lifetime, redeem_page, once };
    let limits = config.limits.asking.of(&caller.user);
    let (request, ttl, left) = services.registry.ask(new, limits, caller.origin).await??;
    services.mailer.hint();
    let view =
        RequestView::new(&request, ttl, parties.scene(), Reader { viewer, prefix, services: &services });
    let mut response =
        HttpResponse::Created().insert_header((LOCATION, view.resource_uri.clone())).json(view);
    // How often others ask the target is nobody's business but theirs.
    let own: Vec<Standing> = left.into_iter().filter(|standing| standing.name != "target").collect();
    quota::tell(response.headers_mut(), &own);
    Ok(response)
}

/// Redeems a request's token, as its target.
///
/// The body is never looked at, and a number never redeems. What is wrong with a
/// token is not told: used, expired, unknown and somebody else's are one answer.
#[utoipa::path(
    put,
    path = "/api/bundle_permission_request/{id_or_token}/",
    operation_id = "redeem",
    params(ByIdOrToken, Repeatable),
    responses(
        (status = 200, description = "The permission.", body = GrantView),
        AnyCall<Hexo>,
        May<Hexo, 400>,
        May<Hexo, 404>,
    ),
)]
async fn redeem(
    From(caller, (name, Once(once), _)): From<(RequestName, Once, Body)>,
    prefix: Prefix,
    services: Data<Services>,
) -> Answer {
    let RequestName::Token(id) = name else { return Err(Problem::NotFound.into()) };
    let by = caller.id();
    let (grant, cast) = services.registry.redeem(id, by, once, caller.origin).await??;
    let scene = cast.scene(grant.terms).ok_or(Problem::NotFound)?;
    Ok(HttpResponse::Ok().json(GrantView::new(&grant, scene, prefix)))
}

/// Ends a request: its target declines, its requester withdraws.
#[utoipa::path(
    delete,
    path = "/api/bundle_permission_request/{id_or_token}/",
    operation_id = "end",
    params(ByIdOrToken),
    responses(
        (status = 204, description = "Closed. Its token no longer works."),
        AnyCall<Hexo>,
        May<Hexo, 404>,
    ),
)]
async fn end(From(caller, (name, _)): From<(RequestName, Body)>, services: Data<Services>) -> Answer {
    let (by, registry) = (caller.id(), &services.registry);
    let ended = match name {
        RequestName::Number(id) => registry.withdraw(id, by, caller.origin).await?,
        RequestName::Token(id) => registry.decline(id, by, caller.origin).await?,
    };
    ended?;
    Ok(HttpResponse::NoContent().finish())
}

/// Live requests, with all that it takes to write them.
struct Found {
    requests: Vec<PermissionRequest>,
    cast: Cast,
    now: Timestamp,
}

impl Found {
    fn views<'a>(&'a self, reader: Reader<'a>) -> impl Iterator<Item = (i64, RequestView<'a>)> {
        self.requests.iter().filter_map(move |request| {
            let scene = self.cast.scene(request.terms)?;
            Some((request.id.0, RequestView::new(request, request.ttl(self.now), scene, reader)))
        })
    }
}

impl Services {
    /// The live requests of these numbers that are the caller's, either way.
    async fn live_requests(&self, caller: &Caller, ids: Vec<RequestId>) -> Result<Found, HexoError> {
        let viewer = caller.id();
        let found = self.directory.read(move |conn| {
            let now = conn.now()?;
            let requests = requests::live_by_ids(conn, &ids, viewer, now)?;
            let cast = Cast::of(conn, requests.iter().map(|request| request.terms))?;
            Ok(Found { requests, cast, now })
        });
        Ok(found.await?)
    }
}

/// Seconds that the request is to live.
fn lifetime(fields: &Fields, config: &Config) -> Result<i64, HexoError> {
    let asked = fields.integer(KIND, "ttl")?;
    config.requests.lifetime(asked).ok_or_else(|| {
        let most = config.requests.max_ttl;
        HexoError::invalid(KIND, "ttl", format!("Provide a whole number of seconds from 60 to {most}."))
    })
}

/// Not a page that a link may lead to.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("must be an http or https URL whose origin the operator allows, without a token, user or fragment")]
struct ForeignPage;

/// The page that the mail is to lead to, as a browser reads its URL.
fn redeem_page(text: &str, config: &Config) -> Result<String, ForeignPage> {
    let whole = text.contains("://") && !text.contains(|c: char| c.is_whitespace() || c.is_control());
    let url = Url::parse(text).map_err(|_| ForeignPage)?;
    let bare = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    let free = url.query_pairs().all(|(name, _)| name != "token");
    let ours = matches!(url.scheme(), "http" | "https") && config.may_redeem_at(&url);
    let short = url.as_str().len() <= PAGE_BYTES;
    if whole && bare && free && ours && short { Ok(url.into()) } else { Err(ForeignPage) }
}
