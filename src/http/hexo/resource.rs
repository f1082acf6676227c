//! Resources: the read operations that all of them have, with their routes and their
//! documentation.

use std::future::ready;

use actix_web::http::Method;
use actix_web::web::Data;
use actix_web::{Handler, HttpResponse};
use serde::Serialize;
use utoipa::openapi::path::{OperationBuilder, Parameter};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{
    ContentBuilder, HttpMethod, OpenApi, Ref, RefOr, ResponseBuilder, ResponsesBuilder, Schema,
};
use utoipa::{IntoParams, PartialSchema as _, ToSchema};

use super::common::{ApiPrefix, ResourceKind};
use super::error::{HandlerResult, HexoApi, HexoError};
use super::path::{IdParam, IdSet, ResourceId, SetResponse};
use super::query::{ListQuery, ListResponse, PageParams};
use super::schema::{FieldSchema, FilterSchema, SchemaResponse};
use super::view::ViewContext;
use crate::http::error::ApiError;
use crate::http::extract::authenticated::Authenticated;
use crate::http::extract::authenticated::Caller;
use crate::http::openapi::error_responses::{AuthErrors, Errors};
use crate::http::routing::Endpoint;
use crate::http::state::AppState;

/// A resource with a list and a schema.
pub(super) trait Resource: Sized + 'static {
    const KIND: ResourceKind;
    const FIELDS: &'static [FieldSchema];
    const FILTERS: &'static [FilterSchema] = &[];
    const LIST: OperationDoc;
    /// The operation id of the schema.
    const SCHEMA_ID: &'static str;

    type Id: ResourceId;
    /// Loaded objects.
    type Rows;
    /// The JSON of one object.
    type View<'a>: Serialize + ToSchema;

    /// The number of objects that match the query and that the caller can see, and the requested
    /// page of them.
    async fn list(
        caller: &Caller,
        query: &ListQuery,
        state: &AppState,
    ) -> Result<(i64, Self::Rows), HexoError>;

    fn views<'a>(
        rows: &'a Self::Rows,
        context: ViewContext<'a>,
    ) -> impl Iterator<Item = (Self::Id, Self::View<'a>)>;
}

/// A resource with sets and single objects.
pub(super) trait ById: Resource {
    const SET: OperationDoc;
    /// `None` if the resource has its own handler for single objects.
    const DETAIL: Option<OperationDoc>;

    /// The objects with these ids that the caller can see.
    async fn by_ids(caller: &Caller, ids: Vec<Self::Id>, state: &AppState) -> Result<Self::Rows, HexoError>;
}

/// Documentation of an operation.
pub(super) struct OperationDoc {
    pub id: &'static str,
    pub summary: &'static str,
    pub description: Option<&'static str>,
}

impl OperationDoc {
    pub(super) const fn new(id: &'static str, summary: &'static str) -> Self {
        Self { id, summary, description: None }
    }
}

/// The endpoints of a resource: those that read, and its own.
pub(super) fn endpoints<R: ById>(own: Vec<Endpoint>) -> Vec<Endpoint> {
    let mut endpoints = vec![Endpoint::get(set_path::<R>(), set::<R>, document_set::<R>)];
    if R::DETAIL.is_some() {
        endpoints.push(Endpoint::get(detail_path::<R>(), detail::<R>, document_detail::<R>));
    }
    endpoints.extend(own);
    list_endpoints::<R>(endpoints)
}

/// The endpoints of a resource that has a list and a schema, and these.
pub(super) fn list_endpoints<R: Resource>(others: Vec<Endpoint>) -> Vec<Endpoint> {
    let mut endpoints = vec![
        Endpoint::get(list_path::<R>(), list::<R>, document_list::<R>),
        Endpoint::get(schema_path::<R>(), schema::<R>(&others), document_schema::<R>),
    ];
    endpoints.extend(others);
    endpoints
}

fn list_path<R: Resource>() -> String {
    ApiPrefix::Unversioned.list_path(R::KIND)
}

fn schema_path<R: Resource>() -> String {
    ApiPrefix::Unversioned.schema_path(R::KIND)
}

fn set_path<R: ById>() -> String {
    format!("{}set/{{ids}}/", list_path::<R>())
}

fn detail_path<R: ById>() -> String {
    ApiPrefix::Unversioned.detail_path(R::KIND, "{id}")
}

/// The handler of the schema. The list has a GET, and these endpoints.
fn schema<R: Resource>(others: &[Endpoint]) -> impl Handler<(ApiPrefix,), Output = HttpResponse> + use<R> {
    let (mut list_methods, mut detail_methods) = (vec![Method::GET], Vec::new());
    for endpoint in others {
        match endpoint.path().strip_prefix(&list_path::<R>()) {
            Some("") => list_methods.extend_from_slice(endpoint.methods()),
            Some(rest) if is_one_segment(rest) => detail_methods.extend_from_slice(endpoint.methods()),
            Some(_) | None => {}
        }
    }
    move |prefix: ApiPrefix| {
        let schema = SchemaResponse::new(&list_methods, &detail_methods, R::FIELDS, R::FILTERS, prefix);
        ready(HttpResponse::Ok().json(schema))
    }
}

