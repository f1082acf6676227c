//! For [`crate::probes`].

use form_urlencoded::parse;

use super::Kind;
use super::fields::Fields;
use super::query::{self, MOST, Query};
use super::reference::{bundle, user};
use crate::config::PublicUrl;
use crate::domain::bundle::BundleId;
use crate::domain::user::UserId;
use crate::store::lookup::UserName;

/// No field has U+0000 in it.
pub(crate) fn fields(bytes: &[u8]) {
    let Ok(fields) = Fields::read(true, bytes) else { return };
    for field in ["ttl", "bundle", "email"] {
        let read = |text: &str| {
            assert!(!text.contains('\0'));
            Ok::<_, std::convert::Infallible>(())
        };
        let _ = (fields.text(Kind::User, field, read), fields.integer(Kind::User, field));
    }
}

/// A page is within bounds, and the next one is asked for as this one was.
pub(crate) fn query(text: &str) {
    let Ok(query) = Query::read(text) else { return };
    let page = query.page();
    assert!((1..=MOST as i64).contains(&page.limit) && page.offset >= 0);
    let _ = (query.conditions("id", query::id), query.one("email"));
    let next = query.turned("/api/user/", page.offset);
    let next = next.strip_prefix("/api/user/?").unwrap_or_default();
    let others = |text: &str| -> Vec<(String, String)> {
        parse(text.as_bytes()).into_owned().filter(|(name, _)| name != "limit" && name != "offset").collect()
    };
    assert_eq!(others(next), others(text));
    assert!(
        Query::read(next)
            .is_ok_and(|again| { (again.page().limit, again.page().offset) == (page.limit, page.offset) })
    );
}

/// What is named by a reference is named by its own URI, under either prefix.
pub(crate) fn reference(text: &str) {
    let Ok(here) = "https://consent.example".parse::<PublicUrl>() else { return };
    if let Some(BundleId(id)) = bundle(text, &here) {
        assert!(id >= 0);
        for prefix in ["/api", "/api/v1", "https://consent.example/api"] {
            assert_eq!(bundle(&format!("{prefix}/bundle/{id}/"), &here), Some(BundleId(id)));
        }
        assert_eq!(user(&format!("/api/bundle/{id}/"), &here), None);
    }
    match user(text, &here) {
        Some(UserName::Id(UserId(id))) => {
            assert_eq!(user(&format!("/api/user/{id}"), &here), Some(UserName::Id(UserId(id))));
        }
        Some(UserName::Email(email)) => {
            assert!(text.eq_ignore_ascii_case(email.as_str()) && text.is_ascii());
            assert_eq!(user(email.as_str(), &here), Some(UserName::Email(email)));
        }
        None => {}
    }
}
