//! Protection against cross-site requests, which a browser sends with the credentials that it
//! has stored.

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::http::header::{
    AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, ORIGIN, REFERER, TRANSFER_ENCODING,
    USER_AGENT,
};
use url::{Origin, Url};

use crate::config::{Config, PublicUrl};
use crate::http::error::ApiError;

/// The path of links that turn off mails (RFC 8058), to which requests may come from other websites.
pub const ONE_CLICK_PATH: &str = "/unsubscribe";

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The website that caused a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Initiator {
    /// A page of this server.
    SameOrigin,
    /// A page of another origin.
    OtherOrigin,
    /// The user, who opened the URL.
    User,
    /// The client is not a browser, or does not say.
    Unknown,
}

impl Initiator {
    /// Reads `Sec-Fetch-Site` (W3C Fetch Metadata). Browsers send it only to HTTPS and to
    /// localhost: without it, `Origin` counts, or else `Referer`.
    pub fn of_request(request: &HttpRequest, public_url: &PublicUrl) -> Self {
        let headers = request.headers();
        let sites: Vec<&[u8]> = headers.get_all(SEC_FETCH_SITE).map(|site| site.as_bytes()).collect();
        match sites.as_slice() {
            [] => {}
            [b"same-origin"] => return Self::SameOrigin,
            [b"none"] => return Self::User,
            [_, ..] => return Self::OtherOrigin,
        }
        let Some(origin) = headers.get(ORIGIN).or_else(|| headers.get(REFERER)) else {
            return Self::Unknown;
        };
        let origin = origin.to_str().ok().and_then(|url| Url::parse(url).ok()).map(|url| url.origin());
        let host = headers.get(HOST).and_then(|host| host.to_str().ok());
        match origin.is_some_and(|origin| is_own_origin(&origin, host, public_url)) {
            true => Self::SameOrigin,
            false => Self::OtherOrigin,
        }
    }
}

/// Whether an origin is this server's: that of the public URL or, if the request came to another
/// host name, that of the `Host` header. For the name in the public URL, `Host` is not enough:
/// proxies may send it without its port.
fn is_own_origin(origin: &Origin, host: Option<&str>, public_url: &PublicUrl) -> bool {
    let Origin::Tuple(scheme, name, _) = origin else { return false };
    if origin == public_url.origin() {
        return true;
    }
    let is_public_name = matches!(public_url.origin(), Origin::Tuple(_, public, _) if public == name);
    let requested = host.and_then(|host| Url::parse(&format!("{scheme}://{host}/")).ok());
    !is_public_name && requested.is_some_and(|requested| requested.origin() == *origin)
}

/// Rejects a request that a page of another origin caused, unless its origin is listed in the
/// CORS settings; and a body without a content type from any page, which needs no preflight.
pub fn reject_cross_site(request: &HttpRequest, config: &Config) -> Result<(), ApiError> {
    let origin = request.headers().get(ORIGIN);
    let is_listed = origin
        .and_then(|origin| origin.to_str().ok())
        .is_some_and(|origin| config.cors.origins.iter().any(|listed| listed.as_str() == origin));
    let initiator = Initiator::of_request(request, &config.public_url);
    if !is_listed && initiator == Initiator::OtherOrigin {
        return Err(ApiError::Forbidden("Requests from other websites are not allowed."));
    }
    // A page can load an image without `Referer`, and the browser adds the Basic credentials that it
    // has stored.
    if matches!(*request.method(), Method::GET | Method::HEAD)
        && initiator == Initiator::Unknown
        && has_prefix(request, AUTHORIZATION, b"basic ")
        && has_prefix(request, USER_AGENT, b"mozilla/")
    {
        return Err(ApiError::Forbidden("Use POST: a browser's GET may come from another website."));
    }
    let is_typed = request.headers().get(CONTENT_TYPE).is_some_and(|media_type| !media_type.is_empty());
    if origin.is_some() && !is_typed && has_body(request) {
        return Err(ApiError::UnsupportedMediaType);
    }
    Ok(())
}

fn has_prefix(request: &HttpRequest, name: HeaderName, prefix: &[u8]) -> bool {
    let start = request.headers().get(name).and_then(|value| value.as_bytes().get(..prefix.len()));
    start.is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// Whether a request has a body.
pub fn has_body(request: &HttpRequest) -> bool {
    let headers = request.headers();
    headers.contains_key(TRANSFER_ENCODING)
        || headers.get(CONTENT_LENGTH).is_some_and(|length| length.as_bytes() != b"0")
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn initiator(public_url: &str, headers: &[(&'static str, &str)]) -> Initiator {
        let request =
            headers.iter().fold(TestRequest::post(), |request, header| request.append_header(*header));
        Initiator::of_request(&request.to_http_request(), &public_url.parse().unwrap())
    }

    #[test]
    fn sec_fetch_site_tells_the_initiator() {
        for (site, expected) in [
            ("same-origin", Initiator::SameOrigin),
            ("same-site", Initiator::OtherOrigin),
            ("cross-site", Initiator::OtherOrigin),
            ("none", Initiator::User),
        ] {
            let headers = [("sec-fetch-site", site), ("origin", "null"), ("host", "name.test")];
            assert_eq!(initiator("http://name.test", &headers), expected, "{site}");
        }
        let twice = [("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")];
        assert_eq!(initiator("http://name.test", &twice), Initiator::OtherOrigin);
    }

    #[test]
    fn origin_or_referer_tells_the_initiator_without_sec_fetch_site() {
        let public_url = "https://consent.example";
        for (host, origin, expected) in [
            ("name.test:8080", "http://name.test:8080", Initiator::SameOrigin),
            ("name.test", "http://name.test", Initiator::SameOrigin),
            ("NAME.test:80", "http://name.test", Initiator::SameOrigin),
            ("[::1]:8080", "http://[::1]:8080", Initiator::SameOrigin),
            ("internal:8080", "https://consent.example", Initiator::SameOrigin),
            ("consent.example", "https://consent.example", Initiator::SameOrigin),
            ("name.test:8080", "http://name.test:8081", Initiator::OtherOrigin),
            ("name.test:8080", "http://name.test", Initiator::OtherOrigin),
            ("name.test:8080", "http://other.test:8080", Initiator::OtherOrigin),
            ("name.test:8080", "http://sub.name.test:8080", Initiator::OtherOrigin),
            ("name.test:8080", "null", Initiator::OtherOrigin),
            ("name.test:8080", "", Initiator::OtherOrigin),
            // Another port of the public name, when a proxy removes the port from `Host`.
            ("consent.example", "https://consent.example:8443", Initiator::OtherOrigin),
            ("consent.example:8443", "https://consent.example:8443", Initiator::OtherOrigin),
            ("consent.example", "http://consent.example", Initiator::OtherOrigin),
        ] {
            let headers = [("host", host), ("origin", origin)];
            assert_eq!(initiator(public_url, &headers), expected, "{headers:?}");
            if origin.starts_with("http") {
                let referer = format!("{origin}/some/page?x=y");
                let headers = [("host", host), ("referer", referer.as_str())];
                assert_eq!(initiator(public_url, &headers), expected, "{headers:?}");
            }
        }
        assert_eq!(initiator(public_url, &[("host", "name.test")]), Initiator::Unknown);
        let both = [("host", "name.test"), ("origin", "http://other.test"), ("referer", "http://name.test/")];
        assert_eq!(initiator(public_url, &both), Initiator::OtherOrigin);
    }
}