/// Whether a path below the list is that of an object, not of something below it.
fn is_one_segment(path: &str) -> bool {
    path.starts_with('{') && !path.trim_end_matches('/').contains('/')
}

async fn list<R: Resource>(
    Authenticated(caller, query): Authenticated<ListQuery>,
    prefix: ApiPrefix,
    state: Data<AppState>,
) -> HandlerResult {
    let (total, rows) = R::list(&caller, &query, &state).await?;
    let context = ViewContext { caller: &caller, prefix, state: &state };
    let objects = R::views(&rows, context).map(|(_, view)| view).collect();
    Ok(query.to_response(&prefix.list_uri(R::KIND), total, objects))
}

async fn set<R: ById>(
    Authenticated(caller, ids): Authenticated<IdSet<R::Id>>,
    prefix: ApiPrefix,
    state: Data<AppState>,
) -> HandlerResult {
    let rows = R::by_ids(&caller, ids.valid_ids(), &state).await?;
    let context = ViewContext { caller: &caller, prefix, state: &state };
    Ok(ids.to_response(R::views(&rows, context)))
}

async fn detail<R: ById>(
    Authenticated(caller, IdParam(id)): Authenticated<IdParam<R::Id>>,
    prefix: ApiPrefix,
    state: Data<AppState>,
) -> HandlerResult {
    let rows = R::by_ids(&caller, vec![id], &state).await?;
    let context = ViewContext { caller: &caller, prefix, state: &state };
    let (_, view) = R::views(&rows, context).next().ok_or(ApiError::NotFound)?;
    Ok(HttpResponse::Ok().json(view))
}

fn document_list<R: Resource>(document: &mut OpenApi) {
    let mut parameters = PageParams::into_params(|| None);
    parameters.extend(R::FILTERS.iter().flat_map(FilterSchema::parameters));
    let view = R::View::name();
    let name = format!("{}_{view}", ListResponse::<R::View<'static>>::name());
    let responses = success(errors::<400>(), "One page.", &name);
    add(document, list_path::<R>(), operation(&R::LIST, parameters, responses));
    let mut schemas =
        vec![(name, ListResponse::<R::View<'static>>::schema()), (view.into(), R::View::schema())];
    ListResponse::<R::View<'static>>::schemas(&mut schemas);
    document.components.get_or_insert_default().schemas.extend(schemas);
}

fn document_schema<R: Resource>(document: &mut OpenApi) {
    let doc = OperationDoc::new(R::SCHEMA_ID, "Returns the schema of the resource.");
    let description = "The schema of the resource, as in django-tastypie.";
    let responses = success(ResponsesBuilder::new(), description, &SchemaResponse::name());
    let public = [SecurityRequirement::default()];
    let operation = operation(&doc, Vec::new(), responses).securities(Some(public));
    add(document, schema_path::<R>(), operation);
    add_schema(document, SchemaResponse::name(), SchemaResponse::schema());
}

fn document_set<R: ById>(document: &mut OpenApi) {
    let name = format!("{}_{}", SetResponse::<R::View<'static>>::name(), R::View::name());
    let responses = success(errors::<400>(), "The objects found, and the ids not found.", &name);
    let parameters = IdSet::<R::Id>::into_params(|| None);
    add(document, set_path::<R>(), operation(&R::SET, parameters, responses));
    add_schema(document, name, SetResponse::<R::View<'static>>::schema());
}

fn document_detail<R: ById>(document: &mut OpenApi) {
    let Some(doc) = R::DETAIL else { return };
    let responses = success(errors::<404>(), "The object.", &R::View::name());
    let parameters = IdParam::<R::Id>::into_params(|| None);
    add(document, detail_path::<R>(), operation(&doc, parameters, responses));
}

fn add(document: &mut OpenApi, path: String, operation: OperationBuilder) {
    document.paths.add_path_operation(path, vec![HttpMethod::Get], operation);
}

fn add_schema(document: &mut OpenApi, name: impl Into<String>, schema: RefOr<Schema>) {
    document.components.get_or_insert_default().schemas.insert(name.into(), schema);
}

/// The errors of an operation that authenticates its caller, and one more.
fn errors<const STATUS: u16>() -> ResponsesBuilder {
    ResponsesBuilder::new()
        .responses_from_into_responses::<AuthErrors<HexoApi>>()
        .responses_from_into_responses::<Errors<HexoApi, STATUS>>()
}

fn operation(
    doc: &OperationDoc,
    parameters: Vec<Parameter>,
    responses: ResponsesBuilder,
) -> OperationBuilder {
    OperationBuilder::new()
        .operation_id(Some(doc.id))
        .summary(Some(doc.summary))
        .description(doc.description)
        .parameters((!parameters.is_empty()).then_some(parameters))
        .responses(responses.build())
}

fn success(responses: ResponsesBuilder, description: &str, schema_name: &str) -> ResponsesBuilder {
    let schema: RefOr<Schema> = Ref::from_schema_name(schema_name).into();
    let content = ContentBuilder::new().schema(Some(schema)).build();
    responses
        .response("200", ResponseBuilder::new().description(description).content("application/json", content))
}
