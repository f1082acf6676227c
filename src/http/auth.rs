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

use super::attempts::Attempts;
use super::passwords::Turns;
use super::problem::Problem;
use super::{Services, client};
use crate::actors::registry::{Registry, RegistryError};
use crate::domain::event::Origin;
use crate::domain::limit::Exceeded;
use crate::domain::token::{ApiKeyId, Kind, Token};
use crate::domain::user::{Email, User, UserId};
use crate::entropy;
use crate::faults;
use crate::store::keys::{KnownKey, Scope};
use crate::store::lookup::Question;
use crate::store::{Directory, StoreError, users};

/// How long a check holds: a disabled user or a revoked key stops working within
/// five seconds on every replica.
const FRESH: Duration = Duration::from_secs(4);
/// Credentials that are remembered, at most.
const REMEMBERED: usize = 10_000;
/// The most characters of a client's name that the audit trail keeps.
const CLIENT_CHARS: usize = 200;

/// Why nobody was let in.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// No credentials, or wrong ones.
    #[error("missing or invalid credentials")]
    Unauthenticated,
    /// Too many attempts, of this account's or this address's, were wrong.
    #[error(transparent)]
    TooOften(#[from] Exceeded),
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

impl From<AuthError> for Problem {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Unauthenticated => Self::Unauthenticated,
            AuthError::TooOften(exceeded) => exceeded.into(),
            AuthError::Busy => Self::Busy,
            AuthError::Store(error) => error.into(),
            AuthError::Registry(error) => error.into(),
        }
    }
}

/// Checks credentials.
pub struct Authenticator {
    directory: Directory,
    registry: Registry,
    /// By a fingerprint of the credentials, so that memory holds none of them.
    cache: Cache<[u8; 32], Known>,
    /// Of whom nothing holds that was checked before then.
    forgotten: Cache<UserId, Instant>,
    fingerprints: Hmac<Sha256>,
    turns: Turns,
    attempts: Attempts,
}

/// Credentials that were right.
#[derive(Clone)]
struct Known {
    user: User,
    scope: Scope,
    /// The password's hash when it was right; `None` for a key.
    password: Option<String>,
    checked: Instant,
}

/// What an `Authorization` header holds.
enum Credentials {
    Password { email: Email, password: String },
    Key { token: Token, email: Option<Email> },
}

impl Authenticator {
    /// An authenticator that remembers nobody yet.
    pub fn new(directory: Directory, registry: Registry, attempts: Attempts) -> Self {
        Self {
            directory,
            registry,
            cache: Cache::new(REMEMBERED),
            forgotten: Cache::new(REMEMBERED),
            fingerprints: Hmac::new(&entropy::bytes::<64>().into()),
            turns: Turns::default(),
            attempts,
        }
    }

    /// Whose credentials these are: the value of an `Authorization` header that came
    /// from there.
    pub async fn authenticate(
        &self,
        header: &[u8],
        from: Option<IpAddr>,
    ) -> Result<(User, Scope), AuthError> {
        let credentials = Credentials::parse(header).ok_or(AuthError::Unauthenticated)?;
        let known = self.check(header, &credentials, from).await?;
        Ok((known.user, known.scope))
    }

    /// Whose email and password these are, as a form has them that came from there; and the
    /// password's hash that was looked at, which may be an older one by now: whoever opens
    /// a session asks [`users::lock_with_password`].
    pub async fn sign_in(
        &self,
        email: &str,
        password: &str,
        from: Option<IpAddr>,
    ) -> Result<(User, String), AuthError> {
        let email = Email::new(email).map_err(|_| AuthError::Unauthenticated)?;
        let header = [b"form ", email.as_str().as_bytes(), b":", password.as_bytes()].concat();
        let credentials = Credentials::Password { email, password: password.to_owned() };
        let Known { user, password, .. } = self.check(&header, &credentials, from).await?;
        Ok((user, password.ok_or(AuthError::Unauthenticated)?))
    }

    /// The hash of a password that somebody chose, and that has been looked at.
    pub async fn hash(&self, password: &str) -> Result<String, AuthError> {
        let turn = self.turns.next().await.ok_or(AuthError::Busy)?;
        match turn.hash(password).await.ok_or(AuthError::Busy)? {
            Ok(hash) => Ok(hash),
            Err(error) => {
                tracing::error!(%error, "password hashing failed");
                Err(AuthError::Busy)
            }
        }
    }

    async fn check(
        &self,
        header: &[u8],
        credentials: &Credentials,
        from: Option<IpAddr>,
    ) -> Result<Known, AuthError> {
        let fingerprint: [u8; 32] =
            self.fingerprints.clone().chain_update(header).finalize().into_bytes().into();
        if let Some(known) = self.fresh(&fingerprint) {
            return Ok(known);
        }
        let found = match credentials {
            Credentials::Password { email, password } => {
                self.check_password(email, password, &fingerprint, from).await
            }
            Credentials::Key { token, email } => self.check_key(token, email.as_ref()).await,
        };
        match &found {
            Ok(known) => self.cache.insert(fingerprint, known.clone()),
            // It was not looked at, or the database is away: that says nothing about the password.
            Err(AuthError::TooOften(_) | AuthError::Busy | AuthError::Store(_) | AuthError::Registry(_)) => {}
            Err(AuthError::Unauthenticated) => {
                self.cache.remove(&fingerprint);
            }
        }
        found
    }

    /// Has a user's credentials looked at anew, all of them: what was revoked here stops
    /// working here at once, whatever is being checked just now.
    pub fn forget(&self, user: UserId) {
        self.forgotten.insert(user, Instant::now());
    }

