//! `/requests/<number>`: the history of a request, for its parties and for staff.
//!
//! It does not show the IP address or browser of the target. The requester sees how often the
//! link was opened, and the outcome.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use minijinja::{Value, context};

use crate::domain::approval::Purpose;
use crate::domain::audit::AuditAction;
use crate::domain::bundle_permission::EndCause;
use crate::domain::permission_request::{PermissionRequest, RequestId, RequestOutcome};
use crate::domain::rights::Mask;
use crate::domain::timestamp::Timestamp;
use crate::domain::user::{User, UserId};
use crate::http::error::ApiError;
use crate::http::openapi::error_responses::Errors;
use crate::http::pages::context::PageContext;
use crate::http::pages::error::PageError;
use crate::http::pages::redeem::redeem_path;
use crate::http::pages::responses::{HtmlErrors, SignedInPage};
use crate::http::state::AppState;
use crate::i18n::Language;
use crate::services::requests::{self, RequestHistory};
use crate::store::outbox::{OutboxMail, OutboxResult};

/// Shows the history of a request, to its parties and to staff.
#[utoipa::path(
    get,
    path = "/requests/{id}",
    operation_id = "request_page",
    security(()),
    params(("id" = String, Path, description = "The request's number.")),
    responses(SignedInPage, Errors<HtmlErrors, 404>),
)]
pub(super) async fn show(
    ctx: PageContext,
    id: Path<String>,
    state: Data<AppState>,
) -> Result<HttpResponse, PageError> {
    let me = &ctx.require_user()?.user;
    let id = RequestId(id.parse().map_err(|_| ApiError::NotFound)?);
    let history = requests::history(&state.store, id)
        .await?
        .filter(|history| me.staff || history.request.terms.has_party(me.id))
        .ok_or(ApiError::NotFound)?;
    let RequestHistory { request, target, grantee, bundle, now, .. } = &history;
    let can_decide = request.is_pending_for(me.id, *now) && grantee.active;
    Ok(ctx.render_ok(
        "timeline",
        context! {
            number => request.id.0,
            has_receipt => request.granted().is_some() && request.terms.has_party(me.id),
            summary => match (history.is_granted_directly(), history.is_granted_by_staff()) {
                (_, true) => "timeline-summary-staff",
                (true, false) => "timeline-summary-direct",
                (false, false) => "timeline-summary",
            },
            target => target.display_name(),
            target_email => target.email.as_str(),
            allowed => grantee.display_name(),
            allowed_email => grantee.email.as_str(),
            bundle => bundle.display_name(),
            description => bundle.display_description(),
            // The target can also come from the requester's application, without the mail.
            decide_url => can_decide.then(|| redeem_path(request, &state.keyring)),
            rights => request.asked.permission.bits(),
            until => request.asked.ttl_seconds.map(|seconds| ctx.language.duration(seconds)),
            entries => Timeline { history: &history, language: ctx.language, viewer: me }.entries(),
        },
    ))
}

/// The error of a mail's last attempt. Staff see the response of the mail server, other users
/// a summary.
pub(super) fn mail_error(mail: &OutboxMail, language: Language, viewer: &User) -> Option<String> {
    let error = mail.last_error.as_deref()?;
    let is_unknown =
        mail.result.as_deref() == Some(OutboxResult::Failed.name()) && error.starts_with("RCPT TO");
    Some(match (viewer.staff, is_unknown) {
        (true, _) => error.to_owned(),
        (false, true) => language.t("timeline-mail-error-mailbox"),
        (false, false) => language.t("timeline-mail-error-server"),
    })
}

/// An event in the history of a request: a message with its actor and a count.
struct TimelineEntry {
    at: Option<Timestamp>,
    key: &'static str,
    who: String,
    count: i64,
    detail: Option<String>,
}

impl TimelineEntry {
    fn new(at: impl Into<Option<Timestamp>>, key: &'static str) -> Self {
        Self { at: at.into(), key, who: String::new(), count: 0, detail: None }
    }

    fn with_actor(self, who: String) -> Self {
        Self { who, ..self }
    }

    fn into_context(self) -> Value {
        let Self { at, key, who, count, detail } = self;
        context! { at => at.map(Timestamp::micros), key, who, count, detail }
    }
}

/// The history of a request, as one viewer sees it.
struct Timeline<'a> {
    history: &'a RequestHistory,
    language: Language,
    viewer: &'a User,
}

