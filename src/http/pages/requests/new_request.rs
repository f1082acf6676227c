//! `/ask`: a form that asks somebody for a permission, as the API does.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use minijinja::{Value, context};
use utoipa::ToSchema;

use super::super::HtmlErrors;
use super::super::context::PageContext;
use super::super::error::{PageError, see_other};
use super::super::form::{Form, FormFields};
use super::super::pager::{FieldError, parse_number};
use crate::domain::bundle::BundleId;
use crate::domain::permission_request::NewPermissionRequest;
use crate::domain::terms::Terms;
use crate::domain::user::{Email, User};
use crate::domain::validated_text::IdempotencyKey;
use crate::entropy;
use crate::http::error::ApiError;
use crate::http::openapi::error_responses::{BodyErrors, Errors};
use crate::http::state::AppState;
use crate::store::ledger::CreateRequestError;
use crate::store::lookup::{LookupKey, UserRef};
use crate::store::{LimitOffset, bundles};

/// Seconds in a day.
const SECONDS_PER_DAY: i64 = 86_400;
/// The most bundles to choose from.
const MAX_BUNDLES: i64 = 500;

/// The form, filled in so far.
#[derive(Debug, Default)]
struct RequestInput {
    email: String,
    bundle: String,
    days: String,
}

impl RequestInput {
    fn from_fields(fields: &FormFields) -> Result<Self, ApiError> {
        let (email, bundle) = (fields.required("email")?, fields.required("bundle")?);
        let days = fields.optional("days").unwrap_or_default();
        Ok(Self { email: email.trim().to_owned(), bundle: bundle.to_owned(), days: days.trim().to_owned() })
    }

    /// Seconds that the request is to live.
    fn lifetime(&self, services: &AppState) -> Result<i64, FieldError> {
        let field_error = FieldError::new("days", "new-request-error-days");
        let requested = match self.days.as_str() {
            "" => None,
            days => {
                let days = parse_number(days).map_err(|_| field_error)?;
                Some(days.checked_mul(SECONDS_PER_DAY).ok_or(field_error)?)
            }
        };
        services.config.requests.allowed_lifetime(requested).ok_or(field_error)
    }

    fn to_context(&self) -> Value {
        context! { email => &self.email, bundle => &self.bundle, days => &self.days }
    }
}

/// The form that asks somebody.
#[utoipa::path(
    get,
    path = "/requests/new",
    operation_id = "new_request_page",
    security(()),
    params(
        ("email" = Option<String>, Query, nullable = false, description = "The user to ask."),
        ("bundle" = Option<String>, Query, nullable = false, description = "The bundle to ask for."),
    ),
    responses(
        (status = 200, description = "The form.", body = String, content_type = "text/html"),
        (status = 303, description = "Not signed in. Redirects to the sign-in page."),
        Errors<HtmlErrors, 503>,
    ),
)]
pub(super) async fn show(services: Data<AppState>, ctx: PageContext) -> Result<HttpResponse, PageError> {
    ctx.require_user()?;
    let known = |name| ctx.query_param(name).unwrap_or_default();
    let input = RequestInput { email: known("email"), bundle: known("bundle"), days: String::new() };
    render_form(&services, &ctx, &input, None).await
}

/// The form, as it is documented.
#[derive(ToSchema)]
#[schema(as = page::NewRequest)]
#[expect(dead_code, reason = "parsed by `create`; declared for the OpenAPI schema")]
struct NewRequestForm {
    /// What shows that the form was ours.
    csrf: String,
    /// Who is asked.
    email: String,
    /// A bundle's number.
    bundle: i64,
    /// Days that the request is to live.
    #[schema(nullable = false)]
    days: Option<i64>,
    /// What makes a form that is sent twice count once.
    #[schema(nullable = false)]
    idempotency_key: Option<String>,
}

