//! Which addresses deliveries can go to. Without this check, users could send requests to services that only this
//! server can reach (server-side request forgery).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};
use url::Host;

use crate::config::{ProxyNet, WebhookSettings, is_loopback_host};
use crate::domain::webhook::{InvalidWebhookUrl, RefusedTarget, WebhookUrl};

/// IPv4 networks that are not globally routable (IANA's registry of special-purpose addresses), multicast and the
/// reserved ones.
const NOT_PUBLIC_V4: [Ipv4Net; 15] = [
    v4(0, 0, 0, 0, 8),
    v4(10, 0, 0, 0, 8),
    v4(100, 64, 0, 0, 10),
    v4(127, 0, 0, 0, 8),
    v4(169, 254, 0, 0, 16),
    v4(172, 16, 0, 0, 12),
    v4(192, 0, 0, 0, 24),
    v4(192, 0, 2, 0, 24),
    v4(192, 88, 99, 0, 24),
    v4(192, 168, 0, 0, 16),
    v4(198, 18, 0, 0, 15),
    v4(198, 51, 100, 0, 24),
    v4(203, 0, 113, 0, 24),
    v4(224, 0, 0, 0, 3),
    // Azure's platform services, reachable from each of its machines.
    v4(168, 63, 129, 16, 32),
];

/// The part of IPv6 that is assigned to networks. Outside of it are loopback, private, link-local and multicast
/// addresses, IPv4-mapped addresses and NAT64.
const GLOBAL_UNICAST: Ipv6Net = v6([0x2000, 0, 0], 3);

/// Networks in [`GLOBAL_UNICAST`] that are not globally routable or lead to IPv4: protocol assignments with Teredo,
/// documentation, and 6to4.
const NOT_PUBLIC_V6: [Ipv6Net; 4] =
    [v6([0x2001, 0, 0], 23), v6([0x2001, 0xdb8, 0], 32), v6([0x2002, 0, 0], 16), v6([0x3fff, 0, 0], 20)];

/// Link-local networks and the metadata services of clouds, which give credentials to each process that asks.
const NEVER_V4: [Ipv4Net; 4] =
    [v4(169, 254, 0, 0, 16), v4(100, 100, 100, 200, 32), v4(168, 63, 129, 16, 32), v4(192, 0, 0, 192, 32)];
const NEVER_V6: [Ipv6Net; 3] = [
    v6([0xfe80, 0, 0], 10),
    Ipv6Net::new_assert(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), 128),
    Ipv6Net::new_assert(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254), 128),
];

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6([a, b, c]: [u16; 3], prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), prefix)
}

/// The addresses that deliveries can go to: public ones, and those that the operator allows.
#[derive(Clone, Debug, Default)]
pub struct AddressPolicy {
    allow: Vec<ProxyNet>,
    /// Whether a proxy resolves names.
    by_proxy: bool,
}

/// Why a URL of a webhook is rejected. The texts are for the owner of the webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnusableUrl {
    #[error(transparent)]
    Invalid(#[from] InvalidWebhookUrl),
    #[error(transparent)]
    Refused(#[from] RefusedTarget),
}

impl AddressPolicy {
    /// The policy of the operator.
    pub fn new(settings: &WebhookSettings) -> Self {
        Self { allow: settings.allow.clone(), by_proxy: settings.proxy.is_some() }
    }

    /// Parses a URL that a webhook can have.
    pub fn parse_url(&self, text: &str) -> Result<WebhookUrl, UnusableUrl> {
        let url = text.parse()?;
        self.check_url(&url)?;
        Ok(url)
    }

    /// Refuses a URL to which nothing can be sent, whatever its name resolves to. Ask this when a webhook is created
    /// or changed.
    pub fn check_url(&self, url: &WebhookUrl) -> Result<(), RefusedTarget> {
        match fixed_address(url) {
            Some(address) => self.check_address(address, url),
            None if is_https_443(url) => Ok(()),
            // The name may lead to an allowed network. What a proxy finds is not known here.
            None if !self.allow.is_empty() && !self.by_proxy => Ok(()),
            None => Err(RefusedTarget::NotHttps),
        }
    }

    /// Whether the URL can be requested at this address, one of those of its host.
    pub(super) fn check_address(&self, address: IpAddr, url: &WebhookUrl) -> Result<(), RefusedTarget> {
        if is_never_allowed(address) {
            return Err(RefusedTarget::LinkLocal);
        }
        // An IPv4-mapped address leads to the same host as the IPv4 address.
        if self.allow.iter().any(|net| net.contains(address.to_canonical())) {
            return Ok(());
        }
        if !is_public(address) {
            return Err(RefusedTarget::NotPublic);
        }
        if is_https_443(url) { Ok(()) } else { Err(RefusedTarget::NotHttps) }
    }
}

fn is_https_443(url: &WebhookUrl) -> bool {
    url.is_https() && url.port() == 443
}

/// The address of a host that needs no resolver: a literal address, or `localhost` (RFC 6761, 6.3).
pub(super) fn fixed_address(url: &WebhookUrl) -> Option<IpAddr> {
    match url.host() {
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(address.into()),
        host => is_loopback_host(&host.to_owned()).then_some(Ipv4Addr::LOCALHOST.into()),
    }
}

/// Whether an address is globally routable. Addresses of IPv6 that contain one of IPv4 are not, whatever they contain.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !NOT_PUBLIC_V4.iter().any(|net| net.contains(&address)),
        IpAddr::V6(address) => {
            GLOBAL_UNICAST.contains(&address) && !NOT_PUBLIC_V6.iter().any(|net| net.contains(&address))
        }
    }
}

