//! The rate limits: their configuration keys with the defaults, and their values.
//! [`crate::domain::rate_limit`] explains them.

use std::str::FromStr;

use super::keys::ValueType::Text;
use super::keys::{Key, ValueType, keys};
use crate::domain::rate_limit::{
    InvalidRateLimit, PasswordResetLimits, RateLimit, RequestLimits, SignInLimits, WriteLimits,
};

const RATE: ValueType = Text("rate, or `off`");

keys! {
    ENFORCE = Key::new(
        "limits.enforce",
        Text("`on` or `off`"),
        "`off` disables all rate limits, for load tests.",
    )
    .default("on")
    .variable("COUNTERSIGN_LIMITS");
    REQUESTS_PER_PAIR = Key::new(
        "limits.requests_per_pair",
        RATE,
        "Requests and grants of one user to one other user.",
    )
    .default("10/d");
    REQUESTS_PER_REQUESTER = Key::new(
        "limits.requests_per_requester",
        RATE,
        "Requests and grants of one user to any user.",
    )
    .default("1000/d");
    REQUESTS_PER_TARGET = Key::new(
        "limits.requests_per_target",
        RATE,
        "Requests and grants of any user to one user: the mails that one mailbox gets.",
    )
    .default("50/d");
    UNKNOWN_REFERENCES = Key::new(
        "limits.unknown_references",
        RATE,
        "References of one user to users that do not exist.",
    )
    .default("30/h");
    UNLINKED_REFERENCES = Key::new(
        "limits.unlinked_references",
        RATE,
        "References of one user, by number or URI, to users with whom they have no permission and no pending \
         request, whether or not those users exist. References by email address do not count. Staff have no \
         limit.",
    )
    .default("30/h");
    FAILED_SIGN_INS_PER_ACCOUNT = Key::new(
        "limits.failed_sign_ins_per_account",
        RATE,
        "Wrong passwords for one account, whether or not it exists, from one IPv4 address or one IPv6 /48 \
         network where its user has not signed in. From all of them together it is ten times as many; above \
         that, each has one attempt in the period, and the user gets a mail.",
    )
    .default("10/h");
    FAILED_SIGN_INS_PER_ADDRESS = Key::new(
        "limits.failed_sign_ins_per_address",
        RATE,
        "Wrong passwords from one IPv4 address or one IPv6 /64 network. A /56 network has twice, a /48 network \
         four times as many.",
    )
    .default("100/h");
    PASSWORD_MAILS_PER_ACCOUNT = Key::new(
        "limits.password_mails_per_account",
        RATE,
        "Mails with a link to set a forgotten password, for one account. Above the limit no mail is sent; the \
         response is the same.",
    )
    .default("3/h");
    PASSWORD_MAILS_PER_ADDRESS = Key::new(
        "limits.password_mails_per_address",
        RATE,
        "Requests for such mails from one IPv4 address or one IPv6 /64 network.",
    )
    .default("30/h");
    WRITES_PER_USER = Key::new(
        "limits.writes_per_user",
        RATE,
        "Changes by one user: new and revoked export tokens and API keys, grants, blocks, and everything else \
         that has no limit of its own. Redemptions and changes by staff do not count.",
    )
    .default("3600/h");
    PASSWORD_CHANGES_PER_USER = Key::new(
        "limits.password_changes_per_user",
        RATE,
        "Changes of one user's own password on the account page, and attempts to.",
    )
    .default("20/h");
}

/// The values of all rate limits. `Default` is no limit at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateLimits {
    pub requests: RequestLimits,
    pub sign_in: SignInLimits,
    pub password_reset: PasswordResetLimits,
    pub writes: WriteLimits,
}

/// Whether rate limits are enforced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Enforcement {
    On,
    /// Disables all limits, for load tests.
    Off,
}

/// Neither `on` nor `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be `on` or `off`")]
pub(super) struct InvalidEnforcement;

impl FromStr for Enforcement {
    type Err = InvalidEnforcement;

    fn from_str(text: &str) -> Result<Self, InvalidEnforcement> {
        match text {
            "on" => Ok(Self::On),
            "off" => Ok(Self::Off),
            _ => Err(InvalidEnforcement),
        }
    }
}

impl RateLimits {
    /// Whether any limit is set.
    pub fn are_enforced(&self) -> bool {
        *self != Self::default()
    }
}

/// Parses a limit; `off` is no limit.
pub(super) fn parse_limit(text: &str) -> Result<Option<RateLimit>, InvalidRateLimit> {
    if text == "off" { Ok(None) } else { text.parse().map(Some) }
}
