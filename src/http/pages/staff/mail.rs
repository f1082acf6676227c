//! `/staff/mail`: the outbox.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use minijinja::{Value, context};
use uuid::Uuid;

use crate::domain::timestamp::Timestamp;
use crate::domain::user::Email;
use crate::http::pages::context::PageContext;
use crate::http::pages::error::PageError;
use crate::http::pages::form::{CsrfForm, Form};
use crate::http::pages::pager::Pager;
use crate::http::pages::responses::{StaffForm, StaffPage};
use crate::http::pages::url::{parse_id, see_other};
use crate::http::routing::{Endpoint, endpoints};
use crate::http::state::AppState;
use crate::services::admin::mail::{self, ListedMails};
use crate::store::outbox::{MailFilter, OutboxMail, OutboxResult};

const PATH: &str = "/staff/mail";
/// The filters, by their names in the query.
const FILTERS: [(&str, MailFilter); 4] = [
    ("all", MailFilter::All),
    ("unsent", MailFilter::Pending),
    ("failed", MailFilter::Finished(OutboxResult::Failed)),
    ("sent", MailFilter::Finished(OutboxResult::Sent)),
];

pub(super) fn endpoints() -> Vec<Endpoint> {
    endpoints![list, retry, retry_all]
}

/// Lists mails and the mail server's responses, for staff.
#[utoipa::path(
    get,
    path = "/staff/mail",
    operation_id = "staff_mail_page",
    security(()),
    params(
        ("state" = Option<String>, Query, nullable = false, description = "`all`, `unsent`, `failed` or `sent`."),
        ("offset" = Option<String>, Query, nullable = false, description = "Number of rows to skip."),
    ),
    responses(StaffPage),
)]
async fn list(state: Data<AppState>, ctx: PageContext) -> Result<HttpResponse, PageError> {
    ctx.require_staff()?;
    let requested = ctx.query_param("state").unwrap_or_default();
    let named = FILTERS.into_iter().find(|(name, _)| *name == requested);
    let (filter_name, filter) = named.unwrap_or(("all", MailFilter::All));
    let pagination = Pager::new(&ctx, "offset");
    let listed = state.store.read(mail::list(filter, pagination.limit_plus_one()));
    let ListedMails { mut mails, recipients, now } = listed.await?;
    let pagination = pagination.finish(&mut mails);
    let can_retry = mails.iter().any(|mail| is_retryable(mail.status(now)));
    let mails: Vec<Value> = mails.iter().map(|mail| row(mail, recipients.get(&mail.id), now)).collect();
    let states = FILTERS.map(|(name, _)| name);
    let flash = ctx.flash("staff-mail", &["retried", "not-retried", "retried-all"]);
    Ok(ctx.render_ok(
        "staff-mail",
        context! { mails, can_retry, pagination, flash, state => filter_name, states },
    ))
}

fn row(mail: &OutboxMail, to: Option<&Email>, now: Timestamp) -> Value {
    let status = mail.status(now);
    context! {
        id => mail.id.to_string(),
        to => to.map(Email::as_str),
        state => status,
        attempts => mail.attempts,
        created => mail.created_at.micros(),
        due => (status == "waiting").then(|| mail.due_at.micros()),
        error => mail.last_error.as_deref(),
        retry => is_retryable(status),
    }
}

fn is_retryable(status: &str) -> bool {
    matches!(status, "waiting" | "failed")
}

/// Retries a mail that has failed or is waiting for its next attempt, for staff.
#[utoipa::path(
    post,
    path = "/staff/mail/{id}/retry",
    operation_id = "retry_mail_form",
    security(()),
    params(("id" = String, Path, description = "The mail's id.")),
    request_body(content = CsrfForm, content_type = "application/x-www-form-urlencoded"),
    responses(StaffForm),
)]
async fn retry(
    state: Data<AppState>,
    segment: Path<String>,
    Form { ctx, .. }: Form,
) -> Result<HttpResponse, PageError> {
    ctx.require_staff_or_return_to(PATH)?;
    let id: Uuid = parse_id(&segment)?;
    if !state.store.write(mail::retry(id, ctx.audit.clone())).await? {
        return Ok(see_other(&format!("{PATH}?flash=not-retried")));
    }
    state.mailer.notify();
    Ok(see_other(&format!("{PATH}?flash=retried")))
}

/// Retries all mails that have failed or are waiting for their next attempt, for staff.
#[utoipa::path(
    post,
    path = "/staff/mail/retry",
    operation_id = "retry_all_mail_form",
    security(()),
    request_body(content = CsrfForm, content_type = "application/x-www-form-urlencoded"),
    responses(StaffForm),
)]
async fn retry_all(state: Data<AppState>, Form { ctx, .. }: Form) -> Result<HttpResponse, PageError> {
    ctx.require_staff_or_return_to(PATH)?;
    state.store.write(mail::retry_all(ctx.audit.clone())).await?;
    state.mailer.notify();
    Ok(see_other(&format!("{PATH}?flash=retried-all")))
}
