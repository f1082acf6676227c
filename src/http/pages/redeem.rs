//! `/redeem`: the page of a request mail's link, where the signed-in target approves or
//! declines the request.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use minijinja::{Value, context};
use sha2::{Digest, Sha256};
use url::Url;
use utoipa::ToSchema;

use super::context::PageContext;
use super::error::PageError;
use super::form::{FieldError, Form, FormFields};
use super::responses::{FormErrors, HtmlErrors};
use super::url::{query_encode, query_token};
use crate::actors::registry::CommandError;
use crate::domain::approval::{
    Approval, ApprovedEnd, AskedPermission, InvalidApproval, Purpose, Reason, ReturnTo,
};
use crate::domain::bundle::Bundle;
use crate::domain::bundle_permission::BundlePermission;
use crate::domain::permission_request::{PermissionRequest, RequestError, RequestOutcome};
use crate::domain::rights::{Mask, Right};
use crate::domain::timestamp::Timestamp;
use crate::domain::token::{Keyring, RedeemId};
use crate::domain::user::User;
use crate::domain::validated_text::IdempotencyKey;
use crate::entropy;
use crate::http::error::ApiError;
use crate::http::middleware::response_delay;
use crate::http::openapi::error_responses::Errors;
use crate::http::routing::{Endpoint, endpoints};
use crate::http::state::AppState;
use crate::receipt::{Statement, StatementFacts};
use crate::services::permissions;
use crate::services::requests::{self, LinkOwner};
use crate::services::sessions::SignedIn;
use crate::store::lookup::LookupKey;
use crate::store::participants::RequestParties;

pub(super) fn endpoints() -> Vec<Endpoint> {
    endpoints![show, decide]
}

/// Shows a request.
///
/// Signed-out visitors see the sign-in form. The token is not looked up for them: the link
/// alone reveals nothing. If the token is used, expired, unknown or another user's, the
/// response is 404.
#[utoipa::path(
    get,
    path = "/redeem",
    operation_id = "redeem_page",
    security(()),
    params(("token" = Option<String>, Query, nullable = false, description = "The redeem token.")),
    responses(
        (status = 200, description = "The request, or the sign-in form.", body = String,
            content_type = "text/html"),
        Errors<HtmlErrors, 404>,
        Errors<HtmlErrors, 503>,
    ),
)]
async fn show(
    state: Data<AppState>,
    request: HttpRequest,
    ctx: PageContext,
) -> Result<HttpResponse, PageError> {
    let Some(token) = query_token(&request) else { return link_inactive_page(&state, &ctx, None).await };
    // Views of invalid tokens are not counted.
    let verified = state.keyring.verify_redeem_token(&token).ok();
    let Some(SignedIn { user, .. }) = &ctx.signed_in else {
        verified.into_iter().for_each(|id| state.link_views.record_fetch(id, false));
        let context = context! { next => &ctx.current_url, email => "", error => None::<()>, intro => "redeem-sign-in" };
        return Ok(ctx.render_ok("sign-in", context));
    };
    let id = state.redeem_id(&token);
    let found = state.registry.look_up(LookupKey::Request(id)).await?;
    let request = found.request(id, user.id);
    verified.into_iter().for_each(|id| state.link_views.record_fetch(id, request.is_some()));
    match request {
        Some((request, parties, now)) => {
            let shown = ShownRequest::load(&state, &token, request, parties, now).await?;
            Ok(shown.render(&ctx, None))
        }
        None => link_inactive_page(&state, &ctx, Some(id)).await,
    }
}

/// A pending request as the page shows it.
struct ShownRequest<'a> {
    token: &'a str,
    request: &'a PermissionRequest,
    /// Its rights and duration, within the limits of the configuration.
    asked: AskedPermission,
    parties: RequestParties<'a>,
    /// The permission that an approval replaces.
    active: Option<BundlePermission>,
    now: Timestamp,
}

/// Why the page is shown again.
enum ShownAgain {
    /// The request or its requester has changed since it was shown.
    Changed,
    Invalid(FieldError, Box<DecideForm>),
}

