//! Error responses of the document: the same statuses and headers for all APIs, with the body of
//! each API.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{Components, ContentBuilder, Ref, RefOr};
use utoipa::{IntoResponses, PartialSchema as _, ToSchema};

/// The error bodies of an API.
pub trait ErrorSchemas {
    /// The prefix of the API's components in the document.
    const API_NAME: &'static str;
    /// The media type of the error bodies.
    const MEDIA_TYPE: &'static str = "application/json";
    /// The schema of an error body.
    type Body: ToSchema;
    /// The schema of the body of a 400.
    type BadRequestBody: ToSchema;
}

/// The name and the description of a response header.
type HeaderDoc = (&'static str, &'static str);

const RETRY_AFTER: HeaderDoc = ("Retry-After", "Seconds to wait before retrying.");
const RATELIMIT: HeaderDoc = ("RateLimit", "Remaining quota, and the seconds until it increases.");
const RATELIMIT_POLICY: HeaderDoc = ("RateLimit-Policy", "The limits: quota and window in seconds.");

/// The error responses that an operation may have: status, description, headers.
const ERROR_RESPONSES: [(u16, &str, &[HeaderDoc]); 12] = [
    (400, "The request is invalid.", &[]),
    (401, "Missing or invalid credentials.", &[("WWW-Authenticate", "The authentication scheme.")]),
    (403, "Not permitted, or sent from another website.", &[]),
    (404, "Not found, or not visible to this caller.", &[]),
    (405, "Method not allowed.", &[("Allow", "The allowed methods.")]),
    (408, "The request body did not arrive in time.", &[]),
    (409, "The resource is in use.", &[]),
    (413, "The request body is too large.", &[]),
    (415, "Unsupported content type.", &[]),
    (422, "This `Idempotency-Key` was used for a different request.", &[]),
    (429, "Too many requests.", &[RETRY_AFTER, RATELIMIT, RATELIMIT_POLICY]),
    (503, "Busy, or the database is unavailable. The body says whether anything was done.", &[RETRY_AFTER]),
];

/// The error responses of an operation that authenticates its caller.
pub struct AuthErrors<D>(PhantomData<D>);

/// The error responses of an operation that reads a body.
pub struct BodyErrors<D>(PhantomData<D>);

/// The error response with this status.
pub struct Errors<D, const STATUS: u16>(PhantomData<D>);

type Responses = BTreeMap<String, RefOr<Response>>;

impl<D: ErrorSchemas> IntoResponses for AuthErrors<D> {
    fn responses() -> Responses {
        response_refs::<D>(&[401, 403, 429, 503])
    }
}

impl<D: ErrorSchemas> IntoResponses for BodyErrors<D> {
    fn responses() -> Responses {
        response_refs::<D>(&[400, 408, 413, 415])
    }
}

impl<D: ErrorSchemas, const STATUS: u16> IntoResponses for Errors<D, STATUS> {
    fn responses() -> Responses {
        response_refs::<D>(&[STATUS])
    }
}

fn response_refs<D: ErrorSchemas>(statuses: &[u16]) -> Responses {
    let reference = |status: &u16| RefOr::Ref(Ref::from_response_name(component_name::<D>(*status)));
    statuses.iter().map(|status| (status.to_string(), reference(status))).collect()
}

fn component_name<D: ErrorSchemas>(status: u16) -> String {
    format!("{}_{status}", D::API_NAME)
}

/// Adds the error responses of an API and the schemas of their bodies.
pub fn add_components<D: ErrorSchemas>(components: &mut Components) {
    let responses = ERROR_RESPONSES.into_iter().map(|(status, summary, headers)| {
        (component_name::<D>(status), RefOr::T(error_response::<D>(status, summary, headers)))
    });
    components.responses.extend(responses);
    let mut schemas = Vec::new();
    D::Body::schemas(&mut schemas);
    D::BadRequestBody::schemas(&mut schemas);
    components.schemas.extend(schemas);
}

fn error_response<D: ErrorSchemas>(status: u16, summary: &str, headers: &[HeaderDoc]) -> Response {
    let schema = if status == 400 { D::BadRequestBody::schema() } else { D::Body::schema() };
    let content = ContentBuilder::new().schema(Some(schema)).build();
    let response = ResponseBuilder::new().description(summary).content(D::MEDIA_TYPE, content);
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let with = |response: ResponseBuilder, (name, description): &HeaderDoc| {
        response
            .header(*name, HeaderBuilder::new().schema(Some(text())).description(Some(*description)).build())
    };
    headers.iter().fold(response, with).build()
}
