//! Where a request came from: its peer or, if that is a proxy which the operator
//! trusts, whom the proxy tells of.
//!
//! Only `X-Forwarded-For` is read. A proxy that sets it hands on whatever `Forwarded`
//! (RFC 7239) its client made up, and the other way round: to believe both is to
//! believe anybody.

use std::net::{IpAddr, SocketAddr};

use actix_web::HttpRequest;
use actix_web::http::header::{HeaderMap, HeaderName};
use actix_web::web::Data;

use super::state::AppState;
use crate::config::ProxyNet;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The address that a request came from.
pub fn of_request(request: &HttpRequest) -> Option<IpAddr> {
    let peer = request.peer_addr()?.ip().to_canonical();
    let state = request.app_data::<Data<AppState>>();
    let trusted = state.map(|state| state.config.trusted_proxies.as_slice()).unwrap_or_default();
    Some(resolve_forwarded(peer, request.headers(), trusted))
}

/// The last address on the way that is no trusted proxy's. Each proxy adds whom it
/// heard from to the end of the list; what stands before that may be made up.
fn resolve_forwarded(peer: IpAddr, headers: &HeaderMap, trusted: &[ProxyNet]) -> IpAddr {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|net| net.contains(*address));
    let lists = headers.get_all(X_FORWARDED_FOR).map(|list| list.to_str().unwrap_or_default());
    let hops: Vec<&str> = lists.flat_map(|list| list.split(',')).collect();
    let mut nearest = peer;
    for hop in hops.into_iter().rev() {
        // What cannot be read was not written by a proxy that is worth its trust.
        let Some(next) = parse_hop(hop).filter(|_| is_trusted(&nearest)) else { break };
        nearest = next;
    }
    nearest
}

/// An address, perhaps with a port.
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
    fn a_stranger_is_not_believed() {
        let headers = forwarded_for(&["198.51.100.7"]);
        assert_eq!(resolve_forwarded(ip("192.0.2.1"), &headers, &nets(&["10.0.0.0/8"])), ip("192.0.2.1"));
        assert_eq!(resolve_forwarded(ip("10.0.0.1"), &headers, &[]), ip("10.0.0.1"));
    }

    #[test]
    fn the_last_address_that_is_no_proxys_counts() {
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
        fn whatever_comes_before_what_a_proxy_adds_changes_nothing(made_up in "[ -~]{0,60}") {
            let headers = forwarded_for(&[&format!("{made_up}, 198.51.100.7")]);
            prop_assert_eq!(resolve_forwarded(ip("10.0.0.1"), &headers, &nets(&["10.0.0.0/8"])), ip("198.51.100.7"));
        }
    }
}
