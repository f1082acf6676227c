//! The URL of a webhook's receiver.

use std::fmt;
use std::str::FromStr;

use url::{Host, Position, Url};

/// The maximum length of a webhook's URL.
pub const MAX_WEBHOOK_URL_BYTES: usize = 2_048;

/// An `https` or `http` URL without a user or fragment. Whether the server sends to it depends on the
/// [networks](crate::webhook::AddressPolicy) that the operator allows.
///
/// It is stored and displayed in its normal form, which is ASCII: a name that looks like another one
/// is displayed as `xn--…`, and an IPv4 address in decimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookUrl(Url);

/// Why a URL of a webhook is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidWebhookUrl {
    #[error("must have at most {MAX_WEBHOOK_URL_BYTES} bytes")]
    TooLong,
    #[error("must be a valid URL that starts with https://")]
    Malformed,
    #[error("must not contain a user name or password")]
    UserInfo,
    #[error("must not contain a fragment (#)")]
    Fragment,
    /// The name with and without a dot at its end is the same host.
    #[error("must not contain a host name that ends with a dot")]
    TrailingDot,
}

impl FromStr for WebhookUrl {
    type Err = InvalidWebhookUrl;

    fn from_str(text: &str) -> Result<Self, InvalidWebhookUrl> {
        if text.len() > MAX_WEBHOOK_URL_BYTES {
            return Err(InvalidWebhookUrl::TooLong);
        }
        // The URL standard removes some white space, and reads `\` as `/`.
        if text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '\\') {
            return Err(InvalidWebhookUrl::Malformed);
        }
        // It also accepts URLs without these slashes, or with more of them.
        let (_, rest) = text.split_once("://").ok_or(InvalidWebhookUrl::Malformed)?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.is_empty() {
            return Err(InvalidWebhookUrl::Malformed);
        }
        if authority.contains('@') {
            return Err(InvalidWebhookUrl::UserInfo);
        }
        let url = Url::parse(text).map_err(|_| InvalidWebhookUrl::Malformed)?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err(InvalidWebhookUrl::Malformed);
        }
        if url.fragment().is_some() {
            return Err(InvalidWebhookUrl::Fragment);
        }
        if url.domain().is_some_and(|name| name.ends_with('.')) {
            return Err(InvalidWebhookUrl::TrailingDot);
        }
        if url.as_str().len() > MAX_WEBHOOK_URL_BYTES {
            return Err(InvalidWebhookUrl::TooLong);
        }
        Ok(Self(url))
    }
}

impl WebhookUrl {
    /// The URL in its normal form.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Whether the connection is encrypted.
    pub fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// A name, which never looks like an IPv4 address, or an address.
    pub fn host(&self) -> Host<&str> {
        // An `https` or `http` URL always has a host.
        self.0.host().unwrap_or(Host::Domain(""))
    }

    /// The port, 443 or 80 if the URL has none.
    pub fn port(&self) -> u16 {
        self.0.port_or_known_default().unwrap_or_default()
    }

    /// The host and the port unless it is the default, as in the `Host` header.
    pub fn authority(&self) -> &str {
        &self.0[Position::BeforeHost..Position::AfterPort]
    }

    /// The path and the query, as in the first line of a request.
    pub fn request_target(&self) -> &str {
        &self.0[Position::BeforePath..Position::AfterQuery]
    }
}

impl fmt::Display for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_url_is_displayed_in_its_normal_form() {
        for (text, displayed) in [
            ("https://Hooks.Example.org", "https://hooks.example.org/"),
            ("HTTPS://hooks.example.org:443/in?x=1", "https://hooks.example.org/in?x=1"),
            ("http://10.2.0.7:8080/in", "http://10.2.0.7:8080/in"),
            ("https://bücher.example/ä?ü", "https://xn--bcher-kva.example/%C3%A4?%C3%BC"),
            // The first letter is Cyrillic.
            ("https://\u{430}pple.com/", "https://xn--pple-43d.com/"),
            ("https://①②⑦.0.0.1/", "https://127.0.0.1/"),
            ("https://0x7f.1/", "https://127.0.0.1/"),
            ("https://example.org/a/../b/./c", "https://example.org/b/c"),
        ] {
            assert_eq!(text.parse::<WebhookUrl>().unwrap().to_string(), displayed);
        }
    }

    #[test]
    fn the_parts_of_a_request_come_from_the_url() {
        for (text, authority, target, port) in [
            ("https://a.example", "a.example", "/", 443),
            ("https://a.example?x", "a.example", "/?x", 443),
            ("http://a.example:8080/b?c=d", "a.example:8080", "/b?c=d", 8080),
            ("https://[2606:4700::1111]/", "[2606:4700::1111]", "/", 443),
        ] {
            let url: WebhookUrl = text.parse().unwrap();
            assert_eq!((url.authority(), url.request_target(), url.port()), (authority, target, port));
        }
    }

    #[test]
    fn other_urls_are_rejected() {
        use InvalidWebhookUrl::*;
        let long = format!("https://a.example/{}", "x".repeat(MAX_WEBHOOK_URL_BYTES));
        // Each letter becomes six bytes.
        let grows = format!("https://a.example/{}", "ä".repeat(1_000));
        for (text, error) in [
            ("", Malformed),
            ("a.example", Malformed),
            ("ftp://a.example/", Malformed),
            ("file:///etc/passwd", Malformed),
            ("gopher://a.example/", Malformed),
            ("https:a.example", Malformed),
            ("https:/a.example", Malformed),
            ("https:///a.example", Malformed),
            ("https://", Malformed),
            ("https://:443/", Malformed),
            (" https://a.example", Malformed),
            ("https://a.example/\nx", Malformed),
            ("https://a.exa\tmple/", Malformed),
            ("https:\\\\a.example", Malformed),
            ("https://a.example\\@b.example/", Malformed),
            ("https://a.example:99999/", Malformed),
            ("https://a b.example/", Malformed),
            ("https://[fe80::1%25eth0]/", Malformed),
            ("https://256.0.0.1/", Malformed),
            ("https://1.2.3.4.5/", Malformed),
            ("https://user@a.example/", UserInfo),
            ("https://user:password@a.example/", UserInfo),
            ("https://@a.example/", UserInfo),
            ("https://a.example#@b.example", Fragment),
            ("https://a.example/#", Fragment),
            ("https://a.example./", TrailingDot),
            ("https://localhost./", TrailingDot),
            (&long, TooLong),
            (&grows, TooLong),
        ] {
            assert_eq!(text.parse::<WebhookUrl>(), Err(error), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_url_can_break_a_request(host in "[a-zA-Z0-9.ä①-]{1,12}", rest in "[/?].{0,40}") {
            if let Ok(url) = format!("https://{host}{rest}").parse::<WebhookUrl>() {
                let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
                prop_assert!(is_plain(url.authority()) && is_plain(url.request_target()));
                prop_assert_eq!(url.as_str().parse::<WebhookUrl>(), Ok(url));
            }
        }
    }
}
