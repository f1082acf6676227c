//! `/requests/new`: the form that requests a permission from another user.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use minijinja::{Value, context};
use utoipa::ToSchema;

use crate::actors::registry::CommandError;
use crate::domain::approval::{InvalidAsk, NewAsk, Purpose};
use crate::domain::bundle::BundleId;
use crate::domain::creation_key::{CreationKey, Fingerprint};
use crate::domain::permission_request::NewPermissionRequest;
use crate::domain::rights::{Mask, Right};
use crate::domain::terms::Terms;
use crate::domain::user::{Email, User};
use crate::domain::validated_text::IdempotencyKey;
use crate::entropy;
use crate::http::error::ApiError;
use crate::http::openapi::error_responses::Errors;
use crate::http::pages::context::PageContext;
use crate::http::pages::error::PageError;
use crate::http::pages::form::{FieldError, Form, FormFields};
use crate::http::pages::responses::{FormErrors, HtmlErrors, SignedInPage};
use crate::http::pages::url::{parse_number, see_other};
use crate::http::state::AppState;
use crate::services::bundles;
use crate::store::LimitOffset;
use crate::store::ledger::{CreateRequestError, UserReference};
use crate::store::lookup::{LookupKey, UserRef};

const SECONDS_PER_DAY: i64 = 86_400;
/// Bundles that the form offers.
const MAX_BUNDLES: i64 = 500;

/// The fields that are kept during sign-in.
const KEPT: &[&str] = &["email", "bundle", "days", "permission_days", "purpose", "right", "needed"];

/// The fields of the form. They are strings, because invalid input is shown again.
#[derive(Default, ToSchema)]
#[schema(as = page::NewRequest)]
struct NewRequestForm {
    #[schema(rename = "csrf")]
    _csrf: String,
    /// The email address of the target.
    email: String,
    /// The bundle's number.
    #[schema(value_type = i64)]
    bundle: String,
    /// The names of the rights that are asked for, one field each. None: all of the bundle's.
    #[schema(rename = "right", value_type = Option<Vec<String>>, nullable = false)]
    rights: Vec<Right>,
    /// The names of the rights without which the permission is useless.
    #[schema(value_type = Option<Vec<String>>, nullable = false)]
    needed: Vec<Right>,
    /// Days until the request expires.
    #[schema(value_type = Option<i64>, nullable = false)]
    days: String,
    /// Why the user asks.
    #[schema(value_type = Option<String>, nullable = false, max_length = 500)]
    purpose: String,
    /// Days for which the permission should last; empty: until revoked.
    #[schema(value_type = Option<i64>, nullable = false)]
    permission_days: String,
    /// Identifies the form, so that sending it twice creates one request.
    #[schema(nullable = false)]
    idempotency_key: Option<String>,
}

impl NewRequestForm {
    fn parse(fields: &FormFields) -> Result<Self, ApiError> {
        Ok(Self {
            _csrf: fields.required("csrf")?.to_owned(),
            email: fields.required("email")?.to_owned(),
            bundle: fields.required("bundle")?.to_owned(),
            idempotency_key: fields.optional("idempotency_key").map(str::to_owned),
            ..Self::filled_in(fields)?
        })
    }

    /// The fields that a link to the page can fill in.
    fn filled_in(fields: &FormFields) -> Result<Self, ApiError> {
        let text = |name| fields.optional(name).unwrap_or_default().to_owned();
        let rights = |name| fields.get_all(name).map(Right::from_name).collect::<Option<_>>();
        let unexpected = || ApiError::BadRequest("The form is incomplete or not valid.".to_owned());
        Ok(Self {
            email: text("email"),
            bundle: text("bundle"),
            rights: rights("right").ok_or_else(unexpected)?,
            needed: rights("needed").ok_or_else(unexpected)?,
            days: text("days"),
            purpose: text("purpose"),
            permission_days: text("permission_days"),
            ..Self::default()
        })
    }

    /// The lifetime of the request, in seconds.
    fn lifetime(&self, state: &AppState) -> Result<i64, FieldError> {
        let field_error = FieldError::new("days", "new-request-error-days");
        let requested = parse_days(&self.days).ok_or(field_error)?;
        state.config.requests.allowed_lifetime(requested).ok_or(field_error)
    }

    /// How long the permission should last, in seconds.
    fn permission_ttl(&self, state: &AppState) -> Result<Option<i64>, FieldError> {
        let field_error = FieldError::new("permission_days", "new-request-error-days");
        let requested = parse_days(&self.permission_days).ok_or(field_error)?;
        state.config.permissions.allowed_ttl(requested).ok_or(field_error)
    }

