//! `/.well-known/security.txt` (RFC 9116): where to report security problems.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::error::ApiError;
use super::openapi::error_responses::Errors;
use super::plain_error::PlainApi;
use super::routing::{Endpoints, endpoints};
use super::state::AppState;
use crate::services;

const PATH: &str = "/.well-known/security.txt";
/// The format is text/plain in UTF-8 (section 3).
const CONTENT_TYPE: &str = "text/plain; charset=utf-8";
/// How long a client may keep the file: 30 days. At most a year (section 2.5.5).
const VALID_SECONDS: i64 = 30 * 86_400;

/// The file.
pub fn endpoints() -> Endpoints {
    Endpoints::new::<PlainApi>("Operations", endpoints![security_txt])
}

/// Where to report security problems (RFC 9116).
///
/// Only if the operator configures `security_contact`.
#[utoipa::path(
    get,
    path = "/.well-known/security.txt",
    operation_id = "get_security_txt",
    security(()),
    responses(
        (status = 200, description = "The file.", body = String, content_type = CONTENT_TYPE),
        Errors<PlainApi, 404>,
        Errors<PlainApi, 503>,
    ),
)]
async fn security_txt(request: HttpRequest, state: Data<AppState>) -> HttpResponse {
    let Some(contact) = &state.config.security_contact else {
        return ApiError::NotFound.to_response(&request);
    };
    let expires = match state.store.read(services::now()).await {
        Ok(now) => now.plus_seconds(VALID_SECONDS),
        Err(error) => return ApiError::from(error).to_response(&request),
    };
    let text = format!(
        "Contact: {}\r\nExpires: {}\r\nPreferred-Languages: en, de\r\nCanonical: {}{PATH}\r\n",
        contact.as_str(),
        expires.rfc3339(),
        state.config.public_url.as_str(),
    );
    HttpResponse::Ok().content_type(CONTENT_TYPE).body(text)
}
