//! Limits: how often something may be done. A meter rises with each time and runs
//! down evenly (GCRA, the generic cell rate algorithm): a moment is all that has to
//! be remembered of it, and there is no hour that begins anew for everybody at once.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::clock::Timestamp;
use super::grant::Terms;
use super::request::NewRequest;
use super::user::{Email, User, UserId};

/// Microseconds in a second.
const MICROS: i64 = 1_000_000;

/// So many times at once, and as many again, spread evenly, in so many seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    times: i64,
    seconds: i64,
}

/// Not a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be `off` or a rate such as `10/h` or `5/15m`: 1 to {} times in at most {} days (units: s, m, h, d)",
    Limit::MOST,
    Limit::LONGEST / 86_400
)]
pub struct InvalidLimit;

impl Limit {
    /// The most times.
    const MOST: i64 = 1_000_000;
    /// The most seconds: 31 days.
    const LONGEST: i64 = 2_678_400;

    /// A limit of 1..=1,000,000 times in 1..=2,678,400 seconds.
    pub const fn new(times: i64, seconds: i64) -> Result<Self, InvalidLimit> {
        if 1 <= times && times <= Self::MOST && 1 <= seconds && seconds <= Self::LONGEST {
            Ok(Self { times, seconds })
        } else {
            Err(InvalidLimit)
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
    const fn interval(self) -> i64 {
        (self.seconds * MICROS + self.times - 1) / self.times
    }

    /// The level at which a meter is full.
    const fn brim(self, now: Timestamp) -> i64 {
        now.micros() + self.interval() * self.times
    }

    /// The level after one more time; or, if there is none left, the seconds to wait
    /// for it, at least one.
    pub fn take(self, level: Level, now: Timestamp) -> Result<Level, i64> {
        let risen = level.0.max(now).micros() + self.interval();
        let excess = risen - self.brim(now);
        if excess <= 0 { Ok(Level(Timestamp::from_micros(risen))) } else { Err(seconds_up(excess)) }
    }

    /// The level as if one had not been taken.
    pub const fn give_back(self, level: Level) -> Level {
        Level(Timestamp::from_micros(level.0.micros() - self.interval()))
    }

    /// How many times are left, and in how many seconds there is one more; 0 when
    /// all of them are.
    pub fn left(self, level: Level, now: Timestamp) -> (i64, i64) {
        let height = (level.0.micros() - now.micros()).max(0);
        let taken = (height + self.interval() - 1) / self.interval();
        let next = if taken == 0 { 0 } else { height - (taken - 1) * self.interval() };
        ((self.times - taken).max(0), seconds_up(next))
    }
}

/// Seconds, rounded up.
const fn seconds_up(micros: i64) -> i64 {
    (micros + MICROS - 1) / MICROS
}

impl FromStr for Limit {
    type Err = InvalidLimit;

    fn from_str(text: &str) -> Result<Self, InvalidLimit> {
        let (times, period) = text.split_once('/').ok_or(InvalidLimit)?;
        let unit = match period.chars().last() {
            Some('s') => 1,
            Some('m') => 60,
            Some('h') => 3_600,
            Some('d') => 86_400,
            _ => return Err(InvalidLimit),
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
        let seconds = units.and_then(|units| units.checked_mul(unit)).ok_or(InvalidLimit)?;
        Self::new(number(times).ok_or(InvalidLimit)?, seconds)
    }
}

/// How far a meter has risen: the moment at which it will have run down. One that is
/// past is as good as none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Level(pub Timestamp);

impl Level {
    /// That of a meter which nobody has used.
    pub const DOWN: Self = Self(Timestamp::from_micros(0));
}

/// What is metered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meter {
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
    Astray(UserId),
    /// Sign-ins that failed to an account, be it there or not, from where it is not known.
    Account(Email),
    /// Sign-ins that failed from an address, to accounts that are not known there.
    Address(IpAddr),
    /// Sign-ins that failed to an account from an address where it is known.
    AccountAt(Email, IpAddr),
    /// That an account is known at an address, since somebody has signed in to it from
    /// there. No limit is set to this one: it is up, or it is down.
    Known(Email, IpAddr),
    /// Mails to an account, be it there or not, whose password was said to be forgotten.
    Forgotten(Email),
    /// Passwords that were said to be forgotten, from an address.
    ForgottenAt(IpAddr),
}

impl Meter {
    /// What the limit is called in an answer.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Pair { .. } => "pair",
            Self::Requester(_) => "requester",
            Self::Target(_) => "target",
            Self::Astray(_) => "references",
            Self::Account(_) | Self::Forgotten(_) => "account",
            Self::Address(_) | Self::ForgottenAt(_) => "address",
            Self::AccountAt(..) | Self::Known(..) => "account-at-address",
        }
    }
}

