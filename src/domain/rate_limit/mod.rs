//! Limits: how often something may be done. A meter rises with each time and runs
//! down evenly (GCRA, the generic cell rate algorithm): a moment is all that has to
//! be remembered of it, and there is no hour that begins anew for everybody at once.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::Ipv6Net;

use crate::domain::permission_request::NewPermissionRequest;
use crate::domain::terms::Terms;
use crate::domain::timestamp::Timestamp;
use crate::domain::user::{Email, User, UserId};

/// Microseconds in a second.
const MICROS: i64 = 1_000_000;

/// So many times at once, and as many again, spread evenly, in so many seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    times: i64,
    seconds: i64,
}

/// Not a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be `off` or a rate such as `10/h` or `5/15m`: 1 to {} times in at most {} days (units: s, m, h, d)",
    RateLimit::MAX_TIMES,
    RateLimit::MAX_SECONDS / 86_400
)]
pub struct InvalidRateLimit;

impl RateLimit {
    /// The most times.
    const MAX_TIMES: i64 = 1_000_000;
    /// The most seconds: 31 days.
    const MAX_SECONDS: i64 = 2_678_400;

    /// A limit of 1..=1,000,000 times in 1..=2,678,400 seconds.
    pub const fn new(times: i64, seconds: i64) -> Result<Self, InvalidRateLimit> {
        if 1 <= times && times <= Self::MAX_TIMES && 1 <= seconds && seconds <= Self::MAX_SECONDS {
            Ok(Self { times, seconds })
        } else {
            Err(InvalidRateLimit)
        }
    }

    /// How often at once.
    pub const fn times(self) -> i64 {
        self.times
    }

    /// In how many seconds as often again.
    pub const fn seconds(self) -> i64 {
        self.seconds
    }

    /// Microseconds after which there is one more; rounded up, never in anybody's favour.
    const fn emission_interval(self) -> i64 {
        (self.seconds * MICROS + self.times - 1) / self.times
    }

    /// The level at which a meter is full.
    const fn burst_ceiling(self, now: Timestamp) -> i64 {
        now.micros() + self.emission_interval() * self.times
    }

    /// The level after one more time; or, if there is none left, the seconds to wait
    /// for it, at least one.
    pub fn consume(self, arrival: TheoreticalArrival, now: Timestamp) -> Result<TheoreticalArrival, i64> {
        let next_arrival = arrival.0.max(now).micros() + self.emission_interval();
        let excess = next_arrival - self.burst_ceiling(now);
        if excess <= 0 {
            Ok(TheoreticalArrival(Timestamp::from_micros(next_arrival)))
        } else {
            Err(ceil_seconds(excess))
        }
    }

    /// The level as if one had not been taken.
    pub const fn refund(self, arrival: TheoreticalArrival) -> TheoreticalArrival {
        TheoreticalArrival(Timestamp::from_micros(arrival.0.micros() - self.emission_interval()))
    }

    /// How many times are left, and in how many seconds there is one more; 0 when
    /// all of them are.
    pub fn remaining(self, arrival: TheoreticalArrival, now: Timestamp) -> (i64, i64) {
        let backlog = (arrival.0.micros() - now.micros()).max(0);
        let taken = (backlog + self.emission_interval() - 1) / self.emission_interval();
        let next = if taken == 0 { 0 } else { backlog - (taken - 1) * self.emission_interval() };
        ((self.times - taken).max(0), ceil_seconds(next))
    }
}

/// Seconds, rounded up.
const fn ceil_seconds(micros: i64) -> i64 {
    (micros + MICROS - 1) / MICROS
}

impl FromStr for RateLimit {
    type Err = InvalidRateLimit;

