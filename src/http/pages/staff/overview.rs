//! `/staff`: how the server does, at a glance.

use actix_web::HttpResponse;
use actix_web::web::Data;
use minijinja::value::Serde;
use minijinja::{Value, context};
use utoipa::OpenApi;

use super::PageResponses;
use super::chart::Chart;
use crate::http::pages::context::PageContext;
use crate::http::pages::error::PageError;
use crate::http::state::AppState;
use crate::store::admin::MAX_COUNTED;
use crate::store::{admin, daily_stats, outbox};

/// Days in the picture.
const CHART_DAYS: i64 = 30;
/// Requests that are read for it, at the most: each may lie on a page of the disk of its own.
const MAX_SAMPLED_REQUESTS: i64 = 10_000;

#[derive(OpenApi)]
#[openapi(paths(show))]
pub(super) struct Document;

/// How the server does, for staff: what became of requests in the last thirty days, how
/// mail does, how many users there are, and whether all is in order.
#[utoipa::path(
    get,
    path = "/staff",
    operation_id = "staff_page",
    security(()),
    responses(PageResponses),
)]
pub(super) async fn show(services: Data<AppState>, ctx: PageContext) -> Result<HttpResponse, PageError> {
    ctx.require_staff()?;
    let found = services.store.read(|conn| {
        let now = conn.now()?;
        Ok((
            admin::counts(conn)?,
            outbox::oldest_pending(conn)?,
            daily_stats::load(conn, CHART_DAYS, MAX_SAMPLED_REQUESTS, now)?,
        ))
    });
    let (counts, oldest, days) = found.await?;
    let health = context! {
        database => services.store.check_readiness().await.is_some(),
        registry => services.registry.is_alive(),
        mailer => services.mailer.is_alive(),
    };
    let numbers = context! {
        users => capped_count(counts.users),
        unsent => capped_count(counts.pending_mails),
        oldest => oldest.map(|at| at.micros()),
        failed_mails => capped_count(counts.failed_mails),
    };
    let chart = Chart::new(&days, ctx.language);
    Ok(ctx.render_ok(
        "staff-overview",
        context! { chart => Serde(&chart), numbers, health, flash => None::<()> },
    ))
}

/// A number as far as it was counted.
fn capped_count(counted: i64) -> Value {
    context! { count => counted.min(MAX_COUNTED), more => counted > MAX_COUNTED }
}
