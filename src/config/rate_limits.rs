//! Rate-limit settings. [`crate::domain::rate_limit`] explains the whole.

use std::str::FromStr;

use super::ConfigError;
use super::keys::{self, Key};
use super::sources::Sources;
use crate::domain::rate_limit::{
    InvalidRateLimit, PasswordResetLimits, RateLimit, RequestLimits, SignInLimits, WriteLimits,
};

/// All rate limits; by default, none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateLimits {
    pub requests: RequestLimits,
    pub sign_in: SignInLimits,
    pub password_reset: PasswordResetLimits,
    pub writes: WriteLimits,
}

/// Whether rate limits are enforced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Enforcement {
    On,
    /// Disables all limits, for load tests.
    Off,
}

/// Neither `on` nor `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be `on` or `off`")]
struct InvalidEnforcement;

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

    /// Reads the keys `limits.*`.
    pub(super) fn load<E: Fn(&str) -> Option<String>>(sources: &Sources<E>) -> Result<Self, ConfigError> {
        let enforce: Enforcement = sources.get(&keys::LIMITS_ENFORCE)?.parse()?;
        let limit = |key: &Key| sources.get(key)?.parse_with(parse_limit);
        let limits = Self {
            requests: RequestLimits {
                pair: limit(&keys::LIMITS_REQUESTS_PER_PAIR)?,
                requester: limit(&keys::LIMITS_REQUESTS_PER_REQUESTER)?,
                target: limit(&keys::LIMITS_REQUESTS_PER_TARGET)?,
                unknown_references: limit(&keys::LIMITS_UNKNOWN_REFERENCES)?,
                unlinked_references: limit(&keys::LIMITS_UNLINKED_REFERENCES)?,
            },
            sign_in: SignInLimits {
                account: limit(&keys::LIMITS_FAILED_SIGN_INS_PER_ACCOUNT)?,
                address: limit(&keys::LIMITS_FAILED_SIGN_INS_PER_ADDRESS)?,
            },
            password_reset: PasswordResetLimits {
                account: limit(&keys::LIMITS_PASSWORD_MAILS_PER_ACCOUNT)?,
                address: limit(&keys::LIMITS_PASSWORD_MAILS_PER_ADDRESS)?,
            },
            writes: WriteLimits {
                writes: limit(&keys::LIMITS_WRITES_PER_USER)?,
                password_changes: limit(&keys::LIMITS_PASSWORD_CHANGES_PER_USER)?,
            },
        };
        Ok(match enforce {
            Enforcement::On => limits,
            Enforcement::Off => Self::default(),
        })
    }
}

/// Parses a limit; `off` is no limit.
fn parse_limit(text: &str) -> Result<Option<RateLimit>, InvalidRateLimit> {
    if text == "off" { Ok(None) } else { text.parse().map(Some) }
}
