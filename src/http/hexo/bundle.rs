//! `bundle`: named sets of rights. Every user can see them; staff change them.

use actix_web::HttpResponse;
use actix_web::http::header::LOCATION;
use actix_web::web::Data;
use utoipa::ToSchema;

use super::common::{ApiPrefix, ResourceKind};
use super::error::{HandlerResult, HexoApi, HexoError};
use super::fields::JsonFields;
use super::path::IdParam;
use super::query::ListQuery;
use super::resource::{self, ById, OperationDoc, Resource};
use super::schema::FieldSchema;
use super::view::{BundleView, ViewContext};
use crate::domain::bundle::{Bundle, BundleId, BundleName, Description};
use crate::domain::rights::Mask;
use crate::http::extract::authenticated::Authenticated;
use crate::http::extract::authenticated::Caller;
use crate::http::extract::body::Body;
use crate::http::openapi::error_responses::{AuthErrors, BodyErrors, Errors};
use crate::http::openapi::schemas;
use crate::http::routing::{Endpoint, endpoints};
use crate::http::state::AppState;
use crate::services::{self, admin};
use crate::store::bundles::{BundleChange, NewBundle};

const KIND: ResourceKind = ResourceKind::Bundle;
const STAFF_REQUIRED: &str = "Only staff can change bundles.";

struct Bundles;

impl Resource for Bundles {
    const KIND: ResourceKind = KIND;
    const FIELDS: &'static [FieldSchema] = &[
        FieldSchema::text("description").optional(),
        FieldSchema::integer("id").readonly(),
        FieldSchema::text("name"),
        FieldSchema::integer("permission").optional(),
        FieldSchema::uri(),
    ];
    const LIST: OperationDoc = OperationDoc::new("list_bundles", "Lists the bundles.");
    const SCHEMA_ID: &'static str = "get_bundle_schema";

    type Id = i64;
    type Rows = Vec<Bundle>;
    type View<'a> = BundleView<'a>;

    async fn list(_: &Caller, query: &ListQuery, state: &AppState) -> Result<(i64, Self::Rows), HexoError> {
        let listed = services::bundles::list(&state.store, query.page()).await?;
        Ok((listed.total, listed.rows))
    }

    fn views<'a>(
        bundles: &'a Self::Rows,
        ViewContext { prefix, .. }: ViewContext<'a>,
    ) -> impl Iterator<Item = (i64, BundleView<'a>)> {
        bundles.iter().map(move |bundle| (bundle.id.0, BundleView::new(bundle, prefix)))
    }
}

impl ById for Bundles {
    const SET: OperationDoc = OperationDoc::new("get_bundles", "Returns several bundles.");
    const DETAIL: Option<OperationDoc> = Some(OperationDoc::new("get_bundle", "Returns a bundle."));

    async fn by_ids(_: &Caller, ids: Vec<i64>, state: &AppState) -> Result<Self::Rows, HexoError> {
        let ids = ids.into_iter().map(BundleId).collect();
        Ok(services::bundles::by_ids(&state.store, ids).await?)
    }
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    resource::endpoints::<Bundles>(endpoints![create, update, delete])
}

/// A new bundle.
#[derive(ToSchema)]
#[schema(as = hexo::NewBundle)]
struct NewBundleBody {
    #[schema(value_type = String, min_length = 1, max_length = 100)]
    name: BundleName,
    #[schema(value_type = Option<String>, max_length = 1000)]
    description: Option<Description>,
    /// The rights as a bit mask. The default is 2 (read).
    #[schema(schema_with = schemas::mask)]
    permission: Option<Mask>,
}

/// Changes to a bundle. A field that is absent or null stays as it is.
#[derive(ToSchema)]
#[schema(as = hexo::BundleUpdate)]
struct BundleUpdateBody {
    #[schema(value_type = Option<String>, min_length = 1, max_length = 100)]
    name: Option<BundleName>,
    #[schema(value_type = Option<String>, max_length = 1000)]
    description: Option<Description>,
    /// The rights as a bit mask.
    #[schema(schema_with = schemas::mask)]
    permission: Option<Mask>,
}

