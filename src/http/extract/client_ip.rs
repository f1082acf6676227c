//! The client's IP address: the peer of the connection or, if the peer is a trusted proxy, the
//! address that the proxy reports.
//!
//! Only `X-Forwarded-For` is read. A proxy that sets it forwards a `Forwarded` header (RFC 7239)
//! of its client unchanged, so a server that reads both headers accepts a forged one.

use std::net::{IpAddr, SocketAddr};

use actix_web::HttpRequest;
use actix_web::http::header::{HeaderMap, HeaderName};

use crate::config::ProxyNet;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The configured proxies, as `app_data`.
pub struct TrustedProxies(pub Vec<ProxyNet>);

/// Returns the client's address.
pub fn of_request(request: &HttpRequest) -> Option<IpAddr> {
    let peer = request.peer_addr()?.ip().to_canonical();
    let trusted = request.app_data::<TrustedProxies>().map_or(&[][..], |TrustedProxies(nets)| nets);
    Some(resolve_forwarded(peer, request.headers(), trusted))
}

/// Whether the peer of the connection is a trusted proxy.
pub fn is_from_trusted_proxy(request: &HttpRequest) -> bool {
    let Some(peer) = request.peer_addr().map(|peer| peer.ip().to_canonical()) else { return false };
    let trusted = request.app_data::<TrustedProxies>();
    trusted.is_some_and(|TrustedProxies(nets)| nets.iter().any(|net| net.contains(peer)))
}

/// Whether a proxy has forwarded the request, trusted or not, and says so.
pub fn is_forwarded(request: &HttpRequest) -> bool {
    const FORWARDED: [&str; 7] = [
        "forwarded",
        "via",
        "x-real-ip",
        "x-original-host",
        "x-client-ip",
        "true-client-ip",
        "cf-connecting-ip",
    ];
    let is_forwarding = |name: &str| name.starts_with("x-forwarded-") || FORWARDED.contains(&name);
    request.headers().keys().any(|name| is_forwarding(name.as_str()))
}

/// Returns the last address of the list that is not a trusted proxy. Each proxy appends the
/// address of its peer; a client can forge the entries before that.
fn resolve_forwarded(peer: IpAddr, headers: &HeaderMap, trusted: &[ProxyNet]) -> IpAddr {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|net| net.contains(*address));
    let lists = headers.get_all(X_FORWARDED_FOR).map(|list| list.to_str().unwrap_or_default());
    let hops: Vec<&str> = lists.flat_map(|list| list.split(',')).collect();
    let mut nearest = peer;
    for hop in hops.into_iter().rev() {
        // A trusted proxy does not append an invalid address.
        let Some(next) = parse_hop(hop).filter(|_| is_trusted(&nearest)) else { break };
        nearest = next;
    }
    nearest
}

/// Parses an address with or without a port.
fn parse_hop(hop: &str) -> Option<IpAddr> {
    let hop = hop.trim();
    let bare = hop.strip_prefix('[').and_then(|hop| hop.strip_suffix(']')).unwrap_or(hop);
    let address = bare.parse().or_else(|_| hop.parse().map(|at: SocketAddr| at.ip()));
    address.ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;
    use proptest::prelude::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn nets(texts: &[&str]) -> Vec<ProxyNet> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn forwarded_for(lists: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for list in lists {
            headers.append(X_FORWARDED_FOR, HeaderValue::from_str(list).unwrap());
        }
        headers
    }

    #[test]
    fn an_untrusted_peer_cannot_set_the_address() {
        let headers = forwarded_for(&["198.51.100.7"]);
        assert_eq!(resolve_forwarded(ip("192.0.2.1"), &headers, &nets(&["10.0.0.0/8"])), ip("192.0.2.1"));
        assert_eq!(resolve_forwarded(ip("10.0.0.1"), &headers, &[]), ip("10.0.0.1"));
    }

    #[test]
    fn the_last_address_that_is_not_a_trusted_proxy_counts() {
        let trusted = nets(&["10.0.0.0/8", "::1"]);
        for (lists, client) in [
            (vec![], "10.0.0.1"),
            (vec!["198.51.100.7"], "198.51.100.7"),
            (vec!["203.0.113.9, 198.51.100.7"], "198.51.100.7"),
            (vec!["203.0.113.9", "198.51.100.7,10.0.0.2"], "198.51.100.7"),
            (vec!["198.51.100.7", "10.0.0.3", "::1"], "198.51.100.7"),
            (vec!["10.0.0.9, 10.0.0.2"], "10.0.0.9"),
            (vec!["198.51.100.7:4711"], "198.51.100.7"),
            (vec!["[2001:db8::7]:4711"], "2001:db8::7"),
            (vec!["[2001:db8::7]"], "2001:db8::7"),
            (vec!["::ffff:198.51.100.7"], "198.51.100.7"),
            (vec!["198.51.100.7, unknown"], "10.0.0.1"),
            (vec!["198.51.100.7, "], "10.0.0.1"),
            (vec!["198.51.100.7, <script>, 10.0.0.2"], "10.0.0.2"),
        ] {
            assert_eq!(
                resolve_forwarded(ip("10.0.0.1"), &forwarded_for(&lists), &trusted),
                ip(client),
                "{lists:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn entries_before_the_proxys_entry_are_ignored(forged in "[ -~]{0,60}") {
            let headers = forwarded_for(&[&format!("{forged}, 198.51.100.7")]);
            prop_assert_eq!(resolve_forwarded(ip("10.0.0.1"), &headers, &nets(&["10.0.0.0/8"])), ip("198.51.100.7"));
        }
    }
}
