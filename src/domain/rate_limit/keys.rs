//! What is limited: the key of each counter.

use std::fmt;
use std::net::IpAddr;

use ipnet::Ipv6Net;

use super::gcra::RateLimit;
use crate::domain::user::{Email, UserId};

/// The number of leading bits of an IPv6 address that usually identify a subscriber.
const IPV6_PREFIX_BITS: u8 = 64;

/// A key and the limit that applies to it.
pub type KeyedLimit = (RateLimitKey, RateLimit);

/// What a limit counts. Accounts are counted whether they exist or not; addresses are
/// [`rate_limit_prefix`]es.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RateLimitKey {
    /// Requests, grants and resent mails from one user to another.
    Pair { requester: UserId, target: UserId },
    /// Requests, grants and resent mails from a user.
    Requester(UserId),
    /// Requests, grants and resent mails to a user.
    Target(UserId),
    /// A user's references to users who do not exist.
    UnknownReferences(UserId),
    /// A user's references, by number or URI, to users with whom they have no permission and no
    /// pending request, whether those users exist or not.
    UnlinkedReferences(UserId),
    /// Failed sign-ins to an account from addresses where it is not known.
    SignInAccount(Email),
    /// Failed sign-ins from an address to accounts that are not known there.
    SignInAddress(IpAddr),
    /// Failed sign-ins to an account from an address where it is known.
    SignInAccountAtAddress(Email, IpAddr),
    /// Not a limit, but a flag with an expiry: a user has signed in to the account from the
    /// address.
    KnownAddress(Email, IpAddr),
    /// Password reset mails to an account.
    PasswordResetAccount(Email),
    /// Password resets requested from an address.
    PasswordResetAddress(IpAddr),
}

impl RateLimitKey {
    /// The name of the limit in `RateLimit` response headers.
    pub const fn policy_name(&self) -> &'static str {
        match self {
            Self::Pair { .. } => "pair",
            Self::Requester(_) => "requester",
            Self::Target(_) => "target",
            Self::UnknownReferences(_) => "unknown_references",
            Self::UnlinkedReferences(_) => "unlinked_references",
            Self::SignInAccount(_) | Self::PasswordResetAccount(_) => "account",
            Self::SignInAddress(_) | Self::PasswordResetAddress(_) => "address",
            Self::SignInAccountAtAddress(..) | Self::KnownAddress(..) => "account-at-address",
        }
    }
}

/// The key of the row in the database.
impl fmt::Display for RateLimitKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pair { requester, target } => write!(f, "pair:{requester}:{target}"),
            Self::Requester(user) => write!(f, "requester:{user}"),
            Self::Target(user) => write!(f, "target:{user}"),
            Self::UnknownReferences(user) => write!(f, "unknown_references:{user}"),
            Self::UnlinkedReferences(user) => write!(f, "unlinked_references:{user}"),
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

/// The part of a client's address that limits apply to: all of an IPv4 address, or the /64
/// network of an IPv6 address.
pub fn rate_limit_prefix(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => Ipv6Net::new(v6, IPV6_PREFIX_BITS).map_or(address, |net| net.network().into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_apply_to_an_ipv4_address_or_an_ipv6_network() {
        let ip = |text: &str| -> IpAddr { text.parse().unwrap() };
        assert_eq!(rate_limit_prefix(ip("192.0.2.1")), ip("192.0.2.1"));
        assert_eq!(rate_limit_prefix(ip("2001:db8:1:2:3:4:5:6")), ip("2001:db8:1:2::"));
    }
}
