//! References to users and bundles, as the APIs accept them: a URI, an id or, for users, an email.
//!
//! A URI can have either prefix of hexo. It can be absolute if its origin is the configured public
//! URL; the `Host` header of the request is ignored.

use url::Url;

use super::base_path::path_below;
use crate::config::PublicUrl;
use crate::domain::bundle::BundleId;
use crate::domain::user::{Email, UserId};
use crate::store::lookup::UserRef;

/// The prefixes of hexo's URIs.
const URI_PREFIXES: [&str; 2] = ["/api/v1/", "/api/"];

/// Parses the URI, the id or the email of a user.
pub fn parse_user(text: &str, public_url: &PublicUrl) -> Option<UserRef> {
    let id = parse_reference_id("user/", text, public_url).map(|id| UserRef::Id(UserId(id)));
    id.or_else(|| Email::new(text).ok().map(UserRef::Email))
}

/// Parses the URI or the id of a bundle.
pub fn parse_bundle(text: &str, public_url: &PublicUrl) -> Option<BundleId> {
    parse_reference_id("bundle/", text, public_url).map(BundleId)
}

/// Parses a non-negative number in decimal digits.
pub fn parse_decimal(text: &str) -> Option<i64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// The id in a reference: the reference itself, or the last segment of a URI.
fn parse_reference_id(resource: &str, text: &str, public_url: &PublicUrl) -> Option<i64> {
    parse_decimal(text)
        .or_else(|| parse_decimal(id_segment(resource, local_path(text, public_url)?.as_str())?))
}

/// The path of a URI of this server.
fn local_path(text: &str, public_url: &PublicUrl) -> Option<String> {
    let path = if text.starts_with('/') {
        text.to_owned()
    } else {
        let url = Url::parse(text).ok().filter(|url| url.origin() == *public_url.origin())?;
        let has_no_credentials = url.username().is_empty() && url.password().is_none();
        if !has_no_credentials || url.query().is_some() || url.fragment().is_some() {
            return None;
        }
        url.path().to_owned()
    };
    Some(path_below(public_url.path(), &path).unwrap_or(&path).to_owned())
}

/// The path after the name of the resource, without a trailing slash.
fn id_segment<'a>(resource: &str, path: &'a str) -> Option<&'a str> {
    let below = |prefix: &str| path.strip_prefix(prefix)?.strip_prefix(resource);
    let id = URI_PREFIXES.into_iter().find_map(below)?;
    Some(id.strip_suffix('/').unwrap_or(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn public_url(text: &str) -> PublicUrl {
        text.parse().unwrap()
    }

    #[test]
    fn a_bundle_reference_is_a_uri_or_an_id() {
        let public_url = public_url("https://consent.example");
        for text in [
            "7",
            "/api/bundle/7/",
            "/api/bundle/7",
            "/api/v1/bundle/7/",
            "https://consent.example/api/bundle/7/",
            "HTTPS://CONSENT.example:443/api/v1/bundle/7",
        ] {
            assert_eq!(parse_bundle(text, &public_url), Some(BundleId(7)), "{text}");
        }
        for text in [
            "",
            "/",
            "-7",
            "7/",
            "/api/bundle/",
            "/api/bundle//",
            "/api/bundle/7//",
            "/api/bundle/7/x/",
            "/api/bundle/seven/",
            "/api/bundle/-7/",
            "/api/bundle/9223372036854775808/",
            "/api/user/7/",
            "/api/bundle_permission/7/",
            "/api/v2/bundle/7/",
            "api/bundle/7/",
            "/bundle/7/",
            "//consent.example/api/bundle/7/",
            "https://elsewhere.example/api/bundle/7/",
            "http://consent.example/api/bundle/7/",
            "https://consent.example:8443/api/bundle/7/",
            "https://u:p@consent.example/api/bundle/7/",
            "https://consent.example/api/bundle/7/?x=1",
            "https://consent.example/api/bundle/7/#x",
            "/api/bundle/7/?x=1",
            "ada@example.org",
        ] {
            assert_eq!(parse_bundle(text, &public_url), None, "{text}");
        }
    }

    #[test]
    fn uris_may_omit_the_path_of_the_public_url() {
        let public_url = public_url("https://example.org/consent");
        for text in [
            "https://example.org/consent/api/bundle/7/",
            "https://example.org/api/bundle/7/",
            "/consent/api/bundle/7/",
            "/consent/api/v1/bundle/7",
            "/api/bundle/7/",
        ] {
            assert_eq!(parse_bundle(text, &public_url), Some(BundleId(7)), "{text}");
        }
        for text in [
            "https://example.org/consentapi/bundle/7/",
            "/consentapi/bundle/7/",
            "/consent/consent/api/bundle/7/",
            "/other/api/bundle/7/",
        ] {
            assert_eq!(parse_bundle(text, &public_url), None, "{text}");
        }
    }

    #[test]
    fn a_user_reference_can_be_an_email() {
        let public_url = public_url("https://consent.example");
        let email = Email::new("ada@example.org").unwrap();
        assert_eq!(parse_user("Ada@Example.org", &public_url), Some(UserRef::Email(email)));
        assert_eq!(parse_user("/api/user/7/", &public_url), Some(UserRef::Id(UserId(7))));
        assert_eq!(parse_user("12", &public_url), Some(UserRef::Id(UserId(12))));
        for text in ["ada", "@", "/api/bundle/7/", "/api/user/ada@example.org/"] {
            assert_eq!(parse_user(text, &public_url), None, "{text}");
        }
    }
}
