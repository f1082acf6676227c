//! URLs of the pages: their query parameters and path segments, redirects, and encoding.

use std::str::FromStr;

use actix_web::http::header::LOCATION;
use actix_web::{HttpRequest, HttpResponse};

use crate::http::base_path::with_base_path;
use crate::http::error::ApiError;

/// Redirects the browser to a path of this site, with GET.
pub fn see_other(path: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((LOCATION, with_base_path(path))).finish()
}

/// Encodes a text for use in a query.
pub fn query_encode(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// The first query parameter of this name. `None` if it is missing, empty, or contains U+0000.
pub fn query_param(url: &str, name: &str) -> Option<String> {
    let (_, query) = url.split_once('?')?;
    let mut found = form_urlencoded::parse(query.as_bytes()).filter(|(other, _)| other == name);
    let value = found.next().map(|(_, value)| value.into_owned());
    value.filter(|value| !value.is_empty() && !value.contains('\0'))
}

/// The `token` parameter of a mailed link.
pub fn query_token(request: &HttpRequest) -> Option<String> {
    form_urlencoded::parse(request.query_string().as_bytes())
        .find(|(name, token)| name == "token" && !token.is_empty())
        .map(|(_, token)| token.into_owned())
}

/// A number in decimal digits. Any other text is [`ApiError::NotFound`].
pub fn parse_number(text: &str) -> Result<i64, ApiError> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().ok_or(ApiError::NotFound)
}

/// An ID in a path. Malformed IDs are [`ApiError::NotFound`], like IDs that do not exist.
pub fn parse_id<T: FromStr>(segment: &str) -> Result<T, ApiError> {
    segment.parse().map_err(|_| ApiError::NotFound)
}

/// `next` if it is a path of this site, else `/`: a redirect never leaves the site.
pub fn safe_redirect(next: Option<&str>) -> &str {
    let is_local = |next: &&str| {
        next.starts_with('/')
            && !next.starts_with("//")
            && next.bytes().all(|c| c.is_ascii_graphic() && c != b'\\')
    };
    next.filter(is_local).unwrap_or("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_stay_on_this_site() {
        for local in ["/", "/redeem?token=csr_x", "/a/b?c=//d"] {
            assert_eq!(safe_redirect(Some(local)), local);
        }
        for other in
            ["", "x", "//evil.example", "/\\evil.example", "https://evil.example", "/a\r\nx: y", "/ a", "/ä"]
        {
            assert_eq!(safe_redirect(Some(other)), "/", "{other}");
        }
        assert_eq!(safe_redirect(None), "/");
    }
}
