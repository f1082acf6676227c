//! The `RateLimit` response headers (draft-ietf-httpapi-ratelimit-headers-11).

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::domain::rate_limit::QuotaStatus;

/// What remains: `"pair";r=9;t=8640`. `t` is the seconds until one more is available.
pub const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
/// The limits: `"pair";q=10;w=86400`.
pub const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Marks a response as a refusal by the limit with this name, for `/metrics`.
#[derive(Clone, Copy, Debug)]
pub struct RefusedBy(pub &'static str);

/// Adds both headers, unless `quotas` is empty.
pub fn insert(headers: &mut HeaderMap, quotas: &[QuotaStatus]) {
    let mut add = |field: HeaderName, item: fn(&QuotaStatus) -> String| {
        let list = quotas.iter().map(item).collect::<Vec<_>>().join(", ");
        if let Ok(list) = HeaderValue::from_str(&list)
            && !list.is_empty()
        {
            headers.insert(field, list);
        }
    };
    add(RATELIMIT_POLICY, |QuotaStatus { policy_name, limit, .. }| {
        format!("\"{policy_name}\";q={};w={}", limit.count(), limit.period_seconds())
    });
    add(RATELIMIT, |QuotaStatus { policy_name, remaining, reset_after, .. }| {
        format!("\"{policy_name}\";r={remaining};t={reset_after}")
    });
}

/// [`insert`] without the quota of the target, which would reveal how many requests other users
/// send to them.
pub fn insert_without_target(headers: &mut HeaderMap, mut quotas: Vec<QuotaStatus>) {
    quotas.retain(|quota| quota.policy_name != "target");
    insert(headers, &quotas);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::rate_limit::RateLimit;

    #[test]
    fn quotas_are_rendered_as_structured_fields() {
        let limit = |count, seconds| RateLimit::new(count, seconds).unwrap();
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
