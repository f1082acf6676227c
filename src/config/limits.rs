//! How often what may be done.

use std::str::FromStr;

use super::ConfigError;
use super::source::{Key, LimitsTable, Sources};
use crate::domain::limit::{AskLimits, ForgetLimits, InvalidLimit, Limit, SignInLimits};

const ENFORCE: Key = Key::new("limits.enforce", "COUNTERSIGN_LIMITS");

/// How often what may be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// What holds for whoever asks for permissions.
    pub asking: AskLimits,
    /// What holds for sign-ins that fail.
    pub signing_in: SignInLimits,
    /// What holds for whoever says that they have forgotten a password.
    pub forgetting: ForgetLimits,
}

/// Whether any limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Enforce {
    On,
    /// For load tests.
    Off,
}

/// Neither on nor off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be `on` or `off`")]
struct InvalidEnforce;

impl FromStr for Enforce {
    type Err = InvalidEnforce;

    fn from_str(text: &str) -> Result<Self, InvalidEnforce> {
        match text {
            "on" => Ok(Self::On),
            "off" => Ok(Self::Off),
            _ => Err(InvalidEnforce),
        }
    }
}

impl Limits {
    /// No limits at all.
    const NONE: Self = Self {
        asking: AskLimits { pair: None, requester: None, target: None, astray: None },
        signing_in: SignInLimits { account: None, address: None },
        forgetting: ForgetLimits { account: None, address: None },
    };

    /// Whether any of them counts.
    pub fn are_enforced(&self) -> bool {
        *self != Self::NONE
    }

    pub(super) fn parse<E: Fn(&str) -> Option<String>>(
        sources: &Sources<E>,
        file: LimitsTable,
    ) -> Result<Self, ConfigError> {
        let enforce = sources.pick(ENFORCE, None, file.enforce)?.parse()?.unwrap_or(Enforce::On);
        let limit = |key, text: Option<String>, usual: &str| {
            let text = text.as_deref().unwrap_or(usual);
            read(text).map_err(|error| sources.refuse(key, error.to_string()))
        };
        let limits = Self {
            asking: AskLimits {
                pair: limit("limits.requests_per_pair", file.requests_per_pair, "10/d")?,
                requester: limit("limits.requests_per_requester", file.requests_per_requester, "1000/d")?,
                target: limit("limits.requests_per_target", file.requests_per_target, "50/d")?,
                astray: limit("limits.unknown_references", file.unknown_references, "30/h")?,
            },
            signing_in: SignInLimits {
                account: limit("limits.failures_per_account", file.failures_per_account, "10/h")?,
                address: limit("limits.failures_per_address", file.failures_per_address, "100/h")?,
            },
            forgetting: ForgetLimits {
                account: limit("limits.password_mails_per_account", file.password_mails_per_account, "3/h")?,
                address: limit("limits.password_mails_per_address", file.password_mails_per_address, "30/h")?,
            },
        };
        Ok(match enforce {
            Enforce::On => limits,
            Enforce::Off => Self::NONE,
        })
    }
}

/// Reads a limit; `off` is none.
fn read(text: &str) -> Result<Option<Limit>, InvalidLimit> {
    if text == "off" { Ok(None) } else { text.parse().map(Some) }
}
