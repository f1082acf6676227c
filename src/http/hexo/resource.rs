//! Resources: the read operations that all of them have, with their routes and their
//! documentation.

use actix_web::web::{Data, ServiceConfig};
use actix_web::{HttpResponse, Route};
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
use crate::http::auth::Caller;
use crate::http::error::ApiError;
use crate::http::extract::authenticated::Authenticated;
use crate::http::openapi::error_responses::{AuthErrors, Errors};
use crate::http::routing::{get, resource};
use crate::http::state::AppState;

/// A resource with a list and a schema.
pub(super) trait Resource: Sized + 'static {
    const KIND: ResourceKind;
    /// The `Allow` header of the list.
    const LIST_METHODS: &'static str;
    /// The `Allow` header of one object; empty if the resource is only a list.
    const DETAIL_METHODS: &'static str;
    const FIELDS: &'static [FieldSchema];
    const FILTERS: &'static [FilterSchema] = &[];
    const OPERATIONS: ReadOperations;

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
    /// The objects with these ids that the caller can see.
    async fn by_ids(caller: &Caller, ids: Vec<Self::Id>, state: &AppState) -> Result<Self::Rows, HexoError>;
}

/// Documentation of a resource's read operations.
pub(super) struct ReadOperations {
    pub list: OperationDoc,
    /// The operation id of the schema.
    pub schema_id: &'static str,
    pub set: Option<OperationDoc>,
    /// `None` if the resource has no single objects, or documents its own handler for them.
    pub detail: Option<OperationDoc>,
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

/// Registers the list, with these routes, and the schema.
pub(super) fn list_routes<R: Resource>(scope: &mut ServiceConfig, routes: impl IntoIterator<Item = Route>) {
    let name = R::KIND.name();
    let list = resource(&format!("/{name}"), R::LIST_METHODS);
    scope
        .service(routes.into_iter().fold(list, |list, route| list.route(route)))
        .service(resource(&format!("/{name}/schema"), "GET, HEAD").route(get().to(schema::<R>)));
}

/// Registers sets, and single objects with these routes.
pub(super) fn detail_routes<R: ById>(scope: &mut ServiceConfig, routes: impl IntoIterator<Item = Route>) {
    let name = R::KIND.name();
    let detail = resource(&format!("/{name}/{{id}}"), R::DETAIL_METHODS);
    scope
        .service(resource(&format!("/{name}/set/{{id}}"), "GET, HEAD").route(get().to(set::<R>)))
        .service(routes.into_iter().fold(detail, |detail, route| detail.route(route)));
}

async fn schema<R: Resource>(prefix: ApiPrefix) -> HttpResponse {
    HttpResponse::Ok().json(SchemaResponse::new(
        R::LIST_METHODS,
        R::DETAIL_METHODS,
        R::FIELDS,
        R::FILTERS,
        prefix,
    ))
}

pub(super) async fn list<R: Resource>(
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

pub(super) async fn detail<R: ById>(
    Authenticated(caller, IdParam(id)): Authenticated<IdParam<R::Id>>,
    prefix: ApiPrefix,
    state: Data<AppState>,
) -> HandlerResult {
    let rows = R::by_ids(&caller, vec![id], &state).await?;
    let context = ViewContext { caller: &caller, prefix, state: &state };
    let (_, view) = R::views(&rows, context).next().ok_or(ApiError::NotFound)?;
    Ok(HttpResponse::Ok().json(view))
}

/// Adds the read operations of a resource to its other operations.
pub(super) fn document<R: Resource>(mut document: OpenApi) -> OpenApi {
    let ReadOperations { list, schema_id, set, detail } = R::OPERATIONS;
    let uri = ApiPrefix::Unversioned.list_uri(R::KIND);
    let mut add = |path: String, operation: OperationBuilder| {
        document.paths.add_path_operation(path, vec![HttpMethod::Get], operation);
    };
    let authenticated = || ResponsesBuilder::new().responses_from_into_responses::<AuthErrors<HexoApi>>();
    let bad_request = || authenticated().responses_from_into_responses::<Errors<HexoApi, 400>>();
    let not_found = || authenticated().responses_from_into_responses::<Errors<HexoApi, 404>>();
    let view = R::View::name();

    let mut parameters = PageParams::into_params(|| None);
    parameters.extend(R::FILTERS.iter().flat_map(FilterSchema::parameters));
    let list_name = format!("{}_{view}", ListResponse::<R::View<'static>>::name());
    let responses = success(bad_request(), "One page.", &list_name);
    add(uri.clone(), operation(&list, parameters, responses));

    let schema = OperationDoc::new(schema_id, "Returns the schema of the resource.");
    let responses = success(
        ResponsesBuilder::new(),
        "The schema of the resource, as in django-tastypie.",
        &SchemaResponse::name(),
    );
    let public = [SecurityRequirement::default()];
    add(format!("{uri}schema/"), operation(&schema, Vec::new(), responses).securities(Some(public)));

    let set_name = format!("{}_{view}", SetResponse::<R::View<'static>>::name());
    if let Some(set) = &set {
        let responses = success(bad_request(), "The objects found, and the ids not found.", &set_name);
        let parameters = IdSet::<R::Id>::into_params(|| None);
        add(format!("{uri}set/{{ids}}/"), operation(set, parameters, responses));
    }
    if let Some(detail) = &detail {
        let responses = success(not_found(), "The object.", &view);
        let parameters = IdParam::<R::Id>::into_params(|| None);
        add(format!("{uri}{{id}}/"), operation(detail, parameters, responses));
    }

    let mut schemas = vec![
        (list_name, ListResponse::<R::View<'static>>::schema()),
        (SchemaResponse::name().into(), SchemaResponse::schema()),
        (view.into(), R::View::schema()),
    ];
    ListResponse::<R::View<'static>>::schemas(&mut schemas);
    if set.is_some() {
        schemas.push((set_name, SetResponse::<R::View<'static>>::schema()));
    }
    document.components.get_or_insert_default().schemas.extend(schemas);
    document
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
