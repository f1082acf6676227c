//! The extractors of a request's caller, and the audit context of a request.

use actix_web::dev::Payload;
use actix_web::http::header::{AUTHORIZATION, USER_AGENT};
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};

use super::body::ExtractFuture;
use super::client_ip;
use crate::auth::error::AuthError;
use crate::domain::audit::AuditContext;
use crate::domain::user::{User, UserId};
use crate::http::error::ApiError;
use crate::http::state::AppState;
use crate::store::api_keys::Scope;

/// The audit log stores at most this many characters of a `User-Agent`.
const MAX_USER_AGENT_CHARS: usize = 200;

impl From<AuthError> for ApiError {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Unauthenticated => Self::Unauthenticated,
            AuthError::RateLimited(rate_limited) => rate_limited.into(),
            AuthError::Busy => Self::Busy,
            AuthError::Store(error) => error.into(),
            AuthError::Registry(error) => error.into(),
        }
    }
}

/// An authenticated caller whose credentials have no restricted scope.
#[derive(Clone, Debug)]
pub struct Caller {
    pub user: User,
    pub audit_context: AuditContext,
}

impl Caller {
    /// The caller's number.
    pub fn id(&self) -> UserId {
        self.user.id
    }

    /// 403 with this reason unless the caller is staff.
    pub fn require_staff(&self, reason: &'static str) -> Result<(), ApiError> {
        if self.user.staff { Ok(()) } else { Err(ApiError::Forbidden(reason)) }
    }

    /// 403 with this reason unless the caller is this user or staff.
    pub fn require_acts_for(&self, user: UserId, reason: &'static str) -> Result<(), ApiError> {
        if self.user.may_act_for(user) { Ok(()) } else { Err(ApiError::Forbidden(reason)) }
    }

    /// Authenticates a request. An API key with a restricted scope gets 403.
    pub async fn extract(request: &HttpRequest) -> Result<Self, actix_web::Error> {
        match Self::extract_with_scope(request).await {
            Ok((caller, Scope::All)) => Ok(caller),
            Ok((_, scope @ (Scope::Introspect | Scope::Check))) => {
                Err(scope_forbidden(scope).into_actix_error(request))
            }
            Err(error) => Err(error.into_actix_error(request)),
        }
    }

    /// Authenticates a request, and returns the scope of its credentials.
    pub async fn extract_with_scope(request: &HttpRequest) -> Result<(Self, Scope), ApiError> {
        let state = request.app_data::<Data<AppState>>().ok_or(ApiError::Unavailable)?;
        let mut headers = request.headers().get_all(AUTHORIZATION);
        let (Some(header), None) = (headers.next(), headers.next()) else {
            return Err(ApiError::Unauthenticated);
        };
        let (user, scope) =
            state.authenticator.authenticate(header.as_bytes(), client_ip::of_request(request)).await?;
        let audit_context = audit_context(request, Some(user.id));
        Ok((Self { user, audit_context }, scope))
    }
}

/// The refusal of a key that is restricted to this scope.
fn scope_forbidden(scope: Scope) -> ApiError {
    ApiError::Forbidden(match scope {
        Scope::Introspect => "This API key has only the introspect scope. Use a key without scopes.",
        Scope::All | Scope::Check => "This API key has only the check scope. Use a key without scopes.",
    })
}

impl FromRequest for Caller {
    type Error = actix_web::Error;
    type Future = ExtractFuture<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { Self::extract(&request).await })
    }
}

/// Extractor that authenticates the caller before it runs `T`'s extractor.
#[derive(Clone, Debug)]
pub struct Authenticated<T>(pub Caller, pub T);

impl<T> FromRequest for Authenticated<T>
where
    T: FromRequest<Error = actix_web::Error> + 'static,
{
    type Error = actix_web::Error;
    type Future = ExtractFuture<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let mut payload = payload.take();
        Box::pin(async move {
            let caller = Caller::extract(&request).await?;
            Ok(Self(caller, T::from_request(&request, &mut payload).await?))
        })
    }
}

/// The audit context of a request: the acting user, the client's address and its `User-Agent`.
pub fn audit_context(request: &HttpRequest, actor: Option<UserId>) -> AuditContext {
    let user_agent = request.headers().get(USER_AGENT).map(|value| String::from_utf8_lossy(value.as_bytes()));
    AuditContext {
        actor,
        ip: client_ip::of_request(request),
        user_agent: user_agent.map(|text| text.chars().take(MAX_USER_AGENT_CHARS).collect()),
    }
}
