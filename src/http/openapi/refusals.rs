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

const RETRY_AFTER: Told = ("Retry-After", "Seconds after which to come back.");
const RATELIMIT: Told = ("RateLimit", "What is left of the limits, and the seconds until there is one more.");
const RATELIMIT_POLICY: Told = ("RateLimit-Policy", "The limits: how often in how many seconds.");

/// What may go wrong, whatever the dialect.
const ALL: [(u16, &str, &[Told]); 12] = [
    (400, "What was sent cannot be read or taken.", &[]),
    (401, "No valid credentials.", &[("WWW-Authenticate", "How to sign in.")]),
    (403, "Known, but not allowed to; or another site's page sent this.", &[]),
    (404, "Nothing here, or nothing for this caller.", &[]),
    (405, "The path does not serve this method.", &[("Allow", "The methods that it serves.")]),
    (408, "The body did not come in time.", &[]),
    (409, "Something else refers to it.", &[]),
    (413, "A body of more than 64 KiB.", &[]),
    (415, "A body of another type than is taken here.", &[]),
    (422, "This `Idempotency-Key` came with another request before.", &[]),
    (429, "Too often.", &[RETRY_AFTER, RATELIMIT, RATELIMIT_POLICY]),
    (503, "Busy, or the database is not to be had: the body tells whether nothing was done.", &[RETRY_AFTER]),
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
