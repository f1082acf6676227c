//! Rate-limit settings and their defaults. [`crate::domain::rate_limit`] explains the whole.

use std::str::FromStr;

use super::ConfigError;
use super::sources::{LimitsTable, SettingKey, Sources};
use crate::domain::rate_limit::{
    InvalidRateLimit, PasswordResetLimits, RateLimit, RequestLimits, SignInLimits,
};

const ENFORCE: SettingKey = SettingKey::new("limits.enforce", "COUNTERSIGN_LIMITS");

/// All rate limits; by default, none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateLimits {
    pub requests: RequestLimits,
    pub sign_in: SignInLimits,
    pub password_reset: PasswordResetLimits,
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

    /// Reads the `[limits]` table. The third argument of each `limit` call is the default.
    pub(super) fn parse<E: Fn(&str) -> Option<String>>(
        sources: &Sources<E>,
        file: LimitsTable,
    ) -> Result<Self, ConfigError> {
        let enforce = sources.resolve(ENFORCE, None, file.enforce)?.parse()?.unwrap_or(Enforcement::On);
        let limit = |key, text: Option<String>, default: &str| {
            let text = text.as_deref().unwrap_or(default);
            parse_limit(text).map_err(|error| sources.invalid_file_value(key, error.to_string()))
        };
        let limits = Self {
            requests: RequestLimits {
                pair: limit("limits.requests_per_pair", file.requests_per_pair, "10/d")?,
                requester: limit("limits.requests_per_requester", file.requests_per_requester, "1000/d")?,
                target: limit("limits.requests_per_target", file.requests_per_target, "50/d")?,
                unknown_references: limit("limits.unknown_references", file.unknown_references, "30/h")?,
            },
            sign_in: SignInLimits {
                account: limit(
                    "limits.failed_sign_ins_per_account",
                    file.failed_sign_ins_per_account,
                    "10/h",
                )?,
                address: limit(
                    "limits.failed_sign_ins_per_address",
                    file.failed_sign_ins_per_address,
                    "100/h",
                )?,
            },
            password_reset: PasswordResetLimits {
                account: limit("limits.password_mails_per_account", file.password_mails_per_account, "3/h")?,
                address: limit("limits.password_mails_per_address", file.password_mails_per_address, "30/h")?,
            },
        };
        Ok(match enforce {
            Enforcement::On => limits,
            Enforcement::Off => Self::default(),
        })
    }
}

/// Parses a limit; `off` means unlimited.
fn parse_limit(text: &str) -> Result<Option<RateLimit>, InvalidRateLimit> {
    if text == "off" { Ok(None) } else { text.parse().map(Some) }
}