/// What the database calls it.
impl fmt::Display for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pair { requester, target } => write!(f, "pair:{requester}:{target}"),
            Self::Requester(user) => write!(f, "requester:{user}"),
            Self::Target(user) => write!(f, "target:{user}"),
            Self::Astray(user) => write!(f, "astray:{user}"),
            Self::Account(email) => write!(f, "account:{}", email.as_str()),
            Self::Address(address) => write!(f, "address:{address}"),
            Self::AccountAt(email, address) => write!(f, "account-at:{address}:{}", email.as_str()),
            Self::Known(email, address) => write!(f, "known:{address}:{}", email.as_str()),
            Self::Forgotten(email) => write!(f, "forgotten:{}", email.as_str()),
            Self::ForgottenAt(address) => write!(f, "forgotten-at:{address}"),
        }
    }
}

/// A limit that holds, and how much of it is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// What the limit is called.
    pub name: &'static str,
    /// The limit.
    pub limit: Limit,
    /// How many times are left.
    pub left: i64,
    /// In how many seconds there is one more; 0 when all of them are left.
    pub more_in: i64,
}

/// Too often: nothing is left of this limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Too many requests. Nothing was done. Try again in {} seconds.", .0.more_in)]
pub struct Exceeded(pub Standing);

/// A meter, and the limit that is set to it.
pub type Metered = (Meter, Limit);

/// Meters as they were found, and as they are now.
#[derive(Clone, Debug, Default)]
pub struct Meters {
    found: BTreeMap<String, Level>,
    changed: BTreeMap<String, Level>,
}

impl Meters {
    /// Those that were found, by what the database calls them; all others are down.
    pub fn new(found: impl IntoIterator<Item = (String, Level)>) -> Self {
        Self { found: found.into_iter().collect(), changed: BTreeMap::new() }
    }

    /// How far a meter has risen.
    fn level(&self, key: &str) -> Level {
        self.changed.get(key).or_else(|| self.found.get(key)).copied().unwrap_or(Level::DOWN)
    }

    /// Whether each of them lets one more through; else the one to wait for the
    /// longest.
    pub fn allow(&self, wanted: &[Metered], now: Timestamp) -> Result<(), Exceeded> {
        let exceeded = |(meter, limit): &Metered| {
            let wait = limit.take(self.level(&meter.to_string()), now).err()?;
            Some(Standing { name: meter.name(), limit: *limit, left: 0, more_in: wait })
        };
        match wanted.iter().filter_map(exceeded).max_by_key(|standing| standing.more_in) {
            Some(standing) => Err(Exceeded(standing)),
            None => Ok(()),
        }
    }

    /// Takes one of each, or of none: what is left of them.
    pub fn take(&mut self, wanted: &[Metered], now: Timestamp) -> Result<Vec<Standing>, Exceeded> {
        self.allow(wanted, now)?;
        let mut standings = Vec::with_capacity(wanted.len());
        for (meter, limit) in wanted {
            let key = meter.to_string();
            let before = self.level(&key);
            let level = limit.take(before, now).unwrap_or(before);
            let (left, more_in) = limit.left(level, now);
            standings.push(Standing { name: meter.name(), limit: *limit, left, more_in });
            self.changed.insert(key, level);
        }
        Ok(standings)
    }

