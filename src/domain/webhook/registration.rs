//! A webhook as its owner has registered it.

use std::fmt;

use super::{EventFilter, WebhookUrl};
use crate::domain::bundle::Description;
use crate::domain::timestamp::Timestamp;
use crate::domain::user::UserId;

/// The maximum number of webhooks of a user.
pub const MAX_WEBHOOKS_PER_USER: i64 = 20;

/// The number of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WebhookId(pub i64);

impl fmt::Display for WebhookId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A webhook, without its secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    pub id: WebhookId,
    pub owner: UserId,
    pub url: WebhookUrl,
    pub events: EventFilter,
    pub scope: EventScope,
    pub description: Description,
    pub created_at: Timestamp,
    pub disabled: Option<(Timestamp, DisabledReason)>,
    /// Failed attempts since the last success.
    pub failures: i32,
    /// The time of the first of these failures.
    pub failing_since: Option<Timestamp>,
}

/// Whose events a webhook receives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EventScope {
    /// Those that its owner sees in their audit log.
    #[default]
    Own,
    /// Those of all users, as long as its owner is staff. Otherwise as [`Self::Own`].
    All,
}

/// A text is not a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be `own` or `all`")]
pub struct InvalidEventScope;

impl EventScope {
    /// The name in the database and on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::All => "all",
        }
    }

    /// The scope with this name.
    pub fn from_name(name: &str) -> Result<Self, InvalidEventScope> {
        [Self::Own, Self::All].into_iter().find(|scope| scope.name() == name).ok_or(InvalidEventScope)
    }
}

/// Why nothing is sent to a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisabledReason {
    /// A user turned it off.
    Owner,
    /// The receiver responded 410.
    Gone,
    /// The receiver kept failing.
    Failing,
}

impl DisabledReason {
    /// The name in the database and on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Gone => "gone",
            Self::Failing => "failing",
        }
    }

    /// A reason that a later version has added is read as that of the owner.
    pub(crate) fn from_db(name: &str) -> Self {
        match name {
            "gone" => Self::Gone,
            "failing" => Self::Failing,
            _ => Self::Owner,
        }
    }
}

impl Webhook {
    /// Whether deliveries are made.
    pub const fn is_active(&self) -> bool {
        self.disabled.is_none()
    }

    /// Whether an event can be sent. If the server has disabled the webhook, only a test can be sent: one that is
    /// delivered enables it again.
    pub const fn can_send(&self, is_test: bool) -> bool {
        match self.disabled {
            None => true,
            Some((_, DisabledReason::Gone | DisabledReason::Failing)) => is_test,
            Some((_, DisabledReason::Owner)) => false,
        }
    }
}
