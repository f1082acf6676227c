//! What a form of ours sends.

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use utoipa::ToSchema;

use super::context::PageContext;
use super::error::PageError;
use super::session::SignedIn;
use crate::http::error::ApiError;
use crate::http::extract::body::{Body, ExtractFuture, media_type};

/// A form that is nothing but a button, as it is documented.
#[derive(ToSchema)]
#[schema(as = page::CsrfForm)]
#[expect(dead_code, reason = "parsed by `Form`; declared for the OpenAPI schema")]
pub struct CsrfForm {
    /// What shows that the form was ours.
    csrf: String,
}

/// What a form sent, and who filled it in: a form that was shown to their browser.
pub struct Form {
    /// Who.
    pub ctx: PageContext,
    /// What.
    pub fields: FormFields,
}

/// [`Post`], of a form for those who are not signed in: it counts as well when they have
/// signed in since, in another window.
pub struct AnonymousForm(pub Form);

impl Form {
    /// Reads a form that was shown to its visitor, by this judgement.
    fn parse(
        request: &HttpRequest,
        payload: &mut Payload,
        csrf_matches: fn(&PageContext, &str) -> bool,
    ) -> ExtractFuture<Self, PageError> {
        let request = request.clone();
        let body = Body::read(&request, payload);
        Box::pin(async move {
            let Body(body) = body.await?;
            if media_type(&request).as_deref() != Some("application/x-www-form-urlencoded") {
                return Err(ApiError::UnsupportedMediaType.into());
            }
            let fields = FormFields::parse(&body)?;
            let ctx = PageContext::load(&request).await?;
            match fields.optional("csrf").is_some_and(|token| csrf_matches(&ctx, token)) {
                true => Ok(Self { ctx, fields }),
                false => Err(PageError::StaleForm),
            }
        })
    }

    /// Who is signed in; nobody is asked to sign in, and led to this page then: a form
    /// cannot be sent again.
    pub fn require_user(&self, return_path: &str) -> Result<&SignedIn, PageError> {
        self.ctx.signed_in.as_ref().ok_or_else(|| PageError::SignInRequired { next: return_path.to_owned() })
    }
}

/// A form's fields, in its order. A field may be there more than once where there are
/// boxes to tick. Not printed: some are secret.
pub struct FormFields(Vec<(String, String)>);

impl FormFields {
    /// Reads `application/x-www-form-urlencoded`, which a query is too; U+0000 is refused.
    pub(super) fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let fields: Vec<_> = form_urlencoded::parse(body).into_owned().collect();
        if fields.iter().any(|(name, value)| name.contains('\0') || value.contains('\0')) {
            return Err(ApiError::BadRequest("A field contains a character that is not allowed.".to_owned()));
        }
        Ok(Self(fields))
    }

    /// A field that the form has, perhaps empty.
    pub fn required<'a>(&'a self, name: &'a str) -> Result<&'a str, ApiError> {
        let mut values = self.get_all(name);
        match (values.next(), values.next()) {
            (Some(value), None) => Ok(value),
            _ => Err(ApiError::BadRequest("The form is incomplete.".to_owned())),
        }
    }

    /// A field that the form may have; an empty one is as good as none.
    pub fn optional<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.get_all(name).next().filter(|value| !value.is_empty())
    }

    /// All that was ticked under this name.
    pub fn get_all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

impl FromRequest for Form {
    type Error = PageError;
    type Future = ExtractFuture<Self, PageError>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        Self::parse(request, payload, PageContext::csrf_matches)
    }
}

impl FromRequest for AnonymousForm {
    type Error = PageError;
    type Future = ExtractFuture<Self, PageError>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let post = Form::parse(request, payload, PageContext::csrf_matches_any);
        Box::pin(async move { post.await.map(Self) })
    }
}

/// For [`crate::fuzzing::page_form`].
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz(bytes: &[u8]) {
    if let Ok(fields) = FormFields::parse(bytes) {
        for (name, _) in &fields.0 {
            assert!(fields.get_all(name).next().is_some());
            assert!(fields.required(name).is_ok() || fields.get_all(name).count() > 1);
        }
    }
}
