//! `mfs_api.create_token`: creates an export token. Only this response contains the token.

use actix_web::web::Data;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::envelope::{Envelope, MfsApi, Success};
use super::error::MfsError;
use super::params::Parameters;
use crate::domain::export_token::{ExpiryHours, ExportToken, NewExportToken};
use crate::domain::hub::{HubId, NodeId};
use crate::domain::rights::Mask;
use crate::domain::token::Token;
use crate::http::extract::authenticated::Authenticated;
use crate::http::openapi::error_responses::{AuthErrors, BodyErrors};
use crate::http::openapi::schemas;
use crate::http::state::AppState;

/// The parameters of `create_token`.
#[derive(IntoParams, ToSchema)]
#[into_params(parameter_in = Query)]
#[schema(as = mfs::CreateTokenParameters)]
pub(super) struct CreateTokenParameters {
    /// The hub. Required, from any of the sources.
    #[param(value_type = Option<String>, nullable = false, min_length = 1, max_length = 64)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 64)]
    hub_id: HubId,
    /// The node in the hub. Required, from any of the sources.
    #[param(value_type = Option<String>, nullable = false, min_length = 1, max_length = 255)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255)]
    nid: NodeId,
    /// Hours until the token expires; 0 means never. The default is 24.
    #[param(value_type = Option<i64>, nullable = false, minimum = 0, maximum = 8760)]
    #[schema(schema_with = expiry_hours_schema, required = false)]
    expiry_hours: ExpiryHours,
    /// The rights of the token, as a mask. The default is 2 (read).
    #[param(schema_with = schemas::mask_bits, required = false)]
    #[schema(schema_with = schemas::mask, required = false)]
    permission: Mask,
}

fn expiry_hours_schema() -> utoipa::openapi::Schema {
    schemas::integer_or_digits(0, 8_760)
}

/// A new token.
#[derive(Serialize, ToSchema)]
#[schema(as = mfs::CreatedToken)]
pub(super) struct CreatedToken {
    /// The token. It is never shown again.
    token: String,
    /// The id of the token. `revoke` accepts it instead of the token.
    id: String,
    /// `export_` and the id.
    pseudo_entity_uid: String,
    hub_id: String,
    node_id: String,
    #[schema(schema_with = schemas::mask_bits)]
    permission: u8,
    /// Unix seconds; 0 means never.
    expiry_time: i64,
    /// Unix seconds.
    ctime: i64,
    message: &'static str,
}

/// Creates an export token. The caller needs the admin right in the hub.
///
/// Errors are checked in this order: credentials, presence, expiry, permission, hub.
#[utoipa::path(
    post,
    path = "/-/svc/mfs_api.create_token",
    operation_id = "create_token",
    params(CreateTokenParameters),
    request_body(content(
        (CreateTokenParameters = "application/json"),
        (CreateTokenParameters = "application/x-www-form-urlencoded"),
    )),
    responses(
        (status = 200, description = "The token.", body = Envelope<Success<CreatedToken>>),
        AuthErrors<MfsApi>,
        BodyErrors<MfsApi>,
    ),
)]
pub(super) async fn create_token(
    state: Data<AppState>,
    Authenticated(caller, parameters): Authenticated<Parameters>,
) -> Result<CreatedToken, MfsError> {
    let CreateTokenParameters { hub_id, nid, expiry_hours, permission } =
        CreateTokenParameters::parse(&parameters)?;
    state.meter_write(&caller.user).await?;
    let new_export = NewExportToken {
        creator: caller.id(),
        hub: hub_id,
        node: nid,
        mask: permission,
        expiry: expiry_hours,
    };
    let (export, token) = state.registry.create_export(new_export, caller.audit_context).await?;
    Ok(CreatedToken::new(&export, &token))
}

impl CreateTokenParameters {
    /// Checks the parameters in the order of the contract: presence, expiry, permission.
    fn parse(parameters: &Parameters) -> Result<Self, MfsError> {
        if !parameters.has("hub_id") || !parameters.has("nid") {
            return Err(MfsError::MissingParameters);
        }
        let hub = parameters.text("hub_id")?.ok_or(MfsError::MissingParameters)?;
        let node = parameters.text("nid")?.ok_or(MfsError::MissingParameters)?;
        Ok(Self {
            hub_id: HubId::new(&hub).map_err(|reason| MfsError::invalid_parameter("hub_id", reason))?,
            nid: NodeId::new(&node).map_err(|reason| MfsError::invalid_parameter("nid", reason))?,
            expiry_hours: match parameters.integer("expiry_hours").map_err(|_| MfsError::InvalidExpiry)? {
                Some(hours) => ExpiryHours::new(hours)?,
                None => ExpiryHours::DEFAULT,
            },
            permission: match parameters.integer("permission").map_err(|_| MfsError::InvalidPermission)? {
                Some(bits) => Mask::new(bits)?,
                None => Mask::READ,
            },
        })
    }
}

impl CreatedToken {
    fn new(export: &ExportToken, token: &Token) -> Self {
        Self {
            token: token.expose(),
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
