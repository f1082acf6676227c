//! What is left of a limit, in the `RateLimit` fields
//! (draft-ietf-httpapi-ratelimit-headers-11).

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::domain::rate_limit::QuotaStatus;

/// What is left: `"pair";r=9;t=8640`. With a meter that runs down evenly, `t` is the
/// time until there is one more.
pub const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
/// What the limits are: `"pair";q=10;w=86400`.
pub const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Tells of these limits, if there are any.
pub fn insert(headers: &mut HeaderMap, quotas: &[QuotaStatus]) {
    let mut add = |field: HeaderName, item: fn(&QuotaStatus) -> String| {
        let list = quotas.iter().map(item).collect::<Vec<_>>().join(", ");
        if let Ok(list) = HeaderValue::from_str(&list)
            && !list.is_empty()
        {
            headers.insert(field, list);
        }
    };
    add(RATELIMIT_POLICY, |QuotaStatus { policy_name: name, limit, .. }| {
        format!("\"{name}\";q={};w={}", limit.times(), limit.seconds())
    });
    add(RATELIMIT, |QuotaStatus { policy_name: name, remaining, reset_after, .. }| {
        format!("\"{name}\";r={remaining};t={reset_after}")
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::rate_limit::RateLimit;

    #[test]
    fn limits_are_told_as_structured_fields() {
        let limit = |times, seconds| RateLimit::new(times, seconds).unwrap();
        let pair =
            QuotaStatus { policy_name: "pair", limit: limit(10, 86_400), remaining: 9, reset_after: 8_640 };
        let requester = QuotaStatus {
            policy_name: "requester",
            limit: limit(1_000, 86_400),
            remaining: 999,
            reset_after: 87,
        };
        let mut headers = HeaderMap::new();
        insert(&mut headers, &[]);
        assert!(headers.is_empty());
        insert(&mut headers, &[pair, requester]);
        assert_eq!(
            headers.get(RATELIMIT_POLICY).unwrap(),
            "\"pair\";q=10;w=86400, \"requester\";q=1000;w=86400"
        );
        assert_eq!(headers.get(RATELIMIT).unwrap(), "\"pair\";r=9;t=8640, \"requester\";r=999;t=87");
    }
}
