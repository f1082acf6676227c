//! Who calls: passwords (HTTP Basic, RFC 7617), API keys (`Bearer`, RFC 6750,
//! and tastypie's `ApiKey email:key`).
//!
//! Credentials are checked behind a short-lived cache, and a password's argon2
//! is paid once: after that the cache only asks the database whether the hash is
//! still the same one.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::time::{Duration, Instant};

use actix_web::dev::Payload;
use actix_web::http::header::{AUTHORIZATION, USER_AGENT};
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use quick_cache::sync::Cache;
use sha2::Sha256;

use super::error::ApiError;
use super::extract::client_ip;
use super::login_throttle::LoginThrottle;
use super::password_pool::HashPool;
use super::state::AppState;
use crate::actors::registry::{Registry, RegistryError};
use crate::domain::audit::AuditContext;
use crate::domain::rate_limit::RateLimited;
use crate::domain::token::{ApiKeyId, Token, TokenKind};
use crate::domain::user::{Email, User, UserId};
use crate::entropy;
use crate::store::api_keys::{ApiKeyAuth, Scope};
use crate::store::lookup::LookupKey;
use crate::store::{AsyncStore, StoreError, users};

/// How long a check holds: a disabled user or a revoked key stops working within
/// five seconds on every replica.
const CREDENTIAL_CACHE_TTL: Duration = Duration::from_secs(4);
/// Credentials that are remembered, at most.
const MAX_CACHED_CREDENTIALS: usize = 10_000;
/// The most characters of a client's name that the audit trail keeps.
const MAX_USER_AGENT_CHARS: usize = 200;

/// Why nobody was let in.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// No credentials, or wrong ones.
    #[error("missing or invalid credentials")]
    Unauthenticated,
    /// Too many attempts, of this account's or this address's, were wrong.
    #[error(transparent)]
    RateLimited(#[from] RateLimited),
    /// Too many passwords are being checked.
    #[error("too many passwords are being checked")]
    Busy,
    /// They could not be looked up.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nor could their key.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl From<AuthError> for ApiError {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Unauthenticated => Self::Unauthenticated,
            AuthError::RateLimited(exceeded) => exceeded.into(),
            AuthError::Busy => Self::Busy,
            AuthError::Store(error) => error.into(),
            AuthError::Registry(error) => error.into(),
        }
    }
}

/// Checks credentials.
pub struct Authenticator {
    store: AsyncStore,
    registry: Registry,
    /// By a fingerprint of the credentials, so that memory holds none of them.
    cache: Cache<[u8; 32], CachedCredentials>,
    /// Of whom nothing holds that was checked before then.
    invalidated: Cache<UserId, Instant>,
    fingerprint_key: Hmac<Sha256>,
    hash_pool: HashPool,
    login_throttle: LoginThrottle,
}

/// Credentials that were right.
#[derive(Clone)]
struct CachedCredentials {
    user: User,
    scope: Scope,
    /// The password's hash when it was right; `None` for a key.
    password_hash: Option<String>,
    checked_at: Instant,
}

/// What an `Authorization` header holds.
enum Credentials {
    Password { email: Email, password: String },
    ApiKey { token: Token, email: Option<Email> },
}

impl Authenticator {
    /// An authenticator that remembers nobody yet.
    pub fn new(store: AsyncStore, registry: Registry, login_throttle: LoginThrottle) -> Self {
        Self {
            store,
            registry,
            cache: Cache::new(MAX_CACHED_CREDENTIALS),
            invalidated: Cache::new(MAX_CACHED_CREDENTIALS),
            fingerprint_key: Hmac::new(&entropy::bytes::<64>().into()),
            hash_pool: HashPool::default(),
            login_throttle,
        }
    }

    /// Whose credentials these are: the value of an `Authorization` header that came
    /// from there.
    pub async fn authenticate(
        &self,
        header: &[u8],
        client_ip: Option<IpAddr>,
    ) -> Result<(User, Scope), AuthError> {
        let credentials = Credentials::parse(header).ok_or(AuthError::Unauthenticated)?;
        let known = self.verify(header, &credentials, client_ip).await?;
        Ok((known.user, known.scope))
    }

