//! `/account`: one's own password, and where one is signed in.

use std::iter;

use actix_web::http::StatusCode;
use actix_web::web::{self, Data, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use minijinja::context;
use utoipa::{OpenApi, ToSchema};
use uuid::Uuid;

use super::Html;
use super::agent::Agent;
use super::error::{PageError, see_other};
use super::listing::done;
use super::password::{Wrong, chosen, told};
use super::post::Post;
use super::session::{self, SignedIn};
use super::view::{self, resource};
use super::visit::{Visit, set_cookie};
use crate::domain::token::SessionId;
use crate::http::auth::AuthError;
use crate::http::openapi::refusals::{AnyBody, May};
use crate::http::problem::Problem;
use crate::http::routing::get;
use crate::http::{Services, client, pace};
use crate::store::{sessions, users};

/// Where a form of the page leads back to.
const ROOM: &str = "/account";
/// Sessions that are shown at the most.
const SHOWN: i64 = 30;

pub(super) fn routes(app: &mut ServiceConfig) {
    app.service(resource("/account", "GET, HEAD").route(get().to(show)))
        .service(resource("/account/password", "POST").route(web::post().to(change_password)))
        .service(resource("/account/sessions/end", "POST").route(web::post().to(end_others)))
        .service(resource("/account/sessions/{id}/end", "POST").route(web::post().to(end)));
}

#[derive(OpenApi)]
#[openapi(paths(show, change_password, end_others, end))]
pub(super) struct Document;

/// Whoever is signed in, and where.
#[utoipa::path(
    get,
    path = "/account",
    operation_id = "account_page",
    security(()),
    params(("done" = Option<String>, Query, nullable = false, description = "The result of the last action.")),
    responses(
        (status = 200, description = "The page.", body = String, content_type = "text/html"),
        (status = 303, description = "Not signed in. Redirects to the sign-in page."),
        May<Html, 503>,
    ),
)]
async fn show(services: Data<Services>, visit: Visit) -> Result<HttpResponse, PageError> {
    page(&services, &visit, StatusCode::OK, None).await
}

/// The form, as it is documented.
#[derive(ToSchema)]
#[schema(as = page::ChangePassword)]
#[expect(dead_code, reason = "read by `change_password`; this is what it looks like")]
struct PasswordForm {
    /// What shows that the form was ours.
    csrf: String,
    /// The password until now.
    #[schema(format = Password)]
    current: String,
    /// The new one, of 8 to 1024 bytes.
    #[schema(format = Password)]
    new: String,
    /// Once more.
    #[schema(format = Password)]
    again: String,
}

/// What has ended while somebody was changing their password.
enum Over {
    /// The one that they gave for theirs.
    Password,
    /// Their session.
    Session,
}

/// Changes one's own password.
///
/// All sessions end, and this one is begun anew. A wrong password counts as a sign-in that
/// failed.
#[utoipa::path(
    post,
    path = "/account/password",
    operation_id = "change_password",
    security(()),
    request_body(content = PasswordForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 303, description = "Changed. Redirects to the account page, or to the sign-in page."),
        AnyBody<Html>,
        May<Html, 403>,
        May<Html, 429>,
        May<Html, 503>,
    ),
)]
async fn change_password(
    services: Data<Services>,
    request: HttpRequest,
    post: Post,
) -> Result<HttpResponse, PageError> {
    let SignedIn { session: this, user } = post.user(ROOM)?;
    let Post { visit, fields } = &post;
    let (current, new, again) = (fields.one("current")?, fields.one("new")?, fields.one("again")?);
    if let Err(wrong) = chosen(new, again) {
        return page(&services, visit, StatusCode::BAD_REQUEST, Some(wrong)).await;
    }
    let refuse = async || {
        let wrong = Some(("current", "account-wrong-password"));
        let mut answer = page(&services, visit, StatusCode::FORBIDDEN, wrong).await?;
        pace::set(&mut answer);
        Ok(answer)
    };
    let from = client::address(&request);
    let checked = match services.authenticator.sign_in(user.email.as_str(), current, from).await {
        Ok((_, hash)) => hash,
        Err(AuthError::Unauthenticated) => return refuse().await,
        Err(AuthError::TooOften(exceeded)) => {
            let problem = Problem::from(exceeded);
            let wrong = Some(("current", "sign-in-too-often"));
            return Ok(problem.dress(page(&services, visit, problem.status(), wrong).await?));
        }
        Err(error) => return Err(error.into()),
    };
    let hash = services.authenticator.hash(new).await?;
    let (this, user, origin) = (this.id, user.id, visit.origin.clone());
    let language = view::told_language(&request);
    let opened = services.directory.write(move |conn| {
        // It may have been changed since it was looked at, and this session have ended.
        if !users::lock_with_password(conn, user, &checked)? {
            return Ok(Err(Over::Password));
        }
        let now = conn.now()?;
        if sessions::live(conn, this, now)?.is_none() {
            return Ok(Err(Over::Session));
        }
        users::set_password(conn, user, &hash, &origin)?;
        session::open(conn, user, &origin, language).map(Ok)
    });
    let session = match opened.await? {
        Ok(session) => session,
        Err(Over::Session) => return Err(PageError::SignIn { next: ROOM.to_owned() }),
        Err(Over::Password) => {
            services.authenticator.forget(user);
            return refuse().await;
        }
    };
    services.authenticator.forget(user);
    let mut answer = see_other("/account?done=password");
    set_cookie(&mut answer, &visit.jar.keep_session(&session));
    Ok(answer)
}

