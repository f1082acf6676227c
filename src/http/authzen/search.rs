//! Searches: the users with a right over a user, the users over which a user has it, and the rights
//! of a user over another.

use actix_web::HttpRequest;
use actix_web::web::{self, Data};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::caller::AuthorizedBody;
use super::entities::{self, ActionSchema, EntitySchema, Invalid, USER};
use super::error::AuthZenApi;
use super::json::Object;
use super::page::{Page, PageInfo, PageSchema};
use crate::actors::decide_access::Evaluation;
use crate::config::PublicUrl;
use crate::domain::rights::Right;
use crate::http::base_path::with_base_path;
use crate::http::error::ApiError;
use crate::http::openapi::error_responses::{AuthErrors, BodyErrors};
use crate::http::state::AppState;
use crate::services::access;
use crate::store::access::{AccessQuestion, AccessSearch, SearchedSide};

/// The type of what a search is for.
#[derive(ToSchema)]
#[schema(as = authzen::Searched)]
#[expect(dead_code, reason = "only its schema is used")]
struct SearchedSchema {
    /// Results exist only for `user`.
    #[schema(example = "user")]
    r#type: String,
    /// Of a searched resource: `bundle`.
    properties: Option<serde_json::Map<String, Value>>,
}

/// A search for subjects.
#[derive(ToSchema)]
#[schema(as = authzen::SubjectSearch)]
#[expect(dead_code, reason = "only its schema is used")]
struct SubjectSearchSchema {
    subject: SearchedSchema,
    action: ActionSchema,
    resource: EntitySchema,
    /// Ignored.
    context: Option<serde_json::Map<String, Value>>,
    page: Option<PageSchema>,
}

/// A search for resources.
#[derive(ToSchema)]
#[schema(as = authzen::ResourceSearch)]
#[expect(dead_code, reason = "only its schema is used")]
struct ResourceSearchSchema {
    subject: EntitySchema,
    action: ActionSchema,
    resource: SearchedSchema,
    /// Ignored.
    context: Option<serde_json::Map<String, Value>>,
    page: Option<PageSchema>,
}

/// A search for actions.
#[derive(ToSchema)]
#[schema(as = authzen::ActionSearch)]
#[expect(dead_code, reason = "only its schema is used")]
struct ActionSearchSchema {
    subject: EntitySchema,
    resource: EntitySchema,
    /// Ignored.
    context: Option<serde_json::Map<String, Value>>,
    page: Option<PageSchema>,
}

/// A page of results.
#[derive(Serialize, ToSchema)]
pub(super) struct Results<T> {
    page: PageInfo,
    results: Vec<T>,
}

/// A user who was found.
#[derive(Serialize, ToSchema)]
#[schema(as = authzen::FoundUser)]
pub(super) struct FoundUser {
    /// `user`
    r#type: &'static str,
    /// The user's URI.
    id: String,
}

/// A right that was found.
#[derive(Serialize, ToSchema)]
#[schema(as = authzen::FoundAction)]
pub(super) struct FoundAction {
    /// The name of the right.
    name: &'static str,
}

/// Lists the users who have a right over a user.
///
/// Pages are in the order in which the permissions were requested. Only staff, and API keys with
/// the scope `check` or `introspect`, may search.
#[utoipa::path(
    post,
    path = "/access/v1/search/subject",
    operation_id = "search_subjects",
    request_body = inline(SubjectSearchSchema),
    responses(
        (status = 200, description = "The users.", body = inline(Results<FoundUser>)),
        AuthErrors<AuthZenApi>,
        BodyErrors<AuthZenApi>,
    ),
)]
pub(super) async fn search_subjects(
    request: HttpRequest,
    state: Data<AppState>,
    body: AuthorizedBody,
) -> Result<web::Json<Results<FoundUser>>, actix_web::Error> {
    let parsed = body.parse(|object| subject_search(object, &state.config.public_url));
    find_users(&state, parsed).await.map_err(|error| error.into_actix_error(&request))
}

/// Lists the users over which a user has a right.
///
/// Pages are in the order in which the permissions were requested. Only staff, and API keys with
/// the scope `check` or `introspect`, may search.
#[utoipa::path(
    post,
    path = "/access/v1/search/resource",
    operation_id = "search_resources",
    request_body = inline(ResourceSearchSchema),
    responses(
        (status = 200, description = "The users.", body = inline(Results<FoundUser>)),
        AuthErrors<AuthZenApi>,
        BodyErrors<AuthZenApi>,
    ),
)]
pub(super) async fn search_resources(
    request: HttpRequest,
    state: Data<AppState>,
    body: AuthorizedBody,
) -> Result<web::Json<Results<FoundUser>>, actix_web::Error> {
    let parsed = body.parse(|object| resource_search(object, &state.config.public_url));
    find_users(&state, parsed).await.map_err(|error| error.into_actix_error(&request))
}