    fn from_str(text: &str) -> Result<Self, InvalidRateLimit> {
        let (times, period) = text.split_once('/').ok_or(InvalidRateLimit)?;
        let unit = match period.chars().last() {
            Some('s') => 1,
            Some('m') => 60,
            Some('h') => 3_600,
            Some('d') => 86_400,
            _ => return Err(InvalidRateLimit),
        };
        let number = |digits: &str| {
            let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            plain.then(|| digits.parse::<i64>().ok())?
        };
        let units = match period.trim_end_matches(char::is_alphabetic) {
            "" if period.len() == 1 => Some(1),
            digits if digits.len() + 1 == period.len() => number(digits),
            _ => None,
        };
        let seconds = units.and_then(|units| units.checked_mul(unit)).ok_or(InvalidRateLimit)?;
        Self::new(number(times).ok_or(InvalidRateLimit)?, seconds)
    }
}

/// How far a meter has risen: the moment at which it will have run down. One that is
/// past is as good as none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TheoreticalArrival(pub Timestamp);

impl TheoreticalArrival {
    /// That of a meter which nobody has used.
    pub const IDLE: Self = Self(Timestamp::from_micros(0));
}

/// What is metered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RateLimitKey {
    /// What one user asks of another.
    Pair {
        /// Who asks.
        requester: UserId,
        /// Who is asked.
        target: UserId,
    },
    /// What a user asks of anybody.
    Requester(UserId),
    /// What a user is asked by anybody: the mails that they get.
    Target(UserId),
    /// What a user refers to that is nobody.
    UnknownReferences(UserId),
    /// Sign-ins that failed to an account, be it there or not, from where it is not known.
    SignInAccount(Email),
    /// Sign-ins that failed from an address, to accounts that are not known there.
    SignInAddress(IpAddr),
    /// Sign-ins that failed to an account from an address where it is known.
    SignInAccountAtAddress(Email, IpAddr),
    /// That an account is known at an address, since somebody has signed in to it from
    /// there. No limit is set to this one: it is up, or it is down.
    KnownAddress(Email, IpAddr),
    /// Mails to an account, be it there or not, whose password was said to be forgotten.
    PasswordResetAccount(Email),
    /// Passwords that were said to be forgotten, from an address.
    PasswordResetAddress(IpAddr),
}

impl RateLimitKey {
    /// What the limit is called in an answer.
    pub const fn policy_name(&self) -> &'static str {
        match self {
            Self::Pair { .. } => "pair",
            Self::Requester(_) => "requester",
            Self::Target(_) => "target",
            Self::UnknownReferences(_) => "unknown_references",
            Self::SignInAccount(_) | Self::PasswordResetAccount(_) => "account",
            Self::SignInAddress(_) | Self::PasswordResetAddress(_) => "address",
            Self::SignInAccountAtAddress(..) | Self::KnownAddress(..) => "account-at-address",
        }
    }
}

/// The number of leading bits of an IPv6 address that identify a subscriber's network.
const IPV6_PREFIX_BITS: u8 = 64;

/// The part of a client's address that rate limits apply to: all of an IPv4 address, or the
/// /64 network of an IPv6 address, which usually belongs to one subscriber.
pub fn rate_limit_prefix(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => Ipv6Net::new(v6, IPV6_PREFIX_BITS).map_or(address, |net| net.network().into()),
    }
}

/// What the database calls it.
impl fmt::Display for RateLimitKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pair { requester, target } => write!(f, "pair:{requester}:{target}"),
            Self::Requester(user) => write!(f, "requester:{user}"),
            Self::Target(user) => write!(f, "target:{user}"),
            Self::UnknownReferences(user) => write!(f, "unknown_references:{user}"),
            Self::SignInAccount(email) => write!(f, "account:{}", email.as_str()),
            Self::SignInAddress(address) => write!(f, "address:{address}"),
            Self::SignInAccountAtAddress(email, address) => {
                write!(f, "account-at:{address}:{}", email.as_str())
            }
            Self::KnownAddress(email, address) => write!(f, "known:{address}:{}", email.as_str()),
            Self::PasswordResetAccount(email) => write!(f, "password-reset-account:{}", email.as_str()),
            Self::PasswordResetAddress(address) => write!(f, "password-reset-address:{address}"),
        }
    }
}

