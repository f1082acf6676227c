//! Verifies credentials: API keys, and email addresses with passwords.
//!
//! Verified credentials are cached for a few seconds. A password is hashed once: when its
//! cache entry has expired, the authenticator only checks that the user's password hash in the
//! database is unchanged.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use quick_cache::sync::Cache;
use sha2::{Digest, Sha256};

use super::credentials::Credentials;
use super::error::AuthError;
use super::login_throttle::LoginThrottle;
use super::password_pool::HashPool;
use crate::actors::registry::Registry;
use crate::domain::token::{ApiKeyId, Token};
use crate::domain::user::{Email, User, UserId};
use crate::entropy;
use crate::store::api_keys::{ApiKeyAuth, Scope};
use crate::store::lookup::LookupKey;
use crate::store::{AsyncStore, users};

/// How long verified credentials are accepted without a query. Every replica rejects a disabled
/// user or a revoked key within five seconds.
const CREDENTIAL_CACHE_TTL: Duration = Duration::from_secs(4);
const MAX_CACHED_CREDENTIALS: usize = 10_000;

/// Verifies credentials, with a cache.
pub struct Authenticator {
    store: AsyncStore,
    registry: Registry,
    /// By an HMAC of the credentials, so that memory holds no secrets.
    cache: Cache<[u8; 32], CachedCredentials>,
    /// Users whose cached credentials were invalidated, and when. Cache entries that are older
    /// are ignored.
    invalidated: Cache<UserId, Instant>,
    fingerprint_key: Hmac<Sha256>,
    hash_pool: HashPool,
    login_throttle: LoginThrottle,
    counts: SignInCounts,
}

/// Counts of checked credentials, by method and outcome.
pub type SignInCounts = Family<[(&'static str, &'static str); 2], Counter>;

/// Each label starts at 0, so that `/metrics` has all of them.
fn new_counts() -> SignInCounts {
    let counts = SignInCounts::default();
    for (method, outcome) in [
        ("password", "accepted"),
        ("password", "rejected"),
        ("password", "rate_limited"),
        ("api_key", "accepted"),
        ("api_key", "rejected"),
    ] {
        drop(counts.get_or_create(&[("method", method), ("outcome", outcome)]));
    }
    counts
}

/// Logs rejected credentials for tools such as fail2ban: the client's address, and a hash of the
/// account, by which attempts at one account can be counted.
fn log_failure(credentials: &Credentials, client_ip: Option<IpAddr>, error: &AuthError) {
    let (method, account) = match credentials {
        Credentials::Password { email, .. } => ("password", Some(account_hash(email))),
        Credentials::ApiKey { .. } => ("api_key", None),
    };
    let reason = match error {
        AuthError::RateLimited(_) => "rate_limited",
        _ => "rejected",
    };
    tracing::warn!(
        address = client_ip.map(tracing::field::display),
        account,
        method,
        reason,
        "sign-in failed"
    );
}

