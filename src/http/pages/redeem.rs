//! `/redeem`: what a mail's link opens. The target of a request, signed in, approves or
//! declines it.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use minijinja::{Value, context};
use utoipa::{OpenApi, ToSchema};

use super::Html;
use super::error::{PageError, encoded};
use super::post::Post;
use super::session::SignedIn;
use super::visit::{Visit, query_token};
use crate::domain::bundle::Bundle;
use crate::domain::text::IdempotencyKey;
use crate::domain::token::RedeemId;
use crate::domain::user::User;
use crate::entropy;
use crate::http::openapi::refusals::{AnyBody, May};
use crate::http::problem::Problem;
use crate::http::{Services, pace};
use crate::store::lookup::Question;
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
        May<Html, 404>,
        May<Html, 503>,
    ),
)]
pub(super) async fn show(
    services: Data<Services>,
    request: HttpRequest,
    visit: Visit,
) -> Result<HttpResponse, PageError> {
    let Some(token) = query_token(&request) else { return over(&services, &visit, None).await };
    // What our key has not made is no link of ours.
    let opened = services.keyring.open_redeem(&token).ok();
    let Some(SignedIn { user, .. }) = &visit.signed_in else {
        opened.into_iter().for_each(|id| services.looks.count(id, false));
        let context =
            context! { next => &visit.here, email => "", wrong => None::<()>, intro => "redeem-sign-in" };
        return Ok(visit.show("sign-in", context));
    };
    let id = services.redeem_id(&token);
    let found = services.registry.look_up(Question::Request(id)).await?;
    let request = found.request(id, user.id);
    opened.into_iter().for_each(|id| services.looks.count(id, request.is_some()));
    match request {
        Some((request, scene, _)) => {
            let asked = asked(scene.allowed, scene.bundle);
            let until = request.expires_at.micros();
            let once = entropy::uuid().to_string();
            Ok(visit.show("redeem", context! { token, once, asked, until }))
        }
        None => over(&services, &visit, Some(id)).await,
    }
}

/// The form, as it is documented.
#[derive(ToSchema)]
#[schema(as = page::Decide)]
#[expect(dead_code, reason = "read by `decide`; this is what it looks like")]
struct DecideForm {
    /// What shows that the form was ours.
    csrf: String,
    /// The redeem token.
    token: String,
    decision: Decision,
    /// What makes a form that is sent twice count once.
    #[schema(nullable = false)]
    once: Option<String>,
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
    operation_id = "redeem_by_page",
    security(()),
    request_body(content = DecideForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "The result.", body = String, content_type = "text/html"),
        (status = 303, description = "Not signed in. Redirects to the sign-in page."),
        AnyBody<Html>,
        May<Html, 403>,
        May<Html, 404>,
        May<Html, 503>,
    ),
)]
pub(super) async fn decide(services: Data<Services>, post: Post) -> Result<HttpResponse, PageError> {
    let Post { visit, fields } = &post;
    let (token, decision) = (fields.one("token")?, fields.one("decision")?);
    let user = &post.user(&format!("/redeem?token={}", encoded(token)))?.user;
    let id = services.redeem_id(token);
    let origin = visit.origin.clone();
    match decision {
        "approve" => {
            let once = fields.optional("once").and_then(|once| IdempotencyKey::new(once).ok());
            match services.registry.redeem(id, user.id, once, origin).await? {
                Ok((grant, cast)) => {
                    let scene = cast.scene(grant.terms).ok_or(Problem::Broken)?;
                    let asked = asked(scene.allowed, scene.bundle);
                    Ok(visit.show("approved", context! { grant => grant.id.0, asked }))
                }
                Err(_) => over(&services, visit, Some(id)).await,
            }
        }
        "decline" => match services.registry.decline(id, user.id, origin).await? {
            Ok(_) => Ok(visit.say(StatusCode::OK, "redeem-declined")),
            Err(_) => over(&services, visit, Some(id)).await,
        },
        _ => Err(Problem::BadRequest("The decision must be approve or decline.".to_owned()).into()),
    }
}

/// What is asked for, by whom.
pub(super) fn asked(by: &User, bundle: &Bundle) -> Value {
    context! {
        by => by.display_name(),
        email => by.email.as_str(),
        bundle => bundle.display_name(),
        description => bundle.display_description(),
        rights => bundle.permission.bits(),
    }
}

/// Nothing to decide: one page for all reasons. Whose request it was may ask for another
/// one; who is somebody else, and the request lives, is told that alone.
async fn over(
    services: &Services,
    visit: &Visit,
    token: Option<RedeemId>,
) -> Result<HttpResponse, PageError> {
    let me = visit.signed_in.as_ref().map(|signed_in| signed_in.user.id);
    let found = match token {
        Some(id) => {
            let found = services.directory.read(move |conn| {
                let Some(request) = requests::by_redeem_id(conn, id)? else { return Ok(None) };
                let allowed = users::by_ids(conn, &[request.terms.allowed])?.pop();
                let live = request.is_live(conn.now()?);
                Ok(Some((request.terms.target, live, allowed)))
            });
            found.await?
        }
        None => None,
    };
    let mut answer = match found {
        Some((target, true, _)) if Some(target) != me => {
            visit.page(StatusCode::NOT_FOUND, "over", context! { key => "redeem-other", ask => None::<()> })
        }
        Some((target, _, Some(allowed))) if Some(target) == me => {
            let ask = context! { name => allowed.display_name(), email => allowed.email.as_str() };
            visit.page(StatusCode::NOT_FOUND, "over", context! { key => "redeem-over", ask })
        }
        _ => visit.page(StatusCode::NOT_FOUND, "over", context! { key => "redeem-over", ask => None::<()> }),
    };
    pace::set(&mut answer);
    Ok(answer)
}