/// A limit that holds, and how much of it is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotaStatus {
    /// What the limit is called.
    pub policy_name: &'static str,
    /// The limit.
    pub limit: RateLimit,
    /// How many times are left.
    pub remaining: i64,
    /// In how many seconds there is one more; 0 when all of them are left.
    pub reset_after: i64,
}

/// Too often: nothing is left of this limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Too many requests. Nothing was done. Try again in {} seconds.", .0.reset_after)]
pub struct RateLimited(pub QuotaStatus);

/// A meter, and the limit that is set to it.
pub type KeyedLimit = (RateLimitKey, RateLimit);

/// Meters as they were found, and as they are now.
#[derive(Clone, Debug, Default)]
pub struct RateLimiter {
    loaded: BTreeMap<String, TheoreticalArrival>,
    changed: BTreeMap<String, TheoreticalArrival>,
}

impl RateLimiter {
    /// Those that were found, by what the database calls them; all others are down.
    pub fn new(found: impl IntoIterator<Item = (String, TheoreticalArrival)>) -> Self {
        Self { loaded: found.into_iter().collect(), changed: BTreeMap::new() }
    }

    /// How far a meter has risen.
    fn arrival(&self, key: &str) -> TheoreticalArrival {
        self.changed.get(key).or_else(|| self.loaded.get(key)).copied().unwrap_or(TheoreticalArrival::IDLE)
    }

    /// Whether each of them lets one more through; else the one to wait for the
    /// longest.
    pub fn check(&self, wanted: &[KeyedLimit], now: Timestamp) -> Result<(), RateLimited> {
        let rate_limited = |(limit_key, limit): &KeyedLimit| {
            let wait = limit.consume(self.arrival(&limit_key.to_string()), now).err()?;
            Some(QuotaStatus {
                policy_name: limit_key.policy_name(),
                limit: *limit,
                remaining: 0,
                reset_after: wait,
            })
        };
        match wanted.iter().filter_map(rate_limited).max_by_key(|status| status.reset_after) {
            Some(status) => Err(RateLimited(status)),
            None => Ok(()),
        }
    }

    /// Takes one of each, or of none: what is left of them.
    pub fn consume(
        &mut self,
        wanted: &[KeyedLimit],
        now: Timestamp,
    ) -> Result<Vec<QuotaStatus>, RateLimited> {
        self.check(wanted, now)?;
        let mut statuses = Vec::with_capacity(wanted.len());
        for (limit_key, limit) in wanted {
            let key = limit_key.to_string();
            let before = self.arrival(&key);
            let arrival = limit.consume(before, now).unwrap_or(before);
            let (remaining, reset_after) = limit.remaining(arrival, now);
            statuses.push(QuotaStatus {
                policy_name: limit_key.policy_name(),
                limit: *limit,
                remaining,
                reset_after,
            });
            self.changed.insert(key, arrival);
        }
        Ok(statuses)
    }

    /// Gives back what was taken of each.
    pub fn refund(&mut self, taken: &[KeyedLimit]) {
        for (limit_key, limit) in taken {
            let key = limit_key.to_string();
            let arrival = limit.refund(self.arrival(&key));
            self.changed.insert(key, arrival);
        }
    }

    /// Whether a meter has not run down.
    pub fn is_remembered(&self, limit_key: &RateLimitKey, now: Timestamp) -> bool {
        self.arrival(&limit_key.to_string()).0 > now
    }

    /// Keeps a meter up until then.
    pub fn remember_until(&mut self, limit_key: &RateLimitKey, until: Timestamp) {
        self.changed.insert(limit_key.to_string(), TheoreticalArrival(until));
    }

