//! `/requests`: what somebody has asked others for, what became of it and of its mails,
//! and whom they take no requests from.

mod ask;
mod deeds;

use actix_web::HttpResponse;
use actix_web::web::{self, Data, ServiceConfig};
use minijinja::{Value, context};
use utoipa::OpenApi;

use super::Html;
use super::error::PageError;
use super::listing::{Part, done};
use super::timeline;
use super::view;
use super::visit::Visit;
use crate::domain::grant::Terms;
use crate::domain::request::{Outcome, PermissionRequest, RequestId};
use crate::domain::user::User;
use crate::http::Services;
use crate::http::openapi::refusals::May;
use crate::http::routing::get;
use crate::store::cast::Cast;
use crate::store::outbox::{self, Mail, MailResult};
use crate::store::requests::{self, Side};
use crate::store::{blocks, grants, users};

pub(super) fn routes(app: &mut ServiceConfig) {
    app.service(view::resource("/requests", "GET, HEAD").route(get().to(show)))
        .service(view::resource("/requests/{id}/end", "POST").route(web::post().to(deeds::end)))
        .service(view::resource("/requests/{id}/resend", "POST").route(web::post().to(deeds::resend)))
        .service(view::resource("/requests/{id}/block", "POST").route(web::post().to(deeds::block)))
        .service(view::resource("/blocks/{user}/lift", "POST").route(web::post().to(deeds::lift)))
        .service(
            view::resource("/ask", "GET, HEAD, POST")
                .route(get().to(ask::show))
                .route(web::post().to(ask::ask)),
        );
}

#[derive(OpenApi)]
#[openapi(paths(show, ask::show, ask::ask, deeds::end, deeds::resend, deeds::block, deeds::lift))]
pub(super) struct Document;

/// What the one who is signed in has asked for.
#[utoipa::path(
    get,
    path = "/requests",
    operation_id = "requests_page",
    security(()),
    params(
        ("asked" = Option<String>, Query, nullable = false, description = "Number of pending requests to skip."),
        ("over" = Option<String>, Query, nullable = false, description = "Number of closed requests to skip."),
        ("blocked" = Option<String>, Query, nullable = false, description = "Number of blocked users to skip."),
        ("done" = Option<String>, Query, nullable = false, description = "The result of the last action."),
    ),
    responses(
        (status = 200, description = "The page.", body = String, content_type = "text/html"),
        (status = 303, description = "Not signed in. Redirects to the sign-in page."),
        May<Html, 503>,
    ),
)]
async fn show(services: Data<Services>, visit: Visit) -> Result<HttpResponse, PageError> {
    const MESSAGES: &[&str] = &["asked", "withdrawn", "resent", "owed", "unblocked"];
    let user = &visit.user()?.user;
    let me = user.id;
    let [asked, over, blocked] = ["asked", "over", "blocked"].map(|name| Part::of(&visit, name));
    let pages = [asked, over, blocked].map(Part::page);
    let found = services.directory.read(move |conn| {
        let now = conn.now()?;
        let [asked, over, blocked] = pages;
        let live = requests::live_of_side(conn, Side::Allowed, me, asked, now)?;
        let ended = requests::over_of_allowed(conn, me, over)?;
        let cast = Cast::of(conn, live.rows.iter().chain(&ended.rows).map(|request| request.terms))?;
        let terms: Vec<Terms> = ended.rows.iter().map(|request| request.terms).collect();
        let standing = grants::of_terms(conn, &terms)?;
        let numbers: Vec<RequestId> = live.rows.iter().map(|request| request.id).collect();
        let mails = outbox::latest_of(conn, &numbers)?;
        let strangers = blocks::of(conn, me, blocked)?;
        let people = users::by_ids(conn, &strangers.rows)?;
        Ok((live, ended, standing, cast, mails, strangers.total, people))
    });
    let (live, ended, standing, cast, mails, strangers, people) = found.await?;
    let waiting = live.rows.iter().filter_map(|request| {
        let mail = mails.get(&request.id);
        Some(context! { mail => told(mail, &visit, user), ..row(request, &cast)? })
    });
    let over_rows = ended.rows.iter().filter_map(|request| {
        let closed = request.closed.as_ref()?;
        let row = row(request, &cast)?;
        // What was approved may stand by other means.
        let stands = standing.iter().any(|grant| grant.terms == request.terms);
        let outcome = match closed.outcome {
            Outcome::Redeemed if stands => "stands",
            outcome => outcome.name(),
        };
        Some(context! { outcome, at => closed.at.micros(), ..row })
    });
    let context = context! {
        done => done(&visit, "done", MESSAGES),
        waiting => waiting.collect::<Vec<Value>>(),
        asked => asked.links(live.total),
        ended => over_rows.collect::<Vec<Value>>(),
        over => over.links(ended.total),
        people => people.iter().map(person).collect::<Vec<Value>>(),
        blocked => blocked.links(strangers),
    };
    Ok(visit.show("requests", context))
}

/// Who is asked for what since when.
fn row(request: &PermissionRequest, cast: &Cast) -> Option<Value> {
    let scene = cast.scene(request.terms)?;
    Some(context! {
        id => request.id.0,
        name => scene.target.display_name(),
        email => scene.target.email.as_str(),
        bundle_id => scene.bundle.id.0,
        bundle => scene.bundle.display_name(),
        since => request.created_at.micros(),
        until => request.expires_at.micros(),
    })
}

fn person(user: &User) -> Value {
    context! { id => user.id.0, name => user.display_name(), email => user.email.as_str() }
}

/// What became of a request's last mail, as far as is known: `state` (`none`, `queued`,
/// `sending`, `delayed`, `sent`, `refused`) and how that looks (`badge`), `at` (when it was
/// sent or refused, or is tried again), `why` (what went wrong), and whether it has yet to
/// leave (`owed`).
fn told(mail: Option<&Mail>, visit: &Visit, me: &User) -> Value {
    let Some(mail) = mail else {
        return context! { state => "none", badge => "", at => (), why => (), owed => false };
    };
    let (state, badge) = match mail.result.as_deref() {
        Some(result) if result == MailResult::Sent.name() => ("sent", "good"),
        Some(result) if result == MailResult::Dead.name() => ("refused", "bad"),
        Some(_) => ("none", ""),
        None if mail.leased => ("sending", "open"),
        None if mail.last_error.is_some() => ("delayed", "warn"),
        None => ("queued", "open"),
    };
    let why = || timeline::why(mail, visit.language, me);
    let (at, why) = match state {
        "delayed" => (Some(mail.due_at), why()),
        "refused" => (mail.finished_at, why()),
        _ => (mail.finished_at, None),
    };
    context! { state, badge, at => at.map(|at| at.micros()), why, owed => mail.result.is_none() }
}
