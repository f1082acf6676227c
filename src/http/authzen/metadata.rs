//! `/.well-known/authzen-configuration`: where the endpoints are (section 9).

use actix_web::web::{Data, Json};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::state::AppState;

/// The path of the metadata.
pub(super) const PATH: &str = "/.well-known/authzen-configuration";

/// The endpoints of the policy decision point.
#[derive(Serialize, ToSchema)]
#[schema(as = authzen::Metadata)]
pub(super) struct Metadata {
    /// The public URL of this server.
    policy_decision_point: String,
    access_evaluation_endpoint: String,
    access_evaluations_endpoint: String,
    search_subject_endpoint: String,
    search_resource_endpoint: String,
    search_action_endpoint: String,
}

/// Returns the metadata of the policy decision point.
#[utoipa::path(
    get,
    path = "/.well-known/authzen-configuration",
    operation_id = "get_authzen_configuration",
    security(()),
    responses((status = 200, description = "The endpoints.", body = Metadata)),
)]
pub(super) async fn metadata(state: Data<AppState>) -> Json<Metadata> {
    let base = state.config.public_url.as_str();
    let endpoint = |path: &str| format!("{base}/access/v1/{path}");
    Json(Metadata {
        policy_decision_point: base.to_owned(),
        access_evaluation_endpoint: endpoint("evaluation"),
        access_evaluations_endpoint: endpoint("evaluations"),
        search_subject_endpoint: endpoint("search/subject"),
        search_resource_endpoint: endpoint("search/resource"),
        search_action_endpoint: endpoint("search/action"),
    })
}