fn is_never_allowed(address: IpAddr) -> bool {
    let is_never_v4 = |address: Ipv4Addr| NEVER_V4.iter().any(|net| net.contains(&address));
    match address {
        IpAddr::V4(address) => is_never_v4(address),
        IpAddr::V6(address) => {
            NEVER_V6.iter().any(|net| net.contains(&address)) || embedded_v4(address).is_some_and(is_never_v4)
        }
    }
}

/// The IPv4 address that an address of IPv6 leads to: mapped, compatible, NAT64 (RFC 6052, RFC 8215), 6to4.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let from_words = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match address.segments() {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0 | 1, .., high, low]
        | [0x2002, high, low, ..] => Some(from_words(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use RefusedTarget::{LinkLocal, NotHttps, NotPublic};

    use super::*;

    fn policy(allow: &[&str]) -> AddressPolicy {
        AddressPolicy { allow: allow.iter().map(|net| net.parse().unwrap()).collect(), by_proxy: false }
    }

    fn url(text: &str) -> WebhookUrl {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    /// Hosts in all their forms, with the verdict for https on port 443 and no allowed network.
    #[test]
    fn a_host_is_judged_by_the_address_that_it_means() {
        for (host, verdict) in [
            ("hooks.example.org", Ok(())),
            ("xn--bcher-kva.example", Ok(())),
            ("intranet", Ok(())),
            ("8.8.8.8", Ok(())),
            ("1.1", Ok(())),
            ("134744072", Ok(())),
            ("0x08080808", Ok(())),
            ("010.010.010.010", Ok(())),
            ("[2606:4700:4700::1111]", Ok(())),
            ("[2a01:4f8::1]", Ok(())),
            // Loopback.
            ("127.0.0.1", Err(NotPublic)),
            ("127.0.0.1.", Err(NotPublic)),
            ("127.1", Err(NotPublic)),
            ("127.255.255.254", Err(NotPublic)),
            ("2130706433", Err(NotPublic)),
            ("2130706433.", Err(NotPublic)),
            ("0x7f000001", Err(NotPublic)),
            ("0X7F.1", Err(NotPublic)),
            ("0x7f.0x0.0x0.0x1", Err(NotPublic)),
            ("017700000001", Err(NotPublic)),
            ("0177.0.0.1", Err(NotPublic)),
            ("0177.0x0.0.1", Err(NotPublic)),
            ("%31%32%37.0.0.1", Err(NotPublic)),
            ("１２７.０.０.１", Err(NotPublic)),
            ("①②⑦.⓪.⓪.①", Err(NotPublic)),
            ("127。0。0。1", Err(NotPublic)),
            ("localhost", Err(NotPublic)),
            ("LocalHost", Err(NotPublic)),
            ("app.localhost", Err(NotPublic)),
            ("ｌocalhost", Err(NotPublic)),
            ("[::1]", Err(NotPublic)),
            ("[0:0:0:0:0:0:0:1]", Err(NotPublic)),
            ("[::127.0.0.1]", Err(NotPublic)),
            ("[::ffff:127.0.0.1]", Err(NotPublic)),
            ("[::ffff:7f00:1]", Err(NotPublic)),
            ("[::ffff:0:127.0.0.1]", Err(NotPublic)),
            // IPv6 that leads to IPv4, public or not.
            ("[::ffff:8.8.8.8]", Err(NotPublic)),
            ("[::8.8.8.8]", Err(NotPublic)),
            ("[64:ff9b::8.8.8.8]", Err(NotPublic)),
            ("[64:ff9b::10.0.0.1]", Err(NotPublic)),
            ("[64:ff9b:1::10.0.0.1]", Err(NotPublic)),
            ("[2002:7f00:1::]", Err(NotPublic)),
            ("[2002:808:808::1]", Err(NotPublic)),
            ("[2001:0:4136:e378:8000:63bf:3fff:fdd2]", Err(NotPublic)),
            // Not globally routable.
            ("0.0.0.0", Err(NotPublic)),
            ("0", Err(NotPublic)),
            ("0.1.2.3", Err(NotPublic)),
            ("10.0.0.1", Err(NotPublic)),
            ("10.255.255.255", Err(NotPublic)),
            ("167772161", Err(NotPublic)),
            ("0xa000001", Err(NotPublic)),
            ("012.1", Err(NotPublic)),
            ("100.64.0.1", Err(NotPublic)),
            ("100.127.255.255", Err(NotPublic)),
            ("172.16.0.1", Err(NotPublic)),
            ("172.31.255.255", Err(NotPublic)),
            ("192.0.0.1", Err(NotPublic)),
            ("192.0.2.1", Err(NotPublic)),
            ("192.88.99.1", Err(NotPublic)),
            ("192.168.0.1", Err(NotPublic)),
            ("192.168.257", Err(NotPublic)),
            ("198.18.0.1", Err(NotPublic)),
            ("198.19.255.255", Err(NotPublic)),
            ("198.51.100.1", Err(NotPublic)),
            ("203.0.113.1", Err(NotPublic)),
            ("224.0.0.1", Err(NotPublic)),
            ("239.255.255.255", Err(NotPublic)),
            ("240.0.0.1", Err(NotPublic)),
            ("255.255.255.255", Err(NotPublic)),
            ("4294967295", Err(NotPublic)),
            ("[::]", Err(NotPublic)),
            ("[100::1]", Err(NotPublic)),
            ("[2001::1]", Err(NotPublic)),
            ("[2001:1ff:ffff::1]", Err(NotPublic)),
            ("[2001:db8::1]", Err(NotPublic)),
            ("[3fff::1]", Err(NotPublic)),
            ("[3fff:fff:ffff::1]", Err(NotPublic)),
            ("[5f00::1]", Err(NotPublic)),
            ("[4000::1]", Err(NotPublic)),
            ("[fc00::1]", Err(NotPublic)),
            ("[fd12:3456::1]", Err(NotPublic)),
            ("[fec0::1]", Err(NotPublic)),
            ("[ff02::1]", Err(NotPublic)),
            ("[ff0e::1]", Err(NotPublic)),
            // Link-local addresses and metadata services.
            ("169.254.169.254", Err(LinkLocal)),
            ("169.254.0.1", Err(LinkLocal)),
            ("2852039166", Err(LinkLocal)),
            ("0xA9FEA9FE", Err(LinkLocal)),
            ("0251.0376.0251.0376", Err(LinkLocal)),
            ("169.254.43518", Err(LinkLocal)),
            ("[::ffff:169.254.169.254]", Err(LinkLocal)),
            ("[::ffff:a9fe:a9fe]", Err(LinkLocal)),
            ("[::169.254.169.254]", Err(LinkLocal)),
            ("[64:ff9b::169.254.169.254]", Err(LinkLocal)),
            ("[64:ff9b:1::169.254.169.254]", Err(LinkLocal)),
            ("[2002:a9fe:a9fe::1]", Err(LinkLocal)),
            ("[fe80::1]", Err(LinkLocal)),
            ("[febf::1]", Err(LinkLocal)),
            ("[fd00:ec2::254]", Err(LinkLocal)),
            ("[fd20:ce::254]", Err(LinkLocal)),
            ("100.100.100.200", Err(LinkLocal)),
            ("168.63.129.16", Err(LinkLocal)),
            ("192.0.0.192", Err(LinkLocal)),
            // Neighbours of the networks above.
            ("9.255.255.255", Ok(())),
            ("11.0.0.0", Ok(())),
            ("100.63.255.255", Ok(())),
            ("100.128.0.0", Ok(())),
            ("126.255.255.255", Ok(())),
            ("128.0.0.1", Ok(())),
            ("169.253.255.255", Ok(())),
            ("172.15.255.255", Ok(())),
            ("172.32.0.0", Ok(())),
            ("192.0.1.0", Ok(())),
            ("192.167.255.255", Ok(())),
            ("192.169.0.0", Ok(())),
            ("198.17.255.255", Ok(())),
            ("198.20.0.0", Ok(())),
            ("223.255.255.255", Ok(())),
            ("[2001:200::1]", Ok(())),
            ("[2001:db7:ffff::1]", Ok(())),
            ("[2001:db9::1]", Ok(())),
            ("[2003::1]", Ok(())),
            ("[3ffe:ffff::1]", Ok(())),
        ] {
            assert_eq!(policy(&[]).check_url(&url(&format!("https://{host}/"))), verdict, "{host}");
        }
    }

    #[test]
    fn http_and_other_ports_need_an_allowed_network() {
        let allow: &[&str] = &["10.2.0.0/16", "fd01::/16"];
        for (text, allow, verdict) in [
            ("http://hooks.example.org/", &[] as &[&str], Err(NotHttps)),
            ("https://hooks.example.org:8443/", &[], Err(NotHttps)),
            ("http://hooks.example.org:443/", &[], Err(NotHttps)),
            ("https://hooks.example.org:80/", &[], Err(NotHttps)),
            ("https://hooks.example.org:0/", &[], Err(NotHttps)),
            ("https://hooks.example.org:443/", &[], Ok(())),
            ("https://hooks.example.org:00443/", &[], Ok(())),
            ("http://8.8.8.8/", &[], Err(NotHttps)),
            ("http://8.8.8.8/", allow, Err(NotHttps)),
            ("https://8.8.8.8:8443/", allow, Err(NotHttps)),
            ("https://8.8.8.8/", allow, Ok(())),
            // The name could lead to an allowed network.
            ("http://hooks.example.org:8080/", allow, Ok(())),
            ("http://10.2.0.7/", allow, Ok(())),
            ("https://10.2.0.7:8443/", allow, Ok(())),
            ("https://10.2.0.7/", allow, Ok(())),
            ("http://[::ffff:10.2.0.7]:8080/", allow, Ok(())),
            ("http://[fd01::7]/", allow, Ok(())),
            ("http://10.3.0.7/", allow, Err(NotPublic)),
            ("http://[::ffff:10.3.0.7]/", allow, Err(NotPublic)),
            ("http://[64:ff9b::10.2.0.7]/", allow, Err(NotPublic)),
            ("http://[2002:a02:7::1]/", allow, Err(NotPublic)),
            ("http://127.0.0.1/", allow, Err(NotPublic)),
            ("http://localhost:8080/", &["127.0.0.1"], Ok(())),
            ("http://localhost:8080/", &["::1"], Err(NotPublic)),
            // Never, whatever is allowed.
            ("https://169.254.169.254/", &["0.0.0.0/0", "::/0"], Err(LinkLocal)),
            ("http://169.254.169.254/", &["169.254.0.0/16"], Err(LinkLocal)),
            ("http://[fe80::1]/", &["fe80::/10"], Err(LinkLocal)),
            ("http://[fd00:ec2::254]/", &["fd00::/8"], Err(LinkLocal)),
            ("http://[::ffff:169.254.169.254]/", &["0.0.0.0/0", "::/0"], Err(LinkLocal)),
            ("http://[64:ff9b::a9fe:a9fe]/", &["64:ff9b::/96"], Err(LinkLocal)),
            ("http://[2002:a9fe:a9fe::1]/", &["2002::/16"], Err(LinkLocal)),
            ("http://100.100.100.200/", &["100.64.0.0/10"], Err(LinkLocal)),
            ("http://[64:ff9b::8.8.8.8]/", &["64:ff9b::/96"], Ok(())),
            ("http://8.8.8.8:8080/", &["0.0.0.0/0"], Ok(())),
        ] {
            assert_eq!(policy(allow).check_url(&url(text)), verdict, "{text} {allow:?}");
        }
    }

    #[test]
    fn a_name_behind_a_proxy_is_in_no_allowed_network() {
        let by_proxy = AddressPolicy { by_proxy: true, ..policy(&["10.2.0.0/16"]) };
        for (text, verdict) in [
            ("https://hooks.example.org/", Ok(())),
            ("http://hooks.example.org/", Err(NotHttps)),
            ("https://hooks.example.org:8443/", Err(NotHttps)),
            ("http://10.2.0.7:8080/", Ok(())),
            ("http://10.3.0.7:8080/", Err(NotPublic)),
            ("https://localhost/", Err(NotPublic)),
            ("https://169.254.169.254/", Err(LinkLocal)),
        ] {
            assert_eq!(by_proxy.check_url(&url(text)), verdict, "{text}");
        }
    }

    #[test]
    fn every_ipv4_address_is_judged_as_the_standard_library_does() {
        // `Ipv4Addr::is_global` is unstable; its stable parts cover most of the list.
        for step in 0..=u32::MAX / 65_521 {
            let address = Ipv4Addr::from(step * 65_521);
            let is_special = address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || address.is_multicast()
                || address.is_broadcast()
                || address.is_documentation()
                || address.is_unspecified();
            assert!(!(is_special && is_public(address.into())), "{address}");
            assert!(
                !is_public(address.to_ipv6_mapped().into())
                    && !is_public(address.to_ipv6_compatible().into())
            );
        }
    }
}
