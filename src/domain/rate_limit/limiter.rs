//! The rate limits of one transaction: loaded, checked, changed.

use std::collections::BTreeMap;

use super::gcra::{RateLimit, TheoreticalArrival};
use super::keys::{KeyedLimit, RateLimitKey};
use crate::domain::timestamp::Timestamp;

/// How much of a limit remains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotaStatus {
    /// [`RateLimitKey::policy_name`].
    pub policy_name: &'static str,
    pub limit: RateLimit,
    /// How many are available.
    pub remaining: i64,
    /// Seconds until one more is available; 0 if all are.
    pub reset_after: i64,
}

/// A limit is used up: nothing was consumed, and nothing was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Too many requests. Nothing was done. Try again in {} seconds.", .0.reset_after)]
pub struct RateLimited(pub QuotaStatus);

/// The state of some keys, as loaded from the database and as changed since.
#[derive(Clone, Debug, Default)]
pub struct RateLimiter {
    loaded: BTreeMap<String, TheoreticalArrival>,
    changed: BTreeMap<String, TheoreticalArrival>,
}

/// A row to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangedRow<'a> {
    pub key: &'a str,
    /// As loaded; `None` if the row did not exist.
    pub before: Option<TheoreticalArrival>,
    pub after: TheoreticalArrival,
}

impl RateLimiter {
    /// A limiter with the rows loaded from the database. A key without a row is idle.
    pub fn new(rows: impl IntoIterator<Item = (String, TheoreticalArrival)>) -> Self {
        Self { loaded: rows.into_iter().collect(), changed: BTreeMap::new() }
    }

    fn arrival(&self, row_key: &str) -> TheoreticalArrival {
        self.changed
            .get(row_key)
            .or_else(|| self.loaded.get(row_key))
            .copied()
            .unwrap_or(TheoreticalArrival::IDLE)
    }

    /// Checks that one of each limit is available; otherwise returns the limit with the longest
    /// wait.
    pub fn check(&self, keyed_limits: &[KeyedLimit], now: Timestamp) -> Result<(), RateLimited> {
        let rate_limited = |(key, limit): &KeyedLimit| {
            let reset_after = limit.consume(self.arrival(&key.to_string()), now).err()?;
            Some(QuotaStatus { policy_name: key.policy_name(), limit: *limit, remaining: 0, reset_after })
        };
        match keyed_limits.iter().filter_map(rate_limited).max_by_key(|status| status.reset_after) {
            Some(status) => Err(RateLimited(status)),
            None => Ok(()),
        }
    }

    /// Consumes one of each limit, or none if one of them is used up. Returns what remains.
    pub fn consume(
        &mut self,
        keyed_limits: &[KeyedLimit],
        now: Timestamp,
    ) -> Result<Vec<QuotaStatus>, RateLimited> {
        self.check(keyed_limits, now)?;
        let mut statuses = Vec::with_capacity(keyed_limits.len());
        for (key, limit) in keyed_limits {
            let row_key = key.to_string();
            let before = self.arrival(&row_key);
            let arrival = limit.consume(before, now).unwrap_or(before);
            let (remaining, reset_after) = limit.remaining(arrival, now);
            statuses.push(QuotaStatus {
                policy_name: key.policy_name(),
                limit: *limit,
                remaining,
                reset_after,
            });
            self.changed.insert(row_key, arrival);
        }
        Ok(statuses)
    }

    /// Reverts one [`RateLimiter::consume`].
    pub fn refund(&mut self, consumed: &[KeyedLimit]) {
        for (key, limit) in consumed {
            let row_key = key.to_string();
            let arrival = limit.refund(self.arrival(&row_key));
            self.changed.insert(row_key, arrival);
        }
    }

    /// Whether a key that is used as a flag is set.
    pub fn is_remembered(&self, key: &RateLimitKey, now: Timestamp) -> bool {
        self.arrival(&key.to_string()).0 > now
    }

    /// Sets a key that is used as a flag.
    pub fn remember_until(&mut self, key: &RateLimitKey, until: Timestamp) {
        self.changed.insert(key.to_string(), TheoreticalArrival(until));
    }

    /// The changed rows, ordered by key.
    pub fn changed(&self) -> impl Iterator<Item = ChangedRow<'_>> {
        self.changed.iter().map(|(key, after)| ChangedRow {
            key,
            before: self.loaded.get(key).copied(),
            after: *after,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::user::{Email, UserId};
    use std::net::IpAddr;

    const START: Timestamp = Timestamp::from_micros(1_893_456_000_000_000);

    fn after(now: Timestamp, micros: i64) -> Timestamp {
        Timestamp::from_micros(now.micros() + micros)
    }

    #[test]
    fn a_refunded_key_can_be_consumed_again() {
        let keyed_limits = [(RateLimitKey::Requester(UserId(1)), RateLimit::new(1, 60).unwrap())];
        let mut limiter = RateLimiter::default();
        assert!(
            limiter.consume(&keyed_limits, START).is_ok() && limiter.check(&keyed_limits, START).is_err()
        );
        limiter.refund(&keyed_limits);
        assert!(limiter.check(&keyed_limits, START).is_ok());
    }

    #[test]
    fn a_key_is_remembered_until_the_given_time() {
        let [known, other] = ["ada@example.org", "eve@example.org"].map(|email| {
            RateLimitKey::KnownAddress(Email::new(email).unwrap(), IpAddr::from([192, 0, 2, 1]))
        });
        let mut limiter = RateLimiter::new([(known.to_string(), TheoreticalArrival(START))]);
        assert!(!limiter.is_remembered(&known, START) && limiter.is_remembered(&known, after(START, -1)));
        limiter.remember_until(&known, after(START, 10));
        assert!(
            limiter.is_remembered(&known, after(START, 9))
                && !limiter.is_remembered(&known, after(START, 10))
        );
        assert!(!limiter.is_remembered(&other, START));
        let changed: Vec<_> = limiter.changed().collect();
        let row = ChangedRow {
            key: "known:192.0.2.1:ada@example.org",
            before: Some(TheoreticalArrival(START)),
            after: TheoreticalArrival(after(START, 10)),
        };
        assert_eq!(changed, [row]);
    }

    #[test]
    fn a_rejected_attempt_consumes_nothing() {
        let (two, one) = (RateLimit::new(2, 60).unwrap(), RateLimit::new(1, 3_600).unwrap());
        let (ada, grace) = (RateLimitKey::Requester(UserId(1)), RateLimitKey::Target(UserId(2)));
        let keyed_limits = [(ada.clone(), two), (grace, one)];
        let mut limiter = RateLimiter::default();
        let remaining: Vec<_> =
            limiter.consume(&keyed_limits, START).unwrap().iter().map(|status| status.remaining).collect();
        assert_eq!(remaining, [1, 0]);
        let RateLimited(status) = limiter.consume(&keyed_limits, START).unwrap_err();
        assert_eq!((status.policy_name, status.reset_after), ("target", 3_600));
        assert_eq!(
            limiter.consume(&[(ada, two)], START).unwrap()[0].remaining,
            0,
            "the rejected attempt consumed nothing"
        );
        let changed: Vec<_> = limiter.changed().map(|row| (row.key, row.before)).collect();
        assert_eq!(changed, [("requester:1", None), ("target:2", None)]);
    }
}