/// The first 16 hexadecimal digits of the SHA-256 of an account's email address in lower case.
fn account_hash(email: &Email) -> String {
    Sha256::digest(email.as_str().as_bytes()).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// Verified credentials.
#[derive(Clone)]
struct CachedCredentials {
    user: User,
    scope: Scope,
    /// The hash that the password was verified against; `None` for an API key.
    password_hash: Option<String>,
    /// Taken before the database was read.
    checked_at: Instant,
}

impl Authenticator {
    /// An authenticator with an empty cache.
    pub fn new(store: AsyncStore, registry: Registry, login_throttle: LoginThrottle) -> Self {
        Self {
            store,
            registry,
            cache: Cache::new(MAX_CACHED_CREDENTIALS),
            invalidated: Cache::new(MAX_CACHED_CREDENTIALS),
            fingerprint_key: Hmac::new(&entropy::bytes::<64>().into()),
            hash_pool: HashPool::default(),
            login_throttle,
            counts: new_counts(),
        }
    }

    /// The counts of this process's checks of credentials. Those that are in the cache are not counted.
    pub fn counts(&self) -> SignInCounts {
        self.counts.clone()
    }

    /// The user and the scope of the credentials in the value of an `Authorization` header.
    pub async fn authenticate(
        &self,
        header: &[u8],
        client_ip: Option<IpAddr>,
    ) -> Result<(User, Scope), AuthError> {
        let credentials = Credentials::parse(header).ok_or(AuthError::Unauthenticated)?;
        let verified = self.verify(header, &credentials, client_ip).await?;
        Ok((verified.user, verified.scope))
    }

    /// The user with this email address and password, and the password hash that was verified.
    /// The user may have a newer hash by now, so a session is opened only after
    /// [`users::lock_with_password`] has compared it.
    pub async fn sign_in(
        &self,
        email: &str,
        password: &str,
        client_ip: Option<IpAddr>,
    ) -> Result<(User, String), AuthError> {
        let email = Email::new(email).map_err(|_| AuthError::Unauthenticated)?;
        let fingerprinted = [b"form ", email.as_str().as_bytes(), b":", password.as_bytes()].concat();
        let credentials = Credentials::Password { email, password: password.to_owned() };
        let CachedCredentials { user, password_hash, .. } =
            self.verify(&fingerprinted, &credentials, client_ip).await?;
        Ok((user, password_hash.ok_or(AuthError::Unauthenticated)?))
    }

    /// Hashes a new password, which the caller has validated.
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

    /// Whether this is the user's current password. Not for sign-in: it counts no failures.
    pub async fn is_current_password(&self, user: UserId, password: &str) -> Result<bool, AuthError> {
        let hash = self.store.read(move |conn| users::password_hash(conn, user)).await?;
        let Some(hash) = hash else { return Ok(false) };
        let slot = self.hash_pool.acquire().await.ok_or(AuthError::Busy)?;
        Ok(slot.verify(password, Some(hash)).await.1)
    }

    /// Invalidates all cached credentials of a user on this replica, including those that are
    /// being verified now.
    pub fn invalidate(&self, user: UserId) {
        self.invalidated.insert(user, Instant::now());
    }

    async fn verify(
        &self,
        fingerprinted: &[u8],
        credentials: &Credentials,
        client_ip: Option<IpAddr>,
    ) -> Result<CachedCredentials, AuthError> {
        let fingerprint: [u8; 32] =
            self.fingerprint_key.clone().chain_update(fingerprinted).finalize().into_bytes().into();
        if let Some(cached) = self.cached(&fingerprint) {
            return Ok(cached);
        }
        let result = match credentials {
            Credentials::Password { email, password } => {
                self.verify_password(email, password, &fingerprint, client_ip).await
            }
            Credentials::ApiKey { token, email } => self.verify_api_key(token, email.as_ref()).await,
        };
        if let Err(error @ (AuthError::Unauthenticated | AuthError::RateLimited(_))) = &result {
            log_failure(credentials, client_ip, error);
        }
        self.count(credentials, &result);
        match &result {
            Ok(verified) => self.cache.insert(fingerprint, verified.clone()),
            // The credentials were not checked, so an older entry is still right.
            Err(
                AuthError::RateLimited(_) | AuthError::Busy | AuthError::Store(_) | AuthError::Registry(_),
            ) => {}
            Err(AuthError::Unauthenticated) => {
                self.cache.remove(&fingerprint);
            }
        }
        result
    }

    fn count(&self, credentials: &Credentials, result: &Result<CachedCredentials, AuthError>) {
        let outcome = match result {
            Ok(_) => "accepted",
            Err(AuthError::Unauthenticated) => "rejected",
            Err(AuthError::RateLimited(_)) => "rate_limited",
            Err(AuthError::Busy | AuthError::Store(_) | AuthError::Registry(_)) => return,
        };
        let method = match credentials {
            Credentials::Password { .. } => "password",
            Credentials::ApiKey { .. } => "api_key",
        };
        self.counts.get_or_create(&[("method", method), ("outcome", outcome)]).inc();
    }

    /// The cache entry, unless it has expired or was invalidated.
    fn cached(&self, fingerprint: &[u8; 32]) -> Option<CachedCredentials> {
        let cached = self.cache.get(fingerprint)?;
        let invalidated = self.invalidated.get(&cached.user.id).is_some_and(|at| cached.checked_at <= at);
        (!invalidated && cached.checked_at.elapsed() < CREDENTIAL_CACHE_TTL).then_some(cached)
    }

    async fn verify_password(
        &self,
        email: &Email,
        password: &str,
        fingerprint: &[u8; 32],
        client_ip: Option<IpAddr>,
    ) -> Result<CachedCredentials, AuthError> {
        let checked_at = Instant::now();
        let lookup_email = email.clone();
        let found = self.store.read(move |conn| users::by_email_with_password(conn, &lookup_email)).await?;
        let (user, hash) = match found {
            Some((user, hash)) => (Some(user), hash),
            None => (None, None),
        };
        let valid = match (&hash, self.cache.get(fingerprint).and_then(|cached| cached.password_hash)) {
            (Some(hash), Some(verified_hash)) if *hash == verified_hash => true,
            // An unknown email address also takes this branch, so that latency does not reveal
            // which accounts exist.
            _ => {
                let attempt = self.login_throttle.check(email, client_ip).await?;
                let slot = self.hash_pool.acquire().await.ok_or(AuthError::Busy)?;
                // The previous holder of the slot may have verified the same password.
                if let Some(cached) = self.cached(fingerprint) {
                    return Ok(cached);
                }
                let consumed = self.login_throttle.consume(attempt).await?;
                let (slot, valid) = slot.verify(password, hash.clone()).await;
                let allowed = user.clone().filter(|user| valid && user.active);
                if let Some(user) = &allowed {
                    let verified = CachedCredentials {
                        user: user.clone(),
                        scope: Scope::All,
                        password_hash: hash.clone(),
                        checked_at,
                    };
                    self.cache.insert(*fingerprint, verified);
                }
                drop(slot);
                match &allowed {
                    Some(_) => self.login_throttle.refund(consumed).await,
                    None => {
                        let active = user.as_ref().filter(|user| user.active).map(|user| user.id);
                        self.login_throttle.notify_after_failure(&consumed, active);
                    }
                }
                valid
            }
        };
        match user.filter(|user| valid && user.active) {
            Some(user) => Ok(CachedCredentials { user, scope: Scope::All, password_hash: hash, checked_at }),
            None => Err(AuthError::Unauthenticated),
        }
    }

    async fn verify_api_key(
        &self,
        token: &Token,
        email: Option<&Email>,
    ) -> Result<CachedCredentials, AuthError> {
        let checked_at = Instant::now();
        let id = ApiKeyId(token.id());
        let found = self.registry.look_up(LookupKey::ApiKey(id)).await?;
        let ApiKeyAuth { user, scope, digest } = found.api_key(id).ok_or(AuthError::Unauthenticated)?;
        let valid = digest.matches(&token.digest()) && email.is_none_or(|email| *email == user.email);
        if valid && user.active {
            Ok(CachedCredentials { user: user.clone(), scope: *scope, password_hash: None, checked_at })
        } else {
            Err(AuthError::Unauthenticated)
        }
    }
}