    /// Whose email and password these are, as a form has them that came from there; and the
    /// password's hash that was looked at, which may be an older one by now: whoever opens
    /// a session asks [`users::lock_with_password`].
    pub async fn sign_in(
        &self,
        email: &str,
        password: &str,
        client_ip: Option<IpAddr>,
    ) -> Result<(User, String), AuthError> {
        let email = Email::new(email).map_err(|_| AuthError::Unauthenticated)?;
        let header = [b"form ", email.as_str().as_bytes(), b":", password.as_bytes()].concat();
        let credentials = Credentials::Password { email, password: password.to_owned() };
        let CachedCredentials { user, password_hash: password, .. } =
            self.verify(&header, &credentials, client_ip).await?;
        Ok((user, password.ok_or(AuthError::Unauthenticated)?))
    }

    /// The hash of a password that somebody chose, and that has been looked at.
    pub async fn hash_password(&self, password: &str) -> Result<String, AuthError> {
        let slot = self.hash_pool.acquire().await.ok_or(AuthError::Busy)?;
        match slot.hash(password).await.ok_or(AuthError::Busy)? {
            Ok(hash) => Ok(hash),
            Err(error) => {
                tracing::error!(%error, "password hashing failed");
                Err(AuthError::Busy)
            }
        }
    }

    async fn verify(
        &self,
        header: &[u8],
        credentials: &Credentials,
        client_ip: Option<IpAddr>,
    ) -> Result<CachedCredentials, AuthError> {
        let fingerprint: [u8; 32] =
            self.fingerprint_key.clone().chain_update(header).finalize().into_bytes().into();
        if let Some(known) = self.cached(&fingerprint) {
            return Ok(known);
        }
        let found = match credentials {
            Credentials::Password { email, password } => {
                self.verify_password(email, password, &fingerprint, client_ip).await
            }
            Credentials::ApiKey { token, email } => self.verify_api_key(token, email.as_ref()).await,
        };
        match &found {
            Ok(known) => self.cache.insert(fingerprint, known.clone()),
            // It was not looked at, or the database is away: that says nothing about the password.
            Err(
                AuthError::RateLimited(_) | AuthError::Busy | AuthError::Store(_) | AuthError::Registry(_),
            ) => {}
            Err(AuthError::Unauthenticated) => {
                self.cache.remove(&fingerprint);
            }
        }
        found
    }

    /// Has a user's credentials looked at anew, all of them: what was revoked here stops
    /// working here at once, whatever is being checked just now.
    pub fn invalidate(&self, user: UserId) {
        self.invalidated.insert(user, Instant::now());
    }

    /// What is known of credentials, and still holds.
    fn cached(&self, fingerprint: &[u8; 32]) -> Option<CachedCredentials> {
        let known = self.cache.get(fingerprint)?;
        let forgotten = self.invalidated.get(&known.user.id).is_some_and(|at| known.checked_at <= at);
        (!forgotten && known.checked_at.elapsed() < CREDENTIAL_CACHE_TTL).then_some(known)
    }

    async fn verify_password(
        &self,
        email: &Email,
        password: &str,
        fingerprint: &[u8; 32],
        client_ip: Option<IpAddr>,
    ) -> Result<CachedCredentials, AuthError> {
        let checked = Instant::now();
        let lookup_email = email.clone();
        let found = self.store.read(move |conn| users::by_email_with_password(conn, &lookup_email)).await?;
        let (user, hash) = match found {
            Some((user, hash)) => (Some(user), hash),
            None => (None, None),
        };
        let valid = match (&hash, self.cache.get(fingerprint).and_then(|known| known.password_hash)) {
            (Some(hash), Some(before)) if *hash == before => true,
            // For an unknown address too, so that time tells nothing.
            _ => {
                let attempt = self.login_throttle.check(email, client_ip).await?;
                let slot = self.hash_pool.acquire().await.ok_or(AuthError::Busy)?;
                // Whoever had the turn before may have come with the same password.
                if let Some(known) = self.cached(fingerprint) {
                    return Ok(known);
                }
                let counted = self.login_throttle.consume(attempt).await?;
                let (slot, valid) = slot.verify(password, hash.clone()).await;
                let allowed = user.clone().filter(|user| valid && user.active);
                if let Some(user) = &allowed {
                    let known = CachedCredentials {
                        user: user.clone(),
                        scope: Scope::All,
                        password_hash: hash.clone(),
                        checked_at: checked,
                    };
                    self.cache.insert(*fingerprint, known);
                }
                drop(slot);
                if allowed.is_some() {
                    self.login_throttle.refund(counted).await;
                }
                valid
            }
        };
        match user.filter(|user| valid && user.active) {
            Some(user) => {
                Ok(CachedCredentials { user, scope: Scope::All, password_hash: hash, checked_at: checked })
            }
            None => Err(AuthError::Unauthenticated),
        }
    }

