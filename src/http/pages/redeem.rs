//! `/redeem`: the target of a request signs in, and approves or declines it.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use secrecy::ExposeSecret;

use super::form::{Decision, Form};
use super::view::{Page, Summary};
use crate::domain::token::RedeemId;
use crate::domain::user::User;
use crate::entropy;
use crate::http::Services;
use crate::http::auth::{AuthError, origin};
use crate::http::body::Body;
use crate::http::problem::Problem;
use crate::store::{bundles, requests, users};

/// `GET /redeem?token=…`: the form. Nothing is looked up, so that the link alone
/// tells its finder nothing.
pub async fn show(request: HttpRequest) -> HttpResponse {
    let token = form_urlencoded::parse(request.query_string().as_bytes())
        .find(|(name, token)| name == "token" && !token.is_empty())
        .map(|(_, token)| token.into_owned());
    match token {
        Some(token) => form(token).answer(StatusCode::OK),
        None => Page::Over.answer(StatusCode::NOT_FOUND),
    }
}

/// `POST /redeem`: the form, filled in.
pub async fn decide(services: Data<Services>, request: HttpRequest, body: Body) -> HttpResponse {
    let done = async {
        let filled = Form::parse(&request, &body)?;
        let user = match services.authenticator.sign_in(&filled.email, filled.password.expose_secret()).await
        {
            Ok(user) => user,
            Err(AuthError::Unauthenticated) => {
                return Ok(rejected(filled).answer(StatusCode::FORBIDDEN));
            }
            Err(error) => return Err(error.into()),
        };
        let page = act(&services, &request, &user, filled).await?;
        let status = if page == Page::Over { StatusCode::NOT_FOUND } else { StatusCode::OK };
        Ok::<_, Problem>(page.answer(status))
    };
    done.await.unwrap_or_else(|problem| problem.answer(&request))
}

/// Does what a signed-in user decided. A token that is used, expired, unknown or
/// somebody else's makes the same page.
async fn act(services: &Services, request: &HttpRequest, user: &User, filled: Form) -> Result<Page, Problem> {
    let Ok(id) = services.keyring.open_redeem(&filled.token) else { return Ok(Page::Over) };
    let origin = origin(request, Some(user.id));
    Ok(match filled.decision {
        Decision::Look => match summary(services, id, user).await? {
            Some(summary) => Page::Form {
                token: filled.token,
                email: filled.email,
                once: entropy::uuid().to_string(),
                rejected: false,
                summary: Some(summary),
            },
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
    let viewer = viewer.id;
    let found = services.directory.read(move |conn| {
        let now = conn.now()?;
        let request = requests::by_redeem_id(conn, id)?;
        let Some(request) = request.filter(|request| request.awaits(viewer, now)) else {
            return Ok(None);
        };
        let asks = users::by_ids(conn, &[request.terms.allowed])?.pop();
        let bundle = bundles::by_ids(conn, &[request.terms.bundle])?.pop();
        Ok(asks.zip(bundle).map(|(asks, bundle)| Summary::new(&asks, &bundle, request.expires_at)))
    });
    Ok(found.await?)
}

fn form(token: String) -> Page {
    Page::Form {
        token,
        email: String::new(),
        once: entropy::uuid().to_string(),
        rejected: false,
        summary: None,
    }
}

fn rejected(filled: Form) -> Page {
    Page::Form {
        token: filled.token,
        email: filled.email,
        once: entropy::uuid().to_string(),
        rejected: true,
        summary: None,
    }
}
