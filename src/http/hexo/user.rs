//! `user`: the users that the caller can see. Staff can see every user.

use actix_web::HttpResponse;
use actix_web::http::header::LOCATION;
use actix_web::web::Data;
use utoipa::ToSchema;

use super::common::{ApiPrefix, MAX_ITEMS, ResourceKind};
use super::error::{HandlerResult, HexoApi, HexoError};
use super::fields::JsonFields;
use super::path::IdParam;
use super::query::{self, ListQuery};
use super::resource::{self, ById, OperationDoc, Resource};
use super::schema::{FieldSchema, FilterSchema, Lookup};
use super::view::{UserView, ViewContext};
use crate::domain::user::{Email, PersonName, User, UserId};
use crate::http::error::ApiError;
use crate::http::extract::authenticated::{Authenticated, Caller};
use crate::http::openapi::error_responses::{AuthErrors, BodyErrors, Errors};
use crate::http::routing::{Endpoint, endpoints};
use crate::http::state::AppState;
use crate::services::filters::intersection;
use crate::services::{self, admin};
use crate::store::LimitOffset;
use crate::store::users::{NewUser, UserFilter};

const KIND: ResourceKind = ResourceKind::User;

pub(super) struct Users;

impl Resource for Users {
    const KIND: ResourceKind = KIND;
    const FIELDS: &'static [FieldSchema] = &[
        FieldSchema::text("email").unique(),
        FieldSchema::text("first_name").optional(),
        FieldSchema::integer("id").readonly(),
        FieldSchema::text("last_name").optional(),
        FieldSchema::uri(),
        FieldSchema::text("username").unique().readonly(),
    ];
    const FILTERS: &'static [FilterSchema] = &[
        FilterSchema { field: "email", lookups: &[Lookup::Exact, Lookup::In, Lookup::StartsWith] },
        FilterSchema { field: "id", lookups: &[Lookup::Exact, Lookup::In] },
        FilterSchema { field: "username", lookups: &[Lookup::Exact, Lookup::In, Lookup::StartsWith] },
    ];
    const LIST: OperationDoc = OperationDoc {
        id: "list_users",
        summary: "Lists the users that the caller can see.",
        description: Some(
            "These are the caller and the other parties of the caller's permissions and pending \
                 requests. Staff can see every user.",
        ),
    };
    const SCHEMA_ID: &'static str = "get_user_schema";

    type Id = i64;
    type Rows = Vec<User>;
    type View<'a> = UserView<'a>;

    async fn list(
        caller: &Caller,
        query: &ListQuery,
        state: &AppState,
    ) -> Result<(i64, Self::Rows), HexoError> {
        let filter = parse_filter(query)?;
        let viewer = caller.user.clone();
        let listed = services::users::list_visible(&state.store, viewer, filter, query.page()).await?;
        Ok((listed.total, listed.rows))
    }

    fn views<'a>(
        users: &'a Self::Rows,
        ViewContext { prefix, .. }: ViewContext<'a>,
    ) -> impl Iterator<Item = (i64, UserView<'a>)> {
        users.iter().map(move |user| (user.id.0, UserView::new(user, prefix)))
    }
}

impl ById for Users {
    const SET: OperationDoc = OperationDoc::new("get_users", "Returns several users.");
    const DETAIL: Option<OperationDoc> =
        Some(OperationDoc::new("get_user", "Returns a user that the caller can see."));

    async fn by_ids(caller: &Caller, ids: Vec<i64>, state: &AppState) -> Result<Self::Rows, HexoError> {
        let filter = UserFilter { ids: Some(ids), ..UserFilter::default() };
        let page = LimitOffset { limit: MAX_ITEMS as i64, offset: 0 };
        Ok(services::users::list_visible(&state.store, caller.user.clone(), filter, page).await?.rows)
    }
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    resource::endpoints::<Users>(endpoints![create, update, patch])
}

/// A new user.
#[derive(ToSchema)]
#[schema(as = hexo::NewUser)]
struct NewUserBody {
    #[schema(value_type = String, min_length = 3, format = Email)]
    email: Email,
    #[schema(value_type = Option<String>, max_length = 150)]
    first_name: Option<PersonName>,
    #[schema(value_type = Option<String>, max_length = 150)]
    last_name: Option<PersonName>,
}

/// Changes to a user. A field that is absent or null stays as it is.
#[derive(ToSchema)]
#[schema(as = hexo::UserUpdate)]
struct UserUpdateBody {
    #[schema(value_type = Option<String>, max_length = 150)]
    first_name: Option<PersonName>,
    #[schema(value_type = Option<String>, max_length = 150)]
    last_name: Option<PersonName>,
}

impl NewUserBody {
    fn parse(fields: &JsonFields) -> Result<Self, HexoError> {
        Ok(Self {
            email: fields.required_text(KIND, "email", Email::new)?,
            first_name: fields.text(KIND, "first_name", PersonName::new)?,
            last_name: fields.text(KIND, "last_name", PersonName::new)?,
        })
    }
}

impl UserUpdateBody {
    fn parse(fields: &JsonFields) -> Result<Self, HexoError> {
        Ok(Self {
            first_name: fields.text(KIND, "first_name", PersonName::new)?,
            last_name: fields.text(KIND, "last_name", PersonName::new)?,
        })
    }
}

