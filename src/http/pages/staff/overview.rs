//! `/staff`: the state of the server at a glance.

use actix_web::HttpResponse;
use actix_web::web::Data;
use minijinja::value::Serde;
use minijinja::{Value, context};

use super::chart::Chart;
use crate::http::pages::context::PageContext;
use crate::http::pages::error::PageError;
use crate::http::pages::responses::StaffPage;
use crate::http::routing::{Endpoint, endpoints};
use crate::http::state::AppState;
use crate::services::admin::overview::{self, Overview};
use crate::store::capped_counts::MAX_COUNTED;

/// Days in the chart.
const CHART_DAYS: i64 = 30;
/// Requests that are read for the chart. In the worst case each is on a disk page of its own.
const MAX_SAMPLED_REQUESTS: i64 = 10_000;

pub(super) fn endpoints() -> Vec<Endpoint> {
    endpoints![show]
}

/// The overview, for staff: requests and their outcomes in the last 30 days, the outbox, the
/// number of users, and the health of the server.
#[utoipa::path(
    get,
    path = "/staff",
    operation_id = "staff_page",
    security(()),
    responses(StaffPage),
)]
async fn show(state: Data<AppState>, ctx: PageContext) -> Result<HttpResponse, PageError> {
    ctx.require_staff()?;
    let overview = state.store.read(overview::load(CHART_DAYS, MAX_SAMPLED_REQUESTS));
    let Overview { counts, oldest_pending_mail, daily_stats } = overview.await?;
    let health = context! {
        database => state.store.check_readiness().await.is_some(),
        registry => state.registry.is_alive(),
        mailer => state.mailer.is_alive(),
    };
    let numbers = context! {
        users => capped_count(counts.users),
        unsent => capped_count(counts.pending_mails),
        oldest => oldest_pending_mail.map(|at| at.micros()),
        failed_mails => capped_count(counts.failed_mails),
    };
    let chart = Chart::new(&daily_stats, ctx.language);
    Ok(ctx.render_ok(
        "staff-overview",
        context! { chart => Serde(&chart), numbers, health, flash => None::<()> },
    ))
}

/// A number, and whether there are more than it says.
fn capped_count(counted: i64) -> Value {
    context! { count => counted.min(MAX_COUNTED), more => counted > MAX_COUNTED }
}
