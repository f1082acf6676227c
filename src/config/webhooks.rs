//! Settings of webhooks.

use std::path::PathBuf;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use secrecy::SecretString;
use url::{Host, Url};

use super::ProxyNet;

/// Settings of webhooks.
#[derive(Clone, Debug, Default)]
pub struct WebhookSettings {
    /// Networks that are not public and can be receivers, also by http and on other ports.
    pub allow: Vec<ProxyNet>,
    /// The proxy that all deliveries go through.
    pub proxy: Option<WebhookProxy>,
    /// A file of PEM certificates that are trusted in addition to the public CAs.
    pub ca: Option<PathBuf>,
}

/// An HTTP proxy for CONNECT.
#[derive(Clone, Debug)]
pub struct WebhookProxy {
    pub host: Host,
    pub port: u16,
    /// `user:password` in base64, as HTTP's Basic authentication has it.
    pub credentials: Option<SecretString>,
}

/// The text is not the URL of a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be `http://[user:password@]host:port`")]
pub struct InvalidWebhookProxy;

impl FromStr for WebhookProxy {
    type Err = InvalidWebhookProxy;

    fn from_str(text: &str) -> Result<Self, InvalidWebhookProxy> {
        let url = Url::parse(text).map_err(|_| InvalidWebhookProxy)?;
        let is_plain = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
        let host = url.host().filter(|_| url.scheme() == "http" && is_plain).ok_or(InvalidWebhookProxy)?;
        let decoded = |text| percent_decode_str(text).decode_utf8().map_err(|_| InvalidWebhookProxy);
        let credentials = match (url.username(), url.password()) {
            ("", None) => None,
            ("", Some(_)) | (_, None) => return Err(InvalidWebhookProxy),
            (user, Some(password)) => {
                Some(STANDARD.encode(format!("{}:{}", decoded(user)?, decoded(password)?)).into())
            }
        };
        let port = url.port_or_known_default().ok_or(InvalidWebhookProxy)?;
        Ok(Self { host: host.to_owned(), port, credentials })
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_proxy_is_an_http_url() {
        for (text, host, port) in [
            ("http://proxy.example:3128", "proxy.example", 3128),
            ("http://10.0.0.1:3128/", "10.0.0.1", 3128),
            ("http://[::1]", "[::1]", 80),
        ] {
            let proxy: WebhookProxy = text.parse().unwrap();
            assert_eq!((proxy.host.to_string().as_str(), proxy.port), (host, port));
            assert!(proxy.credentials.is_none());
        }
        let proxy: WebhookProxy = "http://me:p%40ss@proxy.example:3128".parse().unwrap();
        assert_eq!(proxy.credentials.as_ref().unwrap().expose_secret(), &STANDARD.encode("me:p@ss"));
        assert!(!format!("{proxy:?}").contains(&STANDARD.encode("me:p@ss")));
        for text in [
            "",
            "proxy.example:3128",
            "https://proxy.example:3128",
            "socks5://proxy.example:1080",
            "http://proxy.example/path",
            "http://proxy.example/?x",
            "http://me@proxy.example",
            "http://:p@proxy.example",
            "http://me:%ff@proxy.example",
            "http://proxy.example:99999",
        ] {
            assert_eq!(text.parse::<WebhookProxy>().unwrap_err(), InvalidWebhookProxy, "{text}");
        }
    }
}
