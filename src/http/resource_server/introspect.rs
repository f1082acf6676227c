//! Token introspection (RFC 7662): what an export token is good for now.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::ToSchema;

use super::OAuth;
use super::token_form::{TokenFields, TokenForm};
use crate::actors::gate::Opened;
use crate::http::Services;
use crate::http::auth::Caller;
use crate::http::openapi::refusals::{AnyBody, AnyCall};
use crate::http::openapi::schemas;
use crate::http::pace;
use crate::http::problem::Problem;
use crate::store::keys::Scope;

/// A token, shown by somebody who may ask about it: staff, or a key that is for
/// this. That is settled before the token is read.
pub struct Inquiry(TokenForm);

impl FromRequest for Inquiry {
    type Error = actix_web::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Self::Error>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let mut payload = payload.take();
        Box::pin(async move {
            let caller = Caller::with_scope(&request).await;
            caller.and_then(may_ask).map_err(|problem| problem.refuse(&request))?;
            TokenForm::from_request(&request, &mut payload).await.map(Self)
        })
    }
}

fn may_ask((caller, scope): (Caller, Scope)) -> Result<(), Problem> {
    match scope {
        Scope::Introspect => Ok(()),
        Scope::All if caller.user.staff => Ok(()),
        Scope::All => {
            Err(Problem::Forbidden("Only staff or an API key with the `introspect` scope can do this."))
        }
    }
}

/// What is told of a token.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum Introspection {
    /// It lives.
    Active(Active),
    /// It does not, or is none of ours, or of another kind: nothing else is told.
    Inactive(Inactive),
}

/// A token that does not live.
#[derive(Serialize, ToSchema)]
pub struct Inactive {
    #[schema(schema_with = schemas::no)]
    active: bool,
}

/// A token that lives (RFC 7662, 2.2).
#[derive(Serialize, ToSchema)]
pub struct Active {
    #[schema(schema_with = schemas::yes)]
    active: bool,
    /// `export`
    token_type: &'static str,
    /// The names of its rights now, which may be fewer than it was made with.
    scope: String,
    /// The same, as a mask.
    #[schema(maximum = 63)]
    permission: u8,
    hub_id: String,
    nid: String,
    /// The creator's URI.
    sub: String,
    /// Unix seconds.
    iat: i64,
    /// Unix seconds; absent is never.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    exp: Option<i64>,
    /// The id, which `revoke` takes.
    jti: String,
}

/// Tells what an export token is good for now (RFC 7662).
///
/// Staff may ask, and keys that are for this. Telling that a token lives counts
/// as a use of it.
#[utoipa::path(
    post,
    path = "/oauth2/introspect",
    operation_id = "introspect",
    request_body(content = TokenFields, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "The token's properties, or `active: false`.", body = Introspection),
        AnyCall<OAuth>,
        AnyBody<OAuth>,
    ),
)]
pub async fn introspect(
    request: HttpRequest,
    services: Data<Services>,
    Inquiry(form): Inquiry,
) -> Result<HttpResponse, actix_web::Error> {
    let opened = services.registry.use_export(form.token(), None).await;
    let opened = opened.map_err(|error| Problem::from(error).refuse(&request))?;
    let told = opened.map_or(Introspection::Inactive(Inactive { active: false }), Introspection::of);
    let mut answer = HttpResponse::Ok().json(&told);
    if matches!(told, Introspection::Inactive(_)) {
        pace::set(&mut answer);
    }
    Ok(answer)
}

impl Introspection {
    fn of(Opened { token, rights }: Opened) -> Self {
        Self::Active(Active {
            active: true,
            token_type: "export",
            scope: rights.to_string(),
            permission: rights.bits(),
            hub_id: token.hub.as_str().to_owned(),
            nid: token.node.as_str().to_owned(),
            sub: format!("/api/user/{}/", token.creator),
            iat: token.created_at.seconds(),
            exp: token.expires_at.map(|at| at.seconds()),
            jti: token.id.to_string(),
        })
    }
}
