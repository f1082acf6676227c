//! `/redeem`: the page of a request mail's link, where the signed-in target approves or
//! declines the request.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use minijinja::{Value, context};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::context::PageContext;
use super::error::PageError;
use super::form::Form;
use super::responses::{FormErrors, HtmlErrors};
use super::url::{query_encode, query_token};
use crate::actors::registry::CommandError;
use crate::domain::approval::Approval;
use crate::domain::bundle::Bundle;
use crate::domain::permission_request::{PermissionRequest, RequestError, RequestOutcome};
use crate::domain::token::RedeemId;
use crate::domain::user::User;
use crate::domain::validated_text::IdempotencyKey;
use crate::entropy;
use crate::http::error::ApiError;
use crate::http::middleware::response_delay;
use crate::http::openapi::error_responses::Errors;
use crate::http::routing::{Endpoint, endpoints};
use crate::http::state::AppState;
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
        Some((request, parties, _)) => Ok(render_request(&ctx, StatusCode::OK, &token, request, parties)),
        None => link_inactive_page(&state, &ctx, Some(id)).await,
    }
}

/// The page of a pending request. With status 409 it says that the request is not what the visitor
/// saw before.
fn render_request(
    ctx: &PageContext,
    status: StatusCode,
    token: &str,
    request: &PermissionRequest,
    parties: RequestParties<'_>,
) -> HttpResponse {
    let context = context! {
        token,
        idempotency_key => entropy::uuid().to_string(),
        shown => shown_version(parties),
        request_summary => request_summary(parties.grantee, parties.bundle),
        until => request.expires_at.micros(),
        changed => status == StatusCode::CONFLICT,
    };
    ctx.render(status, "redeem", context)
}

/// A fingerprint of what the page shows of a request: who asks, and for what.
fn shown_version(RequestParties { grantee, bundle, .. }: RequestParties<'_>) -> String {
    let permission = bundle.permission.to_string();
    let shown = [
        grantee.display_name(),
        grantee.email.as_str().to_owned(),
        bundle.display_name(),
        bundle.display_description(),
        permission,
    ];
    // No text contains the separator: control characters are not displayed.
    let digest = Sha256::digest(shown.join("\0"));
    digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

#[derive(Deserialize, ToSchema)]
#[schema(as = page::Decide)]
struct DecideForm {
    #[serde(rename = "csrf")]
    _csrf: String,
    /// The redeem token.
    token: String,
    decision: Decision,
    /// Identifies the form, so that sending it twice approves once.
    #[schema(nullable = false)]
    idempotency_key: Option<String>,
    /// Identifies what the page showed. If the request or its requester says something else by
    /// now, nothing is approved.
    #[schema(nullable = false)]
    shown: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = page::Decision)]
enum Decision {
    Approve,
    Decline,
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
    let DecideForm { token, decision, idempotency_key, shown, .. } = fields.to()?;
    let user = &form.require_user(&format!("/redeem?token={}", query_encode(&token)))?.user;
    let id = state.redeem_id(&token);
    let audit = ctx.audit.clone();
    match decision {
        Decision::Approve => {
            if let Some(shown) = shown {
                let found = state.registry.look_up(LookupKey::Request(id)).await?;
                if let Some((request, parties, _)) = found.request(id, user.id)
                    && shown != shown_version(parties)
                {
                    return Ok(render_request(ctx, StatusCode::CONFLICT, &token, request, parties));
                }
            }
            let idempotency_key = idempotency_key.and_then(|key| IdempotencyKey::new(&key).ok());
            let approval = (Approval::AS_ASKED, None);
            match state.registry.approve(id, user.id, approval, idempotency_key, audit).await {
                Ok((grant, participants)) => {
                    let parties = participants.parties(grant.terms).ok_or(ApiError::Internal)?;
                    let request_summary = request_summary(parties.grantee, parties.bundle);
                    Ok(ctx.render_ok("request-approved", context! { grant => grant.id.0, request_summary }))
                }
                Err(CommandError::Rejected(RequestError::IdempotencyKeyConflict)) => {
                    Err(PageError::StaleForm { page: "/" })
                }
                Err(CommandError::Rejected(_)) => link_inactive_page(&state, ctx, Some(id)).await,
                Err(CommandError::Unavailable(error)) => Err(error.into()),
            }
        }
        Decision::Decline => match state.registry.decline(id, user.id, None, None, audit).await {
            Ok(_) => Ok(ctx.render_message(StatusCode::OK, "redeem-declined")),
            Err(CommandError::Rejected(_)) => link_inactive_page(&state, ctx, Some(id)).await,
            Err(CommandError::Unavailable(error)) => Err(error.into()),
        },
    }
}

/// The page of the link, to which another user is sent after sign-in. `/redeem` alone if the
/// request is a form.
fn here(ctx: &PageContext) -> &str {
    if ctx.current_url.starts_with("/redeem?") { &ctx.current_url } else { "/" }
}

/// The requester and the bundle of a request.
pub(super) fn request_summary(requester: &User, bundle: &Bundle) -> Value {
    context! {
        requester => requester.display_name(),
        email => requester.email.as_str(),
        bundle => bundle.display_name(),
        description => bundle.display_description(),
        rights => bundle.permission.bits(),
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
    let (key, requester) = match owner {
        Some(LinkOwner { target, id, decided: Some((decision, at)), grantee: Some(grantee), .. })
            if Some(target) == me =>
        {
            let by = grantee.display_name();
            let key = match decision {
                RequestOutcome::Declined => "redeem-was-declined",
                _ => "redeem-was-approved",
            };
            let context = context! { key, id => id.0, at => at.micros(), by };
            let mut response = ctx.render(StatusCode::NOT_FOUND, "link-decided", context);
            response_delay::quantize(&mut response);
            return Ok(response);
        }
        Some(LinkOwner { target, grantee, .. }) if Some(target) == me => ("redeem-inactive", grantee),
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
