//! `mfs_api.list`: the export tokens that the caller made, the newest first.

use actix_web::web::Data;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::Mfs;
use super::envelope::{Envelope, Success};
use super::error::MfsError;
use super::params::Parameters;
use crate::domain::clock::Timestamp;
use crate::domain::export::{ExportRef, ExportStatus};
use crate::domain::token::ExportId;
use crate::domain::user::UserId;
use crate::http::Services;
use crate::http::body::From;
use crate::http::openapi::refusals::{AnyBody, AnyCall};
use crate::http::openapi::schemas;
use crate::store::exports::{self, ExportFilter, ListedExport};

/// The most tokens on a page, and as many as there are unless told.
const MOST: i64 = 1_000;

/// What a call names, as it is documented.
#[derive(IntoParams, ToSchema)]
#[into_params(parameter_in = Query)]
#[schema(as = mfs::List)]
#[expect(dead_code, reason = "read by `list`; this is what it looks like")]
pub struct ListParameters {
    /// `active`, `expired`, `revoked`, with commas. The first two unless told.
    #[param(nullable = false, pattern = "^((active|expired|revoked)(,(active|expired|revoked))*)?$")]
    #[schema(pattern = "^((active|expired|revoked)(,(active|expired|revoked))*)?$")]
    status: Option<String>,
    /// The most tokens on a page. 1,000 unless told.
    #[param(nullable = false, minimum = 1, maximum = 1000)]
    #[schema(schema_with = limits)]
    limit: Option<i64>,
    /// The `next_cursor` of the page before.
    #[param(nullable = false)]
    cursor: Option<String>,
}

fn limits() -> utoipa::openapi::Schema {
    schemas::whole(1, 1_000)
}

/// A page of tokens.
#[derive(Serialize, ToSchema)]
#[schema(as = mfs::Page)]
pub struct Page {
    /// On this page.
    count: usize,
    tokens: Vec<Listed>,
    /// What brings the next page; null on the last.
    next_cursor: Option<String>,
}

/// A token in the list.
#[derive(Serialize, ToSchema)]
#[schema(as = mfs::Listed)]
struct Listed {
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
    params(ListParameters),
    request_body(content(
        (ListParameters = "application/json"),
        (ListParameters = "application/x-www-form-urlencoded"),
    )),
    responses(
        (status = 200, description = "One page.", body = Envelope<Success<Page>>),
        AnyCall<Mfs>,
        AnyBody<Mfs>,
    ),
)]
pub async fn list(
    services: Data<Services>,
    From(caller, parameters): From<Parameters>,
) -> Result<Page, MfsError> {
    let limit = limit(&parameters)?;
    let filter = filter(&parameters, caller.id(), limit)?;
    let (listed, now) = services
        .directory
        .read(move |conn| {
            let now = conn.now()?;
            Ok((exports::list(conn, &filter, now)?, now))
        })
        .await?;
    Ok(Page::new(&listed, limit, now))
}

fn limit(parameters: &Parameters) -> Result<usize, MfsError> {
    let limit = parameters.integer("limit").ok().map(|limit| limit.unwrap_or(MOST));
    limit
        .filter(|limit| (1..=MOST).contains(limit))
        .and_then(|limit| usize::try_from(limit).ok())
        .ok_or_else(|| MfsError::parameter("limit", "must be a whole number between 1 and 1000"))
}

/// One more than the page holds is read, to tell whether there is a next one.
fn filter(parameters: &Parameters, creator: UserId, limit: usize) -> Result<ExportFilter, MfsError> {
    Ok(ExportFilter {
        creator: Some(creator),
        statuses: statuses(parameters)?,
        before: cursor(parameters)?,
        limit: limit as i64 + 1,
        offset: 0,
    })
}

fn statuses(parameters: &Parameters) -> Result<Vec<ExportStatus>, MfsError> {
    let Some(names) = parameters.text("status")? else {
        return Ok(vec![ExportStatus::Active, ExportStatus::Expired]);
    };
    let statuses: Result<Vec<ExportStatus>, _> = names.split(',').map(|name| name.trim().parse()).collect();
    statuses.map_err(|_| {
        MfsError::parameter(
            "status",
            "must be active, expired or revoked, or several of them separated by commas",
        )
    })
}

/// The id of the last token of the page before.
fn cursor(parameters: &Parameters) -> Result<Option<ExportId>, MfsError> {
    let Some(text) = parameters.text("cursor")? else { return Ok(None) };
    ExportRef::parse(&text)
        .filter(|last| last.digest.is_none())
        .map(|last| Some(last.id))
        .ok_or_else(|| MfsError::parameter("cursor", "must be the next_cursor of a previous page"))
}

impl Page {
    fn new(listed: &[ListedExport], limit: usize, now: Timestamp) -> Self {
        let tokens: Vec<Listed> = listed.iter().take(limit).map(|listed| Listed::new(listed, now)).collect();
        let next_cursor = tokens.last().filter(|_| listed.len() > limit).map(|last| last.id.clone());
        Self { count: tokens.len(), tokens, next_cursor }
    }
}

impl Listed {
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