impl<'a> ShownRequest<'a> {
    async fn load(
        state: &AppState,
        token: &'a str,
        request: &'a PermissionRequest,
        parties: RequestParties<'a>,
        now: Timestamp,
    ) -> Result<Self, PageError> {
        let active = permissions::find_active(&state.store, request.terms).await?;
        let asked = request.asked.within(state.config.permissions.max_ttl);
        Ok(Self { token, request, asked, parties, active, now })
    }

    fn render(&self, ctx: &PageContext, again: Option<ShownAgain>) -> HttpResponse {
        let Self { token, request, asked, parties, active, now } = *self;
        let (status, field_error, input) = match again {
            None => (StatusCode::OK, None, None),
            Some(ShownAgain::Changed) => (StatusCode::CONFLICT, None, None),
            Some(ShownAgain::Invalid(error, input)) => (error.status, Some(error), Some(input)),
        };
        let is_checked = |right: Right| match &input {
            Some(input) => input.rights.contains(&right),
            None => true,
        };
        let rights = asked.permission.rights().map(|right| {
            let is_needed = asked.minimum.is_some_and(|minimum| minimum.rights().any(|other| other == right));
            context! { name => right.name(), is_needed, checked => is_needed || is_checked(right) }
        });
        let latest_end = asked.expires_at(now);
        let statement = Statement::current(ctx.language);
        let facts = StatementFacts {
            requester: parties.grantee,
            bundle: parties.bundle,
            purpose: request.purpose.as_ref(),
            asked,
        };
        let context = context! {
            token,
            idempotency_key => entropy::uuid().to_string(),
            shown => shown_version(request, asked, parties),
            statement => statement.to_string(),
            statement_text => statement.text(&facts),
            request_summary => request_summary(parties.grantee, parties.bundle, asked.permission),
            purpose => request.purpose.as_ref().map(Purpose::display),
            rights => rights.collect::<Vec<_>>(),
            latest_end => latest_end.map(Timestamp::micros),
            first_day => now.format(DATE_FORMAT),
            last_day => latest_end.map(|end| end.format(DATE_FORMAT)),
            end => input.as_ref().and_then(|input| input.end.clone()),
            reason => input.as_ref().and_then(|input| input.reason.clone()),
            replaces => active.map(|active| context! {
                rights => active.permission.bits(),
                until => active.expires_at.map(Timestamp::micros),
                is_reduced => !BundlePermission {
                    permission: asked.permission,
                    expires_at: latest_end,
                    ..active
                }
                .covers(active.permission, active.expires_at),
            }),
            until => request.expires_at.micros(),
            changed => status == StatusCode::CONFLICT,
            field_error => FieldError::to_context(field_error, ctx.language),
        };
        ctx.render(status, "redeem", context)
    }
}

/// The format of `<input type="date">`.
const DATE_FORMAT: &str = "%Y-%m-%d";

