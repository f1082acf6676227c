//! `mfs_api.revoke`: closes an export token, at once and on every replica.

use actix_web::web::Data;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::Mfs;
use super::envelope::{Envelope, Success};
use super::error::MfsError;
use super::params::Parameters;
use crate::domain::export::ExportToken;
use crate::http::Services;
use crate::http::body::From;
use crate::http::openapi::refusals::{AnyBody, AnyCall, May};

/// What a call names, as it is documented.
#[derive(IntoParams, ToSchema)]
#[into_params(parameter_in = Query)]
#[schema(as = mfs::Revoke)]
#[expect(dead_code, reason = "read by `revoke`; this is what it looks like")]
pub struct RevokeParameters {
    /// The token, or its id. Required, wherever it comes from.
    #[param(nullable = false, min_length = 1)]
    #[schema(min_length = 1)]
    token: Option<String>,
}

/// A token that was revoked.
#[derive(Serialize, ToSchema)]
#[schema(as = mfs::Revoked)]
pub struct Revoked {
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
    params(RevokeParameters),
    request_body(content(
        (RevokeParameters = "application/json"),
        (RevokeParameters = "application/x-www-form-urlencoded"),
    )),
    responses(
        (status = 200, description = "Revoked.", body = Envelope<Success<Revoked>>),
        AnyCall<Mfs>,
        AnyBody<Mfs>,
        May<Mfs, 404>,
    ),
)]
pub async fn revoke(
    services: Data<Services>,
    From(caller, parameters): From<Parameters>,
) -> Result<Revoked, MfsError> {
    let token = parameters.text("token")?.ok_or(MfsError::MissingToken)?;
    let revoked = services.registry.revoke_shown(&token, caller.id(), caller.origin).await?;
    revoked.map(Revoked::new).ok_or(MfsError::RevocationFailed)
}

impl Revoked {
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
