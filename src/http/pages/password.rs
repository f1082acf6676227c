//! `/forgot-password` and `/set-password`: a first password, or a new one in place of one
//! that was forgotten, by a mailed link.

use actix_web::http::StatusCode;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use minijinja::{Value, context};
use utoipa::{OpenApi, ToSchema};

use super::Html;
use super::error::{PageError, see_other};
use super::post::{OpenPost, Post};
use super::session;
use super::view::{self, resource};
use super::visit::{Visit, query_token, set_cookie};
use crate::domain::event::Origin;
use crate::domain::limit::{Exceeded, Meter};
use crate::domain::password_link::Occasion;
use crate::domain::token::PasswordLinkId;
use crate::domain::user::{Email, User};
use crate::entropy;
use crate::http::openapi::refusals::{AnyBody, May};
use crate::http::problem::Problem;
use crate::http::routing::get;
use crate::http::{Services, client, metering, pace};
use crate::password::{self, PasswordError};
use crate::store::{password_links, users};

pub(super) fn routes(app: &mut ServiceConfig) {
    app.service(
        resource("/forgot-password", "GET, HEAD, POST")
            .route(get().to(show_forgotten))
            .route(web::post().to(forgotten)),
    )
    .service(
        resource("/set-password", "GET, HEAD, POST").route(get().to(show_set)).route(web::post().to(set)),
    );
}

#[derive(OpenApi)]
#[openapi(paths(show_forgotten, forgotten, show_set, set))]
pub(super) struct Document;

/// The form for those who have forgotten their password.
#[utoipa::path(
    get,
    path = "/forgot-password",
    operation_id = "forgot_password_page",
    security(()),
    responses((status = 200, description = "The form.", body = String, content_type = "text/html")),
)]
async fn show_forgotten(visit: Visit) -> HttpResponse {
    visit.show("forgot-password", context! {})
}

/// The form, as it is documented.
#[derive(ToSchema)]
#[schema(as = page::ForgotPassword)]
#[expect(dead_code, reason = "read by `forgotten`; this is what it looks like")]
struct ForgottenForm {
    /// What shows that the form was ours.
    csrf: String,
    email: String,
}

/// Mails a link by which a password can be set.
///
/// The answer is the same whether or not there is such an account.
#[utoipa::path(
    post,
    path = "/forgot-password",
    operation_id = "forgot_password",
    security(()),
    request_body(content = ForgottenForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "If the account exists, a mail is queued.", body = String,
            content_type = "text/html"),
        AnyBody<Html>,
        May<Html, 403>,
        May<Html, 429>,
        May<Html, 503>,
    ),
)]
async fn forgotten(
    services: Data<Services>,
    request: HttpRequest,
    OpenPost(Post { visit, fields }): OpenPost,
) -> Result<HttpResponse, PageError> {
    let email = Email::new(fields.one("email")?.trim()).ok();
    if services.may_mail(email.clone(), &request).await?
        && let Some(email) = email
    {
        // Whoever is signed in: in their own trail, it would tell whether there is the account.
        services.mail_link(email, Origin { actor: None, ..visit.origin.clone() }).await?;
    }
    let mut answer = visit.say(StatusCode::OK, "forgot-sent");
    pace::set(&mut answer);
    Ok(answer)
}

impl Services {
    /// Whether an account may get one more mail, be it there or not; 429 when its sender
    /// has asked for too many. That an account has had too many is not told.
    async fn may_mail(&self, account: Option<Email>, request: &HttpRequest) -> Result<bool, Problem> {
        let limits = self.config.limits.forgetting;
        let at = client::address(request).map(client::subscriber);
        let address = at.zip(limits.address).map(|(at, limit)| (Meter::ForgottenAt(at), limit));
        let account = account.zip(limits.account).map(|(email, limit)| (Meter::Forgotten(email), limit));
        let wanted: Vec<Meter> =
            [&address, &account].into_iter().flatten().map(|(meter, _)| meter.clone()).collect();
        if wanted.is_empty() {
            return Ok(true);
        }
        let taken = metering::change(&self.directory, wanted, move |meters, now| {
            meters.take(address.as_slice(), now)?;
            Ok::<_, Exceeded>(meters.take(account.as_slice(), now).is_ok())
        });
        Ok(taken.await??)
    }

    /// Owes an account the mail with a link, if there is such an account and it is active.
    async fn mail_link(&self, email: Email, origin: Origin) -> Result<(), Problem> {
        let issued = self.directory.write(move |conn| {
            let Some((user, hash)) = users::with_password(conn, &email)?.filter(|(user, _)| user.active)
            else {
                return Ok(false);
            };
            let occasion = if hash.is_some() { Occasion::Forgotten } else { Occasion::First };
            let now = conn.now()?;
            password_links::issue(conn, user.id, occasion, &origin, now)?;
            Ok(true)
        });
        if issued.await? {
            self.mailer.hint();
        }
        Ok(())
    }