/// A fingerprint of what the page shows of a request: who asks, for what and why.
fn shown_version(
    request: &PermissionRequest,
    AskedPermission { permission, minimum, ttl_seconds }: AskedPermission,
    RequestParties { grantee, bundle, .. }: RequestParties<'_>,
) -> String {
    let shown = [
        grantee.display_name(),
        grantee.email.as_str().to_owned(),
        bundle.display_name(),
        bundle.display_description(),
        format!("{permission}/{minimum:?}/{ttl_seconds:?}"),
        request.purpose.as_ref().map(Purpose::display).unwrap_or_default(),
    ];
    // No text contains the separator: control characters are not displayed.
    let digest = Sha256::digest(shown.join("\0"));
    digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

#[derive(ToSchema)]
#[schema(as = page::Decide)]
struct DecideForm {
    #[schema(rename = "csrf")]
    _csrf: String,
    /// The redeem token.
    token: String,
    decision: PageDecision,
    /// The names of the granted rights, one field each. The rights that the requester needs are
    /// granted in any case.
    #[schema(rename = "right", value_type = Vec<String>)]
    rights: Vec<Right>,
    /// The last day of the permission in UTC (`YYYY-MM-DD`); empty: as asked.
    #[schema(nullable = false)]
    end: Option<String>,
    /// Why the target declines. The requester sees it.
    #[schema(nullable = false, max_length = 500)]
    reason: Option<String>,
    /// Identifies the form, so that sending it twice approves once.
    #[schema(nullable = false)]
    idempotency_key: Option<String>,
    /// Identifies what the page showed. If the request or its requester says something else by
    /// now, nothing is approved.
    #[schema(nullable = false)]
    shown: Option<String>,
    /// The consent statement that the page showed: `<language>/<version>`.
    #[schema(nullable = false)]
    statement: Option<String>,
}

#[derive(Clone, Copy, ToSchema)]
#[schema(as = page::Decision, rename_all = "lowercase")]
enum PageDecision {
    Approve,
    Decline,
}

impl DecideForm {
    fn parse(fields: &FormFields) -> Result<Self, ApiError> {
        let unexpected = || ApiError::BadRequest("The form is incomplete or not valid.".to_owned());
        let optional = |name: &str| fields.optional(name).filter(|text| !text.is_empty()).map(str::to_owned);
        Ok(Self {
            _csrf: fields.required("csrf")?.to_owned(),
            token: fields.required("token")?.to_owned(),
            decision: match fields.required("decision")? {
                "approve" => PageDecision::Approve,
                "decline" => PageDecision::Decline,
                _ => return Err(unexpected()),
            },
            rights: fields
                .get_all("right")
                .map(Right::from_name)
                .collect::<Option<_>>()
                .ok_or_else(unexpected)?,
            end: optional("end"),
            reason: optional("reason"),
            idempotency_key: optional("idempotency_key"),
            shown: optional("shown"),
            statement: optional("statement"),
        })
    }

    /// What the target grants of a request.
    fn approval(&self, asked: &AskedPermission, now: Timestamp) -> Result<Approval, FieldError> {
        let needed = asked.minimum.into_iter().flat_map(Mask::rights);
        let chosen = Mask::from_rights(self.rights.iter().copied().chain(needed));
        let permission = chosen.ok_or_else(|| FieldError::new("right", "redeem-error-rights"))?;
        let end = match &self.end {
            None => ApprovedEnd::AsAsked,
            Some(day) => {
                let midnight = Timestamp::from_rfc3339(&format!("{day}T00:00:00Z"));
                let midnight = midnight.ok_or_else(|| FieldError::new("end", "redeem-error-end"))?;
                let next_midnight = midnight.plus_seconds(86_400);
                let asked_end = asked.expires_at(now);
                // On the last day, the permission ends at the time that was asked for.
                match asked_end.is_some_and(|end| (midnight..=next_midnight).contains(&end)) {
                    true => ApprovedEnd::AsAsked,
                    false => ApprovedEnd::At(next_midnight),
                }
            }
        };
        let approval = Approval { permission: Some(permission), end, max_ttl: None };
        approval.check(asked, now).map(|_| approval).map_err(|error| match error {
            InvalidApproval::RightsNotAsked | InvalidApproval::RightsBelowMinimum => {
                FieldError::new("right", "redeem-error-rights")
            }
            InvalidApproval::EndInPast | InvalidApproval::EndLaterThanAsked => {
                FieldError::new("end", "redeem-error-end")
            }
        })
    }
}

/// Approves or declines a request.
#[utoipa::path(
    post,
    path = "/redeem",
    operation_id = "redeem_form",
    security(()),
    request_body(content = DecideForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "The result.", body = String, content_type = "text/html"),
        (status = 303, description = "Not signed in. Redirects to the sign-in page."),
        FormErrors,
        Errors<HtmlErrors, 404>,
        Errors<HtmlErrors, 409>,
    ),
)]
async fn decide(state: Data<AppState>, form: Form) -> Result<HttpResponse, PageError> {
    let Form { ctx, fields } = &form;
    let input = DecideForm::parse(fields)?;
    let user = &form.require_user(&format!("/redeem?token={}", query_encode(&input.token)))?.user;
    let id = state.redeem_id(&input.token);
    match input.decision {
        PageDecision::Approve => approve(&state, ctx, user, id, input).await,
        PageDecision::Decline => decline(&state, ctx, user, id, input).await,
    }
}

