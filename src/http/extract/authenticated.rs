//! The extractor of authenticated requests.

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};

use super::body::ExtractFuture;
use crate::http::auth::Caller;

/// Extractor that authenticates the caller before it runs `T`'s extractor.
#[derive(Clone, Debug)]
pub struct Authenticated<T>(pub Caller, pub T);

impl<T> FromRequest for Authenticated<T>
where
    T: FromRequest<Error = actix_web::Error> + 'static,
{
    type Error = actix_web::Error;
    type Future = ExtractFuture<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let mut payload = payload.take();
        Box::pin(async move {
            let caller = Caller::extract(&request).await?;
            Ok(Self(caller, T::from_request(&request, &mut payload).await?))
        })
    }
}