/// Signs oneself out elsewhere: ends a session of one's own.
#[utoipa::path(
    post,
    path = "/account/sessions/{id}/end",
    operation_id = "end_session",
    security(()),
    params(("id" = String, Path, description = "The session's id.")),
    request_body(content = super::post::Csrf, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 303, description = "Signed out. Redirects to the account page, or to the sign-in page."),
        AnyBody<Html>,
        May<Html, 403>,
        May<Html, 404>,
        May<Html, 503>,
    ),
)]
async fn end(services: Data<Services>, id: Path<String>, post: Post) -> Result<HttpResponse, PageError> {
    let SignedIn { session, user } = post.user(ROOM)?;
    let id = id.parse::<Uuid>().map(SessionId).map_err(|_| Problem::NotFound)?;
    let (user, origin) = (user.id, post.visit.origin.clone());
    if !services.directory.write(move |conn| session::close(conn, id, user, &origin)).await? {
        return Err(Problem::NotFound.into());
    }
    if id != session.id {
        return Ok(see_other("/account?done=session"));
    }
    let mut answer = see_other("/sign-in");
    set_cookie(&mut answer, &post.visit.jar.drop_session());
    Ok(answer)
}

/// Signs oneself out everywhere else: ends all sessions of one's own but this one.
#[utoipa::path(
    post,
    path = "/account/sessions/end",
    operation_id = "end_other_sessions",
    security(()),
    request_body(content = super::post::Csrf, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 303, description = "Signed out. Redirects to the account page, or to the sign-in page."),
        AnyBody<Html>,
        May<Html, 403>,
        May<Html, 503>,
    ),
)]
async fn end_others(services: Data<Services>, post: Post) -> Result<HttpResponse, PageError> {
    let SignedIn { session, user } = post.user(ROOM)?;
    let (this, user, origin) = (session.id, user.id, post.visit.origin.clone());
    let ended = services.directory.write(move |conn| {
        let now = conn.now()?;
        sessions::close_others(conn, user, this, &origin, now)
    });
    ended.await?;
    Ok(see_other("/account?done=sessions"))
}

/// The page, with what went wrong.
async fn page(
    services: &Services,
    visit: &Visit,
    status: StatusCode,
    wrong: Option<Wrong>,
) -> Result<HttpResponse, PageError> {
    let SignedIn { session: this, user } = visit.user()?;
    let (id, owner) = (this.id, user.id);
    let others = services.directory.read(move |conn| {
        let now = conn.now()?;
        sessions::others(conn, owner, id, now, SHOWN - 1)
    });
    let others = others.await?;
    let more = (others.total - (SHOWN - 1)).max(0);
    let sessions: Vec<_> = iter::once(this)
        .chain(&others.rows)
        .map(|session| {
            context! {
                id => session.id.to_string(),
                since => session.created_at.micros(),
                address => session.address.as_deref(),
                client => Agent(session.client.as_deref().unwrap_or_default()).in_words(visit.language),
                is_this => session.id == this.id,
            }
        })
        .collect();
    let context = context! {
        name => user.display_name(),
        email => user.email.as_str(),
        done => done(visit, "account-done", &["password", "session", "sessions"]),
        wrong => told(wrong),
        sessions,
        others => others.total > 0,
        more,
    };
    Ok(visit.page(status, "account", context))
}
