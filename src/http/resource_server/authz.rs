//! `GET /authz`: forward authentication, for nginx's `auth_request` and Caddy's `forward_auth`.
//! `docs/nginx.conf` has an example.
//!
//! nginx accepts 2xx, forwards 401 and 403, and turns any other status into a 500. So 400 is only
//! for a wrong configuration of the proxy, and an unavailable database (503) is a 500 for nginx's
//! client.

use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::error::{OAuthApi, oauth_error};
use crate::actors::authorize_export::AuthorizedToken;
use crate::actors::registry::{CommandError, RegistryError};
use crate::domain::export_token::{AccessError, AccessQuery};
use crate::domain::hub::{HubId, NodeId};
use crate::domain::rights::Mask;
use crate::http::error::ApiError;
use crate::http::extract::form::{self, Decoded};
use crate::http::middleware::response_delay;
use crate::http::openapi::error_responses::{AuthErrors, Errors};
use crate::http::state::AppState;

/// The maximum number of `nid` parameters: the node and its ancestors.
const MAX_NODES: usize = 64;

const X_PARAM_MFS_TOKEN: HeaderName = HeaderName::from_static("x-param-mfs-token");
const X_TOKEN_ID: HeaderName = HeaderName::from_static("x-countersign-token-id");
const X_PERMISSION: HeaderName = HeaderName::from_static("x-countersign-permission");

/// Why a request is not allowed.
#[derive(Debug, thiserror::Error)]
enum AuthzError {
    #[error("A token is required. Send it in X-Param-Mfs-Token or as Authorization: Bearer.")]
    MissingToken,
    #[error(transparent)]
    Denied(#[from] AccessError),
    #[error(transparent)]
    Api(#[from] ApiError),
}

/// Checks whether an export token allows an access.
///
/// The token is in `X-Param-Mfs-Token` (Drumee's header) or in `Authorization: Bearer`; if both are
/// present, the former counts. An allowed access counts as a use of the token.
#[utoipa::path(
    get,
    path = "/authz",
    operation_id = "forward_auth",
    security(("export_token" = []), ("drumee_token" = [])),
    params(
        ("hub_id" = String, Query, description = "The hub."),
        ("nid" = Vec<String>, Query, min_items = 1, max_items = 64,
            description = "The node. Repeat the parameter for each of its ancestors."),
        ("right" = String, Query, pattern = "^(anyone|read|get|write|admin|owner|0?[1-9]|[1-5][0-9]|6[0-3])$",
            description = "The name of a right, or a mask whose bits are all required."),
    ),
    responses(
        (status = 204, description = "The token allows this.", headers(
            ("X-Countersign-Token-Id" = String, description = "The token's id."),
            ("X-Countersign-Permission" = String, description = "The effective permission, as a mask."),
        )),
        AuthErrors<OAuthApi>,
        Errors<OAuthApi, 400>,
    ),
)]
pub(super) async fn authz(request: HttpRequest, state: Data<AppState>) -> HttpResponse {
    match authorize(&request, &state).await {
        Ok(authorized) => allow(&authorized),
        Err(error) => error.to_response(&request),
    }
}

async fn authorize(request: &HttpRequest, state: &AppState) -> Result<AuthorizedToken, AuthzError> {
    let wanted = parse_query(request.query_string())?;
    let token = presented_token(request).ok_or(AuthzError::MissingToken)?;
    Ok(state.registry.authorize_export_token(&token, Some(&wanted)).await?)
}

/// Parses the query. An invalid hub or node is not an error, since it may come from the proxy's
/// client: no token allows access to it.
fn parse_query(query: &str) -> Result<AccessQuery, ApiError> {
    let pairs: Vec<(Decoded, Decoded)> = form::pairs(query.as_bytes()).collect();
    let values = |wanted: &str| -> Vec<Option<&str>> {
        let named = |name: &Decoded| name.as_deref() == Ok(wanted);
        pairs.iter().filter(|(name, _)| named(name)).map(|(_, value)| value.as_deref().ok()).collect()
    };
    let bad_request = |reason: &str| ApiError::BadRequest(reason.to_owned());
    let [hub] = *values("hub_id") else { return Err(bad_request("`hub_id` is required, exactly once.")) };
    let nodes = values("nid");
    if !(1..=MAX_NODES).contains(&nodes.len()) {
        return Err(bad_request("`nid` is required, from 1 to 64 times."));
    }
    let [right] = *values("right") else { return Err(bad_request("`right` is required, exactly once.")) };
    Ok(AccessQuery {
        hub: hub.and_then(|hub| HubId::new(hub).ok()),
        nodes: nodes.into_iter().filter_map(|node| NodeId::new(node?).ok()).collect(),
        required_rights: right.and_then(|right| right.parse::<Mask>().ok()).ok_or_else(|| {
            let max = Mask::MAX.bits();
            bad_request(&format!("`right` must be the name of a right or a mask from 1 to {max}."))
        })?,
    })
}

