//! Limits failed sign-ins. An attempt consumes from the limits of its account and its address
//! before the password is checked, and gets a refund if the password was right. The limits
//! therefore bound the passwords tried, however many attempts run at once on however many
//! replicas.
//!
//! An attacker cannot lock a user out. Each network has a limit of its own for an account, so that
//! one address consumes nothing of another's. When strangers everywhere have failed ten times as
//! often, each network has one attempt per period; the user is mailed. After a successful sign-in the account is known at that
//! address for 30 days, and has a limit of its own there that failures from other addresses do
//! not consume. (Passwords in the authenticator's cache are not counted; API keys have no
//! limit.) Unknown accounts are limited exactly as existing ones.

use std::net::IpAddr;

use super::error::AuthError;
use crate::domain::notice::Notice;
use crate::domain::rate_limit::{
    KeyedLimit, QuotaStatus, RateLimitKey, RateLimiter, SignInLimits, client_network, larger_networks,
    rate_limit_prefix,
};
use crate::domain::timestamp::Timestamp;
use crate::domain::user::{Email, UserId};
use crate::store::{AsyncStore, outbox, rate_limits};

/// How many times a network's limit for an account may be used by all networks together before
/// attempts are slowed down.
const STRANGERS_FACTOR: i64 = 10;
/// A user is mailed about failed sign-ins at most once in this time.
const NOTICE_PERIOD_SECONDS: i64 = 86_400;
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
    /// Whether it was the last attempt of a limit of the account.
    exhausts_account: bool,
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
            return Ok(ConsumedAttempt { attempt, consumed: Vec::new(), exhausts_account: false });
        }
        let attempt_for_db = attempt.clone();
        let consumed = rate_limits::update(&self.store, attempt.rate_limit_keys(), move |limiter, now| {
            let keyed_limits = attempt_for_db.keyed_limits(limiter, now);
            limiter.consume(&keyed_limits, now).map(|quotas| {
                let is_last = |quota: &QuotaStatus| quota.policy_name == "account" && quota.remaining == 0;
                (keyed_limits, quotas.iter().any(is_last))
            })
        });
        let (consumed, exhausts_account) = consumed.await??;
        Ok(ConsumedAttempt { attempt, consumed, exhausts_account })
    }

    /// Queues a mail to the user whose password was wrong, if the attempt was the last one of a
    /// limit of the account and there was no such mail within a day. It does not delay the
    /// response, which would reveal that the account exists.
    pub fn notify_after_failure(&self, consumed: &ConsumedAttempt, user: Option<UserId>) {
        let Some(user) = user.filter(|_| consumed.exhausts_account) else { return };
        let (store, key) = (self.store.clone(), RateLimitKey::SignInNotice(consumed.attempt.account.clone()));
        tokio::spawn(async move {
            let flag = key.clone();
            let is_due = rate_limits::update(&store, vec![key], move |limiter, now| {
                let is_due = !limiter.is_remembered(&flag, now);
                limiter.remember_until(&flag, now.plus_seconds(NOTICE_PERIOD_SECONDS));
                is_due
            });
            let queued = match is_due.await {
                Ok(true) => {
                    let queued = store.write(move |conn| {
                        let now = conn.now()?;
                        outbox::insert_notice(conn, Notice::SignInsFailed, user, now)
                    });
                    queued.await
                }
                Ok(false) => Ok(()),
                Err(error) => Err(error),
            };
            if let Err(error) = queued {
                tracing::warn!(%error, "mail about failed sign-ins not queued");
            }
        });
    }

    /// Refunds an attempt with the right password, and remembers the address. If the database
    /// fails, the attempt stays counted.
    pub async fn refund(&self, ConsumedAttempt { attempt, consumed, .. }: ConsumedAttempt) {
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
            let network = client_network(address);
            keys.push(RateLimitKey::SignInAddress(address));
            keys.extend(
                larger_networks(address).map(|(net, bits, _)| RateLimitKey::SignInNetwork(net, bits)),
            );
            keys.push(RateLimitKey::SignInAccountFromNetwork(account.clone(), network));
            keys.push(RateLimitKey::SlowedSignIn(account.clone(), network));
            keys.push(RateLimitKey::SignInAccountAtAddress(account.clone(), address));
            keys.push(RateLimitKey::KnownAddress(account, address));
        }
        keys
    }

    /// The limits that the attempt consumes from. An account that is known at the address has
    /// the limit of an account to itself there.
    fn keyed_limits(&self, limiter: &RateLimiter, now: Timestamp) -> Vec<KeyedLimit> {
        let SignInLimits { account, address } = self.limits;
        let email = || self.account.clone();
        let Some(at) = self.ip_prefix else {
            return account.map(|limit| (RateLimitKey::SignInAccount(email()), limit)).into_iter().collect();
        };
        if limiter.is_remembered(&RateLimitKey::KnownAddress(email(), at), now) {
            let known =
                account.or(address).map(|limit| (RateLimitKey::SignInAccountAtAddress(email(), at), limit));
            return known.into_iter().collect();
        }
        let mut keyed_limits = Vec::new();
        if let Some(limit) = account {
            let network = client_network(at);
            let everywhere = (RateLimitKey::SignInAccount(email()), limit.times(STRANGERS_FACTOR));
            keyed_limits.push((RateLimitKey::SignInAccountFromNetwork(email(), network), limit));
            keyed_limits.push(match limiter.check(std::slice::from_ref(&everywhere), now) {
                Ok(()) => everywhere,
                // Slower, but not locked: one attempt per network and period.
                Err(_) => (RateLimitKey::SlowedSignIn(email(), network), limit.one_per_period()),
            });
        }
        if let Some(limit) = address {
            keyed_limits.push((RateLimitKey::SignInAddress(at), limit));
            keyed_limits.extend(larger_networks(at).map(|(network, bits, times)| {
                (RateLimitKey::SignInNetwork(network, bits), limit.times(times))
            }));
        }
        keyed_limits
    }
}
