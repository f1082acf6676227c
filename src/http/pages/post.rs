//! What a form of ours sends.

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use utoipa::ToSchema;

use super::error::PageError;
use super::session::SignedIn;
use super::visit::Visit;
use crate::http::body::{Body, Extracted, content_type};
use crate::http::problem::Problem;

/// A form that is nothing but a button, as it is documented.
#[derive(ToSchema)]
#[schema(as = page::Button)]
#[expect(dead_code, reason = "read by `Post`; this is what it looks like")]
pub struct Csrf {
    /// What shows that the form was ours.
    csrf: String,
}

/// What a form sent, and who filled it in: a form that was shown to their browser.
pub struct Post {
    /// Who.
    pub visit: Visit,
    /// What.
    pub fields: Fields,
}

/// [`Post`], of a form for those who are not signed in: it counts as well when they have
/// signed in since, in another window.
pub struct OpenPost(pub Post);

impl Post {
    /// Reads a form that was shown to its visitor, by this judgement.
    fn read(
        request: &HttpRequest,
        payload: &mut Payload,
        shown: fn(&Visit, &str) -> bool,
    ) -> Extracted<Self, PageError> {
        let request = request.clone();
        let body = Body::read(&request, payload);
        Box::pin(async move {
            let Body(body) = body.await?;
            if content_type(&request).as_deref() != Some("application/x-www-form-urlencoded") {
                return Err(Problem::UnsupportedType.into());
            }
            let fields = Fields::parse(&body)?;
            let visit = Visit::of(&request).await?;
            match fields.optional("csrf").is_some_and(|token| shown(&visit, token)) {
                true => Ok(Self { visit, fields }),
                false => Err(PageError::Stale),
            }
        })
    }

    /// Who is signed in; nobody is asked to sign in, and led to this page then: a form
    /// cannot be sent again.
    pub fn user(&self, back: &str) -> Result<&SignedIn, PageError> {
        self.visit.signed_in.as_ref().ok_or_else(|| PageError::SignIn { next: back.to_owned() })
    }
}

/// A form's fields, in its order. A field may be there more than once where there are
/// boxes to tick. Not printed: some are secret.
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// Reads `application/x-www-form-urlencoded`, which a query is too; U+0000 is refused.
    pub(super) fn parse(body: &[u8]) -> Result<Self, Problem> {
        let fields: Vec<_> = form_urlencoded::parse(body).into_owned().collect();
        if fields.iter().any(|(name, value)| name.contains('\0') || value.contains('\0')) {
            return Err(Problem::BadRequest("A field contains a character that is not allowed.".to_owned()));
        }
        Ok(Self(fields))
    }

    /// A field that the form has, perhaps empty.
    pub fn one<'a>(&'a self, name: &'a str) -> Result<&'a str, Problem> {
        let mut values = self.all(name);
        match (values.next(), values.next()) {
            (Some(value), None) => Ok(value),
            _ => Err(Problem::BadRequest("The form is incomplete.".to_owned())),
        }
    }

    /// A field that the form may have; an empty one is as good as none.
    pub fn optional<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.all(name).next().filter(|value| !value.is_empty())
    }

    /// All that was ticked under this name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

impl FromRequest for Post {
    type Error = PageError;
    type Future = Extracted<Self, PageError>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        Self::read(request, payload, Visit::has_form)
    }
}

impl FromRequest for OpenPost {
    type Error = PageError;
    type Future = Extracted<Self, PageError>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let post = Post::read(request, payload, Visit::has_had_form);
        Box::pin(async move { post.await.map(Self) })
    }
}

/// For [`crate::probes::page_form`].
#[cfg(any(test, fuzzing))]
pub(crate) fn probe(bytes: &[u8]) {
    if let Ok(fields) = Fields::parse(bytes) {
        for (name, _) in &fields.0 {
            assert!(fields.all(name).next().is_some());
            assert!(fields.one(name).is_ok() || fields.all(name).count() > 1);
        }
    }
}