    /// Those that are to be written, in the order of what the database calls them,
    /// and whether it knows them.
    pub fn changed(&self) -> impl Iterator<Item = (&str, TheoreticalArrival, bool)> {
        self.changed.iter().map(|(key, arrival)| (key.as_str(), *arrival, self.loaded.contains_key(key)))
    }
}

/// What holds for whoever asks for permissions; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestLimits {
    /// One user of another.
    pub pair: Option<RateLimit>,
    /// One user of anybody.
    pub requester: Option<RateLimit>,
    /// Anybody of one user.
    pub target: Option<RateLimit>,
    /// References that name nobody.
    pub unknown_references: Option<RateLimit>,
}

impl RequestLimits {
    /// Those that hold for this user. Staff may list all users anyway.
    #[must_use]
    pub fn for_user(self, user: &User) -> Self {
        if user.staff { Self { unknown_references: None, ..self } } else { self }
    }

    /// What a request takes one of. The pair's and the target's count whoever posts it:
    /// a mailbox does not care. What staff asks on somebody's behalf is neither's own.
    pub fn for_request(&self, new: &NewPermissionRequest) -> Vec<KeyedLimit> {
        self.for_mail(new.terms, new.asked_by)
    }

    /// What a mail about these terms takes one of, which this user has sent: as much as
    /// the request did.
    pub fn for_mail(&self, terms: Terms, by: UserId) -> Vec<KeyedLimit> {
        let (requester, target) = (terms.grantee, terms.target);
        let own = self.requester.filter(|_| by == requester);
        let pair = self.pair.map(|limit| (RateLimitKey::Pair { requester, target }, limit));
        let own = own.map(|limit| (RateLimitKey::Requester(requester), limit));
        let target = self.target.map(|limit| (RateLimitKey::Target(target), limit));
        [pair, own, target].into_iter().flatten().collect()
    }

    /// What a reference of this user's to nobody takes one of. As long as there is
    /// none left, nothing at all is told of whom they refer to.
    pub fn for_unknown_references(&self, user: UserId) -> Option<KeyedLimit> {
        self.unknown_references.map(|limit| (RateLimitKey::UnknownReferences(user), limit))
    }
}

/// What holds for sign-ins that fail; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SignInLimits {
    /// To one account.
    pub account: Option<RateLimit>,
    /// From one address.
    pub address: Option<RateLimit>,
}

