//! A batch of evaluations.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::caller::AuthorizedBody;
use super::entities::{self, ActionSchema, EntitySchema, Invalid};
use super::error::AuthZenApi;
use super::evaluation::{self, Decision, DecisionContext, EvaluationError};
use super::json::{Json, Object};
use crate::actors::decide_access::Evaluation;
use crate::config::PublicUrl;
use crate::http::error::ApiError;
use crate::http::openapi::error_responses::{AuthErrors, BodyErrors};
use crate::http::state::AppState;

/// The maximum number of evaluations.
const MAX_EVALUATIONS: usize = 256;

/// Evaluations, each with the subject, action and resource that it lacks from the top level.
#[derive(ToSchema)]
#[schema(as = authzen::Evaluations)]
#[expect(dead_code, reason = "only its schema is used")]
struct EvaluationsSchema {
    /// The default of the evaluations. Like `action` and `resource`, it is required if
    /// `evaluations` is absent or empty.
    #[schema(inline = false)]
    subject: Option<EntitySchema>,
    action: Option<ActionSchema>,
    resource: Option<EntitySchema>,
    /// Ignored.
    context: Option<serde_json::Map<String, Value>>,
    /// Each has the members of a single evaluation. An invalid one is denied, and its `context`
    /// says why.
    #[schema(max_items = 256)]
    evaluations: Option<Vec<serde_json::Map<String, Value>>>,
    options: Option<OptionsSchema>,
}

/// How the batch is evaluated.
#[derive(ToSchema)]
#[schema(as = authzen::Options)]
#[expect(dead_code, reason = "only its schema is used")]
struct OptionsSchema {
    evaluations_semantic: Option<Semantic>,
}

/// When the evaluation ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = authzen::Semantic)]
pub(super) enum Semantic {
    #[default]
    ExecuteAll,
    DenyOnFirstDeny,
    PermitOnFirstPermit,
}

/// The decisions, in the order of the evaluations. They end with the one that ended the evaluation.
/// If the request has no evaluations, its response is that of a single one.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = authzen::Decisions)]
pub(super) enum Decisions {
    Batch { evaluations: Vec<Decision> },
    Single(Decision),
}

/// A parsed request.
struct Batch {
    /// An invalid evaluation is [`Evaluation::Denied`].
    evaluations: Vec<Evaluation>,
    /// The indexes of the invalid evaluations, and the reasons.
    invalid: Vec<(usize, Invalid)>,
    semantic: Semantic,
    is_single: bool,
}

/// Decides up to 256 evaluations by one look at the database.
///
/// For staff, and for API keys with the scope `check` or `introspect`.
#[utoipa::path(
    post,
    path = "/access/v1/evaluations",
    operation_id = "evaluate_access_batch",
    request_body = inline(EvaluationsSchema),
    responses(
        (status = 200, description = "The decisions.", body = Decisions),
        AuthErrors<AuthZenApi>,
        BodyErrors<AuthZenApi>,
    ),
)]
pub(super) async fn evaluate_all(
    request: HttpRequest,
    state: Data<AppState>,
    body: AuthorizedBody,
) -> Result<HttpResponse, actix_web::Error> {
    let decided = async {
        let batch = body.parse(|object| Batch::parse(object, &state.config.public_url))?;
        let decisions = state.registry.decide(&batch.evaluations, batch.semantic.last()).await?;
        let body = Decisions::new(&decisions, batch.invalid, batch.is_single);
        Ok(evaluation::respond(body, &batch.evaluations, &decisions))
    };
    decided.await.map_err(|error: ApiError| error.into_actix_error(&request))
}

impl Semantic {
    /// The decision that ends the evaluation.
    const fn last(self) -> Option<bool> {
        match self {
            Self::ExecuteAll => None,
            Self::DenyOnFirstDeny => Some(false),
            Self::PermitOnFirstPermit => Some(true),
        }
    }

    fn parse(request: &Object) -> Result<Self, Invalid> {
        let Some(options) = entities::object(request, "options")? else { return Ok(Self::default()) };
        match options.get("evaluations_semantic")? {
            None => Ok(Self::default()),
            Some(Json::Text(name)) if name == "execute_all" => Ok(Self::ExecuteAll),
            Some(Json::Text(name)) if name == "deny_on_first_deny" => Ok(Self::DenyOnFirstDeny),
            Some(Json::Text(name)) if name == "permit_on_first_permit" => Ok(Self::PermitOnFirstPermit),
            Some(_) => Err("`options.evaluations_semantic` must be `execute_all`, `deny_on_first_deny` \
                 or `permit_on_first_permit`."
                .to_owned()),
        }
    }
}

impl Batch {
    /// An error at the top level makes the whole request invalid, an error in an evaluation only
    /// that one.
    fn parse(request: &Object, public_url: &PublicUrl) -> Result<Self, Invalid> {
        let semantic = Semantic::parse(request)?;
        let items = match request.get("evaluations")? {
            None => &[],
            Some(Json::Array(items)) => items.as_slice(),
            Some(_) => return Err("`evaluations` must be an array.".to_owned()),
        };
        if items.is_empty() {
            let evaluations = vec![entities::evaluation(request, None, public_url)?];
            return Ok(Self { evaluations, invalid: Vec::new(), semantic, is_single: true });
        }
        if items.len() > MAX_EVALUATIONS {
            return Err(format!("`evaluations` has more than {MAX_EVALUATIONS} elements."));
        }
        for name in ["subject", "resource"] {
            entities::object(request, name)?.map(|json| entities::entity(json, name)).transpose()?;
        }
        entities::object(request, "action")?.map(entities::action).transpose()?;
        entities::object(request, "context")?;
        let (mut evaluations, mut invalid) = (Vec::with_capacity(items.len()), Vec::new());
        for (index, item) in items.iter().enumerate() {
            let Json::Object(item) = item else {
                return Err("Each element of `evaluations` must be an object.".to_owned());
            };
            evaluations.push(entities::evaluation(item, Some(request), public_url).unwrap_or_else(|error| {
                invalid.push((index, error));
                Evaluation::Denied
            }));
        }
        Ok(Self { evaluations, invalid, semantic, is_single: false })
    }
}

impl Decisions {
    fn new(decisions: &[bool], invalid: Vec<(usize, Invalid)>, is_single: bool) -> Self {
        let mut decisions: Vec<Decision> = decisions.iter().copied().map(Decision::from).collect();
        for (index, message) in invalid {
            if let Some(decision) = decisions.get_mut(index) {
                let error = EvaluationError { status: 400, message };
                decision.context = Some(DecisionContext { error });
            }
        }
        match decisions.pop() {
            Some(decision) if is_single => Self::Single(decision),
            last => {
                decisions.extend(last);
                Self::Batch { evaluations: decisions }
            }
        }
    }
}

/// For [`crate::fuzzing::authzen`].
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz(body: &[u8]) {
    let Ok(public_url) = "https://consent.example".parse::<PublicUrl>() else { return };
    let Ok(Json::Object(request)) = Json::parse(body) else { return };
    if let Ok(batch) = Batch::parse(&request, &public_url) {
        assert!((1..=MAX_EVALUATIONS).contains(&batch.evaluations.len()));
        assert!(batch.invalid.iter().all(|(index, _)| *index < batch.evaluations.len()));
    }
}
