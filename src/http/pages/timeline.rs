//! `/requests/<number>`: what became of a request, for its parties and for staff.
//!
//! Where its target was when they looked or decided is for nobody here: who asked them is
//! told that the link was fetched, how often, and what came of it.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use minijinja::{Value, context};
use utoipa::OpenApi;

use super::HtmlErrors;
use super::context::PageContext;
use super::error::PageError;
use crate::domain::audit::AuditAction;
use crate::domain::bundle::Bundle;
use crate::domain::permission_request::{PermissionRequest, RequestId, RequestOutcome};
use crate::domain::timestamp::Timestamp;
use crate::domain::user::{User, UserId};
use crate::http::error::ApiError;
use crate::http::openapi::error_responses::Errors;
use crate::http::state::AppState;
use crate::i18n::Language;
use crate::store::audit_log::{self, AuditEntry, AuditLogFilter};
use crate::store::link_views::{self, LinkViewCounts};
use crate::store::outbox::{self, OutboxMail};
use crate::store::{Conn, QueryResult, bundles, permissions, requests, users};

/// The most entries of the trail that are told of one request.
const MAX_AUDIT_ENTRIES: usize = 100;

#[derive(OpenApi)]
#[openapi(paths(show))]
pub(super) struct Document;

/// What became of a request, for either party and for staff.
#[utoipa::path(
    get,
    path = "/requests/{id}",
    operation_id = "request_page",
    security(()),
    params(("id" = String, Path, description = "Its number.")),
    responses(
        (status = 200, description = "The page.", body = String, content_type = "text/html"),
        (status = 303, description = "Not signed in. Redirects to the sign-in page."),
        Errors<HtmlErrors, 404>,
        Errors<HtmlErrors, 503>,
    ),
)]
pub(super) async fn show(
    ctx: PageContext,
    id: Path<String>,
    services: Data<AppState>,
) -> Result<HttpResponse, PageError> {
    let me = &ctx.require_user()?.user;
    let id = RequestId(id.parse().map_err(|_| ApiError::NotFound)?);
    let history = services.store.read(move |conn| RequestHistory::load(conn, id)).await?;
    let history = history
        .filter(|history| me.staff || history.request.terms.has_party(me.id))
        .ok_or(ApiError::NotFound)?;
    let RequestHistory { request, target, allowed, bundle, .. } = &history;
    Ok(ctx.render_ok(
        "timeline",
        context! {
            number => request.id.0,
            granted_directly => history.is_granted_directly(),
            target => target.display_name(),
            target_email => target.email.as_str(),
            allowed => allowed.display_name(),
            allowed_email => allowed.email.as_str(),
            bundle => bundle.display_name(),
            description => bundle.display_description(),
            entries => history.entries(ctx.language, me),
        },
    ))
}

/// Why a mail was refused or put off the last time, if it was. What the mail server said is
/// for staff alone; others are told what it comes to.
pub(super) fn mail_error(mail: &OutboxMail, language: Language, me: &User) -> Option<String> {
    let error = mail.last_error.as_deref()?;
    Some(match (me.staff, error.starts_with("RCPT TO")) {
        (true, _) => error.to_owned(),
        (false, true) => language.t("timeline-mail-error-mailbox"),
        (false, false) => language.t("timeline-mail-error-server"),
    })
}

/// All that is known of a request.
struct RequestHistory {
    request: PermissionRequest,
    target: User,
    allowed: User,
    bundle: Bundle,
    mails: Vec<OutboxMail>,
    views: Option<LinkViewCounts>,
    /// What the trail has of it and of its permission, the oldest first.
    audit_entries: Vec<AuditEntry>,
    /// Whether a permission of its terms stands, on this request or by other means.
    is_active: bool,
    now: Timestamp,
}

/// Something that happened to a request: a message, with who did it and how often.
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

    fn to_context(self) -> Value {
        let Self { at, key, who, count, detail } = self;
        context! { at => at.map(Timestamp::micros), key, who, count, detail }
    }
}

impl RequestHistory {
    fn load(conn: &mut Conn, id: RequestId) -> QueryResult<Option<Self>> {
        let Some(request) = requests::by_ids(conn, &[id])?.pop() else { return Ok(None) };
        let terms = request.terms;
        let people = users::by_ids(conn, &[terms.target, terms.grantee])?;
        let person = |id: UserId| people.iter().find(|user| user.id == id).cloned();
        let bundle = bundles::by_ids(conn, &[terms.bundle])?.pop();
        let (Some(target), Some(allowed), Some(bundle)) =
            (person(terms.target), person(terms.grantee), bundle)
        else {
            return Ok(None);
        };
        let mut trail = Vec::new();
        for subject in [format!("request:{id}"), format!("permission:{id}")] {
            let filter = AuditLogFilter { subject: Some(subject), ..AuditLogFilter::default() };
            trail.extend(audit_log::list_newest(conn, &filter, MAX_AUDIT_ENTRIES)?);
        }
        trail.sort_by_key(|entry| entry.id);
        Ok(Some(Self {
            mails: outbox::by_request(conn, id)?,
            views: link_views::by_redeem_id(conn, request.redeem_id)?,
            is_active: !permissions::by_terms(conn, &[terms])?.is_empty(),
            now: conn.now()?,
            request,
            target,
            allowed,
            bundle,
            audit_entries: trail,
        }))
    }