    /// Whose password a link sets, by its token, as long as both live.
    async fn link_of(&self, token: Option<&str>) -> Result<Option<(PasswordLinkId, User)>, Problem> {
        // What is no token of ours is looked for as well: it takes as long as any that is dead.
        let opened = token.and_then(|token| self.keyring.open_password(token).ok());
        let id = opened.unwrap_or_else(|| PasswordLinkId(entropy::uuid()));
        let found = self.directory.read(move |conn| {
            let now = conn.now()?;
            password_links::user_of_live(conn, id, now)
        });
        Ok(found.await?.map(|user| (id, user)))
    }
}

/// The form that a mailed link opens. Looking at it changes nothing.
///
/// A token that is used, expired, replaced or unknown is 404.
#[utoipa::path(
    get,
    path = "/set-password",
    operation_id = "set_password_page",
    security(()),
    params(("token" = Option<String>, Query, nullable = false, description = "The link's token.")),
    responses(
        (status = 200, description = "The form.", body = String, content_type = "text/html"),
        May<Html, 404>,
        May<Html, 503>,
    ),
)]
async fn show_set(
    services: Data<Services>,
    request: HttpRequest,
    visit: Visit,
) -> Result<HttpResponse, PageError> {
    let token = query_token(&request);
    match services.link_of(token.as_deref()).await? {
        Some((_, user)) => {
            Ok(form(&visit, StatusCode::OK, token.as_deref().unwrap_or_default(), &user, None))
        }
        None => Ok(over(&visit)),
    }
}

/// The form, as it is documented.
#[derive(ToSchema)]
#[schema(as = page::SetPassword)]
#[expect(dead_code, reason = "read by `set`; this is what it looks like")]
struct SetForm {
    /// What shows that the form was ours.
    csrf: String,
    /// The link's token.
    token: String,
    /// The password, of 8 to 1024 bytes.
    #[schema(format = Password)]
    new: String,
    /// Once more.
    #[schema(format = Password)]
    again: String,
}

/// Sets a password by a mailed link, once, and signs its user in.
///
/// All their other sessions end.
#[utoipa::path(
    post,
    path = "/set-password",
    operation_id = "set_password",
    security(()),
    request_body(content = SetForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 303, description = "The password is set and the user is signed in."),
        AnyBody<Html>,
        May<Html, 403>,
        May<Html, 404>,
        May<Html, 503>,
    ),
)]
async fn set(
    services: Data<Services>,
    request: HttpRequest,
    OpenPost(Post { visit, fields }): OpenPost,
) -> Result<HttpResponse, PageError> {
    let (token, new, again) = (fields.one("token")?, fields.one("new")?, fields.one("again")?);
    let Some((id, user)) = services.link_of(Some(token)).await? else { return Ok(over(&visit)) };
    if let Err(wrong) = chosen(new, again) {
        return Ok(form(&visit, StatusCode::BAD_REQUEST, token, &user, Some(wrong)));
    }
    let hash = services.authenticator.hash(new).await?;
    let language = view::told_language(&request);
    let origin = Origin { actor: Some(user.id), ..visit.origin.clone() };
    let user = user.id;
    let opened = services.directory.write(move |conn| {
        let now = conn.now()?;
        if !password_links::spend(conn, id, user, now)? {
            return Ok(None);
        }
        users::set_password(conn, user, &hash, &origin)?;
        session::open(conn, user, &origin, language).map(Some)
    });
    let Some(session) = opened.await? else { return Ok(over(&visit)) };
    services.authenticator.forget(user);
    let mut answer = see_other("/account?done=password");
    set_cookie(&mut answer, &visit.jar.keep_session(&session));
    Ok(answer)
}

/// What is wrong with a password that somebody chose: in which field, and a message's key.
pub(super) type Wrong = (&'static str, &'static str);

/// Looks at a password that somebody chose, as they typed it twice.
pub(super) fn chosen(new: &str, again: &str) -> Result<(), Wrong> {
    match password::check(new) {
        Err(PasswordError::TooShort) => Err(("new", "password-too-short")),
        Err(PasswordError::TooLong) => Err(("new", "password-too-long")),
        Err(PasswordError::Control | PasswordError::Hash(_)) => Err(("new", "password-unusable")),
        Ok(()) if new != again => Err(("again", "password-differs")),
        Ok(()) => Ok(()),
    }
}

/// What went wrong, for a template.
pub(super) fn told(wrong: Option<Wrong>) -> Option<Value> {
    wrong.map(|(field, key)| context! { field, key })
}

/// The form of a link, with what went wrong the last time.
fn form(visit: &Visit, status: StatusCode, token: &str, user: &User, wrong: Option<Wrong>) -> HttpResponse {
    let context = context! { token, email => user.email.as_str(), wrong => told(wrong) };
    visit.page(status, "set-password", context)
}

/// The page of a link that sets nothing: one for all reasons.
fn over(visit: &Visit) -> HttpResponse {
    let mut answer = visit.page(StatusCode::NOT_FOUND, "set-password-over", context! {});
    pace::set(&mut answer);
    answer
}
