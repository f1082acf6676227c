//! `mfs_api.list`: lists the export tokens that the caller created, newest first.

use actix_web::web::Data;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::envelope::{Envelope, MfsApi, Success};
use super::error::MfsError;
use super::params::Parameters;
use crate::domain::export_token::{ExportTokenRef, ExportTokenStatus};
use crate::domain::timestamp::Timestamp;
use crate::domain::token::ExportId;
use crate::http::extract::authenticated::Authenticated;
use crate::http::openapi::error_responses::{AuthErrors, BodyErrors};
use crate::http::openapi::schemas;
use crate::http::state::AppState;
use crate::services::export_tokens;
use crate::store::export_tokens::{ExportFilter, ListedExport};

/// The maximum and the default number of tokens on a page.
const MAX_LIMIT: u16 = 1_000;

/// The parameters of `list`.
#[derive(IntoParams, ToSchema)]
#[into_params(parameter_in = Query)]
#[schema(as = mfs::ListTokensParameters)]
pub(super) struct ListTokensParameters {
    /// `active`, `expired`, `revoked`, or several of them separated by commas. The default is
    /// `active,expired`.
    #[param(value_type = Option<String>, nullable = false, pattern = "^((active|expired|revoked)(,(active|expired|revoked))*)?$")]
    #[schema(value_type = Option<String>, pattern = "^((active|expired|revoked)(,(active|expired|revoked))*)?$")]
    status: Vec<ExportTokenStatus>,
    /// The number of tokens on a page. The default is 1,000.
    #[param(value_type = Option<i64>, nullable = false, minimum = 1, maximum = 1000)]
    #[schema(schema_with = limit_schema, required = false)]
    limit: u16,
    /// The `next_cursor` of the previous page.
    #[param(value_type = Option<String>, nullable = false)]
    #[schema(value_type = Option<String>)]
    cursor: Option<ExportId>,
}

fn limit_schema() -> utoipa::openapi::Schema {
    schemas::integer_or_digits(1, MAX_LIMIT.into())
}

/// A page of tokens.
#[derive(Serialize, ToSchema)]
#[schema(as = mfs::TokenPage)]
pub(super) struct TokenPage {
    /// The number of tokens on this page.
    count: usize,
    tokens: Vec<ListedToken>,
    /// The cursor of the next page; null on the last page.
    next_cursor: Option<String>,
}

/// A token in the list.
#[derive(Serialize, ToSchema)]
#[schema(as = mfs::ListedToken)]
struct ListedToken {
    /// The id. `revoke` accepts it instead of the token.
    token: String,
    id: String,
    hub_id: String,
    node_id: String,
    pseudo_entity_uid: String,
    #[schema(schema_with = schemas::mask_bits)]
    permission: u8,
    /// Unix seconds; 0 means never.
    expiry_time: i64,
    /// For display: `2030-01-01 00:00 UTC`, or `never`.
    expiry_display: String,
    /// Unix seconds.
    ctime: i64,
    /// `active`, `expired` or `revoked`. Also `expired` while the creator has none of the token's
    /// rights in the hub.
    status: &'static str,
    /// Unix seconds; null before the first use.
    last_used_at: Option<i64>,
    uses: i64,
}

/// Lists the export tokens that the caller created, newest first.
///
/// As in Drumee, `hub_id` is accepted and does not filter the list.
#[utoipa::path(
    post,
    path = "/-/svc/mfs_api.list",
    operation_id = "list_tokens",
    params(ListTokensParameters),
    request_body(content(
        (ListTokensParameters = "application/json"),
        (ListTokensParameters = "application/x-www-form-urlencoded"),
    )),
    responses(
        (status = 200, description = "One page.", body = Envelope<Success<TokenPage>>),
        AuthErrors<MfsApi>,
        BodyErrors<MfsApi>,
    ),
)]
pub(super) async fn list(
    state: Data<AppState>,
    Authenticated(caller, parameters): Authenticated<Parameters>,
) -> Result<TokenPage, MfsError> {
    let ListTokensParameters { status, limit, cursor } = ListTokensParameters::parse(&parameters)?;
    let filter = ExportFilter {
        creator: Some(caller.id()),
        hub: None,
        statuses: status,
        before: cursor,
        // One more than the page holds shows whether there is a next page.
        limit: i64::from(limit) + 1,
        offset: 0,
    };
    let listed = export_tokens::list(&state.store, filter).await?;
    Ok(TokenPage::new(&listed, limit.into()))
}