impl Timeline<'_> {
    /// All entries, oldest first. Entries without a time, and those in the future, are last.
    fn entries(&self) -> Vec<Value> {
        let mut entries = vec![self.creation_entry()];
        entries.extend(self.history.mails.iter().flat_map(|mail| self.mail_entries(mail)));
        entries.extend(self.view_entries());
        entries.extend(self.closing_entry());
        entries.extend(self.end_entry());
        entries.sort_by_key(|entry| entry.at.map_or(i64::MAX, Timestamp::micros));
        entries.into_iter().map(TimelineEntry::into_context).collect()
    }

    /// The name of a party. Other users are "an administrator"; no user is the operator.
    fn party_name(&self, user: Option<UserId>) -> String {
        let RequestHistory { target, grantee, .. } = self.history;
        match user {
            Some(id) if id == target.id => target.display_name(),
            Some(id) if id == grantee.id => grantee.display_name(),
            Some(_) => self.language.t("timeline-staff"),
            None => self.language.t("timeline-operator"),
        }
    }

    fn creation_entry(&self) -> TimelineEntry {
        let request = &self.history.request;
        let PermissionRequest { asked_by, created_at, .. } = request;
        let granted_directly = self.history.is_granted_directly();
        let by = match self.history.last_action(AuditAction::PermissionGranted) {
            Some(entry) if granted_directly => entry.actor,
            _ => Some(*asked_by),
        };
        let key = if granted_directly { "timeline-granted-directly" } else { "timeline-requested" };
        // Staff grant a permission as staff, even to themselves.
        let who = match self.history.is_granted_by_staff() {
            true => self.language.t("timeline-staff"),
            false => self.party_name(by),
        };
        let detail = match request.granted() {
            Some(granted) if granted_directly => {
                Some(self.describe_permission(granted.permission, granted.expires_at))
            }
            _ => request.purpose.as_ref().map(Purpose::display),
        };
        TimelineEntry { detail, ..TimelineEntry::new(*created_at, key).with_actor(who) }
    }

    fn mail_entries(&self, mail: &OutboxMail) -> Vec<TimelineEntry> {
        let queued = TimelineEntry::new(mail.created_at, "timeline-mail-queued");
        let mail_error = mail_error(mail, self.language, self.viewer);
        let (at, key) = match mail.result.as_deref() {
            Some("sent") => (mail.finished_at, "timeline-mail-sent"),
            Some("failed") => (mail.finished_at, "timeline-mail-failed"),
            Some(_) => (mail.finished_at, "timeline-mail-cancelled"),
            None if mail_error.is_some() && !mail.leased => (Some(mail.due_at), "timeline-mail-deferred"),
            None => return vec![queued],
        };
        let detail = mail_error.filter(|_| !matches!(mail.result.as_deref(), Some("sent" | "cancelled")));
        let attempts = self.language.t_count("timeline-mail-attempts", mail.attempts.into());
        let detail = match (detail, key) {
            (Some(mail_error), "timeline-mail-deferred") => Some(format!("{mail_error} {attempts}")),
            (detail, _) => detail,
        };
        vec![queued, TimelineEntry { detail, ..TimelineEntry::new(at, key) }]
    }

    fn view_entries(&self) -> Vec<TimelineEntry> {
        let Some(views) = &self.history.views else { return Vec::new() };
        let link_opened = TimelineEntry {
            count: views.fetches,
            detail: Some(self.language.t("timeline-link-opened-hint")),
            ..TimelineEntry::new(views.last_fetched_at, "timeline-link-opened")
        };
        let viewed = views.last_target_view_at.map(|at| {
            let target = self.history.target.display_name();
            let viewed = TimelineEntry::new(at, "timeline-viewed").with_actor(target);
            TimelineEntry { count: views.target_views, ..viewed }
        });
        std::iter::once(link_opened).chain(viewed).collect()
    }

    fn closing_entry(&self) -> Option<TimelineEntry> {
        let RequestHistory { request, target, grantee, now, .. } = self.history;
        let (target, expires) = (target.display_name(), request.expires_at);
        let Some(closed) = &request.closed else {
            let key = if expires <= *now { "timeline-expired" } else { "timeline-pending" };
            return Some(TimelineEntry::new(expires, key).with_actor(target));
        };
        let key = match closed.outcome {
            RequestOutcome::GrantedDirectly => return None,
            RequestOutcome::Approved => "timeline-approved",
            RequestOutcome::Declined => "timeline-declined",
            RequestOutcome::Expired => "timeline-expired",
            RequestOutcome::Replaced => "timeline-replaced",
            RequestOutcome::Withdrawn => {
                let by = self
                    .history
                    .last_action(AuditAction::RequestWithdrawn)
                    .map_or(Some(grantee.id), |entry| entry.actor);
                return Some(
                    TimelineEntry::new(closed.closed_at, "timeline-withdrawn")
                        .with_actor(self.party_name(by)),
                );
            }
        };
        let detail = match (closed.granted, &closed.reason) {
            (Some(granted), _) => Some(self.describe_permission(granted.permission, granted.expires_at)),
            (None, Some(reason)) => Some(reason.display()),
            (None, None) => None,
        };
        Some(TimelineEntry { detail, ..TimelineEntry::new(closed.closed_at, key).with_actor(target) })
    }

    /// The entry of the end of the permission, or of one that stays in force from another source.
    /// Only the audit log has the actor of a revocation.
    fn end_entry(&self) -> Option<TimelineEntry> {
        let RequestHistory { request, grantee, now, .. } = self.history;
        let closed = request.closed.as_ref()?;
        let Some(granted) = closed.granted else {
            // Another permission stayed in force.
            let key = if self.history.is_active { "timeline-still-active" } else { "timeline-inactive" };
            return (closed.outcome == RequestOutcome::Approved).then(|| TimelineEntry::new(None, key));
        };
        let Some(end) = granted.end(*now) else {
            return granted.expires_at.map(|at| TimelineEntry::new(at, "timeline-permission-ends"));
        };
        Some(match end.cause {
            EndCause::Expired => TimelineEntry::new(end.at, "timeline-permission-expired"),
            EndCause::Replaced => TimelineEntry::new(end.at, "timeline-permission-replaced"),
            EndCause::Revoked => match self.history.last_action(AuditAction::PermissionRevoked) {
                Some(entry) => {
                    let gave_up = entry.actor == Some(grantee.id);
                    let key = if gave_up { "timeline-given-up" } else { "timeline-revoked" };
                    TimelineEntry::new(end.at, key).with_actor(self.party_name(entry.actor))
                }
                None => TimelineEntry::new(end.at, "timeline-inactive"),
            },
        })
    }

    /// The rights of a permission and its end, in words.
    fn describe_permission(&self, permission: Mask, expires_at: Option<Timestamp>) -> String {
        let rights = self.language.describe_rights_of_others(permission).join(", ");
        let end = match expires_at {
            Some(at) => format!("{} {}", self.language.t("permission-ends"), self.language.date_time(at)),
            None => self.language.t("permission-no-end"),
        };
        format!("{rights}. {end}.")
    }
}
