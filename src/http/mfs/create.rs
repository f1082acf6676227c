//! `mfs_api.create_token`: makes an export token. The one answer that ever
//! shows its secret.

use actix_web::web::Data;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::MfsApi;
use super::envelope::{Envelope, Success};
use super::error::MfsError;
use super::params::Parameters;
use crate::domain::export_token::{ExpiryHours, ExportToken, NewExportToken};
use crate::domain::hub::{HubId, NodeId};
use crate::domain::permission::Mask;
use crate::domain::token::Token;
use crate::domain::user::UserId;
use crate::http::body::Authenticated;
use crate::http::openapi::error_responses::{AuthErrors, BodyErrors};
use crate::http::openapi::schemas;
use crate::http::state::AppState;

/// What a call names, as it is documented.
#[derive(IntoParams, ToSchema)]
#[into_params(parameter_in = Query)]
#[schema(as = mfs::CreateTokenParameters)]
#[expect(dead_code, reason = "parsed by `parse_new_export`; declared for the OpenAPI schema")]
pub struct CreateTokenParameters {
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
    #[schema(schema_with = expiry_hours_schema)]
    expiry_hours: Option<i64>,
    /// The rights that it carries, as a mask. 2, to read, unless told.
    #[param(nullable = false, minimum = 1, maximum = 63)]
    #[schema(schema_with = schemas::mask)]
    permission: Option<i64>,
}

fn expiry_hours_schema() -> utoipa::openapi::Schema {
    schemas::integer_or_digits(0, 8_760)
}

/// A new token, as its creator is told of it.
#[derive(Serialize, ToSchema)]
#[schema(as = mfs::CreatedToken)]
pub struct CreatedToken {
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
pub async fn create_token(
    state: Data<AppState>,
    Authenticated(caller, parameters): Authenticated<Parameters>,
) -> Result<CreatedToken, MfsError> {
    let new_export = parse_new_export(&parameters, caller.id())?;
    let (export, token) = state.registry.create_export(new_export, caller.audit_context).await?;
    Ok(CreatedToken::new(&export, &token))
}

/// Reads what is asked for; what is wrong is told in the order of the contract:
/// presence, expiry, permission.
fn parse_new_export(parameters: &Parameters, creator: UserId) -> Result<NewExportToken, MfsError> {
    if !parameters.has("hub_id") || !parameters.has("nid") {
        return Err(MfsError::MissingParameters);
    }
    let hub = parameters.text("hub_id")?.ok_or(MfsError::MissingParameters)?;
    let node = parameters.text("nid")?.ok_or(MfsError::MissingParameters)?;
    let hub = HubId::new(&hub).map_err(|reason| MfsError::invalid_parameter("hub_id", reason))?;
    let node = NodeId::new(&node).map_err(|reason| MfsError::invalid_parameter("nid", reason))?;
    let expiry = match parameters.integer("expiry_hours").map_err(|_| MfsError::InvalidExpiry)? {
        Some(hours) => ExpiryHours::new(hours)?,
        None => ExpiryHours::DEFAULT,
    };
    let mask = match parameters.integer("permission").map_err(|_| MfsError::InvalidPermission)? {
        Some(bits) => Mask::new(bits)?,
        None => Mask::READ,
    };
    Ok(NewExportToken { creator, hub, node, mask, expiry })
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
