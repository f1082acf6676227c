//! The spelling of paths. A proxy that denies a path must not be bypassed with another spelling of
//! it, so each path has one: no percent-encoding where none is needed, no empty segments, and a
//! trailing slash only in the APIs.

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::LOCATION;
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse};

use crate::http::base_path::{set_target, target_with_path, with_base_path};

/// The scopes of the APIs, whose clients append a slash or do not.
const SLASH_SCOPES: [&str; 5] = ["/api/", "/-/svc/", "/oauth2/", "/authz/", "/access/v1/"];

/// Removes the trailing slash of a path in an API, and redirects GET of other paths to the path
/// without it.
pub async fn trim_slash<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let path = request.path();
    let Some(trimmed) = path.strip_suffix('/').filter(|path| !path.is_empty() && !path.contains("//")) else {
        return pass(request, next).await;
    };
    let target = target_with_path(&request, trimmed);
    if SLASH_SCOPES.iter().any(|scope| path.starts_with(scope)) {
        set_target(&mut request, &target);
        return pass(request, next).await;
    }
    if trimmed.ends_with('/') || !matches!(*request.method(), Method::GET | Method::HEAD) {
        return pass(request, next).await;
    }
    let redirect =
        HttpResponse::PermanentRedirect().insert_header((LOCATION, with_base_path(&target))).finish();
    Ok(request.into_response(redirect.map_into_right_body()))
}

async fn pass<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    next.call(request).await.map(ServiceResponse::map_into_left_body)
}

/// Whether a path has no other spelling that the routing treats alike: it encodes no unreserved
/// character (RFC 3986, 6.2.2.2) and contains no invalid encoding.
pub(super) fn is_spelled_once(path: &str) -> bool {
    path.split('%').skip(1).all(|rest| {
        let byte = rest.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        byte.is_some_and(|byte| !byte.is_ascii_alphanumeric() && !b"-._~/".contains(&byte))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_characters_that_need_it_are_encoded() {
        for path in ["/", "/metrics", "/api/user/a%40b.org/", "/set/1%3B2", "/x%C3%A9", "/%3f"] {
            assert!(is_spelled_once(path), "{path}");
        }
        for path in ["/%6detrics", "/%6Detrics", "/metrics%2f", "/a%2e%2e", "/%", "/%4", "/%zz", "/%é"] {
            assert!(!is_spelled_once(path), "{path}");
        }
    }
}
