//! `/redeem`: the target of a request signs in, and approves or declines it.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use secrecy::ExposeSecret;

use super::Html;
use super::form::{Decision, Fields, Form};
use super::view::{Page, Summary};
use crate::domain::token::RedeemId;
use crate::domain::user::User;
use crate::entropy;
use crate::http::auth::{AuthError, origin};
use crate::http::body::Body;
use crate::http::openapi::refusals::{AnyBody, May};
use crate::http::pace;
use crate::http::problem::Problem;
use crate::http::{Services, client};
use crate::store::lookup::Question;

/// The form that a mail's link opens.
///
/// Nothing is looked up, so that the link alone tells its finder nothing.
#[utoipa::path(
    get,
    path = "/redeem",
    operation_id = "redeem_page",
    security(()),
    params(("token" = Option<String>, Query, nullable = false, description = "The redeem token.")),
    responses(
        (status = 200, description = "The form.", body = String, content_type = "text/html"),
        May<Html, 404>,
    ),
)]
pub async fn show(request: HttpRequest) -> HttpResponse {
    let token = form_urlencoded::parse(request.query_string().as_bytes())
        .find(|(name, token)| name == "token" && !token.is_empty())
        .map(|(_, token)| token.into_owned());
    match token {
        Some(token) => form(token, String::new(), false, None).answer(StatusCode::OK),
        None => Page::Over.answer(StatusCode::NOT_FOUND),
    }
}

/// The form, filled in: its target looks at a request, approves or declines it.
///
/// A token that is used, expired, unknown or somebody else's is 404, a wrong
/// password 403.
#[utoipa::path(
    post,
    path = "/redeem",
    operation_id = "redeem_by_page",
    security(()),
    request_body(content = Fields, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "What came of it.", body = String, content_type = "text/html"),
        AnyBody<Html>,
        May<Html, 403>,
        May<Html, 404>,
        May<Html, 503>,
    ),
)]
pub async fn decide(services: Data<Services>, request: HttpRequest, body: Body) -> HttpResponse {
    let done = async {
        let filled = Form::parse(&request, &body)?;
        let from = client::address(&request);
        let password = filled.password.expose_secret();
        let user = match services.authenticator.sign_in(&filled.email, password, from).await {
            Ok(user) => user,
            Err(AuthError::Unauthenticated) => {
                let again = form(filled.token, filled.email, true, None);
                let mut answer = again.answer(StatusCode::FORBIDDEN);
                pace::set(&mut answer);
                return Ok(answer);
            }
            Err(error) => return Err(error.into()),
        };
        let page = act(&services, &request, &user, filled).await?;
        let status = if page == Page::Over { StatusCode::NOT_FOUND } else { StatusCode::OK };
        let mut answer = page.answer(status);
        if page == Page::Over {
            pace::set(&mut answer);
        }
        Ok::<_, Problem>(answer)
    };
    done.await.unwrap_or_else(|problem| problem.answer(&request))
}

/// Does what a signed-in user decided. A token that is used, expired, unknown or
/// somebody else's makes the same page.
async fn act(services: &Services, request: &HttpRequest, user: &User, filled: Form) -> Result<Page, Problem> {
    let id = services.redeem_id(&filled.token);
    let origin = origin(request, Some(user.id));
    Ok(match filled.decision {
        Decision::Look => match summary(services, id, user).await? {
            Some(summary) => form(filled.token, filled.email, false, Some(summary)),
            None => Page::Over,
        },
        Decision::Approve => match services.registry.redeem(id, user.id, filled.once, origin).await? {
            Ok(_) => Page::Approved,
            Err(_) => Page::Over,
        },
        Decision::Decline => match services.registry.decline(id, user.id, origin).await? {
            Ok(_) => Page::Declined,
            Err(_) => Page::Over,
        },
    })
}

/// What a live request asks its target for; `None` for anybody else.
async fn summary(services: &Services, id: RedeemId, viewer: &User) -> Result<Option<Summary>, Problem> {
    let found = services.registry.look_up(Question::Request(id)).await?;
    let seen = found.request(id, viewer.id);
    Ok(seen.map(|(request, scene, _)| Summary::new(scene.allowed, scene.bundle, request.expires_at)))
}

/// The form, to be filled in anew.
fn form(token: String, email: String, rejected: bool, summary: Option<Summary>) -> Page {
    Page::Form { token, email, once: entropy::uuid().to_string(), rejected, summary }
}
