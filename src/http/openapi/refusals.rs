//! What may go wrong, once for each dialect: the same statuses and headers
//! everywhere, and each dialect's own shape.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{ContentBuilder, Ref, RefOr};
use utoipa::{IntoResponses, PartialSchema as _, ToSchema};

/// How a dialect tells that something went wrong.
pub trait Refusals {
    /// What the dialect is called in the document.
    const DIALECT: &'static str;
    /// The type of its error bodies.
    const MEDIA_TYPE: &'static str = "application/json";
    /// Its error body.
    type Body: ToSchema;
    /// Its error body where what was sent cannot be taken (400).
    type Invalid: ToSchema;
}

/// A header of an answer, and what it says.
type Told = (&'static str, &'static str);

const RETRY_AFTER: Told = ("Retry-After", "Seconds to wait before retrying.");
const RATELIMIT: Told = ("RateLimit", "Remaining quota, and the seconds until it increases.");
const RATELIMIT_POLICY: Told = ("RateLimit-Policy", "The limits: quota and window in seconds.");

/// What may go wrong, whatever the dialect.
const ALL: [(u16, &str, &[Told]); 12] = [
    (400, "The request is invalid.", &[]),
    (401, "Missing or invalid credentials.", &[("WWW-Authenticate", "The authentication scheme.")]),
    (403, "Not permitted, or sent from another website.", &[]),
    (404, "Not found, or not visible to this caller.", &[]),
    (405, "Method not allowed.", &[("Allow", "The allowed methods.")]),
    (408, "The request body did not arrive in time.", &[]),
    (409, "The resource is in use.", &[]),
    (413, "The request body is larger than 64 KiB.", &[]),
    (415, "Unsupported content type.", &[]),
    (422, "This `Idempotency-Key` was used for a different request.", &[]),
    (429, "Too many requests.", &[RETRY_AFTER, RATELIMIT, RATELIMIT_POLICY]),
    (503, "Busy, or the database is unavailable. The body says whether anything was done.", &[RETRY_AFTER]),
];

/// What any call may come to that asks who calls.
pub struct AnyCall<D>(PhantomData<D>);

/// What any call may come to that takes a body which it looks at.
pub struct AnyBody<D>(PhantomData<D>);

/// What a call may come to besides: this status.
pub struct May<D, const STATUS: u16>(PhantomData<D>);

type Responses = BTreeMap<String, RefOr<Response>>;

impl<D: Refusals> IntoResponses for AnyCall<D> {
    fn responses() -> Responses {
        refer::<D>(&[401, 403, 429, 503])
    }
}

impl<D: Refusals> IntoResponses for AnyBody<D> {
    fn responses() -> Responses {
        refer::<D>(&[400, 408, 413, 415])
    }
}

impl<D: Refusals, const STATUS: u16> IntoResponses for May<D, STATUS> {
    fn responses() -> Responses {
        refer::<D>(&[STATUS])
    }
}

fn refer<D: Refusals>(statuses: &[u16]) -> Responses {
    let reference = |status: &u16| RefOr::Ref(Ref::from_response_name(name::<D>(*status)));
    statuses.iter().map(|status| (status.to_string(), reference(status))).collect()
}

fn name<D: Refusals>(status: u16) -> String {
    format!("{}_{status}", D::DIALECT)
}

/// All that may go wrong in a dialect, by the names that are referred to.
pub fn all<D: Refusals>() -> Responses {
    ALL.into_iter()
        .map(|(status, words, headers)| (name::<D>(status), told::<D>(status, words, headers).into()))
        .collect()
}

fn told<D: Refusals>(status: u16, words: &str, headers: &[Told]) -> Response {
    let schema = if status == 400 { D::Invalid::schema() } else { D::Body::schema() };
    let content = ContentBuilder::new().schema(Some(schema)).build();
    let response = ResponseBuilder::new().description(words).content(D::MEDIA_TYPE, content);
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let with = |response: ResponseBuilder, (name, says): &Told| {
        response.header(*name, HeaderBuilder::new().schema(Some(text())).description(Some(*says)).build())
    };
    headers.iter().fold(response, with).build()
}
