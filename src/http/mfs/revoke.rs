//! `mfs_api.revoke`: revokes an export token, with immediate effect on every replica.

use actix_web::web::Data;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::envelope::{Envelope, MfsApi, Success};
use super::error::MfsError;
use super::params::Parameters;
use crate::domain::export_token::ExportToken;
use crate::http::extract::authenticated::Authenticated;
use crate::http::openapi::error_responses::{AuthErrors, BodyErrors, Errors};
use crate::http::state::AppState;

/// The parameters of `revoke`.
#[derive(IntoParams, ToSchema)]
#[into_params(parameter_in = Query)]
#[schema(as = mfs::RevokeTokenParameters)]
pub(super) struct RevokeTokenParameters {
    /// The token or its id. Required, from any of the sources.
    #[param(value_type = Option<String>, nullable = false, min_length = 1)]
    #[schema(value_type = Option<String>, min_length = 1)]
    token: String,
}

/// A revoked token.
#[derive(Serialize, ToSchema)]
#[schema(as = mfs::RevokedToken)]
pub(super) struct RevokedToken {
    /// The id. The response does not repeat the secret.
    token: String,
    id: String,
    hub_id: String,
    node_id: String,
    message: &'static str,
}

/// Revokes an export token that the caller created.
///
/// Revoking a token twice is not an error. A token of another creator is answered with 404.
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
pub(super) async fn revoke(
    state: Data<AppState>,
    Authenticated(caller, parameters): Authenticated<Parameters>,
) -> Result<RevokedToken, MfsError> {
    let RevokeTokenParameters { token } = RevokeTokenParameters::parse(&parameters)?;
    state.meter_write(&caller.user).await?;
    let revoked = state.registry.revoke_presented_token(&token, caller.id(), caller.audit_context).await?;
    revoked.map(RevokedToken::new).ok_or(MfsError::RevocationFailed)
}

impl RevokeTokenParameters {
    fn parse(parameters: &Parameters) -> Result<Self, MfsError> {
        Ok(Self { token: parameters.text("token")?.ok_or(MfsError::MissingToken)? })
    }
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