async fn approve(
    state: &AppState,
    ctx: &PageContext,
    user: &User,
    id: RedeemId,
    input: DecideForm,
) -> Result<HttpResponse, PageError> {
    let found = state.registry.look_up(LookupKey::Request(id)).await?;
    if let Some((request, parties, now)) = found.request(id, user.id) {
        let token = input.token.clone();
        let asked = request.asked.within(state.config.permissions.max_ttl);
        let version = shown_version(request, asked, parties);
        let is_as_shown = input.shown.as_ref().is_none_or(|shown| *shown == version);
        let again = match (is_as_shown, input.approval(&asked, now)) {
            (false, _) => ShownAgain::Changed,
            (true, Err(error)) => ShownAgain::Invalid(error, Box::new(input)),
            (true, Ok(approval)) => {
                let return_url = return_location(request, RequestOutcome::Approved);
                return redeem(state, ctx, user, id, (approval, &input), return_url).await;
            }
        };
        let shown = ShownRequest::load(state, &token, request, parties, now).await?;
        return Ok(shown.render(ctx, Some(again)));
    }
    // A form that is sent twice.
    let owner = requests::find_link_owner(&state.store, id).await?;
    let request = owner.as_ref().map(|owner| &owner.request);
    let approved = request.and_then(|request| request.closed.as_ref()?.approved());
    let approval = approved.map_or(Approval::AS_ASKED, Approval::of);
    let return_url = request.and_then(|request| return_location(request, RequestOutcome::Approved));
    redeem(state, ctx, user, id, (approval, &input), return_url).await
}

async fn redeem(
    state: &AppState,
    ctx: &PageContext,
    user: &User,
    id: RedeemId,
    (approval, input): (Approval, &DecideForm),
    return_url: Option<String>,
) -> Result<HttpResponse, PageError> {
    let idempotency_key = input.idempotency_key.as_ref().and_then(|key| IdempotencyKey::new(key).ok());
    let statement = input.statement.as_ref().and_then(|name| name.parse::<Statement>().ok());
    let approval = Approval { max_ttl: state.config.permissions.max_ttl, ..approval };
    let approval = (approval, statement.map(|statement| statement.to_string()));
    match state.registry.approve(id, user.id, approval, idempotency_key, ctx.audit.clone()).await {
        Ok((grant, participants)) => {
            let parties = participants.parties(grant.terms).ok_or(ApiError::Internal)?;
            let context = context! {
                grant => grant.id.0,
                request_summary => request_summary(parties.grantee, parties.bundle, grant.permission),
                until => grant.expires_at.map(Timestamp::micros),
                return_url,
            };
            Ok(ctx.render_ok("request-approved", context))
        }
        // Of a form that was sent before and has been changed since.
        Err(CommandError::Rejected(
            RequestError::IdempotencyKeyConflict | RequestError::InvalidApproval(_),
        )) => Err(PageError::StaleForm { page: "/" }),
        Err(CommandError::Rejected(_)) => link_inactive_page(state, ctx, Some(id)).await,
        Err(CommandError::Unavailable(error)) => Err(error.into()),
    }
}

