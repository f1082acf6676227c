//! `audit`: the audit trail, read and never written. Staff see all of it; others what
//! they did, and what others did that concerns them.

use actix_web::HttpResponse;
use actix_web::web::{Data, ServiceConfig};
use utoipa::OpenApi;
use uuid::Uuid;

use super::error::HexoError;
use super::path::{ByUuid, ByUuids, IdSet, Set, Unique};
use super::query::{self, List, Paging, Query};
use super::reference;
use super::schema::AuditFilters;
use super::view::EntryView;
use super::{Answer, Hexo, Kind, Prefix, schema};
use crate::config::PublicUrl;
use crate::domain::clock::Timestamp;
use crate::domain::event::Action;
use crate::domain::user::UserId;
use crate::http::Services;
use crate::http::auth::Caller;
use crate::http::body::From;
use crate::http::openapi::refusals::{AnyCall, May};
use crate::http::problem::Problem;
use crate::http::routing::{get, resource};
use crate::store::lookup::UserName;
use crate::store::trail::{self, Entry, TrailFilter};
use crate::store::{Conn, QueryResult, users};

const KIND: Kind = Kind::Audit;
/// The most people by whom the trail is searched at a time: each is looked up apart.
const MOST_ACTORS: usize = 20;

pub(super) fn routes(scope: &mut ServiceConfig) {
    scope
        .service(resource("/audit", "GET, HEAD").route(get().to(list)))
        .service(resource("/audit/schema", "GET, HEAD").route(get().to(schema)))
        .service(resource("/audit/set/{name}", "GET, HEAD").route(get().to(set)))
        .service(resource("/audit/{name}", "GET, HEAD").route(get().to(detail)));
}

#[derive(OpenApi)]
#[openapi(paths(list, schema, set, detail))]
pub(super) struct Document;

/// What the resource is made of, for anybody.
#[utoipa::path(
    get,
    path = "/api/audit/schema/",
    operation_id = "audit_schema",
    security(()),
    responses((status = 200, description = "The schema of the resource, as in django-tastypie.", body = schema::Schema)),
)]
async fn schema(prefix: Prefix) -> Answer {
    schema::answer(KIND, prefix)
}

/// Lists what was done, the newest first.
///
/// Staff see all of it; others what they did themselves, and what others did that
/// concerns them: to requests and permissions that they are a party to, to their export
/// tokens, keys, roles and account. No more than 10,000 entries are counted and paged
/// through; `at__lt` leads to what is older.
#[utoipa::path(
    get,
    path = "/api/audit/",
    operation_id = "list_audit",
    params(Paging, AuditFilters),
    responses(
        (status = 200, description = "One page of the audit log.", body = List<EntryView>),
        AnyCall<Hexo>,
        May<Hexo, 400>,
    ),
)]
async fn list(From(caller, query): From<Query>, prefix: Prefix, services: Data<Services>) -> Answer {
    let conditions = Conditions::read(&query, &services.config.public_url)?;
    let (viewer, page) = (viewer(&caller), query.page());
    let listed = services.directory.read(move |conn| {
        let filter = TrailFilter { viewer, ..conditions.resolve(conn)? };
        trail::list(conn, &filter, page)
    });
    let listed = listed.await?;
    let objects = listed.rows.iter().map(|entry| EntryView::new(entry, &caller.user, prefix)).collect();
    Ok(query.answer(&prefix.list(KIND), listed.total, objects))
}

/// Several entries at once.
#[utoipa::path(
    get,
    path = "/api/audit/set/{ids}/",
    operation_id = "audit_set",
    params(ByUuids),
    responses(
        (status = 200, description = "The objects found, and the ids not found.", body = Set<EntryView>),
        AnyCall<Hexo>,
        May<Hexo, 400>,
    ),
)]
async fn set(From(caller, ids): From<IdSet>, prefix: Prefix, services: Data<Services>) -> Answer {
    let found = services.entries(&caller, ids.uuids()).await?;
    let views = found.iter().map(|entry| (entry.id, EntryView::new(entry, &caller.user, prefix)));
    Ok(ids.answer_by_uuid(views))
}

/// One entry, if the caller may see it.
#[utoipa::path(
    get,
    path = "/api/audit/{id}/",
    operation_id = "audit",
    params(ByUuid),
    responses(
        (status = 200, description = "The entry.", body = EntryView),
        AnyCall<Hexo>,
        May<Hexo, 404>,
    ),
)]
async fn detail(From(caller, Unique(id)): From<Unique>, prefix: Prefix, services: Data<Services>) -> Answer {
    let found = services.entries(&caller, vec![id]).await?;
    let entry = found.first().ok_or(Problem::NotFound)?;
    Ok(HttpResponse::Ok().json(EntryView::new(entry, &caller.user, prefix)))
}

/// Whose entries a caller may see; `None` is everybody's.
fn viewer(caller: &Caller) -> Option<UserId> {
    (!caller.user.staff).then_some(caller.id())
}

impl Services {
    /// Those of these entries that the caller may see.
    async fn entries(&self, caller: &Caller, ids: Vec<Uuid>) -> Result<Vec<Entry>, HexoError> {
        let viewer = viewer(caller);
        Ok(self.directory.read(move |conn| trail::by_ids(conn, &ids, viewer)).await?)
    }
}

/// What the list's filters ask for, before emails have become users.
#[derive(Debug)]
struct Conditions {
    filter: TrailFilter,
    actors: Option<Vec<UserName>>,
}

impl Conditions {
    fn read(query: &Query, here: &PublicUrl) -> Result<Self, HexoError> {
        // An action that nobody knows was never done.
        let action = |text: &str| Ok(Action::of_name(text));
        let mut actions = query.conditions("action", action)?;
        if let Some(prefix) = query.one("action__startswith")? {
            let named = |action: &&Action| action.name().starts_with(prefix);
            actions.push(Action::ALL.iter().filter(named).copied().map(Some).collect());
        }
        let subject = match (query.one("subject")?, query.one("subject__exact")?) {
            // Two subjects at once are none's.
            (Some(one), Some(other)) if one != other => Some(""),
            (one, other) => one.or(other),
        };
        let user = |text: &str| reference::user(text, here).ok_or(HexoError::Lookup);
        let actors = query::common(query.conditions("actor", user)?);
        if actors.as_ref().is_some_and(|actors| actors.len() > MOST_ACTORS) {
            return Err(HexoError::bad(format!("Provide at most {MOST_ACTORS} values for 'actor__in'.")));
        }
        let moment = |name: &str| match query.one(name)? {
            Some(text) => Timestamp::from_rfc3339(text).map(Some).ok_or(HexoError::Lookup),
            None => Ok(None),
        };
        let filter = TrailFilter {
            actions: query::common(actions).map(|actions| actions.into_iter().flatten().collect()),
            subject: subject.map(str::to_owned),
            from: moment("at__gte")?,
            until: moment("at__lt")?,
            ..TrailFilter::default()
        };
        Ok(Self { filter, actors })
    }

    /// A filter by numbers. An email of nobody is the number of nothing.
    fn resolve(&self, conn: &mut Conn) -> QueryResult<TrailFilter> {
        let Some(names) = &self.actors else { return Ok(self.filter.clone()) };
        let mut actors = Vec::new();
        for name in names {
            match name {
                UserName::Id(id) => actors.push(*id),
                UserName::Email(email) => actors.extend(users::by_email(conn, email)?.map(|user| user.id)),
            }
        }
        Ok(TrailFilter { actors: Some(actors), ..self.filter.clone() })
    }
}