impl NewBundleBody {
    fn parse(fields: &JsonFields) -> Result<Self, HexoError> {
        Ok(Self {
            name: fields.required_text(KIND, "name", BundleName::new)?,
            description: fields.text(KIND, "description", Description::new)?,
            permission: parse_permission(fields)?,
        })
    }
}

impl BundleUpdateBody {
    fn parse(fields: &JsonFields) -> Result<Self, HexoError> {
        Ok(Self {
            name: fields.text(KIND, "name", BundleName::new)?,
            description: fields.text(KIND, "description", Description::new)?,
            permission: parse_permission(fields)?,
        })
    }
}

fn parse_permission(fields: &JsonFields) -> Result<Option<Mask>, HexoError> {
    let mask = |bits| {
        let reason = || format!("Provide a whole number from 1 to {}.", Mask::MAX.bits());
        Mask::new(bits).map_err(|_| HexoError::invalid_field(KIND, "permission", reason()))
    };
    fields.integer(KIND, "permission")?.map(mask).transpose()
}

/// Creates a bundle. Requires staff.
#[utoipa::path(
    post,
    path = "/api/bundle/",
    operation_id = "create_bundle",
    request_body = NewBundleBody,
    responses(
        (status = 201, description = "The bundle.", body = BundleView,
            headers(("Location" = String, description = "The URI of the bundle."))),
        AuthErrors<HexoApi>,
        BodyErrors<HexoApi>,
    ),
)]
async fn create(
    Authenticated(caller, fields): Authenticated<JsonFields>,
    prefix: ApiPrefix,
    state: Data<AppState>,
) -> HandlerResult {
    caller.require_staff(STAFF_REQUIRED)?;
    let NewBundleBody { name, description, permission } = NewBundleBody::parse(&fields)?;
    let new = NewBundle {
        name,
        description: description.unwrap_or_default(),
        permission: permission.unwrap_or(Mask::READ),
    };
    let bundle = state.store.write(admin::bundles::add(new, caller.audit_context)).await?;
    let uri = prefix.detail_uri(KIND, bundle.id.0);
    Ok(HttpResponse::Created().insert_header((LOCATION, uri)).json(BundleView::new(&bundle, prefix)))
}

/// Changes a bundle. Requires staff.
///
/// A field that is absent or null stays as it is. The bundle cannot change while a permission or a
/// pending request uses it (409), because users agreed to what it says.
#[utoipa::path(
    put,
    path = "/api/bundle/{id}/",
    operation_id = "update_bundle",
    params(IdParam<i64>),
    request_body = BundleUpdateBody,
    responses(
        (status = 200, description = "The bundle.", body = BundleView),
        AuthErrors<HexoApi>,
        BodyErrors<HexoApi>,
        Errors<HexoApi, 404>,
        Errors<HexoApi, 409>,
    ),
)]
async fn update(
    Authenticated(caller, (IdParam(id), fields)): Authenticated<(IdParam<i64>, JsonFields)>,
    prefix: ApiPrefix,
    state: Data<AppState>,
) -> HandlerResult {
    caller.require_staff(STAFF_REQUIRED)?;
    fields.reject_changed_number(KIND, "id", id)?;
    fields.reject_changed_uri(KIND, id)?;
    let BundleUpdateBody { name, description, permission } = BundleUpdateBody::parse(&fields)?;
    let change = BundleChange { name, description, permission };
    let changed = state.store.write(admin::bundles::update(BundleId(id), change, caller.audit_context));
    Ok(HttpResponse::Ok().json(BundleView::new(&changed.await??, prefix)))
}

/// Deletes a bundle that is not in use. Requires staff.
#[utoipa::path(
    delete,
    path = "/api/bundle/{id}/",
    operation_id = "delete_bundle",
    params(IdParam<i64>),
    responses(
        (status = 204, description = "Deleted."),
        AuthErrors<HexoApi>,
        Errors<HexoApi, 404>,
        Errors<HexoApi, 409>,
    ),
)]
async fn delete(
    Authenticated(caller, (IdParam(id), _)): Authenticated<(IdParam<i64>, Body)>,
    state: Data<AppState>,
) -> HandlerResult {
    caller.require_staff(STAFF_REQUIRED)?;
    state.store.write(admin::bundles::delete(BundleId(id), caller.audit_context)).await??;
    Ok(HttpResponse::NoContent().finish())
}
