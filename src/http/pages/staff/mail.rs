//! `/staff/mail`: the mails that are owed, and those that were.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use minijinja::{Value, context};
use utoipa::OpenApi;
use uuid::Uuid;

use super::{Done, Look, id, perform, staff_in};
use crate::domain::clock::Timestamp;
use crate::domain::user::Email;
use crate::http::Services;
use crate::http::pages::error::{PageError, see_other};
use crate::http::pages::listing::{Part, done};
use crate::http::pages::post::{Csrf, Post};
use crate::http::pages::visit::Visit;
use crate::store::outbox::{self, Mail, MailFilter, MailResult};
use crate::store::staff;

const ROOM: &str = "/staff/mail";
/// What may be listed, by its name in the query.
const FILTERS: [(&str, MailFilter); 4] = [
    ("all", MailFilter::All),
    ("unsent", MailFilter::Unsent),
    ("dead", MailFilter::Ended(MailResult::Dead)),
    ("sent", MailFilter::Ended(MailResult::Sent)),
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
        ("state" = Option<String>, Query, nullable = false, description = "`all`, `unsent`, `dead` or `sent`."),
        ("from" = Option<String>, Query, nullable = false, description = "Number of rows to skip."),
    ),
    responses(Look),
)]
pub(super) async fn list(services: Data<Services>, visit: Visit) -> Result<HttpResponse, PageError> {
    visit.staff()?;
    let asked = visit.parameter("state").unwrap_or_default();
    let named = FILTERS.into_iter().find(|(name, _)| *name == asked);
    let (state, filter) = named.unwrap_or(("all", MailFilter::All));
    let part = Part::of(&visit, "from");
    let page = part.page_and_one();
    let found = services.directory.read(move |conn| {
        let now = conn.now()?;
        let mails = outbox::list(conn, filter, page)?;
        let to = staff::addressees(conn, &mails)?;
        Ok((now, mails, to))
    });
    let (now, mut found, to) = found.await?;
    let part = part.cut(&mut found);
    let mails: Vec<Value> = found.iter().map(|mail| row(mail, to.get(&mail.id), now)).collect();
    let states = FILTERS.map(|(name, _)| name);
    let done = done(&visit, "staff-mail", &["retried", "not-retried"]);
    Ok(visit.show("staff-mail", context! { mails, part, done, state, states }))
}

fn row(mail: &Mail, to: Option<&Email>, now: Timestamp) -> Value {
    let state = mail.status(now);
    context! {
        id => mail.id.to_string(),
        to => to.map(Email::as_str),
        state,
        attempts => mail.attempts,
        created => mail.created_at.micros(),
        due => (state == "waiting").then(|| mail.due_at.micros()),
        error => mail.last_error.as_deref(),
        retry => matches!(state, "waiting" | "dead"),
    }
}

/// Sends a mail again that the mail server refused, or one that waits for its next try, for
/// staff.
#[utoipa::path(
    post,
    path = "/staff/mail/{id}/retry",
    operation_id = "retry_mail_by_page",
    security(()),
    params(("id" = String, Path, description = "The mail's id.")),
    request_body(content = Csrf, content_type = "application/x-www-form-urlencoded"),
    responses(Done),
)]
pub(super) async fn retry(
    services: Data<Services>,
    segment: Path<String>,
    Post { visit, .. }: Post,
) -> Result<HttpResponse, PageError> {
    staff_in(&visit, ROOM)?;
    let id: Uuid = id(&segment)?;
    let retried =
        perform(&services, &visit, move |conn, origin, now| staff::retry_mail(conn, id, origin, now));
    if !retried.await? {
        return Ok(see_other(&format!("{ROOM}?done=not-retried")));
    }
    services.mailer.hint();
    Ok(see_other(&format!("{ROOM}?done=retried")))
}
