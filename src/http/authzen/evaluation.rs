//! A single evaluation.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::caller::AuthorizedBody;
use super::entities::{self, ActionSchema, EntitySchema};
use super::error::AuthZenApi;
use crate::actors::decide_access::Evaluation;
use crate::http::error::ApiError;
use crate::http::middleware::response_delay;
use crate::http::openapi::error_responses::{AuthErrors, BodyErrors};
use crate::http::state::AppState;

/// An evaluation.
#[derive(ToSchema)]
#[schema(as = authzen::Evaluation)]
#[expect(dead_code, reason = "only its schema is used")]
struct EvaluationSchema {
    subject: EntitySchema,
    action: ActionSchema,
    resource: EntitySchema,
    /// Ignored.
    context: Option<serde_json::Map<String, Value>>,
}

/// A decision.
#[derive(Serialize, ToSchema)]
#[schema(as = authzen::Decision)]
pub(super) struct Decision {
    /// Whether the access is permitted.
    pub decision: bool,
    /// Only if an evaluation of a batch is invalid.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub context: Option<DecisionContext>,
}

/// Why an evaluation of a batch was not decided.
#[derive(Serialize, ToSchema)]
#[schema(as = authzen::DecisionContext)]
pub(super) struct DecisionContext {
    pub error: EvaluationError,
}

/// An error of one evaluation.
#[derive(Serialize, ToSchema)]
#[schema(as = authzen::EvaluationError)]
pub(super) struct EvaluationError {
    /// 400
    pub status: u16,
    pub message: String,
}

impl From<bool> for Decision {
    fn from(decision: bool) -> Self {
        Self { decision, context: None }
    }
}

/// The response with these decisions on these evaluations. It is delayed if a token was denied: who
/// presents a token can measure the service that asks.
pub(super) fn respond(body: impl Serialize, evaluations: &[Evaluation], decisions: &[bool]) -> HttpResponse {
    let mut response = HttpResponse::Ok().json(body);
    let mut decided = evaluations.iter().zip(decisions);
    if decided.any(|(evaluation, decision)| evaluation.is_of_token() && !decision) {
        response_delay::quantize(&mut response);
    }
    response
}

/// Decides whether a subject may perform an action on a resource.
///
/// For staff, and for API keys with the scope `check` or `introspect`. An export token that is
/// permitted counts a use. Unknown types, subjects, resources and actions are denied.
#[utoipa::path(
    post,
    path = "/access/v1/evaluation",
    operation_id = "evaluate_access",
    request_body = inline(EvaluationSchema),
    responses(
        (status = 200, description = "The decision.", body = Decision),
        AuthErrors<AuthZenApi>,
        BodyErrors<AuthZenApi>,
    ),
)]
pub(super) async fn evaluate(
    request: HttpRequest,
    state: Data<AppState>,
    body: AuthorizedBody,
) -> Result<HttpResponse, actix_web::Error> {
    let decided = async {
        let evaluation = [body.parse(|object| entities::evaluation(object, None, &state.config.public_url))?];
        let decisions = state.registry.decide(&evaluation, None).await?;
        let decision = Decision::from(decisions.first().copied().unwrap_or(false));
        Ok(respond(decision, &evaluation, &decisions))
    };
    decided.await.map_err(|error: ApiError| error.into_actix_error(&request))
}
