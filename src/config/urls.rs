//! URLs, origins and networks in the configuration.
//!
//! No error contains the rejected text: it may contain a password.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use ipnet::IpNet;
use secrecy::SecretString;
use url::{Host, Origin, Url};

use super::postgres_url::{Conninfo, InvalidPostgresUrl};

/// The URL of the database.
#[derive(Clone, Debug)]
pub enum DatabaseUrl {
    /// The URL. [`Conninfo::from_url`] accepts it.
    Postgres(SecretString),
    /// The path of the database file.
    Sqlite(PathBuf),
}

/// Why a database URL is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDatabaseUrl {
    #[error("must be `postgres://…`, `postgresql://…` or `sqlite://path`")]
    Scheme,
    #[error("must name a database after `://`")]
    Empty,
    #[error("must name a file; in-memory databases are not supported")]
    Memory,
    #[error("must not have options after `?` (`sqlite://path`)")]
    Options,
    #[error(transparent)]
    Postgres(#[from] InvalidPostgresUrl),
}

impl FromStr for DatabaseUrl {
    type Err = InvalidDatabaseUrl;

    fn from_str(text: &str) -> Result<Self, InvalidDatabaseUrl> {
        match text.split_once("://").ok_or(InvalidDatabaseUrl::Scheme)? {
            (_, "") => Err(InvalidDatabaseUrl::Empty),
            ("postgres" | "postgresql", _) => {
                Conninfo::from_url(text)?;
                Ok(Self::Postgres(SecretString::from(text)))
            }
            ("sqlite", ":memory:") => Err(InvalidDatabaseUrl::Memory),
            ("sqlite", path) if path.contains('?') => Err(InvalidDatabaseUrl::Options),
            ("sqlite", path) => Ok(Self::Sqlite(path.into())),
            _ => Err(InvalidDatabaseUrl::Scheme),
        }
    }
}

/// The URL of this server in mails and on pages: `http` or `https`, without a trailing slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl {
    text: String,
    origin: Origin,
    path: String,
}

/// Why a public URL is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPublicUrl {
    #[error("must be `http://host[:port]` or `https://host[:port]`, optionally with a path")]
    Scheme,
    #[error("must not have a user, query or fragment")]
    ExtraParts,
    #[error(
        "the path must consist of letters, digits, `-`, `.`, `_` and `~`, with single slashes between them"
    )]
    Path,
}

impl PublicUrl {
    /// The default: the URL of the address that the server listens on.
    pub fn from_bind_address(bind: SocketAddr) -> Self {
        let host =
            if bind.ip().is_unspecified() { format!("localhost:{}", bind.port()) } else { bind.to_string() };
        let text = format!("http://{host}");
        let parsed = Url::parse(&text).map(|url| Self::from_url(&url));
        parsed.unwrap_or(Self { text, origin: Origin::new_opaque(), path: String::new() })
    }

    fn from_url(url: &Url) -> Self {
        let trim = |text: &str| text.trim_end_matches('/').to_owned();
        Self { text: trim(url.as_str()), origin: url.origin(), path: trim(url.path()) }
    }

    /// The URL, without a trailing slash.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The origin of the URL.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The path of the URL, without a trailing slash: `/consent`, or nothing.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether browsers reach the server by HTTPS.
    pub fn is_https(&self) -> bool {
        matches!(&self.origin, Origin::Tuple(scheme, ..) if scheme == "https")
    }

    /// Whether the host is this machine.
    pub fn is_loopback(&self) -> bool {
        matches!(&self.origin, Origin::Tuple(_, host, _) if is_loopback_host(host))
    }
}

impl FromStr for PublicUrl {
    type Err = InvalidPublicUrl;

