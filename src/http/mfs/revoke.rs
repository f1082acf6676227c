//! `mfs_api.revoke`: closes an export token, at once and on every replica.

use actix_web::web::Data;
use serde::Serialize;

use super::error::MfsError;
use super::params::Parameters;
use crate::domain::export::{ExportRef, ExportToken};
use crate::http::Services;
use crate::http::body::From;

/// A token that was revoked.
#[derive(Serialize)]
pub struct Revoked {
    /// The id: the secret is not repeated.
    token: String,
    id: String,
    hub_id: String,
    node_id: String,
    message: &'static str,
}

/// Revokes a token of the caller's: `token`, which may be its id. Again is no
/// error. Whoever else made it, there is no such token.
pub async fn revoke(
    services: Data<Services>,
    From(caller, parameters): From<Parameters>,
) -> Result<Revoked, MfsError> {
    let token = parameters.text("token")?.ok_or(MfsError::MissingToken)?;
    let which = ExportRef::parse(&token).ok_or(MfsError::RevocationFailed)?;
    let revoked = services.registry.revoke_export(which, caller.id(), caller.origin).await?;
    revoked.map(Revoked::new).ok_or(MfsError::RevocationFailed)
}

impl Revoked {
    fn new(export: ExportToken) -> Self {
        Self {
            token: export.id.to_string(),
            id: export.id.to_string(),
            hub_id: export.hub.as_str().to_owned(),
            node_id: export.node.as_str().to_owned(),
            message: "The token is revoked.",
        }
    }
}