/// Creates a user. Requires staff.
///
/// The user gets a mail with a link to set a password. The link is valid for one week.
#[utoipa::path(
    post,
    path = "/api/user/",
    operation_id = "create_user",
    request_body = NewUserBody,
    responses(
        (status = 201, description = "The user.", body = UserView,
            headers(("Location" = String, description = "The URI of the user."))),
        AuthErrors<HexoApi>,
        BodyErrors<HexoApi>,
    ),
)]
async fn create(
    Authenticated(caller, fields): Authenticated<JsonFields>,
    prefix: ApiPrefix,
    state: Data<AppState>,
) -> HandlerResult {
    caller.require_staff("Only staff can add users.")?;
    let NewUserBody { email, first_name, last_name } = NewUserBody::parse(&fields)?;
    let new = NewUser {
        email,
        first_name: first_name.unwrap_or_default(),
        last_name: last_name.unwrap_or_default(),
        staff: false,
        password: None,
    };
    let added = state.store.write(admin::users::add(new, caller.audit_context));
    let taken = || HexoError::invalid_field(KIND, "email", "A user with this email already exists.");
    let user = added.await?.ok_or_else(taken)?;
    state.mailer.notify();
    let uri = prefix.detail_uri(KIND, user.id.0);
    Ok(HttpResponse::Created().insert_header((LOCATION, uri)).json(UserView::new(&user, prefix)))
}

/// Changes the names of a user. Requires the user or staff.
///
/// A different value for any other field of the user is an error (400).
#[utoipa::path(
    put,
    path = "/api/user/{id}/",
    operation_id = "update_user",
    params(IdParam<i64>),
    request_body = UserUpdateBody,
    responses(
        (status = 200, description = "The user.", body = UserView),
        AuthErrors<HexoApi>,
        BodyErrors<HexoApi>,
        Errors<HexoApi, 404>,
    ),
)]
async fn update(
    authenticated: Authenticated<(IdParam<i64>, JsonFields)>,
    prefix: ApiPrefix,
    state: Data<AppState>,
) -> HandlerResult {
    let user = rename(authenticated, &state).await?;
    Ok(HttpResponse::Ok().json(UserView::new(&user, prefix)))
}

/// Changes the names of a user. Requires the user or staff.
///
/// A different value for any other field of the user is an error (400).
#[utoipa::path(
    patch,
    path = "/api/user/{id}/",
    operation_id = "patch_user",
    params(IdParam<i64>),
    request_body = UserUpdateBody,
    responses(
        (status = 202, description = "The user.", body = UserView),
        AuthErrors<HexoApi>,
        BodyErrors<HexoApi>,
        Errors<HexoApi, 404>,
    ),
)]
async fn patch(
    authenticated: Authenticated<(IdParam<i64>, JsonFields)>,
    prefix: ApiPrefix,
    state: Data<AppState>,
) -> HandlerResult {
    let user = rename(authenticated, &state).await?;
    Ok(HttpResponse::Accepted().json(UserView::new(&user, prefix)))
}

async fn rename(
    Authenticated(caller, (IdParam(id), fields)): Authenticated<(IdParam<i64>, JsonFields)>,
    state: &AppState,
) -> Result<User, HexoError> {
    let user = services::users::find_visible(&state.store, caller.user.clone(), UserId(id)).await?;
    let user = user.ok_or(ApiError::NotFound)?;
    caller.require_acts_for(user.id, "Only the user or staff can change a user.")?;
    reject_changes(&fields, &user)?;
    let UserUpdateBody { first_name, last_name } = UserUpdateBody::parse(&fields)?;
    if first_name.is_none() && last_name.is_none() {
        return Ok(user);
    }
    state.meter_write(&caller.user).await?;
    let renamed =
        services::users::rename(&state.store, caller.audit_context, user.id, first_name, last_name).await?;
    Ok(renamed.ok_or(ApiError::NotFound)?)
}

/// 400 for a field that cannot be changed here, if its value differs from the current one.
fn reject_changes(fields: &JsonFields, user: &User) -> Result<(), HexoError> {
    fields.reject_changed_number(KIND, "id", user.id.0)?;
    fields.reject_changed_uri(KIND, user.id.0)?;
    for field in ["email", "username"] {
        let is_current = |text: &str| text.eq_ignore_ascii_case(user.email.as_str());
        fields.reject_changed(KIND, field, |value| value.as_str().is_some_and(is_current))?;
    }
    for (field, current) in [("is_staff", user.staff), ("is_active", user.active)] {
        fields.reject_changed(KIND, field, |value| value.as_bool() == Some(current))?;
    }
    Ok(())
}

fn parse_filter(query: &ListQuery) -> Result<UserFilter, HexoError> {
    let lowercase = |text: &str| Ok(text.to_ascii_lowercase());
    let mut emails = query.filter_values("email", lowercase)?;
    emails.extend(query.filter_values("username", lowercase)?);
    let mut email_prefixes = Vec::new();
    for name in ["email__startswith", "username__startswith"] {
        email_prefixes.extend(query.single_value(name)?.map(str::to_ascii_lowercase));
    }
    Ok(UserFilter {
        ids: intersection(query.filter_values("id", query::parse_id)?),
        emails: intersection(emails),
        email_prefixes,
    })
}
