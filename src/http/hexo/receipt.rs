//! The receipt of a permission.

use actix_web::HttpResponse;
use actix_web::web::Data;

use super::error::{HandlerResult, HexoApi};
use super::path::IdParam;
use super::query::ListQuery;
use crate::domain::bundle_permission::BundlePermissionId;
use crate::http::error::ApiError;
use crate::http::extract::authenticated::Authenticated;
use crate::http::openapi::error_responses::{AuthErrors, Errors};
use crate::http::state::AppState;
use crate::receipt::{self, ReceiptEvent};

/// Returns the receipt of a permission to one of its parties, also after the permission has ended.
///
/// A compact JWS (RFC 7515) that the keys of `/.well-known/jwks.json` verify.
#[utoipa::path(
    get,
    path = "/api/bundle_permission/{id}/receipt/",
    operation_id = "get_receipt",
    params(
        IdParam<i64>,
        ("event_type" = Option<String>, Query, nullable = false, description = "`given`, `withdrawn` or `expired`. Default: the latest."),
    ),
    responses(
        (status = 200, description = "The receipt.", body = String, content_type = receipt::MEDIA_TYPE),
        AuthErrors<HexoApi>,
        Errors<HexoApi, 400>,
        Errors<HexoApi, 404>,
    ),
)]
pub(super) async fn get(
    Authenticated(caller, (IdParam(id), query)): Authenticated<(IdParam<i64>, ListQuery)>,
    state: Data<AppState>,
) -> HandlerResult {
    let event =
        query.single_value("event_type")?.map(|name| ReceiptEvent::from_name(name).ok_or(ApiError::NotFound));
    let id = BundlePermissionId(id);
    let issued = state.receipts.issue(&state.store, id, caller.id(), event.transpose()?).await;
    let receipt = issued.map_err(ApiError::from)?.ok_or(ApiError::NotFound)?;
    Ok(HttpResponse::Ok().content_type(receipt::MEDIA_TYPE).body(receipt.text))
}
