//! `/forgot-password` and `/set-password`: a first password, or a new one in place of one
//! that was forgotten, by a mailed link.

use actix_web::http::StatusCode;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use minijinja::{Value, context};
use utoipa::{OpenApi, ToSchema};

use super::HtmlErrors;
use super::context::{PageContext, query_token, set_cookie};
use super::error::{PageError, see_other};
use super::form::{AnonymousForm, Form};
use super::session;
use super::templates::{self, resource};
use crate::auth::password::{self, PasswordError};
use crate::domain::audit::AuditContext;
use crate::domain::password_link::LinkReason;
use crate::domain::rate_limit::{RateLimitKey, RateLimited, rate_limit_prefix};
use crate::domain::token::PasswordLinkId;
use crate::domain::user::{Email, User};
use crate::entropy;
use crate::http::client_ip;
use crate::http::error::ApiError;
use crate::http::middleware::response_delay;
use crate::http::openapi::error_responses::{BodyErrors, Errors};
use crate::http::routing::get;
use crate::http::state::AppState;
use crate::store::{password_links, rate_limits, users};

pub(super) fn routes(app: &mut ServiceConfig) {
    app.service(
        resource("/forgot-password", "GET, HEAD, POST")
            .route(get().to(show_forgot_password))
            .route(web::post().to(forgot_password)),
    )
    .service(
        resource("/set-password", "GET, HEAD, POST")
            .route(get().to(show_set_password))
            .route(web::post().to(set_password)),
    );
}

#[derive(OpenApi)]
#[openapi(paths(show_forgot_password, forgot_password, show_set_password, set_password))]
pub(super) struct Document;

/// The form for those who have forgotten their password.
#[utoipa::path(
    get,
    path = "/forgot-password",
    operation_id = "forgot_password_page",
    security(()),
    responses((status = 200, description = "The form.", body = String, content_type = "text/html")),
)]
async fn show_forgot_password(ctx: PageContext) -> HttpResponse {
    ctx.render_ok("forgot-password", context! {})
}

/// The form, as it is documented.
#[derive(ToSchema)]
#[schema(as = page::ForgotPassword)]
#[expect(dead_code, reason = "parsed by `forgot_password`; declared for the OpenAPI schema")]
struct ForgotPasswordForm {
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
    request_body(content = ForgotPasswordForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "If the account exists, a mail is queued.", body = String,
            content_type = "text/html"),
        BodyErrors<HtmlErrors>,
        Errors<HtmlErrors, 403>,
        Errors<HtmlErrors, 429>,
        Errors<HtmlErrors, 503>,
    ),
)]
async fn forgot_password(
    services: Data<AppState>,
    request: HttpRequest,
    AnonymousForm(Form { ctx, fields }): AnonymousForm,
) -> Result<HttpResponse, PageError> {
    let email = Email::new(fields.required("email")?.trim()).ok();
    if services.check_reset_limits(email.clone(), &request).await?
        && let Some(email) = email
    {
        // Whoever is signed in: in their own trail, it would tell whether there is the account.
        services.queue_password_link(email, AuditContext { actor: None, ..ctx.audit.clone() }).await?;
    }
    let mut answer = ctx.render_message(StatusCode::OK, "forgot-sent");
    response_delay::quantize(&mut answer);
    Ok(answer)
}

impl AppState {
    /// Whether an account may get one more mail, be it there or not; 429 when its sender
    /// has asked for too many. That an account has had too many is not told.
    async fn check_reset_limits(
        &self,
        account: Option<Email>,
        request: &HttpRequest,
    ) -> Result<bool, ApiError> {
        let limits = self.config.limits.password_reset;
        let at = client_ip::of_request(request).map(rate_limit_prefix);
        let address =
            at.zip(limits.address).map(|(at, limit)| (RateLimitKey::PasswordResetAddress(at), limit));
        let account = account
            .zip(limits.account)
            .map(|(email, limit)| (RateLimitKey::PasswordResetAccount(email), limit));
        let wanted: Vec<RateLimitKey> =
            [&address, &account].into_iter().flatten().map(|(meter, _)| meter.clone()).collect();
        if wanted.is_empty() {
            return Ok(true);
        }
        let taken = rate_limits::update(&self.store, wanted, move |meters, now| {
            meters.consume(address.as_slice(), now)?;
            Ok::<_, RateLimited>(meters.consume(account.as_slice(), now).is_ok())
        });
        Ok(taken.await??)
    }

    /// Owes an account the mail with a link, if there is such an account and it is active.
    async fn queue_password_link(&self, email: Email, audit: AuditContext) -> Result<(), ApiError> {
        let issued = self.store.write(move |conn| {
            let Some((user, hash)) =
                users::by_email_with_password(conn, &email)?.filter(|(user, _)| user.active)
            else {
                return Ok(false);
            };
            let occasion =
                if hash.is_some() { LinkReason::ForgottenPassword } else { LinkReason::NewAccount };
            let now = conn.now()?;
            password_links::create(conn, user.id, occasion, &audit, now)?;
            Ok(true)
        });
        if issued.await? {
            self.mailer.notify();
        }
        Ok(())
    }

