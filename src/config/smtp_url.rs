//! The URL of the mail server.
//!
//! No error contains the rejected text: it may contain a password.

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use percent_encoding::percent_decode_str;
use secrecy::SecretString;
use url::{Host, Url};

use super::is_loopback_host;

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

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

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
}
