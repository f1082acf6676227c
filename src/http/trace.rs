//! What happens to every request before and after its handler: an id, a guard,
//! a log line, and headers that every answer has.

use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::time::Instant;

use actix_web::HttpResponse;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use actix_web::http::{ConnectionType, Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::Data;
use futures_util::FutureExt;

use super::line::Pace;
use super::pace;
use super::problem::{Addressee, Problem};
use super::routing::refuse_foreign_pages;
use super::{BODY_LIMIT, Services};
use crate::{deadline, entropy, faults};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What an answer says unless it says something else: that nobody keeps it, that a browser
/// which shows it loads nothing for it and tells nobody of it, and in nobody's frame.
const UNLESS_TOLD: [(HeaderName, &str); 4] = [
    (CACHE_CONTROL, "no-store"),
    (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (REFERRER_POLICY, "no-referrer"),
    (X_FRAME_OPTIONS, "DENY"),
];

/// The middleware. Only the route's pattern is logged: paths and queries hold
/// tokens.
pub async fn trace<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let started = Instant::now();
    let _serving = request.conn_data::<Rc<Pace>>().map(Pace::serve);
    let id = request_id(&request);
    let method = request.method().clone();
    let services = request.app_data::<Data<Services>>().cloned();
    let tell = |route: &str, status: StatusCode| {
        let took = started.elapsed();
        if let Some(services) = &services {
            services.metrics.count(&method, route, status, took);
        }
        tracing::info!(
            %method,
            route,
            status = status.as_u16(),
            micros = took.as_micros() as u64,
            request_id = id.to_str().unwrap_or_default(),
            "request"
        );
    };
    let handled = match refusal(&request) {
        Some(problem) => {
            let answer = problem.answer(request.request());
            Ok(request.into_response(answer))
        }
        None => handle(request, next).await?,
    };
    match handled {
        Ok(mut response) => {
            pace::keep(&response, started.elapsed()).await;
            tell(response.request().match_pattern().as_deref().unwrap_or("none"), response.status());
            adorn(response.response_mut(), &id, &services);
            Ok(response)
        }
        // The request is lost, and what its pattern was with it.
        Err((problem, mut answer)) => {
            tell("lost", answer.status());
            adorn(&mut answer, &id, &services);
            Err(InternalError::from_response(problem, answer).into())
        }
    }
}

/// What comes of a handler, or what is answered in its place: when it has panicked,
/// or has taken longer than any request may.
async fn handle<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<Result<ServiceResponse<BoxBody>, (Problem, HttpResponse)>, actix_web::Error> {
    let addressee = Addressee::of(request.request());
    let handling = async {
        faults::planted("handler.panic");
        next.call(request).await
    };
    let problem = match AssertUnwindSafe(deadline::keep(handling)).catch_unwind().await {
        Ok(Some(handled)) => return Ok(Ok(handled?.map_into_boxed_body())),
        Ok(None) => Problem::OutcomeUnknown,
        Err(_) => Problem::Broken,
    };
    let answer = problem.answer_to(&addressee);
    Ok(Err((problem, answer)))
}

/// Adds the headers that every answer has.
fn adorn<B>(answer: &mut HttpResponse<B>, id: &HeaderValue, services: &Option<Data<Services>>) {
    if services.as_ref().is_some_and(|services| services.farewell.is_said()) {
        answer.head_mut().set_connection_type(ConnectionType::Close);
    }
    let headers = answer.headers_mut();
    headers.insert(X_REQUEST_ID, id.clone());
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    for (name, value) in UNLESS_TOLD {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
}

/// What is wrong with a request whatever it asks for.
fn refusal(request: &ServiceRequest) -> Option<Problem> {
    let length = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    if length.and_then(|length| length.parse::<u64>().ok()).is_some_and(|length| length > BODY_LIMIT as u64) {
        return Some(Problem::TooLarge);
    }
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return None;
    }
    let services = request.app_data::<Data<Services>>()?;
    refuse_foreign_pages(request.request(), &services.config).err()
}

/// The id that the request came with, if it is a decent one, or a new one.
fn request_id(request: &ServiceRequest) -> HeaderValue {
    let decent = |id: &&HeaderValue| {
        (1..=64).contains(&id.len())
            && id.as_bytes().iter().all(|c| c.is_ascii_alphanumeric() || b"-_.".contains(c))
    };
    if let Some(id) = request.headers().get(X_REQUEST_ID).filter(decent) {
        return id.clone();
    }
    let id = entropy::uuid();
    HeaderValue::from_str(&id.simple().to_string()).unwrap_or(HeaderValue::from_static("none"))
}
