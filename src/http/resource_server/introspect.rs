//! Token introspection (RFC 7662): whether an export token is active, and its current rights.

use actix_web::dev::Payload;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::ToSchema;

use super::error::OAuthApi;
use super::token_form::TokenForm;
use crate::actors::authorize_export::AuthorizedToken;
use crate::actors::registry::CommandError;
use crate::http::base_path::with_base_path;
use crate::http::error::ApiError;
use crate::http::extract::authenticated::Caller;
use crate::http::extract::body::ExtractFuture;
use crate::http::middleware::response_delay;
use crate::http::openapi::error_responses::{AuthErrors, BodyErrors};
use crate::http::openapi::schemas;
use crate::http::state::AppState;
use crate::store::api_keys::Scope;

/// Extractor that authorizes the caller, before it parses the form: staff, or an API key with the
/// `introspect` scope.
pub(super) struct IntrospectRequest(TokenForm);

impl FromRequest for IntrospectRequest {
    type Error = actix_web::Error;
    type Future = ExtractFuture<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let mut payload = payload.take();
        Box::pin(async move {
            let caller = Caller::extract_with_scope(&request).await;
            caller.and_then(can_introspect).map_err(|error| error.into_actix_error(&request))?;
            TokenForm::from_request(&request, &mut payload).await.map(Self)
        })
    }
}

fn can_introspect((caller, scope): (Caller, Scope)) -> Result<(), ApiError> {
    match scope {
        Scope::Introspect => Ok(()),
        Scope::All if caller.user.staff => Ok(()),
        Scope::All | Scope::Check => {
            Err(ApiError::Forbidden("Only staff or an API key with the `introspect` scope can do this."))
        }
    }
}

/// The state of a token.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum Introspection {
    /// The token is active.
    Active(ActiveToken),
    /// The token is inactive, unknown, or not an export token.
    Inactive(InactiveToken),
}

/// An inactive or unknown token.
#[derive(Serialize, ToSchema)]
pub(super) struct InactiveToken {
    #[schema(schema_with = schemas::literal_false)]
    active: bool,
}

/// An active token (RFC 7662, 2.2).
#[derive(Serialize, ToSchema)]
pub(super) struct ActiveToken {
    #[schema(schema_with = schemas::literal_true)]
    active: bool,
    /// `export`
    token_type: &'static str,
    /// The names of its current rights. They may be fewer than when it was created.
    scope: String,
    /// The current rights as a mask.
    #[schema(schema_with = schemas::mask_bits)]
    permission: u8,
    hub_id: String,
    nid: String,
    /// The creator's URI.
    sub: String,
    /// Unix seconds.
    iat: i64,
    /// Unix seconds; absent if the token never expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    exp: Option<i64>,
    /// The id of the token. `revoke` accepts it instead of the token.
    jti: String,
}

/// Checks an export token (RFC 7662).
///
/// Only for staff, and for API keys with the `introspect` scope. If the token is active, the call
/// counts as a use of it.
#[utoipa::path(
    post,
    path = "/oauth2/introspect",
    operation_id = "introspect_token",
    request_body(content = TokenForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "The token's properties, or `active: false`.", body = Introspection),
        AuthErrors<OAuthApi>,
        BodyErrors<OAuthApi>,
    ),
)]
pub(super) async fn introspect(
    request: HttpRequest,
    state: Data<AppState>,
    IntrospectRequest(form): IntrospectRequest,
) -> Result<HttpResponse, actix_web::Error> {
    let introspection = match state.registry.authorize_export_token(form.token(), None).await {
        Ok(authorized) => Introspection::from_authorized(authorized),
        Err(CommandError::Rejected(_)) => Introspection::Inactive(InactiveToken { active: false }),
        Err(CommandError::Unavailable(error)) => return Err(ApiError::from(error).into_actix_error(&request)),
    };
    let mut response = HttpResponse::Ok().json(&introspection);
    if matches!(introspection, Introspection::Inactive(_)) {
        response_delay::quantize(&mut response);
    }
    Ok(response)
}

impl Introspection {
    fn from_authorized(AuthorizedToken { token, rights }: AuthorizedToken) -> Self {
        Self::Active(ActiveToken {
            active: true,
            token_type: "export",
            scope: rights.to_string(),
            permission: rights.bits(),
            hub_id: token.hub.as_str().to_owned(),
            nid: token.node.as_str().to_owned(),
            sub: with_base_path(&format!("/api/user/{}/", token.creator)),
            iat: token.created_at.seconds(),
            exp: token.expires_at.map(|at| at.seconds()),
            jti: token.id.to_string(),
        })
    }
}