/// Asks somebody for a permission, and mails them.
///
/// Within the API's limits, and saying no more of people who are not there.
#[utoipa::path(
    post,
    path = "/requests/new",
    operation_id = "new_request_form",
    security(()),
    request_body(content = NewRequestForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 303, description = "Created. Redirects to the list, or to the sign-in page."),
        BodyErrors<HtmlErrors>,
        Errors<HtmlErrors, 403>,
        Errors<HtmlErrors, 429>,
        Errors<HtmlErrors, 503>,
    ),
)]
pub(super) async fn create(services: Data<AppState>, form: Form) -> Result<HttpResponse, PageError> {
    let me = &form.require_user("/requests/new")?.user;
    let (ctx, fields) = (&form.ctx, &form.fields);
    let input = RequestInput::from_fields(fields)?;
    let new = match resolve_request(&services, ctx, me, &input).await? {
        Ok(new) => NewPermissionRequest {
            idempotency_key: fields
                .optional("idempotency_key")
                .and_then(|idempotency_key| IdempotencyKey::new(idempotency_key).ok()),
            ..new
        },
        Err(field_error) => return render_form(&services, ctx, &input, Some(field_error)).await,
    };
    let limits = services.config.limits.requests.for_user(me);
    let field_error = match services.registry.create_request(new, limits, ctx.audit.clone()).await? {
        Ok(_) => {
            services.mailer.notify();
            return Ok(see_other("/requests?flash=requested"));
        }
        Err(CreateRequestError::AlreadyGranted) => FieldError::new("bundle", "new-request-error-granted"),
        Err(CreateRequestError::Blocked) => FieldError::forbidden("email", "new-request-error-blocked"),
        Err(CreateRequestError::IdempotencyKeyConflict) => return Err(PageError::StaleForm),
        Err(CreateRequestError::RateLimited(exceeded)) => return Err(exceeded.into()),
    };
    render_form(&services, ctx, &input, Some(field_error)).await
}

/// Who is asked for what, for how long. What is wrong is told in the order of the API.
async fn resolve_request(
    services: &AppState,
    ctx: &PageContext,
    me: &User,
    input: &RequestInput,
) -> Result<Result<NewPermissionRequest, FieldError>, PageError> {
    let lifetime = match input.lifetime(services) {
        Ok(lifetime) => lifetime,
        Err(field_error) => return Ok(Err(field_error)),
    };
    let name = Email::new(&input.email).ok().map(UserRef::Email);
    let id = parse_number(&input.bundle).ok().map(BundleId);
    let found =
        services.registry.look_up(LookupKey::UsersAndBundle(name.iter().cloned().collect(), id)).await?;
    let target = name.and_then(|name| found.user(&name)).filter(|user| user.active);
    let bundle = id.and_then(|id| found.bundle(id));
    let terms = match (target, bundle) {
        (None, _) => Err(FieldError::new("email", "new-request-error-unknown-user")),
        (Some(_), None) => Err(FieldError::new("bundle", "new-request-error-bundle")),
        (Some(target), Some(bundle)) => Terms::new(target.id, me.id, bundle.id)
            .map_err(|_| FieldError::new("email", "new-request-error-self")),
    };
    if terms.is_err() {
        services.record_user_lookup(me, target.is_none(), &ctx.audit).await?;
    }
    Ok(terms.map(|terms| NewPermissionRequest {
        terms,
        asked_by: me.id,
        lifetime_seconds: lifetime,
        redeem_page: None,
        idempotency_key: None,
    }))
}

/// The form, with what was wrong the last time.
async fn render_form(
    services: &AppState,
    ctx: &PageContext,
    input: &RequestInput,
    field_error: Option<FieldError>,
) -> Result<HttpResponse, PageError> {
    let all = LimitOffset { limit: MAX_BUNDLES, offset: 0 };
    let listed = services.store.read(move |conn| bundles::list(conn, all)).await?;
    let bundles: Vec<Value> = listed
        .rows
        .iter()
        .map(|bundle| {
            let id = bundle.id.0.to_string();
            let selected = id == input.bundle;
            context! { id, selected, name => bundle.display_name(), rights => bundle.permission.bits() }
        })
        .collect();
    let requests = &services.config.requests;
    let days = requests.max_ttl / SECONDS_PER_DAY;
    let context = context! {
        bundles,
        input => input.to_context(),
        field_error => FieldError::to_context(field_error),
        idempotency_key => entropy::uuid().to_string(),
        default_lifetime => ctx.language.duration(requests.default_ttl),
        // Who decides within less than a day is not asked for days.
        max_days => days,
        max_lifetime => (days > 0).then(|| ctx.language.duration(days * SECONDS_PER_DAY)),
    };
    let status = field_error.map_or(StatusCode::OK, |field_error| field_error.status);
    Ok(ctx.render(status, "new-request", context))
}
