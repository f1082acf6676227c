//! `/requests`: what somebody has asked others for, what became of it and of its mails,
//! and whom they take no requests from.

mod actions;
mod new_request;

use actix_web::HttpResponse;
use actix_web::web::{self, Data, ServiceConfig};
use minijinja::{Value, context};
use utoipa::OpenApi;

use super::HtmlErrors;
use super::context::PageContext;
use super::error::PageError;
use super::pager::{Pager, flash};
use super::templates;
use super::timeline;
use crate::domain::permission_request::{PermissionRequest, RequestId, RequestOutcome};
use crate::domain::terms::Terms;
use crate::domain::user::User;
use crate::http::openapi::error_responses::Errors;
use crate::http::routing::get;
use crate::http::state::AppState;
use crate::store::outbox::{self, MailResult, OutboxMail};
use crate::store::participants::Participants;
use crate::store::requests::{self, Side};
use crate::store::{blocks, permissions, users};

pub(super) fn routes(app: &mut ServiceConfig) {
    app.service(templates::resource("/requests", "GET, HEAD").route(get().to(show)))
        .service(templates::resource("/requests/{id}/close", "POST").route(web::post().to(actions::close)))
        .service(templates::resource("/requests/{id}/resend", "POST").route(web::post().to(actions::resend)))
        .service(templates::resource("/requests/{id}/block", "POST").route(web::post().to(actions::block)))
        .service(templates::resource("/blocks/{user}/delete", "POST").route(web::post().to(actions::unblock)))
        .service(
            templates::resource("/requests/new", "GET, HEAD, POST")
                .route(get().to(new_request::show))
                .route(web::post().to(new_request::create)),
        );
}

#[derive(OpenApi)]
#[openapi(paths(
    show,
    new_request::show,
    new_request::create,
    actions::close,
    actions::resend,
    actions::block,
    actions::unblock
))]
pub(super) struct Document;

/// What the one who is signed in has asked for.
#[utoipa::path(
    get,
    path = "/requests",
    operation_id = "requests_page",
    security(()),
    params(
        ("pending" = Option<String>, Query, nullable = false, description = "Number of pending requests to skip."),
        ("closed" = Option<String>, Query, nullable = false, description = "Number of closed requests to skip."),
        ("blocked" = Option<String>, Query, nullable = false, description = "Number of blocked users to skip."),
        ("flash" = Option<String>, Query, nullable = false, description = "The result of the last action."),
    ),
    responses(
        (status = 200, description = "The page.", body = String, content_type = "text/html"),
        (status = 303, description = "Not signed in. Redirects to the sign-in page."),
        Errors<HtmlErrors, 503>,
    ),
)]
async fn show(services: Data<AppState>, ctx: PageContext) -> Result<HttpResponse, PageError> {
    const MESSAGES: &[&str] = &["requested", "withdrawn", "resent", "mail-pending", "unblocked"];
    let user = &ctx.require_user()?.user;
    let me = user.id;
    let [pending, closed, blocked] = ["pending", "closed", "blocked"].map(|name| Pager::new(&ctx, name));
    let pages = [pending, closed, blocked].map(Pager::page);
    let found = services.store.read(move |conn| {
        let now = conn.now()?;
        let [pending, closed, blocked] = pages;
        let live = requests::pending_of_side(conn, Side::Grantee, me, pending, now)?;
        let closed_requests = requests::closed_of_grantee(conn, me, closed)?;
        let participants = Participants::load(
            conn,
            live.rows.iter().chain(&closed_requests.rows).map(|request| request.terms),
        )?;
        let terms: Vec<Terms> = closed_requests.rows.iter().map(|request| request.terms).collect();
        let active_grants = permissions::by_terms(conn, &terms)?;
        let request_ids: Vec<RequestId> = live.rows.iter().map(|request| request.id).collect();
        let mails = outbox::latest_by_request(conn, &request_ids)?;
        let blocked_users = blocks::list_by_target(conn, me, blocked)?;
        let blocked_people = users::by_ids(conn, &blocked_users.rows)?;
        Ok((live, closed_requests, active_grants, participants, mails, blocked_users.total, blocked_people))
    });
    let (live, closed_requests, active_grants, participants, mails, blocked_users, blocked_people) =
        found.await?;
    let pending_requests = live.rows.iter().filter_map(|request| {
        let mail = mails.get(&request.id);
        Some(context! { mail => mail_status(mail, &ctx, user), ..request_row(request, &participants)? })
    });
    let closed_rows = closed_requests.rows.iter().filter_map(|request| {
        let closing = request.closed.as_ref()?;
        let row = request_row(request, &participants)?;
        // What was approved may stand by other means.
        let is_active = active_grants.iter().any(|grant| grant.terms == request.terms);
        let outcome = match closing.outcome {
            RequestOutcome::Approved if is_active => "active",
            outcome => outcome.name(),
        };
        Some(context! { outcome, at => closing.closed_at.micros(), ..row })
    });
    let context = context! {
        flash => flash(&ctx, "flash", MESSAGES),
        pending_requests => pending_requests.collect::<Vec<Value>>(),
        pending => pending.links(live.total),
        closed_requests => closed_rows.collect::<Vec<Value>>(),
        closed => closed.links(closed_requests.total),
        blocked_people => blocked_people.iter().map(person_context).collect::<Vec<Value>>(),
        blocked => blocked.links(blocked_users),
    };
    Ok(ctx.render_ok("requests", context))
}

/// Who is asked for what since when.
fn request_row(request: &PermissionRequest, participants: &Participants) -> Option<Value> {
    let parties = participants.parties(request.terms)?;
    Some(context! {
        id => request.id.0,
        name => parties.target.display_name(),
        email => parties.target.email.as_str(),
        bundle_id => parties.bundle.id.0,
        bundle => parties.bundle.display_name(),
        since => request.created_at.micros(),
        until => request.expires_at.micros(),
    })
}

fn person_context(user: &User) -> Value {
    context! { id => user.id.0, name => user.display_name(), email => user.email.as_str() }
}

/// What became of a request's last mail, as far as is known: `state` (`none`, `queued`,
/// `sending`, `delayed`, `sent`, `refused`) and how that looks (`badge`), `at` (when it was
/// sent or refused, or is tried again), `why` (what went wrong), and whether it has yet to
/// leave (`owed`).
fn mail_status(mail: Option<&OutboxMail>, ctx: &PageContext, me: &User) -> Value {
    let Some(mail) = mail else {
        return context! { state => "none", badge => "", at => (), mail_error => (), is_pending => false };
    };
    let (state, badge) = match mail.result.as_deref() {
        Some(result) if result == MailResult::Sent.name() => ("sent", "good"),
        Some(result) if result == MailResult::Failed.name() => ("failed", "bad"),
        Some(_) => ("none", ""),
        None if mail.leased => ("sending", "open"),
        None if mail.last_error.is_some() => ("delayed", "warn"),
        None => ("queued", "open"),
    };
    let mail_error = || timeline::mail_error(mail, ctx.language, me);
    let (at, mail_error) = match state {
        "delayed" => (Some(mail.due_at), mail_error()),
        "failed" => (mail.finished_at, mail_error()),
        _ => (mail.finished_at, None),
    };
    context! { state, badge, at => at.map(|at| at.micros()), mail_error, is_pending => mail.result.is_none() }
}
