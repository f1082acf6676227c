//! URLs, origins and networks in the configuration.
//!
//! No error contains the rejected text: it may contain a password.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use ipnet::IpNet;
use percent_encoding::percent_decode_str;
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

/// The URL of the mail server.
#[derive(Clone, Debug)]
pub struct SmtpUrl {
    /// A host name, or an IP address without brackets.
    pub host: String,
    pub port: u16,
    pub tls: SmtpTls,
    /// User name and password.
    pub credentials: Option<(String, SecretString)>,
    /// A file of PEM certificates that are trusted instead of the public CAs.
    pub ca: Option<PathBuf>,
}

/// How the connection to the mail server is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpTls {
    /// Not encrypted: for a mail server on the same machine or network.
    None,
    /// STARTTLS is required: if the mail server does not offer it, no mail is sent.
    StartTls,
    /// TLS from the start of the connection.
    Implicit,
}

/// Why the URL of a mail server is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSmtpUrl {
    #[error("must be `smtp://`, `smtps://` or `smtp+starttls://`, followed by `[user:password@]host[:port]`")]
    Scheme,
    #[error("must be a valid URL: {0}")]
    Malformed(url::ParseError),
    #[error("must contain a host")]
    Host,
    /// One of user and password is missing, or they are not UTF-8.
    #[error("must contain both user and password, or neither; percent-encode any of `@:/?#%`")]
    Credentials,
    #[error("must not have anything after the host and port except `?ca=FILE` and `?insecure=1`")]
    TrailingParts,
    #[error("has an unknown option; the options are `ca` and `insecure`")]
    UnknownOption,
    #[error("`insecure` must be `1`")]
    Insecure,
    #[error(
        "would send the password without encryption; use `smtps://` or `smtp+starttls://`, or add `?insecure=1` to accept that"
    )]
    PlainCredentials,
    #[error("`ca` requires TLS; use `smtps://` or `smtp+starttls://`")]
    CaWithoutTls,
}

impl FromStr for SmtpUrl {
    type Err = InvalidSmtpUrl;

    fn from_str(text: &str) -> Result<Self, InvalidSmtpUrl> {
        // A password with `/`, `?` or `#` ends the authority: what was meant as its rest is not quoted as host or path.
        let rest = text.split_once("://").map_or("", |(_, rest)| rest);
        if rest.split_once(['/', '?', '#']).is_some_and(|(_, after)| after.contains('@')) {
            return Err(InvalidSmtpUrl::Credentials);
        }
        let url = Url::parse(text).map_err(|error| match error {
            url::ParseError::RelativeUrlWithoutBase => InvalidSmtpUrl::Scheme,
            error => InvalidSmtpUrl::Malformed(error),
        })?;
        let (tls, default_port) = match url.scheme() {
            "smtp" => (SmtpTls::None, 25),
            "smtps" => (SmtpTls::Implicit, 465),
            "smtp+starttls" => (SmtpTls::StartTls, 587),
            _ => return Err(InvalidSmtpUrl::Scheme),
        };
        let host = host(&url)?;
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err(InvalidSmtpUrl::TrailingParts);
        }
        let (mut ca, mut insecure) = (None, false);
        for (key, value) in url.query_pairs() {
            match &*key {
                "ca" if tls == SmtpTls::None => return Err(InvalidSmtpUrl::CaWithoutTls),
                "ca" => ca = Some(PathBuf::from(&*value)),
                "insecure" if value == "1" => insecure = true,
                "insecure" => return Err(InvalidSmtpUrl::Insecure),
                _ => return Err(InvalidSmtpUrl::UnknownOption),
            }
        }
        let credentials = credentials(&url)?;
        let is_local = Host::parse(&host).is_ok_and(|host| is_loopback_host(&host))
            || host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
        if tls == SmtpTls::None && credentials.is_some() && !is_local && !insecure {
            return Err(InvalidSmtpUrl::PlainCredentials);
        }
        Ok(Self { host, port: url.port().unwrap_or(default_port), tls, credentials, ca })
    }
}

/// The host of the URL. The `url` crate does not parse hosts of schemes other than http and https,
/// so this parses IP addresses and internationalized names.
fn host(url: &Url) -> Result<String, InvalidSmtpUrl> {
    let host = match url.host().ok_or(InvalidSmtpUrl::Host)? {
        Host::Domain("") => return Err(InvalidSmtpUrl::Host),
        Host::Domain(name) => Host::parse(name).map_err(InvalidSmtpUrl::Malformed)?,
        address => address.to_owned(),
    };
    Ok(match host {
        Host::Domain(name) => name,
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => address.to_string(),
    })
}

fn credentials(url: &Url) -> Result<Option<(String, SecretString)>, InvalidSmtpUrl> {
    let decoded = |text| percent_decode_str(text).decode_utf8().map_err(|_| InvalidSmtpUrl::Credentials);
    match (url.username(), url.password()) {
        ("", None) => Ok(None),
        ("", Some(_)) | (_, None) => Err(InvalidSmtpUrl::Credentials),
        (user, Some(password)) => {
            Ok(Some((decoded(user)?.into_owned(), SecretString::from(&*decoded(password)?))))
        }
    }
}

