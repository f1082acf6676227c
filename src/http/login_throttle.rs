//! Sign-ins that fail, counted before it is known that they do: an attempt takes one
//! of its account's limit and of its address's before its password is looked at, and
//! whoever turns out to be right gets both back. So no more passwords are tried than
//! the limits allow, however many come at once, at however many replicas.
//!
//! Nobody locks others out for good: from where somebody has signed in to an account it
//! is known for thirty days, and has a meter of its own, which strangers' failures do
//! not touch. (A password that a server remembers is not tried again, and an API key
//! has no limit at all.) Accounts that are there and those that are not are alike.

use std::net::IpAddr;

use super::auth::AuthError;
use super::extract::client_ip;
use super::rate_limit_update;
use crate::domain::rate_limit::{KeyedLimit, RateLimitKey, RateLimiter, SignInLimits};
use crate::domain::timestamp::Timestamp;
use crate::domain::user::Email;
use crate::store::{AsyncStore, rate_limits};

/// For how many seconds an account is known at an address.
const KNOWN_ADDRESS_TTL_SECONDS: i64 = 30 * 86_400;

/// Sign-ins, as far as they are limited.
#[derive(Clone)]
pub struct LoginThrottle {
    store: AsyncStore,
    limits: SignInLimits,
}

/// An attempt to sign in.
#[derive(Clone, Debug)]
pub struct LoginAttempt {
    account: Email,
    /// The whole of what the subscriber has there.
    ip_prefix: Option<IpAddr>,
    limits: SignInLimits,
}

/// An attempt that has been counted, and what it took.
#[derive(Clone, Debug)]
pub struct ConsumedAttempt {
    attempt: LoginAttempt,
    consumed: Vec<KeyedLimit>,
}

impl LoginThrottle {
    /// Attempts within these limits.
    pub fn new(store: AsyncStore, limits: SignInLimits) -> Self {
        Self { store, limits }
    }

    /// An attempt to sign in to this account from this address, unless there are too
    /// many. Nothing is taken yet.
    pub async fn check(&self, account: &Email, client_ip: Option<IpAddr>) -> Result<LoginAttempt, AuthError> {
        let address = client_ip.map(client_ip::rate_limit_prefix);
        let attempt = LoginAttempt { account: account.clone(), ip_prefix: address, limits: self.limits };
        if self.limits != SignInLimits::default() {
            let attempt_for_db = attempt.clone();
            let allowed = self.store.read(move |conn| {
                let meters = rate_limits::read(conn, &attempt_for_db.rate_limit_keys())?;
                let now = conn.now()?;
                Ok(meters.check(&attempt_for_db.keyed_limits(&meters, now), now))
            });
            allowed.await??;
        }
        Ok(attempt)
    }

    /// Counts an attempt, whose password is to be looked at now.
    pub async fn consume(&self, attempt: LoginAttempt) -> Result<ConsumedAttempt, AuthError> {
        if self.limits == SignInLimits::default() {
            return Ok(ConsumedAttempt { attempt, consumed: Vec::new() });
        }
        let attempt_for_db = attempt.clone();
        let consumed =
            rate_limit_update::update(&self.store, attempt.rate_limit_keys(), move |meters, now| {
                let keyed_limits = attempt_for_db.keyed_limits(meters, now);
                meters.consume(&keyed_limits, now).map(|_| keyed_limits)
            });
        Ok(ConsumedAttempt { consumed: consumed.await??, attempt })
    }

    /// Gives back what an attempt took whose password was right. If that cannot be
    /// done, the limits are a little lower for a while.
    pub async fn refund(&self, ConsumedAttempt { attempt, consumed }: ConsumedAttempt) {
        if consumed.is_empty() {
            return;
        }
        let refunded =
            rate_limit_update::update(&self.store, attempt.rate_limit_keys(), move |meters, now| {
                meters.refund(&consumed);
                if let Some(address) = attempt.ip_prefix {
                    let known = RateLimitKey::KnownAddress(attempt.account.clone(), address);
                    meters.remember_until(&known, now.plus_seconds(KNOWN_ADDRESS_TTL_SECONDS));
                }
            });
        if let Err(error) = refunded.await {
            tracing::warn!(%error, "login throttle refund failed");
        }
    }
}

impl LoginAttempt {
    /// All the meters that it may have to do with.
    fn rate_limit_keys(&self) -> Vec<RateLimitKey> {
        let account = self.account.clone();
        let mut meters = vec![RateLimitKey::SignInAccount(account.clone())];
        if let Some(address) = self.ip_prefix {
            meters.push(RateLimitKey::SignInAddress(address));
            meters.push(RateLimitKey::SignInAccountAtAddress(account.clone(), address));
            meters.push(RateLimitKey::KnownAddress(account, address));
        }
        meters
    }

    /// What it takes one of. Where the account is known it has a meter of its own, on
    /// which there is as much as a stranger has there for all accounts: somebody's other
    /// device may go on with an old password, and all replicas may be new at once.
    fn keyed_limits(&self, meters: &RateLimiter, now: Timestamp) -> Vec<KeyedLimit> {
        let SignInLimits { account, address } = self.limits;
        let known =
            |at: &IpAddr| meters.is_remembered(&RateLimitKey::KnownAddress(self.account.clone(), *at), now);
        let keyed_limits = match self.ip_prefix {
            Some(at) if known(&at) => [
                address.map(|limit| (RateLimitKey::SignInAccountAtAddress(self.account.clone(), at), limit)),
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