/// For [`crate::fuzzing::authz`].
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz(query: &str) {
    if let Ok(wanted) = parse_query(query) {
        assert!(wanted.nodes.len() <= MAX_NODES && wanted.required_rights.bits() > 0);
    }
}

fn presented_token(request: &HttpRequest) -> Option<String> {
    let text = |value: &[u8]| Some(String::from_utf8_lossy(value).into_owned()).filter(|t| !t.is_empty());
    let drumee = request.headers().get(X_PARAM_MFS_TOKEN).and_then(|value| text(value.as_bytes()));
    drumee.or_else(|| {
        let value = text(request.headers().get(AUTHORIZATION)?.as_bytes())?;
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
    })
}

fn allow(authorized: &AuthorizedToken) -> HttpResponse {
    HttpResponse::NoContent()
        .insert_header((X_TOKEN_ID, authorized.token.id.to_string()))
        .insert_header((X_PERMISSION, authorized.rights.bits().to_string()))
        .finish()
}

impl AuthzError {
    /// The challenge contains an error code only if the request had a token (RFC 6750, 3).
    fn to_response(&self, request: &HttpRequest) -> HttpResponse {
        let (status, error, challenge) = match self {
            Self::MissingToken => (StatusCode::UNAUTHORIZED, "invalid_token", "Bearer realm=\"countersign\""),
            Self::Denied(AccessError::Inactive) => (
                StatusCode::UNAUTHORIZED,
                "invalid_token",
                "Bearer realm=\"countersign\", error=\"invalid_token\"",
            ),
            Self::Denied(AccessError::NotAllowed) => (
                StatusCode::FORBIDDEN,
                "insufficient_scope",
                "Bearer realm=\"countersign\", error=\"insufficient_scope\"",
            ),
            Self::Api(error) => return error.to_response(request),
        };
        let mut response = oauth_error(status, error, &self.to_string());
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        if matches!(self, Self::Denied(_)) {
            response_delay::quantize(&mut response);
        }
        response
    }
}

impl From<RegistryError> for AuthzError {
    fn from(error: RegistryError) -> Self {
        Self::Api(error.into())
    }
}

impl<E> From<CommandError<E>> for AuthzError
where
    Self: From<E>,
{
    fn from(error: CommandError<E>) -> Self {
        match error {
            CommandError::Rejected(error) => error.into(),
            CommandError::Unavailable(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_invalid_hub_or_node_is_not_an_error() {
        let wanted = parse_query("hub_id=&nid=&nid=%ff&nid=a%00&nid=n&right=read&other=1").unwrap();
        assert_eq!(wanted.hub, None);
        assert_eq!(wanted.nodes, [NodeId::new("n").unwrap()]);
        assert_eq!(wanted.required_rights, Mask::READ);
    }

    #[test]
    fn a_wrong_number_of_parameters_and_an_invalid_right_are_errors() {
        let many = format!("hub_id=h&right=read{}", "&nid=n".repeat(65));
        for query in [
            "",
            "nid=n&right=read",
            "hub_id=h&right=read",
            "hub_id=h&nid=n",
            "hub_id=h&nid=n&right=",
            "hub_id=h&nid=n&right=Read",
            "hub_id=h&nid=n&right=0",
            "hub_id=h&nid=n&right=64",
            "hub_id=h&nid=n&right=-1",
            "hub_id=h&nid=n&right=%ff",
            "hub_id=h&hub_id=h&nid=n&right=read",
            "hub_id=h&nid=n&right=read&right=get",
            &many,
        ] {
            assert!(matches!(parse_query(query), Err(ApiError::BadRequest(_))), "{query}");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics(query in "(hub_id|nid|right|[=&%+a0\\PC]){0,20}") {
            let _ = parse_query(&query);
        }
    }
}
