//! Fuzz targets for [`crate::fuzzing`].

use form_urlencoded::parse;

use super::common::{MAX_ITEMS, ResourceKind};
use super::fields::JsonFields;
use super::query::{self, ListQuery};
use super::reference::{parse_bundle, parse_user};
use crate::config::PublicUrl;
use crate::domain::bundle::BundleId;
use crate::domain::user::UserId;
use crate::store::lookup::UserRef;

/// Fields never contain U+0000.
pub(crate) fn fields(bytes: &[u8]) {
    let Ok(fields) = JsonFields::parse(true, bytes) else { return };
    for field in ["ttl", "bundle", "email"] {
        let parse = |text: &str| {
            assert!(!text.contains('\0'));
            Ok::<_, std::convert::Infallible>(())
        };
        let _ = (fields.text(ResourceKind::User, field, parse), fields.integer(ResourceKind::User, field));
    }
}

/// Page bounds hold, and the URI of the next page keeps all other parameters.
pub(crate) fn query(text: &str) {
    let Ok(query) = ListQuery::parse(text) else { return };
    let page = query.page();
    assert!((1..=MAX_ITEMS as i64).contains(&page.limit) && page.offset >= 0);
    let _ = (query.filter_values("id", query::parse_id), query.single_value("email"));
    let next = query.page_uri("/api/user/", page.offset);
    let next = next.strip_prefix("/api/user/?").unwrap_or_default();
    let others = |text: &str| -> Vec<(String, String)> {
        parse(text.as_bytes()).into_owned().filter(|(name, _)| name != "limit" && name != "offset").collect()
    };
    assert_eq!(others(next), others(text));
    assert!(
        ListQuery::parse(next)
            .is_ok_and(|again| { (again.page().limit, again.page().offset) == (page.limit, page.offset) })
    );
}

/// The URI of a referenced object, with either prefix, is a reference to the same object.
pub(crate) fn reference(text: &str) {
    let Ok(public_url) = "https://consent.example".parse::<PublicUrl>() else { return };
    if let Some(BundleId(id)) = parse_bundle(text, &public_url) {
        assert!(id >= 0);
        for prefix in ["/api", "/api/v1", "https://consent.example/api"] {
            assert_eq!(parse_bundle(&format!("{prefix}/bundle/{id}/"), &public_url), Some(BundleId(id)));
        }
        assert_eq!(parse_user(&format!("/api/bundle/{id}/"), &public_url), None);
    }
    match parse_user(text, &public_url) {
        Some(UserRef::Id(UserId(id))) => {
            assert_eq!(parse_user(&format!("/api/user/{id}"), &public_url), Some(UserRef::Id(UserId(id))));
        }
        Some(UserRef::Email(email)) => {
            assert!(text.eq_ignore_ascii_case(email.as_str()) && text.is_ascii());
            assert_eq!(parse_user(email.as_str(), &public_url), Some(UserRef::Email(email)));
        }
        None => {}
    }
}
