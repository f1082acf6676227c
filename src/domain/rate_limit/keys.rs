//! What is limited: the key of each counter.

use std::fmt;
use std::net::IpAddr;

use ipnet::Ipv6Net;
use uuid::Uuid;

use super::gcra::RateLimit;
use crate::domain::user::{Email, UserId};

/// The number of leading bits of an IPv6 address that usually identify a subscriber.
const IPV6_PREFIX_BITS: u8 = 64;

/// The number of leading bits of the largest network that a customer usually gets.
const IPV6_CUSTOMER_BITS: u8 = 48;

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
    /// Writes of a user that have no other limit.
    Writes(UserId),
    /// A user's changes of their own password, and attempts to.
    PasswordChanges(UserId),
    /// Failed sign-ins to an account from all addresses where it is not known.
    SignInAccount(Email),
    /// Failed sign-ins to an account from one [`client_network`] where it is not known.
    SignInAccountFromNetwork(Email, IpAddr),
    /// As [`Self::SignInAccountFromNetwork`], while the limit of all addresses is used up.
    SlowedSignIn(Email, IpAddr),
    /// Failed sign-ins from an address to accounts that are not known there.
    SignInAddress(IpAddr),
    /// As [`Self::SignInAddress`], for an IPv6 network with this many leading bits.
    SignInNetwork(IpAddr, u8),
    /// Failed sign-ins to an account from an address where it is known.
    SignInAccountAtAddress(Email, IpAddr),
    /// Not a limit, but a flag with an expiry: a user has signed in to the account from the
    /// address.
    KnownAddress(Email, IpAddr),
    /// A flag: the user was mailed about failed sign-ins.
    SignInNotice(Email),
    /// A flag: the user has sent the form with this id.
    FormUse(UserId, Uuid),
    /// Password reset mails to an account.
    PasswordResetAccount(Email),
    /// Password resets requested from an address.
    PasswordResetAddress(IpAddr),
    /// As [`Self::PasswordResetAddress`], for an IPv6 network with this many leading bits.
    PasswordResetNetwork(IpAddr, u8),
}

impl RateLimitKey {
    /// All names of [`Self::policy_name`].
    pub const POLICY_NAMES: [&str; 10] = [
        "pair",
        "requester",
        "target",
        "unknown_references",
        "unlinked_references",
        "writes",
        "password_changes",
        "account",
        "address",
        "account-at-address",
    ];

    /// The name of the limit in `RateLimit` response headers.
    pub const fn policy_name(&self) -> &'static str {
        match self {
            Self::Pair { .. } => "pair",
            Self::Requester(_) => "requester",
            Self::Target(_) => "target",
            Self::UnknownReferences(_) => "unknown_references",
            Self::UnlinkedReferences(_) => "unlinked_references",
            Self::Writes(_) | Self::FormUse(..) => "writes",
            Self::PasswordChanges(_) => "password_changes",
            Self::SignInAccount(_)
            | Self::SignInAccountFromNetwork(..)
            | Self::SlowedSignIn(..)
            | Self::SignInNotice(_)
            | Self::PasswordResetAccount(_) => "account",
            Self::SignInAddress(_)
            | Self::SignInNetwork(..)
            | Self::PasswordResetAddress(_)
            | Self::PasswordResetNetwork(..) => "address",
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
            Self::Writes(user) => write!(f, "writes:{user}"),
            Self::FormUse(user, form) => write!(f, "form:{user}:{form}"),
            Self::PasswordChanges(user) => write!(f, "password_changes:{user}"),
            Self::SignInAccount(email) => write!(f, "account:{}", email.as_str()),
            Self::SignInAccountFromNetwork(email, network) => {
                write!(f, "account-from:{network}:{}", email.as_str())
            }
            Self::SlowedSignIn(email, network) => write!(f, "account-slowed:{network}:{}", email.as_str()),
            Self::SignInNotice(email) => write!(f, "sign-in-notice:{}", email.as_str()),
            Self::SignInAddress(address) => write!(f, "address:{address}"),
            Self::SignInNetwork(network, bits) => write!(f, "network:{network}/{bits}"),
            Self::PasswordResetNetwork(network, bits) => {
                write!(f, "password-reset-network:{network}/{bits}")
            }
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
    network(address, IPV6_PREFIX_BITS)
}

/// The network of one customer: all of an IPv4 address, or the /48 network of an IPv6 address.
pub fn client_network(address: IpAddr) -> IpAddr {
    network(address, IPV6_CUSTOMER_BITS)
}

/// The larger IPv6 networks that a customer may have, with how many times as much they may do as
/// one /64 network. An IPv4 address has none.
pub fn larger_networks(address: IpAddr) -> impl Iterator<Item = (IpAddr, u8, i64)> + Clone {
    let networks = [(56, 2), (IPV6_CUSTOMER_BITS, 4)].into_iter();
    networks
        .filter(move |_| address.is_ipv6())
        .map(move |(bits, times)| (network(address, bits), bits, times))
}

fn network(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => Ipv6Net::new(v6, bits).map_or(address, |net| net.network().into()),
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
        assert_eq!(client_network(ip("2001:db8:1:2:3:4:5:6")), ip("2001:db8:1::"));
        let larger: Vec<_> = larger_networks(ip("2001:db8:1:1ff::")).collect();
        assert_eq!(larger, [(ip("2001:db8:1:100::"), 56, 2), (ip("2001:db8:1::"), 48, 4)]);
        assert_eq!(larger_networks(ip("192.0.2.1")).count(), 0);
    }
}