/// Lists the rights that a user has over a user, weakest first.
///
/// Only staff, and API keys with the scope `check` or `introspect`, may search.
#[utoipa::path(
    post,
    path = "/access/v1/search/action",
    operation_id = "search_actions",
    request_body = inline(ActionSearchSchema),
    responses(
        (status = 200, description = "The rights.", body = inline(Results<FoundAction>)),
        AuthErrors<AuthZenApi>,
        BodyErrors<AuthZenApi>,
    ),
)]
pub(super) async fn search_actions(
    request: HttpRequest,
    state: Data<AppState>,
    body: AuthorizedBody,
) -> Result<web::Json<Results<FoundAction>>, actix_web::Error> {
    let found = async {
        let (evaluations, page) = body.parse(|object| action_search(object, &state.config.public_url))?;
        let decisions = state.registry.decide(&evaluations, None).await?;
        let found = Right::ALL.into_iter().zip(decisions).filter(|(_, permitted)| *permitted);
        let found = found.map(|(right, _)| (right as i64, FoundAction { name: right.name() }));
        let (page, results) = page.of(found.filter(|(key, _)| *key > page.after).collect());
        Ok(web::Json(Results { page, results }))
    };
    found.await.map_err(|error: ApiError| error.into_actix_error(&request))
}

type UserSearch = (Option<AccessSearch>, Page);

async fn find_users(
    state: &AppState,
    parsed: Result<UserSearch, ApiError>,
) -> Result<web::Json<Results<FoundUser>>, ApiError> {
    let (search, page) = parsed?;
    let found = match search {
        // One more, to see whether there is another page.
        Some(search) => access::search(&state.store, search, page.after, page.limit + 1).await?,
        None => Vec::new(),
    };
    let to_result = |(permission, user)| {
        (permission, FoundUser { r#type: USER, id: with_base_path(&format!("/api/user/{user}/")) })
    };
    let (page, results) = page.of(found.into_iter().map(to_result).collect());
    Ok(web::Json(Results { page, results }))
}

fn required<'a>(request: &'a Object<'a>, name: &str) -> Result<&'a Object<'a>, Invalid> {
    entities::object(request, name)?.ok_or_else(|| format!("`{name}` is required."))
}

fn subject_search(request: &Object, public_url: &PublicUrl) -> Result<UserSearch, Invalid> {
    let subject = entities::searched_entity(required(request, "subject")?, "subject")?;
    let right = entities::action(required(request, "action")?)?;
    let resource = entities::entity(required(request, "resource")?, "resource")?;
    entities::object(request, "context")?;
    let page = Page::parse(request, "subject")?;
    let resource = resource.permission_resource(public_url)?.filter(|_| subject.kind == USER);
    let search = resource.zip(right).map(|(resource, right)| AccessSearch {
        known: resource.target,
        searched: SearchedSide::Grantees,
        right,
        bundle: resource.bundle,
    });
    Ok((search, page))
}

fn resource_search(request: &Object, public_url: &PublicUrl) -> Result<UserSearch, Invalid> {
    let subject = entities::entity(required(request, "subject")?, "subject")?;
    let right = entities::action(required(request, "action")?)?;
    let resource = entities::searched_entity(required(request, "resource")?, "resource")?;
    entities::object(request, "context")?;
    let page = Page::parse(request, "resource")?;
    if resource.kind != USER {
        return Ok((None, page));
    }
    let bundle = resource.searched_bundle(public_url)?;
    let known = subject.user(public_url);
    let search = known.zip(right).zip(bundle).map(|((known, right), bundle)| AccessSearch {
        known,
        searched: SearchedSide::Targets,
        right,
        bundle,
    });
    Ok((search, page))
}

/// An evaluation of each right, or none.
fn action_search(request: &Object, public_url: &PublicUrl) -> Result<(Vec<Evaluation>, Page), Invalid> {
    let subject = entities::entity(required(request, "subject")?, "subject")?;
    let resource = entities::entity(required(request, "resource")?, "resource")?;
    entities::object(request, "context")?;
    let page = Page::parse(request, "action")?;
    let resource = resource.permission_resource(public_url)?;
    let Some((grantee, resource)) = subject.user(public_url).zip(resource) else {
        return Ok((Vec::new(), page));
    };
    let evaluation = |right| {
        Evaluation::Permission(AccessQuestion {
            grantee: grantee.clone(),
            target: resource.target.clone(),
            bundle: resource.bundle.clone(),
            right,
        })
    };
    Ok((Right::ALL.into_iter().map(evaluation).collect(), page))
}