    /// Whether nobody asked for it.
    fn is_granted_directly(&self) -> bool {
        self.request.closed.as_ref().is_some_and(|closed| closed.outcome == RequestOutcome::GrantedDirectly)
    }

    /// What happened, in its order.
    fn entries(&self, language: Language, me: &User) -> Vec<Value> {
        let mut entries = vec![self.creation_entry(language)];
        entries.extend(self.mails.iter().flat_map(|mail| self.mail_entries(mail, language, me)));
        entries.extend(self.view_entries(language));
        entries.extend(self.closing_entry(language));
        entries.extend(self.revocation_entry(language));
        // What has no moment, or has yet to come, is told last.
        entries.sort_by_key(|entry| entry.at.map_or(i64::MAX, Timestamp::micros));
        entries.into_iter().map(TimelineEntry::to_context).collect()
    }

    /// Somebody's name, or who they are to the parties.
    fn party_name(&self, user: Option<UserId>, language: Language) -> String {
        match user {
            Some(id) if id == self.target.id => self.target.display_name(),
            Some(id) if id == self.allowed.id => self.allowed.display_name(),
            Some(_) => language.t("timeline-staff"),
            None => language.t("timeline-operator"),
        }
    }

    /// Who did this last, by the trail, and when.
    fn last_action(&self, action: AuditAction) -> Option<&AuditEntry> {
        self.audit_entries.iter().rev().find(|entry| entry.action == action.name())
    }

    fn creation_entry(&self, language: Language) -> TimelineEntry {
        let PermissionRequest { asked_by, created_at, .. } = &self.request;
        let granted_directly = self.is_granted_directly();
        let by = match self.last_action(AuditAction::PermissionGranted) {
            Some(entry) if granted_directly => entry.actor,
            _ => Some(*asked_by),
        };
        let key = if granted_directly { "timeline-granted-directly" } else { "timeline-requested" };
        TimelineEntry::new(*created_at, key).with_actor(self.party_name(by, language))
    }

    /// What became of a mail.
    fn mail_entries(&self, mail: &OutboxMail, language: Language, me: &User) -> Vec<TimelineEntry> {
        let queued = TimelineEntry::new(mail.created_at, "timeline-mail-queued");
        let mail_error = mail_error(mail, language, me);
        let (at, key) = match mail.result.as_deref() {
            Some("sent") => (mail.finished_at, "timeline-mail-sent"),
            Some("failed") => (mail.finished_at, "timeline-mail-failed"),
            Some(_) => (mail.finished_at, "timeline-mail-cancelled"),
            None if mail_error.is_some() && !mail.leased => (Some(mail.due_at), "timeline-mail-deferred"),
            None => return vec![queued],
        };
        let detail = mail_error.filter(|_| !matches!(mail.result.as_deref(), Some("sent" | "cancelled")));
        let tries = language.t_count("timeline-mail-attempts", mail.attempts.into());
        let detail = match (detail, key) {
            (Some(mail_error), "timeline-mail-deferred") => Some(format!("{mail_error} {tries}")),
            (detail, _) => detail,
        };
        vec![queued, TimelineEntry { detail, ..TimelineEntry::new(at, key) }]
    }

    fn view_entries(&self, language: Language) -> Vec<TimelineEntry> {
        let Some(views) = &self.views else { return Vec::new() };
        let link_opened = TimelineEntry {
            count: views.fetches,
            detail: Some(language.t("timeline-link-opened-hint")),
            ..TimelineEntry::new(views.last_fetched_at, "timeline-link-opened")
        };
        let viewed = views.last_target_view_at.map(|at| {
            let viewed = TimelineEntry::new(at, "timeline-viewed").with_actor(self.target.display_name());
            TimelineEntry { count: views.target_views, ..viewed }
        });
        std::iter::once(link_opened).chain(viewed).collect()
    }

    fn closing_entry(&self, language: Language) -> Option<TimelineEntry> {
        let (target, expires) = (self.target.display_name(), self.request.expires_at);
        let Some(closed) = &self.request.closed else {
            let key = if expires <= self.now { "timeline-expired" } else { "timeline-pending" };
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
                    .last_action(AuditAction::RequestWithdrawn)
                    .map_or(Some(self.allowed.id), |entry| entry.actor);
                return Some(
                    TimelineEntry::new(closed.closed_at, "timeline-withdrawn")
                        .with_actor(self.party_name(by, language)),
                );
            }
        };
        Some(TimelineEntry::new(closed.closed_at, key).with_actor(target))
    }

    /// That its permission stands no more, or still does by other means. The trail alone
    /// knows who ended it and when.
    fn revocation_entry(&self, language: Language) -> Option<TimelineEntry> {
        let closed = self.request.closed.as_ref()?;
        if closed.active
            || !matches!(closed.outcome, RequestOutcome::Approved | RequestOutcome::GrantedDirectly)
        {
            return None;
        }
        Some(match self.last_action(AuditAction::PermissionRevoked) {
            Some(entry) => {
                let key = if entry.actor == Some(self.allowed.id) {
                    "timeline-granted-up"
                } else {
                    "timeline-revoked"
                };
                TimelineEntry::new(entry.at, key).with_actor(self.party_name(entry.actor, language))
            }
            None if self.is_active => TimelineEntry::new(None, "timeline-still-active"),
            None => TimelineEntry::new(None, "timeline-inactive"),
        })
    }
}
