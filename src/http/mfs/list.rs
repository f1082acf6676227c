//! `mfs_api.list`: the export tokens that the caller made, the newest first.

use actix_web::web::Data;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::MfsApi;
use super::envelope::{Envelope, Success};
use super::error::MfsError;
use super::params::Parameters;
use crate::domain::export_token::{ExportTokenRef, ExportTokenStatus};
use crate::domain::timestamp::Timestamp;
use crate::domain::token::ExportId;
use crate::domain::user::UserId;
use crate::http::body::Authenticated;
use crate::http::openapi::error_responses::{AuthErrors, BodyErrors};
use crate::http::openapi::schemas;
use crate::http::state::AppState;
use crate::store::export_tokens::{self, ExportFilter, ListedExport};

/// The most tokens on a page, and as many as there are unless told.
const MAX_LIMIT: i64 = 1_000;

/// What a call names, as it is documented.
#[derive(IntoParams, ToSchema)]
#[into_params(parameter_in = Query)]
#[schema(as = mfs::ListTokensParameters)]
#[expect(dead_code, reason = "parsed by `list`; declared for the OpenAPI schema")]
pub struct ListTokensParameters {
    /// `active`, `expired`, `revoked`, with commas. The first two unless told.
    #[param(nullable = false, pattern = "^((active|expired|revoked)(,(active|expired|revoked))*)?$")]
    #[schema(pattern = "^((active|expired|revoked)(,(active|expired|revoked))*)?$")]
    status: Option<String>,
    /// The most tokens on a page. 1,000 unless told.
    #[param(nullable = false, minimum = 1, maximum = 1000)]
    #[schema(schema_with = limit_schema)]
    limit: Option<i64>,
    /// The `next_cursor` of the page before.
    #[param(nullable = false)]
    cursor: Option<String>,
}

fn limit_schema() -> utoipa::openapi::Schema {
    schemas::integer_or_digits(1, 1_000)
}

/// A page of tokens.
#[derive(Serialize, ToSchema)]
#[schema(as = mfs::TokenPage)]
pub struct TokenPage {
    /// On this page.
    count: usize,
    tokens: Vec<ListedToken>,
    /// What brings the next page; null on the last.
    next_cursor: Option<String>,
}

/// A token in the list.
#[derive(Serialize, ToSchema)]
#[schema(as = mfs::ListedToken)]
struct ListedToken {
    /// The id, which `revoke` takes: the secret was shown once.
    token: String,
    id: String,
    hub_id: String,
    node_id: String,
    pseudo_entity_uid: String,
    #[schema(minimum = 1, maximum = 63)]
    permission: u8,
    /// Unix seconds; 0 is never.
    expiry_time: i64,
    /// For people: `2030-01-01 00:00 UTC`, or `never`.
    expiry_display: String,
    /// Unix seconds.
    ctime: i64,
    /// `active`, `expired` or `revoked`.
    status: &'static str,
    /// Unix seconds; null before the first use.
    last_used_at: Option<i64>,
    uses: i64,
}

/// Lists the export tokens that the caller made, the newest first.
///
/// A `hub_id` is context in Drumee, not a filter, and so it is here.
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
pub async fn list(
    state: Data<AppState>,
    Authenticated(caller, parameters): Authenticated<Parameters>,
) -> Result<TokenPage, MfsError> {
    let limit = parse_limit(&parameters)?;
    let filter = parse_filter(&parameters, caller.id(), limit)?;
    let (listed, now) = state
        .store
        .read(move |conn| {
            let now = conn.now()?;
            Ok((export_tokens::list(conn, &filter, now)?, now))
        })
        .await?;
    Ok(TokenPage::new(&listed, limit, now))
}

fn parse_limit(parameters: &Parameters) -> Result<usize, MfsError> {
    let limit = parameters.integer("limit").ok().map(|limit| limit.unwrap_or(MAX_LIMIT));
    limit
        .filter(|limit| (1..=MAX_LIMIT).contains(limit))
        .and_then(|limit| usize::try_from(limit).ok())
        .ok_or_else(|| MfsError::invalid_parameter("limit", "must be a whole number between 1 and 1000"))
}

/// One more than the page holds is read, to tell whether there is a next one.
fn parse_filter(parameters: &Parameters, creator: UserId, limit: usize) -> Result<ExportFilter, MfsError> {
    Ok(ExportFilter {
        creator: Some(creator),
        statuses: parse_statuses(parameters)?,
        before: parse_cursor(parameters)?,
        limit: limit as i64 + 1,
        offset: 0,
    })
}

fn parse_statuses(parameters: &Parameters) -> Result<Vec<ExportTokenStatus>, MfsError> {
    let Some(names) = parameters.text("status")? else {
        return Ok(vec![ExportTokenStatus::Active, ExportTokenStatus::Expired]);
    };
    let statuses: Result<Vec<ExportTokenStatus>, _> =
        names.split(',').map(|name| name.trim().parse()).collect();
    statuses.map_err(|_| {
        MfsError::invalid_parameter(
            "status",
            "must be active, expired or revoked, or several of them separated by commas",
        )
    })
}

/// The id of the last token of the page before.
fn parse_cursor(parameters: &Parameters) -> Result<Option<ExportId>, MfsError> {
    let Some(text) = parameters.text("cursor")? else { return Ok(None) };
    ExportTokenRef::parse(&text)
        .filter(|last| last.digest.is_none())
        .map(|last| Some(last.id))
        .ok_or_else(|| MfsError::invalid_parameter("cursor", "must be the next_cursor of a previous page"))
}

impl TokenPage {
    fn new(listed: &[ListedExport], limit: usize, now: Timestamp) -> Self {
        let tokens: Vec<ListedToken> =
            listed.iter().take(limit).map(|listed| ListedToken::new(listed, now)).collect();
        let next_cursor = tokens.last().filter(|_| listed.len() > limit).map(|last| last.id.clone());
        Self { count: tokens.len(), tokens, next_cursor }
    }
}

impl ListedToken {
    fn new(listed: &ListedExport, now: Timestamp) -> Self {
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
            status: export.status(now).name(),
            last_used_at: listed.last_used_at.map(Timestamp::seconds),
            uses: listed.uses,
        }
    }
}
