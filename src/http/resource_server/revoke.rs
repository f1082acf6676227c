//! Token revocation (RFC 7009).

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::error::OAuthApi;
use super::token_form::TokenForm;
use crate::http::error::ApiError;
use crate::http::extract::authenticated::Authenticated;
use crate::http::middleware::response_delay;
use crate::http::openapi::error_responses::{AuthErrors, BodyErrors};
use crate::http::state::AppState;

/// Revokes an export token that the caller created (RFC 7009).
///
/// Accepts the token or its id. The response is 200 even if the token does not exist or another
/// user created it.
#[utoipa::path(
    post,
    path = "/oauth2/revoke",
    operation_id = "oauth_revoke_token",
    request_body(content = TokenForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "Revoked, if the caller created the token."),
        AuthErrors<OAuthApi>,
        BodyErrors<OAuthApi>,
    ),
)]
pub(super) async fn revoke(
    request: HttpRequest,
    state: Data<AppState>,
    Authenticated(caller, form): Authenticated<TokenForm>,
) -> Result<HttpResponse, actix_web::Error> {
    state.meter_write(&caller.user).await.map_err(|error| error.into_actix_error(&request))?;
    let revoked =
        state.registry.revoke_presented_token(form.token(), caller.id(), caller.audit_context).await;
    let revoked = revoked.map_err(|error| ApiError::from(error).into_actix_error(&request))?;
    let mut response = HttpResponse::Ok().finish();
    if revoked.is_none() {
        response_delay::quantize(&mut response);
    }
    Ok(response)
}