    /// What is known of credentials, and still holds.
    fn fresh(&self, fingerprint: &[u8; 32]) -> Option<Known> {
        let known = self.cache.get(fingerprint)?;
        let forgotten = self.forgotten.get(&known.user.id).is_some_and(|at| known.checked <= at);
        (!forgotten && known.checked.elapsed() < FRESH).then_some(known)
    }

    async fn check_password(
        &self,
        email: &Email,
        password: &str,
        fingerprint: &[u8; 32],
        from: Option<IpAddr>,
    ) -> Result<Known, AuthError> {
        let checked = Instant::now();
        let asked = email.clone();
        let found = self.directory.read(move |conn| users::with_password(conn, &asked)).await?;
        let (user, hash) = match found {
            Some((user, hash)) => (Some(user), hash),
            None => (None, None),
        };
        if faults::planted("auth.early") && hash.is_none() {
            return Err(AuthError::Unauthenticated);
        }
        let right = match (&hash, self.cache.get(fingerprint).and_then(|known| known.password)) {
            (Some(hash), Some(before)) if *hash == before => true,
            // For an unknown address too, so that time tells nothing.
            _ => {
                let attempt = self.attempts.begin(email, from).await?;
                let turn = self.turns.next().await.ok_or(AuthError::Busy)?;
                // Whoever had the turn before may have come with the same password.
                if let Some(known) = self.fresh(fingerprint) {
                    return Ok(known);
                }
                let counted = self.attempts.count(attempt).await?;
                let (turn, right) = turn.verify(password, hash.clone()).await;
                let allowed = user.clone().filter(|user| right && user.active);
                if let Some(user) = &allowed {
                    let known =
                        Known { user: user.clone(), scope: Scope::All, password: hash.clone(), checked };
                    self.cache.insert(*fingerprint, known);
                }
                drop(turn);
                if allowed.is_some() {
                    self.attempts.succeed(counted).await;
                }
                right
            }
        };
        match user.filter(|user| right && user.active) {
            Some(user) => Ok(Known { user, scope: Scope::All, password: hash, checked }),
            None => Err(AuthError::Unauthenticated),
        }
    }

    async fn check_key(&self, token: &Token, email: Option<&Email>) -> Result<Known, AuthError> {
        let checked = Instant::now();
        let id = ApiKeyId(token.id());
        let found = self.registry.look_up(Question::Key(id)).await?;
        let KnownKey { user, scope, digest } = found.key(id).ok_or(AuthError::Unauthenticated)?;
        let right = digest.matches(&token.digest()) && email.is_none_or(|email| *email == user.email);
        if right && user.active {
            Ok(Known { user: user.clone(), scope: *scope, password: None, checked })
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
            "bearer" => Some(Self::Key { token: Token::parse(Kind::ApiKey, rest).ok()?, email: None }),
            "apikey" => {
                let (email, key) = rest.split_once(':')?;
                let token = Token::parse(Kind::ApiKey, key).ok()?;
                Some(Self::Key { token, email: Some(Email::new(email).ok()?) })
            }
            _ => None,
        }
    }
}

/// For [`crate::probes::credentials`].
#[cfg(any(test, fuzzing))]
pub(crate) fn probe(header: &[u8]) {
    if let Some(Credentials::Key { token, .. }) = Credentials::parse(header) {
        let text = token.reveal().into_bytes();
        assert!(header.windows(text.len()).any(|shown| shown == text));
    }
}

/// Somebody who may do all that their user may.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Who.
    pub user: User,
    /// Who, and from where, for the audit trail.
    pub origin: Origin,
}

impl Caller {
    /// The caller's number.
    pub fn id(&self) -> UserId {
        self.user.id
    }

    /// Refuses all but staff, with this explanation.
    pub fn must_be_staff(&self, otherwise: &'static str) -> Result<(), Problem> {
        if self.user.staff { Ok(()) } else { Err(Problem::Forbidden(otherwise)) }
    }

    /// Refuses who may not act for this user, with this explanation.
    pub fn must_act_for(&self, user: UserId, otherwise: &'static str) -> Result<(), Problem> {
        if self.user.may_act_for(user) { Ok(()) } else { Err(Problem::Forbidden(otherwise)) }
    }

    /// Tells who sent a request; a key with a scope is refused.
    pub async fn extract(request: &HttpRequest) -> Result<Self, actix_web::Error> {
        match Self::with_scope(request).await {
            Ok((caller, Scope::All)) => Ok(caller),
            Ok((_, Scope::Introspect)) => Err(Problem::Forbidden(
                "This API key has only the introspect scope. Use a key without scopes.",
            )
            .refuse(request)),
            Err(problem) => Err(problem.refuse(request)),
        }
    }

    /// Tells who sent a request, and what their key may do.
    pub async fn with_scope(request: &HttpRequest) -> Result<(Self, Scope), Problem> {
        let services = request.app_data::<Data<Services>>().ok_or(Problem::NotDone)?;
        let mut headers = request.headers().get_all(AUTHORIZATION);
        let (Some(header), None) = (headers.next(), headers.next()) else {
            return Err(Problem::Unauthenticated);
        };
        let (user, scope) =
            services.authenticator.authenticate(header.as_bytes(), client::address(request)).await?;
        let origin = origin(request, Some(user.id));
        Ok((Self { user, origin }, scope))
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
pub fn origin(request: &HttpRequest, actor: Option<UserId>) -> Origin {
    let client = request.headers().get(USER_AGENT).and_then(|agent| agent.to_str().ok());
    Origin {
        actor,
        address: client::address(request),
        client: client.map(|agent| agent.chars().take(CLIENT_CHARS).collect()),
    }
}
