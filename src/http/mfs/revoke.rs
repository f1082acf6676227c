//! `mfs_api.revoke`: closes an export token, at once and on every replica.

use actix_web::web::Data;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::MfsApi;
use super::envelope::{Envelope, Success};
use super::error::MfsError;
use super::params::Parameters;
use crate::domain::export_token::ExportToken;
use crate::http::body::Authenticated;
use crate::http::openapi::error_responses::{AuthErrors, BodyErrors, Errors};
use crate::http::state::AppState;

/// What a call names, as it is documented.
#[derive(IntoParams, ToSchema)]
#[into_params(parameter_in = Query)]
#[schema(as = mfs::RevokeTokenParameters)]
#[expect(dead_code, reason = "parsed by `revoke`; declared for the OpenAPI schema")]
pub struct RevokeTokenParameters {
    /// The token, or its id. Required, wherever it comes from.
    #[param(nullable = false, min_length = 1)]
    #[schema(min_length = 1)]
    token: Option<String>,
}

/// A token that was revoked.
#[derive(Serialize, ToSchema)]
#[schema(as = mfs::RevokedToken)]
pub struct RevokedToken {
    /// The id: the secret is not repeated.
    token: String,
    id: String,
    hub_id: String,
    node_id: String,
    message: &'static str,
}

/// Revokes an export token of the caller's.
///
/// Again is no error. Whoever else made it, there is no such token.
#[utoipa::path(
    post,
    path = "/-/svc/mfs_api.revoke",
    operation_id = "revoke_token",
    params(RevokeTokenParameters),
    request_body(content(
        (RevokeTokenParameters = "application/json"),
        (RevokeTokenParameters = "application/x-www-form-urlencoded"),
    )),
    responses(
        (status = 200, description = "Revoked.", body = Envelope<Success<RevokedToken>>),
        AuthErrors<MfsApi>,
        BodyErrors<MfsApi>,
        Errors<MfsApi, 404>,
    ),
)]
pub async fn revoke(
    state: Data<AppState>,
    Authenticated(caller, parameters): Authenticated<Parameters>,
) -> Result<RevokedToken, MfsError> {
    let token = parameters.text("token")?.ok_or(MfsError::MissingToken)?;
    let revoked = state.registry.revoke_presented_token(&token, caller.id(), caller.audit_context).await?;
    revoked.map(RevokedToken::new).ok_or(MfsError::RevocationFailed)
}

impl RevokedToken {
    fn new(export: ExportToken) -> Self {
        Self {
            token: export.id.to_string(),
            id: export.id.to_string(),
            hub_id: export.hub.as_str().to_owned(),
            node_id: export.node.as_str().to_owned(),
            message: "The token was revoked.",
        }
    }
}
