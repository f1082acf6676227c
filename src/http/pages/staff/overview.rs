//! `/staff`: how the server does, at a glance.

use actix_web::HttpResponse;
use actix_web::web::Data;
use minijinja::value::Serde;
use minijinja::{Value, context};
use utoipa::OpenApi;

use super::Look;
use super::chart::Chart;
use crate::http::Services;
use crate::http::pages::error::PageError;
use crate::http::pages::visit::Visit;
use crate::store::staff::COUNTED;
use crate::store::{days, outbox, staff};

/// Days in the picture.
const DAYS: i64 = 30;
/// Requests that are read for it, at the most: each may lie on a page of the disk of its own.
const READ: i64 = 10_000;

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
    responses(Look),
)]
pub(super) async fn show(services: Data<Services>, visit: Visit) -> Result<HttpResponse, PageError> {
    visit.staff()?;
    let found = services.directory.read(|conn| {
        let now = conn.now()?;
        Ok((staff::counts(conn)?, outbox::oldest_unsent(conn)?, days::last(conn, DAYS, READ, now)?))
    });
    let (counts, oldest, days) = found.await?;
    let well = context! {
        database => services.directory.probe().await.is_some(),
        registry => services.registry.is_alive(),
        mailer => services.mailer.is_alive(),
    };
    let numbers = context! {
        users => number(counts.users),
        unsent => number(counts.unsent),
        oldest => oldest.map(|at| at.micros()),
        dead => number(counts.dead),
    };
    let chart = Chart::of(&days, visit.language);
    Ok(visit.show("staff", context! { chart => Serde(&chart), numbers, well, done => None::<()> }))
}

/// A number as far as it was counted.
fn number(counted: i64) -> Value {
    context! { count => counted.min(COUNTED), more => counted > COUNTED }
}
