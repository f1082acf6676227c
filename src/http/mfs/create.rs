//! `mfs_api.create_token`: makes an export token. The one answer that ever
//! shows its secret.

use actix_web::web::Data;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::Mfs;
use super::envelope::{Envelope, Success};
use super::error::MfsError;
use super::params::Parameters;
use crate::domain::export::{ExpiryHours, ExportToken, NewExport};
use crate::domain::hub::{HubId, NodeId};
use crate::domain::permission::Mask;
use crate::domain::token::Token;
use crate::domain::user::UserId;
use crate::http::Services;
use crate::http::body::From;
use crate::http::openapi::refusals::{AnyBody, AnyCall};
use crate::http::openapi::schemas;

/// What a call names, as it is documented.
#[derive(IntoParams, ToSchema)]
#[into_params(parameter_in = Query)]
#[schema(as = mfs::Create)]
#[expect(dead_code, reason = "read by `order`; this is what it looks like")]
pub struct CreateParameters {
    /// The hub. Required, wherever it comes from.
    #[param(nullable = false, min_length = 1, max_length = 64)]
    #[schema(min_length = 1, max_length = 64)]
    hub_id: Option<String>,
    /// The node in it. Required, wherever it comes from.
    #[param(nullable = false, min_length = 1, max_length = 255)]
    #[schema(min_length = 1, max_length = 255)]
    nid: Option<String>,
    /// Hours that the token lives; 0 is for ever. 24 unless told.
    #[param(nullable = false, minimum = 0, maximum = 8760)]
    #[schema(schema_with = hours)]
    expiry_hours: Option<i64>,
    /// The rights that it carries, as a mask. 2, to read, unless told.
    #[param(nullable = false, minimum = 1, maximum = 63)]
    #[schema(schema_with = schemas::mask)]
    permission: Option<i64>,
}

fn hours() -> utoipa::openapi::Schema {
    schemas::whole(0, 8_760)
}

/// A new token, as its creator is told of it.
#[derive(Serialize, ToSchema)]
#[schema(as = mfs::Created)]
pub struct Created {
    /// The token: it is shown this once.
    token: String,
    /// Its id, which `revoke` takes too.
    id: String,
    /// `export_` and the id.
    pseudo_entity_uid: String,
    hub_id: String,
    node_id: String,
    #[schema(minimum = 1, maximum = 63)]
    permission: u8,
    /// Unix seconds; 0 is never.
    expiry_time: i64,
    /// Unix seconds.
    ctime: i64,
    message: &'static str,
}

/// Makes an export token, for who has admin in the hub.
///
/// Errors are told in this order: credentials, presence, expiry, permission, hub.
#[utoipa::path(
    post,
    path = "/-/svc/mfs_api.create_token",
    operation_id = "create_token",
    params(CreateParameters),
    request_body(content(
        (CreateParameters = "application/json"),
        (CreateParameters = "application/x-www-form-urlencoded"),
    )),
    responses(
        (status = 200, description = "The token.", body = Envelope<Success<Created>>),
        AnyCall<Mfs>,
        AnyBody<Mfs>,
    ),
)]
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
            message: "Copy the token now. It will not be shown again.",
        }
    }
}
