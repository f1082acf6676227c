//! `GET /authz`: forward authentication, for nginx's `auth_request` and Caddy's
//! `forward_auth`. `docs/nginx.conf` shows how it is used.
//!
//! nginx lets 2xx pass, hands 401 and 403 on, and makes a 500 of all else. So
//! 400 is only for what the operator configured wrongly; that the database is
//! away is a 503 here and a 500 to nginx's client.

use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::{OAuthApi, oauth_error};
use crate::actors::export_auth::AuthorizedToken;
use crate::actors::registry::{CommandError, RegistryError};
use crate::domain::export_token::{AccessError, AccessQuery};
use crate::domain::hub::{HubId, NodeId};
use crate::domain::permission::Mask;
use crate::http::error::ApiError;
use crate::http::form::{self, Decoded};
use crate::http::openapi::error_responses::{AuthErrors, Errors};
use crate::http::response_delay;
use crate::http::state::AppState;

/// The most nodes that may be named: the one in question and its ancestors.
const MAX_NODES: usize = 64;

const X_PARAM_MFS_TOKEN: HeaderName = HeaderName::from_static("x-param-mfs-token");
const X_TOKEN_ID: HeaderName = HeaderName::from_static("x-countersign-token-id");
const X_PERMISSION: HeaderName = HeaderName::from_static("x-countersign-permission");

/// Why a request does not pass.
#[derive(Debug, thiserror::Error)]
enum AuthzError {
    #[error("A token is required. Send it in X-Param-Mfs-Token or as Authorization: Bearer.")]
    MissingToken,
    #[error(transparent)]
    Denied(#[from] AccessError),
    #[error(transparent)]
    Api(#[from] ApiError),
}

/// Tells whether an export token allows what is asked.
///
/// The token is in `X-Param-Mfs-Token`, Drumee's header, or else in
/// `Authorization: Bearer`; with both, the former counts. Telling that it is
/// allowed counts as a use.
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
pub async fn authz(request: HttpRequest, state: Data<AppState>) -> HttpResponse {
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

/// What a request asks for. What could be nobody's hub or node is no error: it
/// may come from a client, and no token is for it.
fn parse_query(query: &str) -> Result<AccessQuery, ApiError> {
    let pairs: Vec<(Decoded, Decoded)> = form::pairs(query.as_bytes()).collect();
    let values = |wanted: &str| -> Vec<Option<&str>> {
        let named = |name: &Decoded| name.as_deref() == Ok(wanted);
        pairs.iter().filter(|(name, _)| named(name)).map(|(_, value)| value.as_deref().ok()).collect()
    };
    let bad_request = |what: &str| ApiError::BadRequest(what.to_owned());
    let [hub] = *values("hub_id") else { return Err(bad_request("`hub_id` is required, exactly once.")) };
    let nodes = values("nid");
    if !(1..=MAX_NODES).contains(&nodes.len()) {
        return Err(bad_request("`nid` is required, from 1 to 64 times."));
    }
    let [right] = *values("right") else { return Err(bad_request("`right` is required, exactly once.")) };
    Ok(AccessQuery {
        hub: hub.and_then(|hub| HubId::new(hub).ok()),
        nodes: nodes.into_iter().filter_map(|node| NodeId::new(node?).ok()).collect(),
        required_rights: right
            .and_then(|right| right.parse::<Mask>().ok())
            .ok_or_else(|| bad_request("`right` must be the name of a right or a mask from 1 to 63."))?,
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
    /// RFC 6750, 3: the challenge tells of an error only when there was a token.
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
    fn what_could_be_nobodys_is_asked_for_all_the_same() {
        let wanted = parse_query("hub_id=&nid=&nid=%ff&nid=a%00&nid=n&right=read&other=1").unwrap();
        assert_eq!(wanted.hub, None);
        assert_eq!(wanted.nodes, [NodeId::new("n").unwrap()]);
        assert_eq!(wanted.required_rights, Mask::READ);
    }

    #[test]
    fn only_what_is_configured_wrongly_is_an_error() {
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
        fn any_query_is_read_without_a_panic(query in "(hub_id|nid|right|[=&%+a0\\PC]){0,20}") {
            let _ = parse_query(&query);
        }
    }
}
