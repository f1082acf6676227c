//! `mfs_api.create_token`: makes an export token. The one answer that ever
//! shows its secret.

use actix_web::web::Data;
use serde::Serialize;

use super::error::MfsError;
use super::params::Parameters;
use crate::domain::export::{ExpiryHours, ExportToken, NewExport};
use crate::domain::hub::{HubId, NodeId};
use crate::domain::permission::Mask;
use crate::domain::token::Token;
use crate::domain::user::UserId;
use crate::http::Services;
use crate::http::body::From;

/// A new token, as its creator is told of it.
#[derive(Serialize)]
pub struct Created {
    token: String,
    id: String,
    pseudo_entity_uid: String,
    hub_id: String,
    node_id: String,
    permission: u8,
    /// Unix seconds; 0 is never.
    expiry_time: i64,
    /// Unix seconds.
    ctime: i64,
    message: &'static str,
}

/// Makes a token: `hub_id`, `nid`, `expiry_hours`, `permission`.
pub async fn create_token(
    services: Data<Services>,
    From(caller, parameters): From<Parameters>,
) -> Result<Created, MfsError> {
    let order = order(&parameters, caller.id())?;
    let (export, token) = services.registry.create_export(order, caller.origin).await??;
    Ok(Created::new(&export, &token))
}

/// Reads what is asked for; what is wrong is told in the order of the contract:
/// presence, expiry, permission.
fn order(parameters: &Parameters, creator: UserId) -> Result<NewExport, MfsError> {
    if !parameters.have("hub_id") || !parameters.have("nid") {
        return Err(MfsError::MissingParameters);
    }
    let hub = parameters.text("hub_id")?.ok_or(MfsError::MissingParameters)?;
    let node = parameters.text("nid")?.ok_or(MfsError::MissingParameters)?;
    let hub = HubId::new(&hub).map_err(|reason| MfsError::parameter("hub_id", reason))?;
    let node = NodeId::new(&node).map_err(|reason| MfsError::parameter("nid", reason))?;
    let expiry = match parameters.integer("expiry_hours").map_err(|_| MfsError::InvalidExpiry)? {
        Some(hours) => ExpiryHours::new(hours)?,
        None => ExpiryHours::DEFAULT,
    };
    let mask = match parameters.integer("permission").map_err(|_| MfsError::InvalidPermission)? {
        Some(bits) => Mask::new(bits)?,
        None => Mask::READ,
    };
    Ok(NewExport { creator, hub, node, mask, expiry })
}

impl Created {
    fn new(export: &ExportToken, token: &Token) -> Self {
        Self {
            token: token.reveal(),
            id: export.id.to_string(),
            pseudo_entity_uid: export.pseudo_entity_uid(),
            hub_id: export.hub.as_str().to_owned(),
            node_id: export.node.as_str().to_owned(),
            permission: export.mask.bits(),
            expiry_time: export.expires_at.map_or(0, |at| at.seconds()),
            ctime: export.created_at.seconds(),
            message: "Keep the token: it is shown this once.",
        }
    }
}
