//! The list of requests, and of blocked users.

use actix_web::HttpResponse;
use actix_web::web::Data;
use minijinja::{Value, context};

use super::timeline;
use crate::domain::bundle_permission::{EndCause, PermissionEnd};
use crate::domain::permission_request::{PermissionRequest, RequestOutcome};
use crate::domain::user::User;
use crate::http::pages::context::PageContext;
use crate::http::pages::error::PageError;
use crate::http::pages::pager::Pager;
use crate::http::pages::responses::SignedInPage;
use crate::http::state::AppState;
use crate::services::requests::{self, RequestLists, RequestPages};
use crate::store::outbox::{OutboxMail, OutboxResult};
use crate::store::participants::Participants;

/// Lists the requests that the signed-in user created, and their blocked users.
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
    responses(SignedInPage),
)]
pub(super) async fn show(state: Data<AppState>, ctx: PageContext) -> Result<HttpResponse, PageError> {
    let me = &ctx.require_user()?.user;
    let [pending, closed, blocked] = ["pending", "closed", "blocked"].map(|name| Pager::new(&ctx, name));
    let pages = RequestPages { pending: pending.page(), closed: closed.page(), blocked: blocked.page() };
    let lists = requests::list_by_grantee(&state.store, me.id, pages).await?;
    let pending_row = |request: &PermissionRequest| {
        let mail = mail_status(lists.mails.get(&request.id), &ctx, me);
        Some(context! { mail, ..request_row(request, &lists.participants)? })
    };
    let context = context! {
        flash => ctx.flash("flash", &["requested", "withdrawn", "resent", "mail-pending", "unblocked"]),
        pending_requests => lists.pending.rows.iter().filter_map(pending_row).collect::<Vec<Value>>(),
        pending => pending.links(lists.pending.total),
        closed_requests => closed_rows(&lists),
        closed => closed.links(lists.closed.total),
        blocked_people => lists.blocked.rows.iter().map(person_context).collect::<Vec<Value>>(),
        blocked => blocked.links(lists.blocked.total),
    };
    Ok(ctx.render_ok("requests", context))
}

/// The closed requests with their outcomes.
fn closed_rows(lists: &RequestLists) -> Vec<Value> {
    let row = |request: &PermissionRequest| {
        let closing = request.closed.as_ref()?;
        let row = request_row(request, &lists.participants)?;
        // The permission can be active although this request's was revoked: another request
        // may have been approved since.
        let is_active = lists.active_permissions.iter().any(|active| active.terms == request.terms);
        let outcome = match (closing.outcome, closing.granted.and_then(|granted| granted.ended)) {
            (_, Some(PermissionEnd { cause: EndCause::Expired, .. })) => "ended",
            (_, Some(PermissionEnd { cause: EndCause::Replaced, .. })) => "superseded",
            (RequestOutcome::Approved, _) if is_active => "active",
            (outcome, _) => outcome.name(),
        };
        Some(context! { outcome, at => closing.closed_at.micros(), ..row })
    };
    lists.closed.rows.iter().filter_map(row).collect()
}

/// A request with its target and bundle.
fn request_row(request: &PermissionRequest, participants: &Participants) -> Option<Value> {
    let parties = participants.parties(request.terms)?;
    let bundle = participants.bundle_of(request)?;
    Some(context! {
        id => request.id.0,
        name => parties.target.display_name(),
        email => parties.target.email.as_str(),
        bundle_id => parties.bundle.id.0,
        bundle => bundle.display_name(),
        since => request.created_at.micros(),
        until => request.expires_at.micros(),
    })
}

fn person_context(user: &User) -> Value {
    context! { id => user.id.0, name => user.display_name(), email => user.email.as_str() }
}

/// The state of a request's latest mail: `state` (`none`, `queued`, `sending`, `delayed`,
/// `sent` or `failed`), `badge` (its CSS class), `at` (when it was sent or failed, or when the
/// next attempt is due), `mail_error`, and `is_pending` (whether it is still to be sent).
fn mail_status(mail: Option<&OutboxMail>, ctx: &PageContext, me: &User) -> Value {
    let Some(mail) = mail else {
        return context! { state => "none", badge => "", at => (), mail_error => (), is_pending => false };
    };
    let (state, badge) = match mail.result.as_deref() {
        Some(result) if result == OutboxResult::Sent.name() => ("sent", "good"),
        Some(result) if result == OutboxResult::Failed.name() => ("failed", "bad"),
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