/// The URL of this server in mails and on pages: `http` or `https`, without a trailing slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl {
    text: String,
    origin: Origin,
}

/// Why a public URL is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPublicUrl {
    #[error("must be `http://host[:port]` or `https://host[:port]`, optionally with a path")]
    Scheme,
    #[error("must not have a user, query or fragment")]
    ExtraParts,
}

impl PublicUrl {
    /// The default: the URL of the address that the server listens on.
    pub fn from_bind_address(bind: SocketAddr) -> Self {
        let host =
            if bind.ip().is_unspecified() { format!("localhost:{}", bind.port()) } else { bind.to_string() };
        let text = format!("http://{host}");
        let parsed = Url::parse(&text).map(|url| Self::from_url(&url));
        parsed.unwrap_or(Self { text, origin: Origin::new_opaque() })
    }

    fn from_url(url: &Url) -> Self {
        Self { text: url.as_str().trim_end_matches('/').to_owned(), origin: url.origin() }
    }

    /// The URL, without a trailing slash.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The origin of the URL.
    pub fn origin(&self) -> &Origin {
        &self.origin
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

impl FromStr for PublicUrl {
    type Err = InvalidPublicUrl;

    fn from_str(text: &str) -> Result<Self, InvalidPublicUrl> {
        let url = web_url(text).ok_or(InvalidPublicUrl::Scheme)?;
        let plain = url.username().is_empty() && url.password().is_none();
        if !plain || url.query().is_some() || url.fragment().is_some() {
            return Err(InvalidPublicUrl::ExtraParts);
        }
        Ok(Self::from_url(&url))
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
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
    use secrecy::ExposeSecret;

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
    fn smtp_urls_have_host_port_and_tls_mode() {
        for (text, host, port, tls) in [
            ("smtp://mail", "mail", 25, SmtpTls::None),
            ("smtp://127.0.0.1:1025/", "127.0.0.1", 1025, SmtpTls::None),
            ("smtps://Mail.Example.org", "mail.example.org", 465, SmtpTls::Implicit),
            ("smtps://[::1]:4650", "::1", 4650, SmtpTls::Implicit),
            ("smtp+starttls://mail.example.org", "mail.example.org", 587, SmtpTls::StartTls),
        ] {
            let url: SmtpUrl = text.parse().unwrap();
            assert_eq!((url.host.as_str(), url.port, url.tls), (host, port, tls));
            assert!(url.credentials.is_none() && url.ca.is_none());
        }
    }

    #[test]
    fn credentials_are_percent_decoded_and_not_shown() {
        let url: SmtpUrl = "smtps://me%40example.org:p%3A%2Fw%20d@mail?ca=/etc/our%20ca.pem".parse().unwrap();
        let (user, password) = url.credentials.as_ref().unwrap();
        assert_eq!((user.as_str(), password.expose_secret()), ("me@example.org", "p:/w d"));
        assert_eq!(url.ca.as_deref(), Some(std::path::Path::new("/etc/our ca.pem")));
        assert!(!format!("{url:?}").contains("p:/w d"));
    }

    #[test]
    fn other_smtp_urls_are_rejected() {
        use InvalidSmtpUrl::*;
        for (text, error) in [
            ("mail.example.org", Scheme),
            ("http://mail", Scheme),
            ("mail:25", Scheme),
            ("smtp:mail", Host),
            ("smtp://", Host),
            ("smtp://u@mail", Credentials),
            ("smtp://:p@mail", Credentials),
            ("smtp://u:%ff@mail", Credentials),
            ("smtp://mail/hello", TrailingParts),
            ("smtp://mail#x", TrailingParts),
            ("smtps://mail?tls=off", UnknownOption),
            ("smtp://user:?hunter2@mail", Credentials),
            ("smtps://user:?ca=hunter2@mail", Credentials),
            ("smtps://user:hunter2/x@mail", Credentials),
            ("smtp://u:p@mail?insecure=yes", Insecure),
            ("smtp://u:p@mail", PlainCredentials),
            ("smtp://u:p@192.0.2.1", PlainCredentials),
            ("smtp://u:p@localhost.example.org", PlainCredentials),
            ("smtp://mail?ca=x.pem", CaWithoutTls),
        ] {
            assert_eq!(text.parse::<SmtpUrl>().unwrap_err(), error, "{text}");
        }
        for text in [
            "smtp://u:p@localhost",
            "smtp://u:p@127.0.0.1:1025",
            "smtp://u:p@[::1]:1025",
            "smtp://u:p@mail?insecure=1",
            "smtp://mail",
            "smtps://u:p@mail",
            "smtp+starttls://u:p@mail",
        ] {
            assert!(text.parse::<SmtpUrl>().is_ok(), "{text}");
        }
        assert!(matches!("smtp://mail:99999".parse::<SmtpUrl>(), Err(Malformed(_))));
        assert!(matches!("smtp://ma il".parse::<SmtpUrl>(), Err(Malformed(_))));
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