/// What holds for whoever says that they have forgotten a password; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PasswordResetLimits {
    /// Mails to one account.
    pub account: Option<RateLimit>,
    /// From one address, about whatever accounts.
    pub address: Option<RateLimit>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::bundle::BundleId;
    use crate::domain::terms::Terms;
    use crate::domain::user::PersonName;
    use proptest::prelude::*;

    const START: Timestamp = Timestamp::from_micros(1_893_456_000_000_000);

    fn any_limit() -> impl Strategy<Value = RateLimit> {
        (1_i64..200, 1_i64..100_000).prop_map(|(times, seconds)| RateLimit::new(times, seconds).unwrap())
    }

    fn after(now: Timestamp, micros: i64) -> Timestamp {
        Timestamp::from_micros(now.micros() + micros)
    }

    proptest! {
        #[test]
        fn no_window_admits_more_than_a_burst_plus_the_refill(
            limit in any_limit(),
            waits in proptest::collection::vec(0_i64..2_000_000_000, 1..400),
        ) {
            let (mut arrival, mut now) = (TheoreticalArrival::IDLE, START);
            let mut passed = Vec::new();
            for wait in waits {
                now = after(now, wait);
                match limit.consume(arrival, now) {
                    Ok(next_arrival) => {
                        prop_assert!(next_arrival > arrival);
                        arrival = next_arrival;
                        passed.push(now.micros());
                    }
                    Err(seconds) => prop_assert!(seconds >= 1),
                }
            }
            for (nth, first) in passed.iter().enumerate() {
                let within = passed[nth..].iter().filter(|at| **at - first < limit.seconds() * MICROS).count();
                prop_assert!(within as i64 <= 2 * limit.times());
                let last = passed.get(nth + limit.times() as usize);
                prop_assert!(last.is_none_or(|last| last - first >= limit.emission_interval()), "a burst is a burst");
            }
        }

        #[test]
        fn a_full_burst_is_admitted_and_one_more_is_not(limit in any_limit()) {
            let mut arrival = TheoreticalArrival::IDLE;
            for nth in 1..=limit.times() {
                arrival = limit.consume(arrival, START).unwrap();
                prop_assert_eq!(limit.remaining(arrival, START).0, limit.times() - nth);
            }
            prop_assert!(limit.consume(arrival, START).is_err());
        }

        #[test]
        fn retry_after_is_exact_to_the_second(
            limit in any_limit(),
            taken in 0_i64..400,
            wait in 0_i64..3_000_000_000,
        ) {
            let mut arrival = TheoreticalArrival::IDLE;
            for _ in 0..taken {
                arrival = limit.consume(arrival, START).unwrap_or(arrival);
            }
            let now = after(START, wait);
            if let Err(seconds) = limit.consume(arrival, now) {
                prop_assert!(limit.consume(arrival, now.plus_seconds(seconds)).is_ok());
                prop_assert!(limit.consume(arrival, now.plus_seconds(seconds - 1)).is_err());
                prop_assert_eq!(limit.remaining(arrival, now), (0, seconds));
            }
            let (remaining, reset_after) = limit.remaining(arrival, now);
            prop_assert_eq!(remaining > 0, limit.consume(arrival, now).is_ok());
            prop_assert_eq!(remaining == limit.times(), reset_after == 0);
            if reset_after > 0 {
                prop_assert!(limit.remaining(arrival, now.plus_seconds(reset_after)).0 > remaining);
            }
        }

        #[test]
        fn a_refund_undoes_a_consume(limit in any_limit(), wait in 0_i64..10_000_000) {
            let arrival = limit.consume(TheoreticalArrival::IDLE, START).unwrap();
            let now = after(START, wait);
            if let Ok(next_arrival) = limit.consume(arrival, now) {
                let back = limit.refund(next_arrival);
                prop_assert_eq!(limit.remaining(back, now), limit.remaining(arrival, now));
            }
        }

        #[test]
        fn parsing_any_text_does_not_panic(text in "\\PC{0,12}") {
            let _ = text.parse::<RateLimit>();
        }
    }

    #[test]
    fn limits_parse_from_count_per_period() {
        for (text, times, seconds) in [
            ("10/h", 10, 3_600),
            ("1/s", 1, 1),
            ("5/15m", 5, 900),
            ("1000/d", 1_000, 86_400),
            ("1000000/31d", 1_000_000, 2_678_400),
        ] {
            assert_eq!(text.parse(), RateLimit::new(times, seconds), "{text}");
        }
        for text in [
            "",
            "/",
            "10",
            "10/",
            "/h",
            "h/10",
            "0/h",
            "10/0h",
            "-1/h",
            "+1/h",
            "1.5/h",
            "10/hour",
            "10/h ",
            " 10/h",
            "10 /h",
            "1000001/h",
            "1/32d",
            "10/ h",
            "10/9223372036854775807d",
            "10/hd",
            "10/5hd",
            "10/1",
            "١/h",
        ] {
            assert_eq!(text.parse::<RateLimit>(), Err(InvalidRateLimit), "{text}");
        }
    }

    #[test]
    fn the_emission_interval_is_rounded_up() {
        for (times, seconds, micros) in [(3, 1, 333_334), (10, 3_600, 360_000_000), (1, 60, 60_000_000)] {
            let limit = RateLimit::new(times, seconds).unwrap();
            assert_eq!((limit.times(), limit.seconds()), (times, seconds));
            let full = (0..times)
                .fold(TheoreticalArrival::IDLE, |arrival, _| limit.consume(arrival, START).unwrap());
            assert!(limit.consume(full, after(START, micros - 1)).is_err());
            assert!(limit.consume(full, after(START, micros)).is_ok());
        }
    }

    #[test]
    fn rate_limits_apply_to_an_ipv4_address_or_an_ipv6_network() {
        let ip = |text: &str| -> IpAddr { text.parse().unwrap() };
        assert_eq!(rate_limit_prefix(ip("192.0.2.1")), ip("192.0.2.1"));
        assert_eq!(rate_limit_prefix(ip("2001:db8:1:2:3:4:5:6")), ip("2001:db8:1:2::"));
    }

    #[test]
    fn a_refunded_key_can_be_consumed_again() {
        let wanted = [(RateLimitKey::Requester(UserId(1)), RateLimit::new(1, 60).unwrap())];
        let mut limiter = RateLimiter::default();
        assert!(limiter.consume(&wanted, START).is_ok() && limiter.check(&wanted, START).is_err());
        limiter.refund(&wanted);
        assert!(limiter.check(&wanted, START).is_ok());
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
        let written: Vec<_> = limiter.changed().collect();
        assert_eq!(
            written,
            [("known:192.0.2.1:ada@example.org", TheoreticalArrival(after(START, 10)), true)]
        );
    }

    #[test]
    fn the_acting_user_decides_which_limits_apply() {
        let [one, two, three, four] = [1, 2, 3, 4].map(|times| RateLimit::new(times, 60).ok());
        let limits = RequestLimits { pair: one, requester: two, target: three, unknown_references: four };
        let (requester, target) = (UserId(1), UserId(2));
        let terms = Terms { target, grantee: requester, bundle: BundleId(1) };
        let mut new = NewPermissionRequest {
            terms,
            asked_by: requester,
            lifetime_seconds: 1,
            redeem_page: None,
            idempotency_key: None,
        };
        let names = |taken: Vec<KeyedLimit>| {
            taken.iter().map(|(limit_key, _)| limit_key.policy_name()).collect::<Vec<_>>()
        };
        assert_eq!(names(limits.for_request(&new)), ["pair", "requester", "target"]);
        new.asked_by = UserId(3);
        assert_eq!(names(limits.for_request(&new)), ["pair", "target"]);
        assert_eq!(
            limits.for_unknown_references(requester),
            four.map(|limit| (RateLimitKey::UnknownReferences(requester), limit))
        );
        let user = |staff| User {
            id: requester,
            email: Email::new("ada@example.org").unwrap(),
            first_name: PersonName::default(),
            last_name: PersonName::default(),
            active: true,
            staff,
        };
        assert_eq!(limits.for_user(&user(false)), limits);
        assert_eq!(limits.for_user(&user(true)), RequestLimits { unknown_references: None, ..limits });
    }

    #[test]
    fn a_rejected_attempt_consumes_nothing() {
        let (two, one) = (RateLimit::new(2, 60).unwrap(), RateLimit::new(1, 3_600).unwrap());
        let (ada, grace) = (RateLimitKey::Requester(UserId(1)), RateLimitKey::Target(UserId(2)));
        let wanted = [(ada.clone(), two), (grace, one)];
        let mut limiter = RateLimiter::default();
        let left: Vec<_> =
            limiter.consume(&wanted, START).unwrap().iter().map(|status| status.remaining).collect();
        assert_eq!(left, [1, 0]);
        let RateLimited(status) = limiter.consume(&wanted, START).unwrap_err();
        assert_eq!((status.policy_name, status.reset_after), ("target", 3_600));
        assert_eq!(
            limiter.consume(&[(ada, two)], START).unwrap()[0].remaining,
            0,
            "the other's was not touched"
        );
        let written: Vec<_> = limiter.changed().map(|(key, _, known)| (key, known)).collect();
        assert_eq!(written, [("requester:1", false), ("target:2", false)]);
    }
}
