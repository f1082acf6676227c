//! The name of this server in EHLO.

use std::net::Ipv4Addr;

use lettre::transport::smtp::extension::ClientId;
use url::{Host, Origin};

use crate::config::is_loopback_host;

/// The name in EHLO: the host of `public_url` unless it is this machine, else the machine's own name if it is fully
/// qualified (RFC 5321, 4.1.1.1; mail servers reject a bare name), else an address.
pub(super) fn helo_name(own: &Origin) -> ClientId {
    if let Origin::Tuple(_, host, _) = own
        && !is_loopback_host(host)
    {
        match host {
            Host::Domain(name) if is_qualified(name) => return ClientId::Domain(name.clone()),
            Host::Domain(_) => {}
            Host::Ipv4(address) => return ClientId::Ipv4(*address),
            Host::Ipv6(address) => return ClientId::Ipv6(*address),
        }
    }
    match ClientId::default() {
        ClientId::Domain(name) if !is_qualified(&name) => ClientId::Ipv4(Ipv4Addr::LOCALHOST),
        client => client,
    }
}

fn is_qualified(name: &str) -> bool {
    name.contains('.') && is_host_name(name)
}

fn is_host_name(name: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    name.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn helo_name_is_the_host_of_the_public_url() {
        let name = |url: &str| helo_name(&url::Url::parse(url).unwrap().origin()).to_string();
        assert_eq!(name("https://consent.example.org/path"), "consent.example.org");
        assert_eq!(name("http://192.0.2.7:8080"), "[192.0.2.7]");
        assert_eq!(name("http://[2001:db8::1]"), "[IPv6:2001:db8::1]");
        for local in ["http://localhost:8080", "http://127.0.0.1", "http://box"] {
            let name = name(local);
            assert!(name.contains('.') && !name.contains("localhost") && name != "box", "{name}");
        }
    }
}
