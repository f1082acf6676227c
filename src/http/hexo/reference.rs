//! What names a user or a bundle: a URI, an id, and for users an email.
//!
//! A URI may have either prefix and may be absolute, if it is on the host that
//! the operator calls this server by. What the request's own `Host` says counts
//! for nothing.

use serde_json::Value;
use url::Url;

use super::error::HexoError;
use super::path::number;
use super::{Kind, Prefix};
use crate::config::PublicUrl;
use crate::domain::bundle::BundleId;
use crate::domain::user::{Email, UserId};
use crate::store::lookup::UserName;

/// A reference, and what it names if it can name anything.
#[derive(Clone, Debug)]
pub(super) struct Reference<T> {
    /// As it was given, to be told again when it names nobody.
    pub given: String,
    /// What it names; `None` when that can be nothing of this kind.
    pub names: Option<T>,
}

/// Reads a user's URI, id or email.
pub(super) fn user(text: &str, here: &PublicUrl) -> Option<UserName> {
    let id = id(Kind::User, text, here).map(|id| UserName::Id(UserId(id)));
    id.or_else(|| Email::new(text).ok().map(UserName::Email))
}

/// Reads a bundle's URI or id.
pub(super) fn bundle(text: &str, here: &PublicUrl) -> Option<BundleId> {
    id(Kind::Bundle, text, here).map(BundleId)
}

impl<T> Reference<T> {
    /// Reads a field of a body: a string or a number, by the text of either.
    pub(super) fn read(
        kind: Kind,
        field: &'static str,
        value: &Value,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Self, HexoError> {
        let given = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) if number.is_i64() => number.to_string(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                return Err(HexoError::invalid(kind, field, "Provide a single URI or id."));
            }
        };
        Ok(Self { names: parse(&given), given })
    }
}

/// The id in a reference: the reference itself, or the end of a URI.
fn id(kind: Kind, text: &str, here: &PublicUrl) -> Option<i64> {
    number(text).or_else(|| number(tail(kind, local(text, here)?.as_str())?))
}

/// The path of a URI of ours.
fn local(text: &str, here: &PublicUrl) -> Option<String> {
    if text.starts_with('/') {
        return Some(text.to_owned());
    }
    let url = Url::parse(text).ok().filter(|url| url.origin() == *here.origin())?;
    let bare = url.username().is_empty() && url.password().is_none();
    if !bare || url.query().is_some() || url.fragment().is_some() {
        return None;
    }
    // Where the server has a path of its own, a URI may be below that or not.
    let base = here.as_str().strip_prefix(&here.origin().ascii_serialization()).unwrap_or_default();
    let path = url.path();
    Some(path.strip_prefix(base).filter(|rest| rest.starts_with('/')).unwrap_or(path).to_owned())
}

/// What follows the resource's name in a path, without a slash at its end.
fn tail(kind: Kind, path: &str) -> Option<&str> {
    let below =
        |prefix: Prefix| path.strip_prefix(prefix.path())?.strip_prefix(kind.name())?.strip_prefix('/');
    let id = below(Prefix::V1).or_else(|| below(Prefix::Plain))?;
    Some(id.strip_suffix('/').unwrap_or(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here(text: &str) -> PublicUrl {
        text.parse().unwrap()
    }

    #[test]
    fn a_bundle_is_named_by_uri_or_id() {
        let here = here("https://consent.example");
        for text in [
            "7",
            "/api/bundle/7/",
            "/api/bundle/7",
            "/api/v1/bundle/7/",
            "https://consent.example/api/bundle/7/",
            "HTTPS://CONSENT.example:443/api/v1/bundle/7",
        ] {
            assert_eq!(bundle(text, &here), Some(BundleId(7)), "{text}");
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
            assert_eq!(bundle(text, &here), None, "{text}");
        }
    }

    #[test]
    fn a_server_below_a_path_knows_its_uris_with_it_and_without() {
        let here = here("https://example.org/consent");
        for text in [
            "https://example.org/consent/api/bundle/7/",
            "https://example.org/api/bundle/7/",
            "/api/bundle/7/",
        ] {
            assert_eq!(bundle(text, &here), Some(BundleId(7)), "{text}");
        }
        assert_eq!(bundle("https://example.org/consentapi/bundle/7/", &here), None);
    }

    #[test]
    fn a_user_is_named_by_email_too() {
        let here = here("https://consent.example");
        let email = Email::new("ada@example.org").unwrap();
        assert_eq!(user("Ada@Example.org", &here), Some(UserName::Email(email)));
        assert_eq!(user("/api/user/7/", &here), Some(UserName::Id(UserId(7))));
        assert_eq!(user("12", &here), Some(UserName::Id(UserId(12))));
        for text in ["ada", "@", "/api/bundle/7/", "/api/user/ada@example.org/"] {
            assert_eq!(user(text, &here), None, "{text}");
        }
    }
}