    fn purpose(&self) -> Result<Option<Purpose>, FieldError> {
        match self.purpose.trim() {
            "" => Ok(None),
            text => match Purpose::new(text) {
                Ok(purpose) => Ok(Some(purpose)),
                Err(_) => Err(FieldError::new("purpose", "redeem-error-reason")),
            },
        }
    }

    /// The key of the form, and its input.
    fn creation_key(&self) -> Option<CreationKey> {
        let key = IdempotencyKey::new(self.idempotency_key.as_ref()?).ok()?;
        let [email, days, permission_days] =
            [&self.email, &self.days, &self.permission_days].map(|text| text.trim().to_owned());
        let fields = [email.to_lowercase(), self.bundle.clone(), days, permission_days, self.purpose.clone()];
        let rights = [&self.rights, &self.needed]
            .map(|rights| Mask::from_rights(rights.iter().copied()).map(|mask| mask.bits().to_string()));
        let fields: Vec<_> = fields.map(Some).into_iter().chain(rights).collect();
        Some(CreationKey { key, fingerprint: Fingerprint::of(&fields) })
    }

    fn to_context(&self) -> Value {
        context! {
            email => self.email.trim(),
            bundle => &self.bundle,
            days => self.days.trim(),
            purpose => &self.purpose,
            permission_days => self.permission_days.trim(),
        }
    }
}

/// A number of days, in seconds; `Some(None)` if the field is blank.
fn parse_days(text: &str) -> Option<Option<i64>> {
    match text.trim() {
        "" => Some(None),
        days => Some(Some(parse_number(days).ok()?.checked_mul(SECONDS_PER_DAY)?)),
    }
}

/// Shows the form.
#[utoipa::path(
    get,
    path = "/requests/new",
    operation_id = "new_request_page",
    security(()),
    params(
        ("email" = Option<String>, Query, nullable = false, description = "The user to ask."),
        ("bundle" = Option<String>, Query, nullable = false, description = "The bundle to ask for."),
        ("right" = Option<Vec<String>>, Query, nullable = false, description = "The rights to ask for."),
        ("needed" = Option<Vec<String>>, Query, nullable = false, description = "The required rights."),
        ("days" = Option<String>, Query, nullable = false, description = "Days until the request expires."),
        ("purpose" = Option<String>, Query, nullable = false, description = "Why the user asks."),
        ("permission_days" = Option<String>, Query, nullable = false, description = "Days for which the permission should last."),
    ),
    responses(SignedInPage),
)]
pub(super) async fn show(state: Data<AppState>, ctx: PageContext) -> Result<HttpResponse, PageError> {
    ctx.require_user()?;
    // A link with an invalid value shows the form without any.
    let filled_in = FormFields::of_link(&ctx, KEPT).map(|fields| NewRequestForm::filled_in(&fields));
    let input = filled_in.and_then(Result::ok).unwrap_or_default();
    render_form(&state, &ctx, &input, None).await
}

/// Creates a permission request, and queues its mail.
///
/// The limits are those of the API, and so is what a response reveals about unknown users.
#[utoipa::path(
    post,
    path = "/requests/new",
    operation_id = "new_request_form",
    security(()),
    request_body(content = NewRequestForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 303, description = "Created. Redirects to the list, or to the sign-in page."),
        FormErrors,
        Errors<HtmlErrors, 429>,
    ),
)]
pub(super) async fn create(state: Data<AppState>, form: Form) -> Result<HttpResponse, PageError> {
    let me = &form.require_user_or_keep("/requests/new", KEPT)?.user;
    let (ctx, input) = (&form.ctx, NewRequestForm::parse(&form.fields)?);
    let new = match resolve_request(&state, ctx, me, &input).await? {
        Ok(new) => new,
        Err(field_error) => return render_form(&state, ctx, &input, Some(field_error)).await,
    };
    let limits = state.config.limits.requests.for_user(me);
    let field_error = match state.registry.create_request(new, limits, ctx.audit.clone()).await {
        Ok(_) => {
            state.mailer.notify();
            return Ok(see_other("/requests?flash=requested"));
        }
        Err(CommandError::Unavailable(error)) => return Err(error.into()),
        Err(CommandError::Rejected(error)) => match error {
            CreateRequestError::UnknownBundle => FieldError::new("bundle", "new-request-error-bundle"),
            CreateRequestError::InvalidAsk(InvalidAsk::RightsNotInBundle(_)) => {
                FieldError::new("right", "new-request-error-rights")
            }
            CreateRequestError::InvalidAsk(InvalidAsk::MinimumNotAsked(_)) => {
                FieldError::new("needed", "new-request-error-needed")
            }
            CreateRequestError::AlreadyGranted => FieldError::new("bundle", "new-request-error-granted"),
            CreateRequestError::Blocked => FieldError::forbidden("email", "new-request-error-blocked"),
            CreateRequestError::IdempotencyKeyConflict => {
                return Err(PageError::StaleForm { page: "/requests/new" });
            }
            CreateRequestError::RateLimited(limit) => return Err(limit.into()),
        },
    };
    render_form(&state, ctx, &input, Some(field_error)).await
}

