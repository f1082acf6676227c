//! `/redeem`: what a mail's link opens. The target of a request, signed in, approves or
//! declines it.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use minijinja::{Value, context};
use utoipa::{OpenApi, ToSchema};

use super::HtmlErrors;
use super::context::{PageContext, query_token};
use super::error::{PageError, query_encode};
use super::form::Form;
use super::session::SignedIn;
use crate::domain::bundle::Bundle;
use crate::domain::token::RedeemId;
use crate::domain::user::User;
use crate::domain::validated_text::IdempotencyKey;
use crate::entropy;
use crate::http::error::ApiError;
use crate::http::middleware::response_delay;
use crate::http::openapi::error_responses::{BodyErrors, Errors};
use crate::http::state::AppState;
use crate::store::lookup::LookupKey;
use crate::store::{requests, users};

#[derive(OpenApi)]
#[openapi(paths(show, decide))]
pub(super) struct Document;

/// What a request asks for.
///
/// Who is not signed in is asked to; nothing is looked up before that, so that the link
/// alone tells its finder nothing. A token that is used, expired, unknown or somebody
/// else's is 404.
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
pub(super) async fn show(
    services: Data<AppState>,
    request: HttpRequest,
    ctx: PageContext,
) -> Result<HttpResponse, PageError> {
    let Some(token) = query_token(&request) else { return link_inactive_page(&services, &ctx, None).await };
    // What our key has not made is no link of ours.
    let opened = services.keyring.verify_redeem_token(&token).ok();
    let Some(SignedIn { user, .. }) = &ctx.signed_in else {
        opened.into_iter().for_each(|id| services.link_views.record_fetch(id, false));
        let context = context! { next => &ctx.current_url, email => "", error => None::<()>, intro => "redeem-sign-in" };
        return Ok(ctx.render_ok("sign-in", context));
    };
    let id = services.redeem_id(&token);
    let found = services.registry.look_up(LookupKey::Request(id)).await?;
    let request = found.request(id, user.id);
    opened.into_iter().for_each(|id| services.link_views.record_fetch(id, request.is_some()));
    match request {
        Some((request, parties, _)) => {
            let request_summary = request_summary(parties.grantee, parties.bundle);
            let until = request.expires_at.micros();
            let idempotency_key = entropy::uuid().to_string();
            Ok(ctx.render_ok("redeem", context! { token, idempotency_key, request_summary, until }))
        }
        None => link_inactive_page(&services, &ctx, Some(id)).await,
    }
}

/// The form, as it is documented.
#[derive(ToSchema)]
#[schema(as = page::Decide)]
#[expect(dead_code, reason = "parsed by `decide`; declared for the OpenAPI schema")]
struct DecideForm {
    /// What shows that the form was ours.
    csrf: String,
    /// The redeem token.
    token: String,
    decision: Decision,
    /// What makes a form that is sent twice count once.
    #[schema(nullable = false)]
    idempotency_key: Option<String>,
}

/// What the person at the form wants.
#[derive(ToSchema)]
#[schema(as = page::Decision, rename_all = "lowercase")]
#[expect(dead_code, reason = "as above")]
enum Decision {
    /// To give it.
    Approve,
    /// Not to give it.
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
        BodyErrors<HtmlErrors>,
        Errors<HtmlErrors, 403>,
        Errors<HtmlErrors, 404>,
        Errors<HtmlErrors, 503>,
    ),
)]
pub(super) async fn decide(services: Data<AppState>, form: Form) -> Result<HttpResponse, PageError> {
    let Form { ctx, fields } = &form;
    let (token, decision) = (fields.required("token")?, fields.required("decision")?);
    let user = &form.require_user(&format!("/redeem?token={}", query_encode(token)))?.user;
    let id = services.redeem_id(token);
    let audit = ctx.audit.clone();
    match decision {
        "approve" => {
            let idempotency_key = fields
                .optional("idempotency_key")
                .and_then(|idempotency_key| IdempotencyKey::new(idempotency_key).ok());
            match services.registry.redeem(id, user.id, idempotency_key, audit).await? {
                Ok((grant, participants)) => {
                    let parties = participants.parties(grant.terms).ok_or(ApiError::Internal)?;
                    let request_summary = request_summary(parties.grantee, parties.bundle);
                    Ok(ctx.render_ok("request-approved", context! { grant => grant.id.0, request_summary }))
                }
                Err(_) => link_inactive_page(&services, ctx, Some(id)).await,
            }
        }
        "decline" => match services.registry.decline(id, user.id, audit).await? {
            Ok(_) => Ok(ctx.render_message(StatusCode::OK, "redeem-declined")),
            Err(_) => link_inactive_page(&services, ctx, Some(id)).await,
        },
        _ => Err(ApiError::BadRequest("The decision must be approve or decline.".to_owned()).into()),
    }
}

/// What is asked for, by whom.
pub(super) fn request_summary(requester: &User, bundle: &Bundle) -> Value {
    context! {
        requester => requester.display_name(),
        email => requester.email.as_str(),
        bundle => bundle.display_name(),
        description => bundle.display_description(),
        rights => bundle.permission.bits(),
    }
}

/// Nothing to decide: one page for all reasons. Whose request it was may ask for another
/// one; who is somebody else, and the request lives, is told that alone.
async fn link_inactive_page(
    services: &AppState,
    ctx: &PageContext,
    token: Option<RedeemId>,
) -> Result<HttpResponse, PageError> {
    let me = ctx.signed_in.as_ref().map(|signed_in| signed_in.user.id);
    let found = match token {
        Some(id) => {
            let found = services.store.read(move |conn| {
                let Some(request) = requests::by_redeem_id(conn, id)? else { return Ok(None) };
                let allowed = users::by_ids(conn, &[request.terms.grantee])?.pop();
                let live = request.is_pending(conn.now()?);
                Ok(Some((request.terms.target, live, allowed)))
            });
            found.await?
        }
        None => None,
    };
    let mut answer = match found {
        Some((target, true, _)) if Some(target) != me => ctx.render(
            StatusCode::NOT_FOUND,
            "link-inactive",
            context! { key => "redeem-wrong-account", requester => None::<()> },
        ),
        Some((target, _, Some(allowed))) if Some(target) == me => {
            let requester = context! { name => allowed.display_name(), email => allowed.email.as_str() };
            ctx.render(
                StatusCode::NOT_FOUND,
                "link-inactive",
                context! { key => "redeem-inactive", requester },
            )
        }
        _ => ctx.render(
            StatusCode::NOT_FOUND,
            "link-inactive",
            context! { key => "redeem-inactive", requester => None::<()> },
        ),
    };
    response_delay::quantize(&mut answer);
    Ok(answer)
}
