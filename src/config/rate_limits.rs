//! Rate-limit settings.

use std::str::FromStr;

use super::ConfigError;
use super::keys::{self, Key};
use super::sources::Sources;
use crate::domain::rate_limit::{
    InvalidRateLimit, PasswordResetLimits, RateLimit, RequestLimits, SignInLimits,
};

/// Rate-limit settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimits {
    pub requests: RequestLimits,
    /// Limits of failed sign-ins.
    pub sign_in: SignInLimits,
    /// Limits of mails with a link to set a forgotten password.
    pub password_reset: PasswordResetLimits,
}

/// The value of `limits.enforce`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Enforcement {
    On,
    /// For load tests.
    Off,
}

/// The text is neither `on` nor `off`.
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
    /// No limits.
    const UNLIMITED: Self = Self {
        requests: RequestLimits { pair: None, requester: None, target: None, unknown_references: None },
        sign_in: SignInLimits { account: None, address: None },
        password_reset: PasswordResetLimits { account: None, address: None },
    };

    /// Whether any limit is set.
    pub fn are_enforced(&self) -> bool {
        *self != Self::UNLIMITED
    }

    pub(super) fn load<E: Fn(&str) -> Option<String>>(sources: &Sources<E>) -> Result<Self, ConfigError> {
        let enforce: Enforcement = sources.get(&keys::LIMITS_ENFORCE)?.parse()?;
        let limit = |key: &Key| sources.get(key)?.parse_with(parse_limit);
        let limits = Self {
            requests: RequestLimits {
                pair: limit(&keys::LIMITS_REQUESTS_PER_PAIR)?,
                requester: limit(&keys::LIMITS_REQUESTS_PER_REQUESTER)?,
                target: limit(&keys::LIMITS_REQUESTS_PER_TARGET)?,
                unknown_references: limit(&keys::LIMITS_UNKNOWN_REFERENCES)?,
            },
            sign_in: SignInLimits {
                account: limit(&keys::LIMITS_FAILED_SIGN_INS_PER_ACCOUNT)?,
                address: limit(&keys::LIMITS_FAILED_SIGN_INS_PER_ADDRESS)?,
            },
            password_reset: PasswordResetLimits {
                account: limit(&keys::LIMITS_PASSWORD_MAILS_PER_ACCOUNT)?,
                address: limit(&keys::LIMITS_PASSWORD_MAILS_PER_ADDRESS)?,
            },
        };
        Ok(match enforce {
            Enforcement::On => limits,
            Enforcement::Off => Self::UNLIMITED,
        })
    }
}

/// Parses a limit; `off` is no limit.
fn parse_limit(text: &str) -> Result<Option<RateLimit>, InvalidRateLimit> {
    if text == "off" { Ok(None) } else { text.parse().map(Some) }
}