/// Looks up the target and the bundle. Errors have the same precedence as in the API.
async fn resolve_request(
    state: &AppState,
    ctx: &PageContext,
    me: &User,
    input: &NewRequestForm,
) -> Result<Result<NewPermissionRequest, FieldError>, PageError> {
    let parsed = || Ok((input.lifetime(state)?, input.permission_ttl(state)?, input.purpose()?));
    let (lifetime, ttl_seconds, purpose) = match parsed() {
        Ok(parsed) => parsed,
        Err(field_error) => return Ok(Err(field_error)),
    };
    let target = Email::new(input.email.trim()).ok().map(UserRef::Email);
    let bundle = parse_number(&input.bundle).ok().map(BundleId);
    let key = LookupKey::UsersAndBundle(target.iter().cloned().collect(), bundle);
    let found = state.registry.look_up(key).await?;
    let target = target.and_then(|target| found.user(&target)).filter(|user| user.active);
    let bundle = bundle.and_then(|bundle| found.bundle(bundle));
    let terms = match (target, bundle) {
        (None, _) => Err(FieldError::new("email", "new-request-error-unknown-user")),
        (Some(_), None) => Err(FieldError::new("bundle", "new-request-error-bundle")),
        (Some(target), Some(bundle)) => Terms::new(target.id, me.id, bundle.id)
            .map_err(|_| FieldError::new("email", "new-request-error-self")),
    };
    if terms.is_err() {
        let reference = if target.is_none() { UserReference::Unknown } else { UserReference::Known };
        state.record_user_lookup(me, reference, &ctx.audit).await?;
    }
    Ok(terms.map(|terms| NewPermissionRequest {
        terms,
        asked_by: me.id,
        asked: NewAsk {
            permission: Mask::from_rights(input.rights.iter().copied()),
            minimum: Mask::from_rights(input.needed.iter().copied()),
            ttl_seconds,
        },
        purpose,
        return_to: None,
        lifetime_seconds: lifetime,
        redeem_page: None,
        creation_key: input.creation_key(),
    }))
}

/// The form with the previous input.
async fn render_form(
    state: &AppState,
    ctx: &PageContext,
    input: &NewRequestForm,
    field_error: Option<FieldError>,
) -> Result<HttpResponse, PageError> {
    let listed = bundles::list(&state.store, LimitOffset { limit: MAX_BUNDLES, offset: 0 }).await?;
    let bundles: Vec<Value> = listed
        .rows
        .iter()
        .map(|bundle| {
            let id = bundle.id.0.to_string();
            let selected = id == input.bundle;
            context! { id, selected, name => bundle.display_name(), rights => bundle.permission.bits() }
        })
        .collect();
    let is_offered = |right: &Right| {
        let offered = listed.rows.iter().flat_map(|bundle| bundle.permission.rights());
        offered.chain(input.rights.iter().chain(&input.needed).copied()).any(|other| other == *right)
    };
    let rights = Right::ALL.into_iter().filter(is_offered).map(|right| {
        let (is_asked, is_needed) = (input.rights.contains(&right), input.needed.contains(&right));
        context! { name => right.name(), is_asked, is_needed }
    });
    let limits = &state.config.requests;
    let max_days = limits.max_ttl / SECONDS_PER_DAY;
    let context = context! {
        bundles,
        rights => rights.collect::<Vec<_>>(),
        shows_rights => !input.rights.is_empty() || !input.needed.is_empty(),
        input => input.to_context(),
        field_error => FieldError::to_context(field_error, ctx.language),
        idempotency_key => entropy::uuid().to_string(),
        default_lifetime => ctx.language.duration(limits.default_ttl),
        max_days,
        max_permission_days => state.config.permissions.longest_ttl() / SECONDS_PER_DAY,
        // The form has no field for days if the maximum is less than a day.
        max_lifetime => (max_days > 0).then(|| ctx.language.duration(max_days * SECONDS_PER_DAY)),
    };
    let status = field_error.map_or(StatusCode::OK, |field_error| field_error.status);
    Ok(ctx.render(status, "new-request", context))
}
