//! Limits failed sign-ins. An attempt consumes from the limits of its account and its address
//! before the password is checked, and gets a refund if the password was right. The limits
//! therefore bound the passwords tried, however many attempts run at once on however many
//! replicas.
//!
//! An attacker cannot lock a user out. After a successful sign-in the account is known at that
//! address for 30 days, and has a limit of its own there that failures from other addresses do
//! not consume. (Passwords in the authenticator's cache are not counted; API keys have no
//! limit.) Unknown accounts are limited exactly as existing ones.

use std::net::IpAddr;

use super::error::AuthError;
use crate::domain::rate_limit::{KeyedLimit, RateLimitKey, RateLimiter, SignInLimits, rate_limit_prefix};
use crate::domain::timestamp::Timestamp;
use crate::domain::user::Email;
use crate::store::{AsyncStore, rate_limits};

/// How long an account stays known at an address.
const KNOWN_ADDRESS_TTL_SECONDS: i64 = 30 * 86_400;

/// Limits failed sign-ins.
#[derive(Clone)]
pub struct LoginThrottle {
    store: AsyncStore,
    limits: SignInLimits,
}

/// An attempt to sign in.
#[derive(Clone, Debug)]
pub struct LoginAttempt {
    account: Email,
    ip_prefix: Option<IpAddr>,
    limits: SignInLimits,
}

/// An attempt that was counted, and the limits that it consumed from.
#[derive(Clone, Debug)]
pub struct ConsumedAttempt {
    attempt: LoginAttempt,
    consumed: Vec<KeyedLimit>,
}

impl LoginThrottle {
    /// A throttle with these limits.
    pub fn new(store: AsyncStore, limits: SignInLimits) -> Self {
        Self { store, limits }
    }

    /// Checks that an attempt is within the limits. Consumes nothing.
    pub async fn check(&self, account: &Email, client_ip: Option<IpAddr>) -> Result<LoginAttempt, AuthError> {
        let ip_prefix = client_ip.map(rate_limit_prefix);
        let attempt = LoginAttempt { account: account.clone(), ip_prefix, limits: self.limits };
        if self.limits != SignInLimits::default() {
            let attempt_for_db = attempt.clone();
            let allowed = self.store.read(move |conn| {
                let limiter = rate_limits::read(conn, &attempt_for_db.rate_limit_keys())?;
                let now = conn.now()?;
                Ok(limiter.check(&attempt_for_db.keyed_limits(&limiter, now), now))
            });
            allowed.await??;
        }
        Ok(attempt)
    }

    /// Consumes from the attempt's limits. Called before the password is checked.
    pub async fn consume(&self, attempt: LoginAttempt) -> Result<ConsumedAttempt, AuthError> {
        if self.limits == SignInLimits::default() {
            return Ok(ConsumedAttempt { attempt, consumed: Vec::new() });
        }
        let attempt_for_db = attempt.clone();
        let consumed = rate_limits::update(&self.store, attempt.rate_limit_keys(), move |limiter, now| {
            let keyed_limits = attempt_for_db.keyed_limits(limiter, now);
            limiter.consume(&keyed_limits, now).map(|_| keyed_limits)
        });
        Ok(ConsumedAttempt { consumed: consumed.await??, attempt })
    }

    /// Refunds an attempt with the right password, and remembers the address. If the database
    /// fails, the attempt stays counted.
    pub async fn refund(&self, ConsumedAttempt { attempt, consumed }: ConsumedAttempt) {
        if consumed.is_empty() {
            return;
        }
        let refunded = rate_limits::update(&self.store, attempt.rate_limit_keys(), move |limiter, now| {
            limiter.refund(&consumed);
            if let Some(address) = attempt.ip_prefix {
                let known = RateLimitKey::KnownAddress(attempt.account.clone(), address);
                limiter.remember_until(&known, now.plus_seconds(KNOWN_ADDRESS_TTL_SECONDS));
            }
        });
        if let Err(error) = refunded.await {
            tracing::warn!(%error, "login throttle refund failed");
        }
    }
}

impl LoginAttempt {
    /// All keys that the attempt may read or change.
    fn rate_limit_keys(&self) -> Vec<RateLimitKey> {
        let account = self.account.clone();
        let mut keys = vec![RateLimitKey::SignInAccount(account.clone())];
        if let Some(address) = self.ip_prefix {
            keys.push(RateLimitKey::SignInAddress(address));
            keys.push(RateLimitKey::SignInAccountAtAddress(account.clone(), address));
            keys.push(RateLimitKey::KnownAddress(account, address));
        }
        keys
    }

    /// The limits that the attempt consumes from. An account that is known at the address has
    /// the limit of an account to itself there.
    fn keyed_limits(&self, limiter: &RateLimiter, now: Timestamp) -> Vec<KeyedLimit> {
        let SignInLimits { account, address } = self.limits;
        let is_known =
            |at: &IpAddr| limiter.is_remembered(&RateLimitKey::KnownAddress(self.account.clone(), *at), now);
        let keyed_limits = match self.ip_prefix {
            Some(at) if is_known(&at) => [
                account
                    .or(address)
                    .map(|limit| (RateLimitKey::SignInAccountAtAddress(self.account.clone(), at), limit)),
                None,
            ],
            at => [
                account.map(|limit| (RateLimitKey::SignInAccount(self.account.clone()), limit)),
                at.zip(address).map(|(at, limit)| (RateLimitKey::SignInAddress(at), limit)),
            ],
        };
        keyed_limits.into_iter().flatten().collect()
    }
}