    async fn verify_api_key(
        &self,
        token: &Token,
        email: Option<&Email>,
    ) -> Result<CachedCredentials, AuthError> {
        let checked = Instant::now();
        let id = ApiKeyId(token.id());
        let found = self.registry.look_up(LookupKey::ApiKey(id)).await?;
        let ApiKeyAuth { user, scope, digest } = found.api_key(id).ok_or(AuthError::Unauthenticated)?;
        let valid = digest.matches(&token.digest()) && email.is_none_or(|email| *email == user.email);
        if valid && user.active {
            Ok(CachedCredentials {
                user: user.clone(),
                scope: *scope,
                password_hash: None,
                checked_at: checked,
            })
        } else {
            Err(AuthError::Unauthenticated)
        }
    }
}

impl Credentials {
    fn parse(header: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(header).ok()?;
        let (scheme, rest) = text.split_once(' ')?;
        let rest = rest.trim();
        match scheme.to_ascii_lowercase().as_str() {
            "basic" => {
                let pair = String::from_utf8(STANDARD.decode(rest).ok()?).ok()?;
                let (email, password) = pair.split_once(':')?;
                Some(Self::Password { email: Email::new(email).ok()?, password: password.to_owned() })
            }
            "bearer" => {
                Some(Self::ApiKey { token: Token::parse(TokenKind::ApiKey, rest).ok()?, email: None })
            }
            "apikey" => {
                let (email, key) = rest.split_once(':')?;
                let token = Token::parse(TokenKind::ApiKey, key).ok()?;
                Some(Self::ApiKey { token, email: Some(Email::new(email).ok()?) })
            }
            _ => None,
        }
    }
}

/// For [`crate::fuzzing::credentials`].
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz(header: &[u8]) {
    if let Some(Credentials::ApiKey { token, .. }) = Credentials::parse(header) {
        let text = token.expose().into_bytes();
        assert!(header.windows(text.len()).any(|shown| shown == text));
    }
}

/// Somebody who may do all that their user may.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Who.
    pub user: User,
    /// Who, and from where, for the audit trail.
    pub audit_context: AuditContext,
}

impl Caller {
    /// The caller's number.
    pub fn id(&self) -> UserId {
        self.user.id
    }

    /// Refuses all but staff, with this explanation.
    pub fn require_staff(&self, reason: &'static str) -> Result<(), ApiError> {
        if self.user.staff { Ok(()) } else { Err(ApiError::Forbidden(reason)) }
    }

    /// Refuses who may not act for this user, with this explanation.
    pub fn require_acts_for(&self, user: UserId, reason: &'static str) -> Result<(), ApiError> {
        if self.user.may_act_for(user) { Ok(()) } else { Err(ApiError::Forbidden(reason)) }
    }

    /// Tells who sent a request; a key with a scope is refused.
    pub async fn extract(request: &HttpRequest) -> Result<Self, actix_web::Error> {
        match Self::extract_with_scope(request).await {
            Ok((caller, Scope::All)) => Ok(caller),
            Ok((_, Scope::Introspect)) => Err(ApiError::Forbidden(
                "This API key has only the introspect scope. Use a key without scopes.",
            )
            .into_actix_error(request)),
            Err(error) => Err(error.into_actix_error(request)),
        }
    }

    /// Tells who sent a request, and what their key may do.
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

impl FromRequest for Caller {
    type Error = actix_web::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Self::Error>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { Self::extract(&request).await })
    }
}

/// Where a request came from, for the audit trail.
pub fn audit_context(request: &HttpRequest, actor: Option<UserId>) -> AuditContext {
    let client = request.headers().get(USER_AGENT).and_then(|agent| agent.to_str().ok());
    AuditContext {
        actor,
        ip: client_ip::of_request(request),
        user_agent: client.map(|agent| agent.chars().take(MAX_USER_AGENT_CHARS).collect()),
    }
}