    /// Gives back what was taken of each.
    pub fn give_back(&mut self, taken: &[Metered]) {
        for (meter, limit) in taken {
            let key = meter.to_string();
            let level = limit.give_back(self.level(&key));
            self.changed.insert(key, level);
        }
    }

    /// Whether a meter has not run down.
    pub fn is_up(&self, meter: &Meter, now: Timestamp) -> bool {
        self.level(&meter.to_string()).0 > now
    }

    /// Keeps a meter up until then.
    pub fn keep_up(&mut self, meter: &Meter, until: Timestamp) {
        self.changed.insert(meter.to_string(), Level(until));
    }

    /// Those that are to be written, in the order of what the database calls them,
    /// and whether it knows them.
    pub fn changed(&self) -> impl Iterator<Item = (&str, Level, bool)> {
        self.changed.iter().map(|(key, level)| (key.as_str(), *level, self.found.contains_key(key)))
    }
}

/// What holds for whoever asks for permissions; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AskLimits {
    /// One user of another.
    pub pair: Option<Limit>,
    /// One user of anybody.
    pub requester: Option<Limit>,
    /// Anybody of one user.
    pub target: Option<Limit>,
    /// References that name nobody.
    pub astray: Option<Limit>,
}

impl AskLimits {
    /// Those that hold for this user. Staff may list all users anyway.
    #[must_use]
    pub fn of(self, user: &User) -> Self {
        if user.staff { Self { astray: None, ..self } } else { self }
    }

    /// What a request takes one of. The pair's and the target's count whoever posts it:
    /// a mailbox does not care. What staff asks on somebody's behalf is neither's own.
    pub fn taken_by(&self, new: &NewRequest) -> Vec<Metered> {
        self.taken_by_mail(new.terms, new.asked_by)
    }

    /// What a mail about these terms takes one of, which this user has sent: as much as
    /// the request did.
    pub fn taken_by_mail(&self, terms: Terms, by: UserId) -> Vec<Metered> {
        let (requester, target) = (terms.allowed, terms.target);
        let own = self.requester.filter(|_| by == requester);
        let pair = self.pair.map(|limit| (Meter::Pair { requester, target }, limit));
        let own = own.map(|limit| (Meter::Requester(requester), limit));
        let target = self.target.map(|limit| (Meter::Target(target), limit));
        [pair, own, target].into_iter().flatten().collect()
    }

    /// What a reference of this user's to nobody takes one of. As long as there is
    /// none left, nothing at all is told of whom they refer to.
    pub fn astray_of(&self, user: UserId) -> Option<Metered> {
        self.astray.map(|limit| (Meter::Astray(user), limit))
    }
}

/// What holds for sign-ins that fail; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SignInLimits {
    /// To one account.
    pub account: Option<Limit>,
    /// From one address.
    pub address: Option<Limit>,
}

