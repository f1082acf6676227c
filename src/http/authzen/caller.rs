//! Who may ask, and the body of the question.

use actix_web::dev::Payload;
use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpRequest};

use super::json::{Json, Object};
use crate::http::error::ApiError;
use crate::http::extract::authenticated::Caller;
use crate::http::extract::body::{Body, ExtractFuture, media_type};
use crate::store::api_keys::Scope;

/// Extractor that authorizes the caller, before it reads the body: staff, or an API key with the
/// scope `check` or `introspect`. It has no `Debug`: the body may contain tokens.
pub(super) struct AuthorizedBody(Bytes);

impl FromRequest for AuthorizedBody {
    type Error = actix_web::Error;
    type Future = ExtractFuture<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let mut payload = payload.take();
        Box::pin(async move {
            let read = async {
                may_ask(Caller::extract_with_scope(&request).await?)?;
                let Body(body) = Body::read(&request, &mut payload).await?;
                if !body.is_empty() && media_type(&request).as_deref() != Some("application/json") {
                    return Err(ApiError::UnsupportedMediaType);
                }
                Ok(Self(body))
            };
            read.await.map_err(|error| error.into_actix_error(&request))
        })
    }
}

impl AuthorizedBody {
    /// Parses the body and reads its members.
    pub(super) fn parse<T>(&self, read: impl FnOnce(&Object) -> Result<T, String>) -> Result<T, ApiError> {
        match Json::parse(&self.0)? {
            Json::Object(object) => read(&object).map_err(ApiError::BadRequest),
            _ => Err(ApiError::BadRequest("The request body must be a JSON object.".to_owned())),
        }
    }
}

fn may_ask((caller, scope): (Caller, Scope)) -> Result<(), ApiError> {
    match scope {
        Scope::Check | Scope::Introspect => Ok(()),
        Scope::All => caller
            .require_staff("Only staff or an API key with the scope `check` or `introspect` can do this."),
    }
}
