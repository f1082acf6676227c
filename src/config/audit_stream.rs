//! Settings of the audit stream.

use std::path::PathBuf;
use std::str::FromStr;

use url::{Host, Url};

/// The port of syslog over TLS (RFC 5425).
const DEFAULT_PORT: u16 = 6_514;

/// Settings of the audit stream.
#[derive(Clone, Debug)]
pub struct AuditStreamSettings {
    pub to: StreamTarget,
    /// A file of PEM certificates that are trusted in addition to the public CAs.
    pub ca: Option<PathBuf>,
}

/// Where the audit stream is written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamTarget {
    Stdout,
    /// An absolute path.
    File(PathBuf),
    /// A syslog server, by TLS.
    Syslog {
        host: Host,
        port: u16,
    },
}

/// Why the target of the audit stream is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidStreamTarget {
    #[error("must be `stdout`, `file:/path` or `syslog+tls://host:port`")]
    Scheme,
    #[error("must name a file by its absolute path, for example `file:/var/log/countersign/audit.jsonl`")]
    Path,
    #[error("must name a host, for example `syslog+tls://log.example.org:6514`")]
    Host,
    #[error("the port must be a number from 1 to 65535")]
    Port,
    #[error("must not have a user, or anything after the host and port")]
    ExtraParts,
}

impl FromStr for StreamTarget {
    type Err = InvalidStreamTarget;

    fn from_str(text: &str) -> Result<Self, InvalidStreamTarget> {
        match text.split_once(':') {
            None if text == "stdout" => Ok(Self::Stdout),
            Some(("file", path)) => {
                let path = path.strip_prefix("//").unwrap_or(path);
                let is_file = path.starts_with('/') && !path.ends_with('/');
                if is_file { Ok(Self::File(path.into())) } else { Err(InvalidStreamTarget::Path) }
            }
            Some(("syslog+tls", rest)) if rest.starts_with("//") => syslog(text),
            _ => Err(InvalidStreamTarget::Scheme),
        }
    }
}

fn syslog(text: &str) -> Result<StreamTarget, InvalidStreamTarget> {
    let url = Url::parse(text).map_err(|error| match error {
        url::ParseError::InvalidPort => InvalidStreamTarget::Port,
        _ => InvalidStreamTarget::Host,
    })?;
    let is_plain = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
    if !is_plain || !url.username().is_empty() || url.password().is_some() {
        return Err(InvalidStreamTarget::ExtraParts);
    }
    // The `url` crate does not parse the names of such URLs.
    let host = match url.host() {
        Some(Host::Domain(name)) => Host::parse(name).map_err(|_| InvalidStreamTarget::Host)?,
        Some(address) => address.to_owned(),
        None => return Err(InvalidStreamTarget::Host),
    };
    match url.port().unwrap_or(DEFAULT_PORT) {
        0 => Err(InvalidStreamTarget::Port),
        port => Ok(StreamTarget::Syslog { host, port }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_stdout_a_file_or_a_syslog_server() {
        let parsed = |text: &str| text.parse::<StreamTarget>().unwrap();
        assert_eq!(parsed("stdout"), StreamTarget::Stdout);
        for text in ["file:/var/log/audit.jsonl", "file:///var/log/audit.jsonl"] {
            assert_eq!(parsed(text), StreamTarget::File("/var/log/audit.jsonl".into()));
        }
        for (text, host, port) in [
            ("syslog+tls://Log.Example.org", "log.example.org", 6_514),
            ("syslog+tls://10.0.0.1:1/", "10.0.0.1", 1),
            ("syslog+tls://[::1]:65535", "[::1]", 65_535),
        ] {
            let StreamTarget::Syslog { host: parsed, port: number } = parsed(text) else { panic!("{text}") };
            assert_eq!((parsed.to_string().as_str(), number), (host, port));
            assert!(host.parse::<std::net::Ipv4Addr>().is_err() || matches!(parsed, Host::Ipv4(_)));
        }
    }

    #[test]
    fn other_targets_are_rejected() {
        use InvalidStreamTarget::*;
        for (text, error) in [
            ("", Scheme),
            ("/var/log/audit", Scheme),
            ("stdout:", Scheme),
            ("syslog://log.example.org:514", Scheme),
            ("syslog+tls:log.example.org", Scheme),
            ("https://log.example.org", Scheme),
            ("file:", Path),
            ("file:audit.jsonl", Path),
            ("file://log.example.org/audit.jsonl", Path),
            ("file:/var/log/", Path),
            ("syslog+tls://", Host),
            ("syslog+tls://:6514", Host),
            ("syslog+tls://a b", Host),
            ("syslog+tls://log.example.org:0", Port),
            ("syslog+tls://log.example.org:65536", Port),
            ("syslog+tls://log.example.org:x", Port),
            ("syslog+tls://me:hunter2@log.example.org", ExtraParts),
            ("syslog+tls://log.example.org/audit", ExtraParts),
            ("syslog+tls://log.example.org?ca=x", ExtraParts),
        ] {
            assert_eq!(text.parse::<StreamTarget>(), Err(error), "{text}");
        }
    }
}