    fn from_str(text: &str) -> Result<Self, InvalidPublicUrl> {
        let url = web_url(text).ok_or(InvalidPublicUrl::Scheme)?;
        let plain = url.username().is_empty() && url.password().is_none();
        if !plain || url.query().is_some() || url.fragment().is_some() {
            return Err(InvalidPublicUrl::ExtraParts);
        }
        let url = Self::from_url(&url);
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~/".contains(c);
        if url.path.contains("//") || !url.path.chars().all(is_plain) {
            return Err(InvalidPublicUrl::Path);
        }
        Ok(url)
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// How to reach someone: a `https:`, `mailto:` or `tel:` URL.
#[derive(Clone, Debug)]
pub struct ContactUrl(String);

/// The text is not a [`ContactUrl`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be an https:, mailto: or tel: URL, for example mailto:security@example.org")]
pub struct InvalidContactUrl;

impl FromStr for ContactUrl {
    type Err = InvalidContactUrl;

    fn from_str(text: &str) -> Result<Self, InvalidContactUrl> {
        let url = Url::parse(text).map_err(|_| InvalidContactUrl)?;
        let is_valid = match url.scheme() {
            "https" => url.username().is_empty() && url.password().is_none(),
            "mailto" => url.path().contains('@'),
            "tel" => !url.path().is_empty(),
            _ => false,
        };
        if is_valid { Ok(Self(url.into())) } else { Err(InvalidContactUrl) }
    }
}

impl ContactUrl {
    /// The URL, which contains neither spaces nor line breaks.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The address of a page, without credentials: a `https:` or `http:` URL.
#[derive(Clone, Debug)]
pub struct PolicyUrl(String);

/// The text is not a [`PolicyUrl`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be an https:// or http:// URL, for example https://example.org/privacy")]
pub struct InvalidPolicyUrl;

impl FromStr for PolicyUrl {
    type Err = InvalidPolicyUrl;

    fn from_str(text: &str) -> Result<Self, InvalidPolicyUrl> {
        let url = Url::parse(text).map_err(|_| InvalidPolicyUrl)?;
        let is_valid =
            matches!(url.scheme(), "https" | "http") && url.username().is_empty() && url.password().is_none();
        if is_valid { Ok(Self(url.into())) } else { Err(InvalidPolicyUrl) }
    }
}

impl PolicyUrl {
    /// The URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a host always is the local machine (RFC 6761, 6.3).
pub fn is_loopback_host(host: &Host) -> bool {
    match host {
        Host::Domain(name) => {
            let name = name.strip_suffix('.').unwrap_or(name);
            name == "localhost" || name.ends_with(".localhost")
        }
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

/// The origin of a web page: scheme, host and port (RFC 6454).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebOrigin {
    text: String,
    origin: Origin,
}

/// The text is not a web origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be `http://host[:port]` or `https://host[:port]`, without a path or trailing slash")]
pub struct InvalidWebOrigin;

impl WebOrigin {
    /// The origin as in an `Origin` header: lowercase, without a default port.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The origin, for comparison with [`Url::origin`].
    pub fn origin(&self) -> &Origin {
        &self.origin
    }
}

impl FromStr for WebOrigin {
    type Err = InvalidWebOrigin;

    fn from_str(text: &str) -> Result<Self, InvalidWebOrigin> {
        let host = text.split_once("://").map_or("", |(_, host)| host);
        if host.contains(['/', '\\', '?', '#', '@']) {
            return Err(InvalidWebOrigin);
        }
        let origin = web_url(text).ok_or(InvalidWebOrigin)?.origin();
        Ok(Self { text: origin.ascii_serialization(), origin })
    }
}

/// Parses an `http` or `https` URL. Missing slashes and white space, which the URL standard
/// accepts, are errors.
fn web_url(text: &str) -> Option<Url> {
    let is_strict = text.contains("://") && !text.contains(|c: char| c.is_whitespace() || c.is_control());
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    url.filter(|_| is_strict)
}

/// The address of a proxy, or a network of proxies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxyNet(IpNet);

/// The text is neither an IP address nor a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be an IP address or network, for example `10.0.0.0/8` or `::1`")]
pub struct InvalidProxyNet;

impl ProxyNet {
    /// Whether the network contains this address.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }
}

impl FromStr for ProxyNet {
    type Err = InvalidProxyNet;

    fn from_str(text: &str) -> Result<Self, InvalidProxyNet> {
        let single = || text.parse().map(|address: IpAddr| IpNet::from(address.to_canonical()));
        text.parse::<IpNet>().map(canonical_net).or_else(|_| single()).map(Self).map_err(|_| InvalidProxyNet)
    }
}

/// A network of IPv4-mapped addresses as a network of IPv4, because the addresses of clients are canonical.
fn canonical_net(net: IpNet) -> IpNet {
    let mapped = match net {
        IpNet::V6(v6) => v6.network().to_ipv4_mapped().zip(v6.prefix_len().checked_sub(96)),
        IpNet::V4(_) => None,
    };
    mapped.and_then(|(network, length)| IpNet::new(network.into(), length).ok()).unwrap_or(net)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_contact_is_a_url_that_people_can_use() {
        for valid in ["mailto:security@example.org", "https://example.org/security?x=y", "tel:+49-30-1234"] {
            assert_eq!(valid.parse::<ContactUrl>().unwrap().as_str(), valid);
        }
        // A line break could add a line to the file.
        assert_eq!(
            "https://example.org/a\nExpires: never".parse::<ContactUrl>().unwrap().as_str(),
            "https://example.org/aExpires:%20never"
        );
        for invalid in [
            "",
            "security@example.org",
            "http://example.org",
            "mailto:",
            "tel:",
            "https://u:p@example.org",
            "javascript:x",
        ] {
            assert_eq!(invalid.parse::<ContactUrl>().unwrap_err(), InvalidContactUrl, "{invalid}");
        }
    }

    #[test]
    fn database_urls_are_postgres_or_sqlite() {
        for text in [
            "postgres://u:p@h/d?sslmode=require",
            "postgresql:///d",
            "postgres://a:1,b:2/d",
            "postgres://u%40x:p%2F%3F%25@[::1]:5432,[2001:db8::1]/d",
            "postgres://u:p:q@%2Frun%2Fpostgresql/d",
            "postgresql://?service=main",
            "postgres:///d?host=/run/postgresql&port=5433",
        ] {
            let Ok(DatabaseUrl::Postgres(url)) = text.parse() else { panic!("{text}") };
            assert_eq!(url.expose_secret(), text);
        }
        for (text, path) in [("sqlite://data/x.db", "data/x.db"), ("sqlite:///var/x.db", "/var/x.db")] {
            let Ok(DatabaseUrl::Sqlite(file)) = text.parse() else { panic!("{text}") };
            assert_eq!(file, PathBuf::from(path));
        }
    }

    #[test]
    fn other_database_urls_are_rejected() {
        use InvalidDatabaseUrl::*;
        for (text, error) in [
            ("mysql://u:p@h/d", Scheme),
            ("data/x.db", Scheme),
            ("sqlite:x.db", Scheme),
            ("sqlite://", Empty),
            ("postgres://", Empty),
            ("sqlite://:memory:", Memory),
            ("sqlite://x.db?mode=rwc", Options),
        ] {
            assert_eq!(text.parse::<DatabaseUrl>().unwrap_err(), error, "{text}");
        }
    }

    #[test]
    fn a_public_url_has_no_slash_at_its_end() {
        for (text, taken) in [
            ("https://Consent.Example.org/", "https://consent.example.org"),
            ("https://example.org:443/consent/", "https://example.org/consent"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ] {
            assert_eq!(text.parse::<PublicUrl>().unwrap().as_str(), taken);
        }
        for (text, path) in [
            ("https://a", ""),
            ("https://a//", ""),
            ("https://a/consent", "/consent"),
            ("https://a/./x/../B-_.~9/c/", "/B-_.~9/c"),
        ] {
            assert_eq!(text.parse::<PublicUrl>().unwrap().path(), path, "{text}");
        }
        for text in ["https://a/x//y", "https://a/ä", "https://a/x&y", "https://a/x;y", "https://a/%41"] {
            assert_eq!(text.parse::<PublicUrl>(), Err(InvalidPublicUrl::Path), "{text}");
        }
        for text in ["example.org", "ftp://example.org", "https:example.org", "https://", " https://a", ""] {
            assert_eq!(text.parse::<PublicUrl>(), Err(InvalidPublicUrl::Scheme), "{text}");
        }
        for text in ["https://a?x=1", "https://a/#x", "https://u:p@a"] {
            assert_eq!(text.parse::<PublicUrl>(), Err(InvalidPublicUrl::ExtraParts), "{text}");
        }
    }

    #[test]
    fn the_default_public_url_comes_from_the_bind_address() {
        for (bind, url) in [
            ("127.0.0.1:9000", "http://127.0.0.1:9000"),
            ("0.0.0.0:9000", "http://localhost:9000"),
            ("[::]:9000", "http://localhost:9000"),
            ("[::1]:80", "http://[::1]"),
        ] {
            assert_eq!(PublicUrl::from_bind_address(bind.parse().unwrap()).as_str(), url);
        }
    }

    #[test]
    fn an_origin_is_scheme_host_and_port_alone() {
        for (text, ascii) in [
            ("https://app.example", "https://app.example"),
            ("HTTPS://App.Example:443", "https://app.example"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("https://bücher.example", "https://xn--bcher-kva.example"),
        ] {
            let origin: WebOrigin = text.parse().unwrap();
            assert_eq!(origin.as_str(), ascii);
            assert_eq!(origin.origin(), &Url::parse(text).unwrap().origin());
        }
        for text in [
            "",
            "*",
            "null",
            "app.example",
            "https://",
            "https://app.example/",
            "https://app.example/x",
            "https://app.example?x",
            "https://app.example#x",
            "https://u@app.example",
            "app://x",
            "https:\\\\app.example",
            "https://app.example ",
            "https://*.app.example/",
        ] {
            assert_eq!(text.parse::<WebOrigin>(), Err(InvalidWebOrigin), "{text}");
        }
    }

    #[test]
    fn proxies_are_a_network_or_one_address() {
        for (text, within, without) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("192.0.2.7/24", "192.0.2.1", "192.0.3.1"),
            ("127.0.0.1", "127.0.0.1", "127.0.0.2"),
            ("::1", "::1", "::2"),
            ("::ffff:192.0.2.1", "192.0.2.1", "192.0.2.2"),
            ("::ffff:10.0.0.0/104", "10.255.0.1", "11.0.0.1"),
            ("::ffff:192.0.2.7/128", "192.0.2.7", "192.0.2.8"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("0.0.0.0/0", "192.0.2.1", "::1"),
        ] {
            let net: ProxyNet = text.parse().unwrap();
            assert!(net.contains(within.parse().unwrap()), "{text} {within}");
            assert!(!net.contains(without.parse().unwrap()), "{text} {without}");
        }
        for text in ["", "proxy", "10.0.0.0/33", "10.0.0", "10.0.0.0/", "::1/129", " ::1", "10.0.0.1:80", "*"]
        {
            assert_eq!(text.parse::<ProxyNet>(), Err(InvalidProxyNet), "{text}");
        }
    }
}
