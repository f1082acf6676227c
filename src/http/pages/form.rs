//! What the redeem page's form sends.

use std::collections::HashMap;

use actix_web::HttpRequest;
use secrecy::SecretString;
use utoipa::ToSchema;

use crate::domain::text::IdempotencyKey;
use crate::http::body::{Body, content_type};
use crate::http::problem::Problem;

/// The form, as it is documented.
#[derive(ToSchema)]
#[schema(as = page::Form)]
#[expect(dead_code, reason = "read by `Form`; this is what it looks like")]
pub struct Fields {
    /// The redeem token.
    token: String,
    email: String,
    #[schema(format = Password)]
    password: String,
    decision: Decision,
    /// What makes a form that is sent twice count once.
    #[schema(nullable = false)]
    once: Option<String>,
}

/// What the person at the form wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ToSchema)]
#[schema(as = page::Decision, rename_all = "lowercase")]
pub enum Decision {
    /// To see what is asked for.
    Look,
    /// To give it.
    Approve,
    /// Not to give it.
    Decline,
}

/// The form, filled in.
#[derive(Debug)]
pub struct Form {
    /// The token from the link, as it came.
    pub token: String,
    /// Who signs in.
    pub email: String,
    /// By what.
    pub password: SecretString,
    /// What they want.
    pub decision: Decision,
    /// What makes a form that is sent twice count once.
    pub once: Option<IdempotencyKey>,
}

/// For [`crate::probes::page_form`]: a password is not printed.
#[cfg(any(test, fuzzing))]
pub(crate) fn probe(bytes: &[u8]) {
    let of_type = ("content-type", "application/x-www-form-urlencoded");
    let request = actix_web::test::TestRequest::post().insert_header(of_type).to_http_request();
    if let Ok(form) = Form::parse(&request, &Body(bytes.to_vec().into())) {
        assert!(format!("{form:?}").contains("REDACTED"));
    }
}

impl Form {
    /// Reads a form's body.
    pub fn parse(request: &HttpRequest, body: &Body) -> Result<Self, Problem> {
        if content_type(request).as_deref() != Some("application/x-www-form-urlencoded") {
            return Err(Problem::UnsupportedType);
        }
        let mut fields: HashMap<_, _> = form_urlencoded::parse(&body.0).into_owned().collect();
        let incomplete = || Problem::BadRequest("The form was not complete.".to_owned());
        let mut take = |name: &str| fields.remove(name).ok_or_else(incomplete);
        let decision = match take("decision")?.as_str() {
            "look" => Decision::Look,
            "approve" => Decision::Approve,
            "decline" => Decision::Decline,
            _ => return Err(incomplete()),
        };
        Ok(Self {
            token: take("token")?,
            email: take("email")?,
            password: take("password")?.into(),
            decision,
            once: take("once").ok().and_then(|once| IdempotencyKey::new(&once).ok()),
        })
    }
}
