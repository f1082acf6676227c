//! How an attempt to deliver an event ended.

use std::time::Duration;

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// The receiver has accepted the event, with a status of 200 to 299.
    Delivered { status: u16 },
    /// The receiver wants no more events: 410.
    Gone,
    Failed {
        reason: FailureReason,
        /// The receiver's status, if it has responded.
        status: Option<u16>,
        /// How long the receiver asks to wait, at most a day.
        retry_after: Option<Duration>,
    },
    /// The claim was too old.
    NotAttempted,
}

/// Why an attempt failed. It contains nothing that the receiver has sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureReason {
    Refused(RefusedTarget),
    /// The host name has no address.
    Name,
    /// The connection failed or was closed without a response.
    Connect,
    /// The receiver's certificate is not valid for its host name.
    Certificate,
    /// The TLS handshake failed.
    Tls,
    /// The proxy did not connect to the receiver.
    Proxy,
    Timeout,
    /// The response was not a valid HTTP response.
    Protocol,
    /// The receiver redirected the request, which is not followed.
    Redirect,
    /// The receiver responded with an error.
    Status,
    /// The secret of the webhook is sealed under another server secret.
    Secret,
    /// The body could not be made.
    Body,
}

/// Why nothing is sent to a target. The texts are for the owner of the webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefusedTarget {
    #[error("must not lead to a link-local address or to a metadata service")]
    LinkLocal,
    #[error("must lead to a public address")]
    NotPublic,
    #[error("must start with https:// and use port 443")]
    NotHttps,
}

impl AttemptOutcome {
    /// A failure without a response.
    pub const fn failed(reason: FailureReason) -> Self {
        Self::Failed { reason, status: None, retry_after: None }
    }

    /// The name in the log and in `/metrics`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Delivered { .. } => "delivered",
            Self::Gone => "gone",
            Self::Failed { .. } => "failed",
            Self::NotAttempted => "not_attempted",
        }
    }

    /// The receiver's status, if it has responded.
    pub const fn status(self) -> Option<u16> {
        match self {
            Self::Delivered { status } => Some(status),
            Self::Gone => Some(410),
            Self::Failed { status, .. } => status,
            Self::NotAttempted => None,
        }
    }

    /// The reason, unless the event was delivered or there was no attempt.
    pub const fn reason(self) -> Option<FailureReason> {
        match self {
            Self::Delivered { .. } | Self::NotAttempted => None,
            Self::Gone => Some(FailureReason::Status),
            Self::Failed { reason, .. } => Some(reason),
        }
    }
}

impl FailureReason {
    /// The name in the database and on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Refused(_) => "url_refused",
            Self::Name => "name_not_found",
            Self::Connect => "connection_failed",
            Self::Certificate => "certificate_invalid",
            Self::Tls => "tls_failed",
            Self::Proxy => "proxy_failed",
            Self::Timeout => "timeout",
            Self::Protocol => "response_invalid",
            Self::Redirect => "redirected",
            Self::Status => "error_status",
            Self::Secret => "secret_unreadable",
            Self::Body => "body_invalid",
        }
    }
}

impl From<RefusedTarget> for FailureReason {
    fn from(refused: RefusedTarget) -> Self {
        Self::Refused(refused)
    }
}
