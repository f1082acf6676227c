//! `/.well-known/jwks.json`: the public keys that verify receipts (RFC 7517).

use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use utoipa::ToSchema;

use super::error::ApiError;
use super::openapi::error_responses::Errors;
use super::plain_error::PlainApi;
use super::routing::{Endpoints, endpoints};
use super::state::AppState;
use crate::services::receipts;

const CONTENT_TYPE: &str = "application/jwk-set+json";
/// How long a client may use the keys without asking again. A receipt that was signed with a newer
/// key makes JOSE libraries ask again.
const CACHING: &str = "public, max-age=300";

/// The keys.
pub fn endpoints() -> Endpoints {
    Endpoints::new::<PlainApi>("Operations", endpoints![jwks])
}

/// The public keys that verify receipts.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the response")]
struct JwkSetResponse {
    /// The current key first, then those before it.
    keys: Vec<JwkResponse>,
}

/// A public key (RFC 8037).
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the response")]
struct JwkResponse {
    /// `OKP`
    kty: String,
    /// `Ed25519`
    crv: String,
    /// The key.
    x: String,
    /// The thumbprint of the key (RFC 7638).
    kid: String,
    /// `sig`
    r#use: String,
    /// `EdDSA`
    alg: String,
}

/// The public keys that verify receipts (RFC 7517).
///
/// Keys are never removed: a receipt of an earlier key can still be verified. Before the first
/// receipt there is no key.
#[utoipa::path(
    get,
    path = "/.well-known/jwks.json",
    operation_id = "get_jwks",
    security(()),
    responses(
        (status = 200, description = "The keys.", body = JwkSetResponse, content_type = CONTENT_TYPE),
        Errors<PlainApi, 503>,
    ),
)]
async fn jwks(request: HttpRequest, state: Data<AppState>) -> HttpResponse {
    match state.store.read(receipts::public_keys()).await {
        Ok(keys) => HttpResponse::Ok()
            .insert_header((CACHE_CONTROL, CACHING))
            .content_type(CONTENT_TYPE)
            .body(serde_json::to_string(&keys).unwrap_or_default()),
        Err(error) => ApiError::from(error).to_response(&request),
    }
}