impl ListTokensParameters {
    fn parse(parameters: &Parameters) -> Result<Self, MfsError> {
        Ok(Self {
            limit: parse_limit(parameters)?,
            status: parse_statuses(parameters)?,
            cursor: parse_cursor(parameters)?,
        })
    }
}

fn parse_limit(parameters: &Parameters) -> Result<u16, MfsError> {
    let limit = parameters.integer("limit").ok().map(|limit| limit.unwrap_or(MAX_LIMIT.into()));
    limit
        .and_then(|limit| u16::try_from(limit).ok())
        .filter(|limit| (1..=MAX_LIMIT).contains(limit))
        .ok_or_else(|| MfsError::invalid_parameter("limit", "must be a whole number between 1 and 1000"))
}

/// The name of a status in Drumee's API, which has none for a suspended token.
const fn wire_name(status: ExportTokenStatus) -> &'static str {
    match status {
        ExportTokenStatus::Active => "active",
        ExportTokenStatus::Suspended | ExportTokenStatus::Expired => "expired",
        ExportTokenStatus::Revoked => "revoked",
    }
}

fn parse_statuses(parameters: &Parameters) -> Result<Vec<ExportTokenStatus>, MfsError> {
    let names = parameters.text("status")?;
    let names: Vec<&str> = names.as_deref().unwrap_or("active,expired").split(',').map(str::trim).collect();
    let is_known = |name: &&str| ExportTokenStatus::ALL.iter().any(|status| wire_name(*status) == *name);
    if !names.iter().all(is_known) {
        return Err(MfsError::invalid_parameter(
            "status",
            "must be active, expired or revoked, or several of them separated by commas",
        ));
    }
    let is_named = |status: &ExportTokenStatus| names.contains(&wire_name(*status));
    Ok(ExportTokenStatus::ALL.into_iter().filter(is_named).collect())
}

/// The cursor is the id of the previous page's last token.
fn parse_cursor(parameters: &Parameters) -> Result<Option<ExportId>, MfsError> {
    let Some(text) = parameters.text("cursor")? else { return Ok(None) };
    ExportTokenRef::parse(&text)
        .filter(|last| last.digest.is_none())
        .map(|last| Some(last.id))
        .ok_or_else(|| MfsError::invalid_parameter("cursor", "must be the next_cursor of a previous page"))
}

impl TokenPage {
    fn new(listed: &[ListedExport], limit: usize) -> Self {
        let tokens: Vec<ListedToken> = listed.iter().take(limit).map(ListedToken::new).collect();
        let next_cursor = tokens.last().filter(|_| listed.len() > limit).map(|last| last.id.clone());
        Self { count: tokens.len(), tokens, next_cursor }
    }
}

impl ListedToken {
    fn new(listed: &ListedExport) -> Self {
        let export = &listed.token;
        let display = |at: Timestamp| at.format("%Y-%m-%d %H:%M UTC");
        Self {
            token: export.id.to_string(),
            id: export.id.to_string(),
            hub_id: export.hub.as_str().to_owned(),
            node_id: export.node.as_str().to_owned(),
            pseudo_entity_uid: export.pseudo_entity_uid(),
            permission: export.mask.bits(),
            expiry_time: export.expires_at.map_or(0, |at| at.seconds()),
            expiry_display: export.expires_at.map_or_else(|| "never".to_owned(), display),
            ctime: export.created_at.seconds(),
            status: wire_name(listed.status),
            last_used_at: listed.last_used_at.map(Timestamp::seconds),
            uses: listed.uses,
        }
    }
}