/// What holds for whoever says that they have forgotten a password; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ForgetLimits {
    /// Mails to one account.
    pub account: Option<Limit>,
    /// From one address, about whatever accounts.
    pub address: Option<Limit>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::bundle::BundleId;
    use crate::domain::grant::Terms;
    use crate::domain::user::PersonName;
    use proptest::prelude::*;

    const START: Timestamp = Timestamp::from_micros(1_893_456_000_000_000);

    fn any_limit() -> impl Strategy<Value = Limit> {
        (1_i64..200, 1_i64..100_000).prop_map(|(times, seconds)| Limit::new(times, seconds).unwrap())
    }

    fn after(now: Timestamp, micros: i64) -> Timestamp {
        Timestamp::from_micros(now.micros() + micros)
    }

    proptest! {
        #[test]
        fn no_stretch_of_time_has_more_than_a_burst_and_what_runs_down_in_it(
            limit in any_limit(),
            waits in proptest::collection::vec(0_i64..2_000_000_000, 1..400),
        ) {
            let (mut level, mut now) = (Level::DOWN, START);
            let mut passed = Vec::new();
            for wait in waits {
                now = after(now, wait);
                match limit.take(level, now) {
                    Ok(risen) => {
                        prop_assert!(risen > level);
                        level = risen;
                        passed.push(now.micros());
                    }
                    Err(seconds) => prop_assert!(seconds >= 1),
                }
            }
            for (nth, first) in passed.iter().enumerate() {
                let within = passed[nth..].iter().filter(|at| **at - first < limit.seconds() * MICROS).count();
                prop_assert!(within as i64 <= 2 * limit.times());
                let last = passed.get(nth + limit.times() as usize);
                prop_assert!(last.is_none_or(|last| last - first >= limit.interval()), "a burst is a burst");
            }
        }

        #[test]
        fn a_full_burst_passes_and_one_more_does_not(limit in any_limit()) {
            let mut level = Level::DOWN;
            for nth in 1..=limit.times() {
                level = limit.take(level, START).unwrap();
                prop_assert_eq!(limit.left(level, START).0, limit.times() - nth);
            }
            prop_assert!(limit.take(level, START).is_err());
        }

        #[test]
        fn whoever_waits_as_long_as_told_is_let_in_and_not_a_second_sooner(
            limit in any_limit(),
            taken in 0_i64..400,
            wait in 0_i64..3_000_000_000,
        ) {
            let mut level = Level::DOWN;
            for _ in 0..taken {
                level = limit.take(level, START).unwrap_or(level);
            }
            let now = after(START, wait);
            if let Err(seconds) = limit.take(level, now) {
                prop_assert!(limit.take(level, now.plus_seconds(seconds)).is_ok());
                prop_assert!(limit.take(level, now.plus_seconds(seconds - 1)).is_err());
                prop_assert_eq!(limit.left(level, now), (0, seconds));
            }
            let (left, more_in) = limit.left(level, now);
            prop_assert_eq!(left > 0, limit.take(level, now).is_ok());
            prop_assert_eq!(left == limit.times(), more_in == 0);
            if more_in > 0 {
                prop_assert!(limit.left(level, now.plus_seconds(more_in)).0 > left);
            }
        }

        #[test]
        fn what_is_given_back_was_never_taken(limit in any_limit(), wait in 0_i64..10_000_000) {
            let level = limit.take(Level::DOWN, START).unwrap();
            let now = after(START, wait);
            if let Ok(risen) = limit.take(level, now) {
                let back = limit.give_back(risen);
                prop_assert_eq!(limit.left(back, now), limit.left(level, now));
            }
        }

        #[test]
        fn any_text_is_a_limit_or_not(text in "\\PC{0,12}") {
            let _ = text.parse::<Limit>();
        }
    }

    #[test]
    fn a_limit_is_read_as_it_is_spoken() {
        for (text, times, seconds) in [
            ("10/h", 10, 3_600),
            ("1/s", 1, 1),
            ("5/15m", 5, 900),
            ("1000/d", 1_000, 86_400),
            ("1000000/31d", 1_000_000, 2_678_400),
        ] {
            assert_eq!(text.parse(), Limit::new(times, seconds), "{text}");
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
            assert_eq!(text.parse::<Limit>(), Err(InvalidLimit), "{text}");
        }
    }

    #[test]
    fn one_more_comes_after_its_share_of_the_time_rounded_up() {
        for (times, seconds, micros) in [(3, 1, 333_334), (10, 3_600, 360_000_000), (1, 60, 60_000_000)] {
            let limit = Limit::new(times, seconds).unwrap();
            assert_eq!((limit.times(), limit.seconds()), (times, seconds));
            let full = (0..times).fold(Level::DOWN, |level, _| limit.take(level, START).unwrap());
            assert!(limit.take(full, after(START, micros - 1)).is_err());
            assert!(limit.take(full, after(START, micros)).is_ok());
        }
    }

    #[test]
    fn what_is_given_back_of_a_meter_is_there_again() {
        let wanted = [(Meter::Requester(UserId(1)), Limit::new(1, 60).unwrap())];
        let mut meters = Meters::default();
        assert!(meters.take(&wanted, START).is_ok() && meters.allow(&wanted, START).is_err());
        meters.give_back(&wanted);
        assert!(meters.allow(&wanted, START).is_ok());
    }

    #[test]
    fn a_meter_that_is_kept_up_is_up_until_then() {
        let [known, other] = ["ada@example.org", "eve@example.org"]
            .map(|email| Meter::Known(Email::new(email).unwrap(), IpAddr::from([192, 0, 2, 1])));
        let mut meters = Meters::new([(known.to_string(), Level(START))]);
        assert!(!meters.is_up(&known, START) && meters.is_up(&known, after(START, -1)));
        meters.keep_up(&known, after(START, 10));
        assert!(meters.is_up(&known, after(START, 9)) && !meters.is_up(&known, after(START, 10)));
        assert!(!meters.is_up(&other, START));
        let written: Vec<_> = meters.changed().collect();
        assert_eq!(written, [("known:192.0.2.1:ada@example.org", Level(after(START, 10)), true)]);
    }

    #[test]
    fn who_asks_for_whom_says_what_is_taken_of() {
        let [one, two, three, four] = [1, 2, 3, 4].map(|times| Limit::new(times, 60).ok());
        let limits = AskLimits { pair: one, requester: two, target: three, astray: four };
        let (requester, target) = (UserId(1), UserId(2));
        let terms = Terms { target, allowed: requester, bundle: BundleId(1) };
        let mut new = NewRequest { terms, asked_by: requester, lifetime: 1, redeem_page: None, once: None };
        let names = |taken: Vec<Metered>| taken.iter().map(|(meter, _)| meter.name()).collect::<Vec<_>>();
        assert_eq!(names(limits.taken_by(&new)), ["pair", "requester", "target"]);
        new.asked_by = UserId(3);
        assert_eq!(names(limits.taken_by(&new)), ["pair", "target"]);
        assert_eq!(limits.astray_of(requester), four.map(|limit| (Meter::Astray(requester), limit)));
        let user = |staff| User {
            id: requester,
            email: Email::new("ada@example.org").unwrap(),
            first_name: PersonName::default(),
            last_name: PersonName::default(),
            active: true,
            staff,
        };
        assert_eq!(limits.of(&user(false)), limits);
        assert_eq!(limits.of(&user(true)), AskLimits { astray: None, ..limits });
    }

    #[test]
    fn one_that_is_refused_takes_of_none() {
        let (two, one) = (Limit::new(2, 60).unwrap(), Limit::new(1, 3_600).unwrap());
        let (ada, grace) = (Meter::Requester(UserId(1)), Meter::Target(UserId(2)));
        let wanted = [(ada.clone(), two), (grace, one)];
        let mut meters = Meters::default();
        let left: Vec<_> =
            meters.take(&wanted, START).unwrap().iter().map(|standing| standing.left).collect();
        assert_eq!(left, [1, 0]);
        let Exceeded(standing) = meters.take(&wanted, START).unwrap_err();
        assert_eq!((standing.name, standing.more_in), ("target", 3_600));
        assert_eq!(meters.take(&[(ada, two)], START).unwrap()[0].left, 0, "the other's was not touched");
        let written: Vec<_> = meters.changed().map(|(key, _, known)| (key, known)).collect();
        assert_eq!(written, [("requester:1", false), ("target:2", false)]);
    }
}
