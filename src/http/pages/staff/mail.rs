//! `/staff/mail`: the mails that are owed, and those that were.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use minijinja::{Value, context};
use utoipa::OpenApi;
use uuid::Uuid;

use super::{FormResponses, PageResponses, parse_id, require_staff, run_audited};
use crate::domain::timestamp::Timestamp;
use crate::domain::user::Email;
use crate::http::pages::context::PageContext;
use crate::http::pages::error::{PageError, see_other};
use crate::http::pages::form::{CsrfForm, Form};
use crate::http::pages::pager::{Pager, flash};
use crate::http::state::AppState;
use crate::store::admin;
use crate::store::outbox::{self, MailFilter, OutboxMail, OutboxResult};

const PATH: &str = "/staff/mail";
/// What may be listed, by its name in the query.
const FILTERS: [(&str, MailFilter); 4] = [
    ("all", MailFilter::All),
    ("unsent", MailFilter::Pending),
    ("failed", MailFilter::Finished(OutboxResult::Failed)),
    ("sent", MailFilter::Finished(OutboxResult::Sent)),
];

#[derive(OpenApi)]
#[openapi(paths(list, retry))]
pub(super) struct Document;

/// Lists mails, and what the mail server said of them, for staff.
#[utoipa::path(
    get,
    path = "/staff/mail",
    operation_id = "staff_mail_page",
    security(()),
    params(
        ("state" = Option<String>, Query, nullable = false, description = "`all`, `unsent`, `failed` or `sent`."),
        ("offset" = Option<String>, Query, nullable = false, description = "Number of rows to skip."),
    ),
    responses(PageResponses),
)]
pub(super) async fn list(services: Data<AppState>, ctx: PageContext) -> Result<HttpResponse, PageError> {
    ctx.require_staff()?;
    let asked = ctx.query_param("state").unwrap_or_default();
    let named = FILTERS.into_iter().find(|(name, _)| *name == asked);
    let (state, filter) = named.unwrap_or(("all", MailFilter::All));
    let pagination = Pager::new(&ctx, "offset");
    let page = pagination.limit_plus_one();
    let found = services.store.read(move |conn| {
        let now = conn.now()?;
        let mails = outbox::list(conn, filter, page)?;
        let to = admin::recipients(conn, &mails)?;
        Ok((now, mails, to))
    });
    let (now, mut found, to) = found.await?;
    let pagination = pagination.finish(&mut found);
    let mails: Vec<Value> = found.iter().map(|mail| row(mail, to.get(&mail.id), now)).collect();
    let states = FILTERS.map(|(name, _)| name);
    let flash = flash(&ctx, "staff-mail", &["retried", "not-retried"]);
    Ok(ctx.render_ok("staff-mail", context! { mails, pagination, flash, state, states }))
}

fn row(mail: &OutboxMail, to: Option<&Email>, now: Timestamp) -> Value {
    let state = mail.status(now);
    context! {
        id => mail.id.to_string(),
        to => to.map(Email::as_str),
        state,
        attempts => mail.attempts,
        created => mail.created_at.micros(),
        due => (state == "waiting").then(|| mail.due_at.micros()),
        error => mail.last_error.as_deref(),
        retry => matches!(state, "waiting" | "failed"),
    }
}

/// Sends a mail again that the mail server refused, or one that waits for its next try, for
/// staff.
#[utoipa::path(
    post,
    path = "/staff/mail/{id}/retry",
    operation_id = "retry_mail_form",
    security(()),
    params(("id" = String, Path, description = "The mail's id.")),
    request_body(content = CsrfForm, content_type = "application/x-www-form-urlencoded"),
    responses(FormResponses),
)]
pub(super) async fn retry(
    services: Data<AppState>,
    segment: Path<String>,
    Form { ctx, .. }: Form,
) -> Result<HttpResponse, PageError> {
    require_staff(&ctx, PATH)?;
    let id: Uuid = parse_id(&segment)?;
    let retried =
        run_audited(&services, &ctx, move |conn, audit, now| admin::retry_mail(conn, id, audit, now));
    if !retried.await? {
        return Ok(see_other(&format!("{PATH}?flash=not-retried")));
    }
    services.mailer.notify();
    Ok(see_other(&format!("{PATH}?flash=retried")))
}