    /// Whose password a link sets, by its token, as long as both live.
    async fn find_password_link(
        &self,
        token: Option<&str>,
    ) -> Result<Option<(PasswordLinkId, User)>, ApiError> {
        // What is no token of ours is looked for as well: it takes as long as any that is dead.
        let opened = token.and_then(|token| self.keyring.verify_password_link_token(token).ok());
        let id = opened.unwrap_or_else(|| PasswordLinkId(entropy::uuid()));
        let found = self.store.read(move |conn| {
            let now = conn.now()?;
            password_links::user_of_active(conn, id, now)
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
        Errors<HtmlErrors, 404>,
        Errors<HtmlErrors, 503>,
    ),
)]
async fn show_set_password(
    services: Data<AppState>,
    request: HttpRequest,
    ctx: PageContext,
) -> Result<HttpResponse, PageError> {
    let token = query_token(&request);
    match services.find_password_link(token.as_deref()).await? {
        Some((_, user)) => {
            Ok(render_form(&ctx, StatusCode::OK, token.as_deref().unwrap_or_default(), &user, None))
        }
        None => Ok(link_inactive_page(&ctx)),
    }
}

/// The form, as it is documented.
#[derive(ToSchema)]
#[schema(as = page::SetPassword)]
#[expect(dead_code, reason = "parsed by `set_password`; declared for the OpenAPI schema")]
struct SetPasswordForm {
    /// What shows that the form was ours.
    csrf: String,
    /// The link's token.
    token: String,
    /// The password, of 8 to 1024 bytes.
    #[schema(format = Password)]
    new: String,
    /// Once more.
    #[schema(format = Password)]
    confirm: String,
}

/// Sets a password by a mailed link, once, and signs its user in.
///
/// All their other sessions end.
#[utoipa::path(
    post,
    path = "/set-password",
    operation_id = "set_password",
    security(()),
    request_body(content = SetPasswordForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 303, description = "The password is set and the user is signed in."),
        BodyErrors<HtmlErrors>,
        Errors<HtmlErrors, 403>,
        Errors<HtmlErrors, 404>,
        Errors<HtmlErrors, 503>,
    ),
)]
async fn set_password(
    services: Data<AppState>,
    request: HttpRequest,
    AnonymousForm(Form { ctx, fields }): AnonymousForm,
) -> Result<HttpResponse, PageError> {
    let (token, new, confirm) =
        (fields.required("token")?, fields.required("new")?, fields.required("confirm")?);
    let Some((id, user)) = services.find_password_link(Some(token)).await? else {
        return Ok(link_inactive_page(&ctx));
    };
    if let Err(field_error) = validate_new_password(new, confirm) {
        return Ok(render_form(&ctx, StatusCode::BAD_REQUEST, token, &user, Some(field_error)));
    }
    let hash = services.authenticator.hash_password(new).await?;
    let language = templates::accept_language(&request);
    let audit = AuditContext { actor: Some(user.id), ..ctx.audit.clone() };
    let user = user.id;
    let opened = services.store.write(move |conn| {
        let now = conn.now()?;
        if !password_links::consume(conn, id, user, now)? {
            return Ok(None);
        }
        users::set_password(conn, user, &hash, &audit)?;
        session::open(conn, user, &audit, language).map(Some)
    });
    let Some(session) = opened.await? else { return Ok(link_inactive_page(&ctx)) };
    services.authenticator.invalidate(user);
    let mut answer = see_other("/account?flash=password");
    set_cookie(&mut answer, &ctx.cookies.session_cookie(&session));
    Ok(answer)
}

/// What is wrong with a password that somebody chose: in which field, and a message's key.
pub(super) type PasswordFieldError = (&'static str, &'static str);

/// Looks at a password that somebody chose, as they typed it twice.
pub(super) fn validate_new_password(new: &str, confirm: &str) -> Result<(), PasswordFieldError> {
    match password::validate(new) {
        Err(PasswordError::TooShort) => Err(("new", "password-too-short")),
        Err(PasswordError::TooLong) => Err(("new", "password-too-long")),
        Err(PasswordError::ControlCharacter | PasswordError::HashFailed(_)) => {
            Err(("new", "password-unusable"))
        }
        Ok(()) if new != confirm => Err(("confirm", "password-mismatch")),
        Ok(()) => Ok(()),
    }
}

/// What went wrong, for a template.
pub(super) fn field_error_context(field_error: Option<PasswordFieldError>) -> Option<Value> {
    field_error.map(|(field, message)| context! { field, message })
}

/// The form of a link, with what went wrong the last time.
fn render_form(
    ctx: &PageContext,
    status: StatusCode,
    token: &str,
    user: &User,
    field_error: Option<PasswordFieldError>,
) -> HttpResponse {
    let context =
        context! { token, email => user.email.as_str(), field_error => field_error_context(field_error) };
    ctx.render(status, "set-password", context)
}

/// The page of a link that sets nothing: one for all reasons.
fn link_inactive_page(ctx: &PageContext) -> HttpResponse {
    let mut answer = ctx.render(StatusCode::NOT_FOUND, "set-password-link-inactive", context! {});
    response_delay::quantize(&mut answer);
    answer
}