async fn decline(
    state: &AppState,
    ctx: &PageContext,
    user: &User,
    id: RedeemId,
    input: DecideForm,
) -> Result<HttpResponse, PageError> {
    let reason = match input.reason.as_deref().map(str::trim).filter(|text| !text.is_empty()) {
        None => None,
        Some(text) => match Reason::new(text) {
            Ok(reason) => Some(reason),
            Err(_) => {
                let found = state.registry.look_up(LookupKey::Request(id)).await?;
                let Some((request, parties, now)) = found.request(id, user.id) else {
                    return link_inactive_page(state, ctx, Some(id)).await;
                };
                let token = input.token.clone();
                let shown = ShownRequest::load(state, &token, request, parties, now).await?;
                let error = FieldError::new("reason", "redeem-error-reason");
                return Ok(shown.render(ctx, Some(ShownAgain::Invalid(error, Box::new(input)))));
            }
        },
    };
    match state.registry.decline(id, user.id, reason, None, ctx.audit.clone()).await {
        Ok(()) => {
            let owner = requests::find_link_owner(&state.store, id).await?;
            let return_url =
                owner.and_then(|owner| return_location(&owner.request, RequestOutcome::Declined));
            Ok(ctx.render_ok("request-declined", context! { return_url }))
        }
        Err(CommandError::Rejected(_)) => link_inactive_page(state, ctx, Some(id)).await,
        Err(CommandError::Unavailable(error)) => Err(error.into()),
    }
}

/// The return URL of a request after this decision, with its `state`, number and status.
fn return_location(request: &PermissionRequest, decision: RequestOutcome) -> Option<String> {
    let ReturnTo { url, state } = request.return_to.as_ref()?;
    let mut location = Url::parse(url).ok()?;
    {
        let mut query = location.query_pairs_mut();
        if let Some(state) = state {
            query.append_pair("state", state);
        }
        query.append_pair("request", &request.id.to_string()).append_pair("status", decision.name());
    }
    Some(location.into())
}

/// The page of the link, to which another user is sent after sign-in. `/redeem` alone if the
/// request is a form.
fn here(ctx: &PageContext) -> &str {
    if ctx.current_url.starts_with("/redeem?") { &ctx.current_url } else { "/" }
}

/// The page of a request's link on this server.
pub(super) fn redeem_path(request: &PermissionRequest, keyring: &Keyring) -> String {
    format!("/redeem?token={}", query_encode(&keyring.redeem_token(request.redeem_id).expose()))
}

/// The requester and the bundle of a request.
pub(super) fn request_summary(requester: &User, bundle: &Bundle, rights: Mask) -> Value {
    context! {
        requester => requester.display_name(),
        email => requester.email.as_str(),
        bundle => bundle.display_name(),
        description => bundle.display_description(),
        rights => rights.bits(),
    }
}

/// The page of a link that cannot be used. It is the same for every reason, with these
/// exceptions: the target sees that they approved the request, or else the requester, who can send
/// a new one; and other visitors learn that a pending request was sent to another account.
async fn link_inactive_page(
    state: &AppState,
    ctx: &PageContext,
    id: Option<RedeemId>,
) -> Result<HttpResponse, PageError> {
    let me = ctx.signed_in.as_ref().map(|signed_in| signed_in.user.id);
    let owner = match id {
        Some(id) => requests::find_link_owner(&state.store, id).await?,
        None => None,
    };
    let mine = owner.as_ref().filter(|owner| Some(owner.request.terms.target) == me);
    if let Some((decision, at)) = mine.and_then(LinkOwner::decided)
        && let Some(LinkOwner { request, grantee: Some(grantee), .. }) = mine
    {
        let key = match decision {
            RequestOutcome::Declined => "redeem-was-declined",
            _ => "redeem-was-approved",
        };
        let context = context! {
            key,
            id => request.id.0,
            at => at.micros(),
            by => grantee.display_name(),
            return_url => return_location(request, decision),
        };
        let mut response = ctx.render(StatusCode::NOT_FOUND, "link-decided", context);
        response_delay::quantize(&mut response);
        return Ok(response);
    }
    let (key, requester) = match owner {
        Some(LinkOwner { request, grantee, .. }) if Some(request.terms.target) == me => {
            ("redeem-inactive", grantee)
        }
        Some(LinkOwner { is_pending: true, .. }) => ("redeem-wrong-account", None),
        Some(LinkOwner { is_pending: false, .. }) | None => ("redeem-inactive", None),
    };
    let requester =
        requester.map(|user| context! { name => user.display_name(), email => user.email.as_str() });
    let mut response =
        ctx.render(StatusCode::NOT_FOUND, "link-inactive", context! { key, requester, here => here(ctx) });
    response_delay::quantize(&mut response);
    Ok(response)
}
