//! Token introspection (RFC 7662): what an export token is good for now.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use serde::Serialize;

use super::token_form::TokenForm;
use crate::actors::gate::Opened;
use crate::http::Services;
use crate::http::auth::Caller;
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
        Scope::All => Err(Problem::Forbidden("Staff, or a key with the `introspect` scope, may ask this.")),
    }
}

/// What is told of a token.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Introspection {
    /// It lives.
    Active(Active),
    /// It does not, or is none of ours, or of another kind: nothing else is told.
    Inactive {
        /// False.
        active: bool,
    },
}

/// A token that lives (RFC 7662, 2.2).
#[derive(Serialize)]
pub struct Active {
    active: bool,
    token_type: &'static str,
    /// The names of its rights now, which may be fewer than it was made with.
    scope: String,
    /// The same, as a mask.
    permission: u8,
    hub_id: String,
    nid: String,
    /// The creator's URI.
    sub: String,
    /// Unix seconds.
    iat: i64,
    /// Unix seconds; absent is never.
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<i64>,
    jti: String,
}

/// Tells what a token is good for. Telling that it lives counts as a use.
pub async fn introspect(
    request: HttpRequest,
    services: Data<Services>,
    Inquiry(form): Inquiry,
) -> Result<HttpResponse, actix_web::Error> {
    let opened = services.registry.use_export(form.token(), None).await;
    let opened = opened.map_err(|error| Problem::from(error).refuse(&request))?;
    let told = opened.map_or(Introspection::Inactive { active: false }, Introspection::of);
    let mut answer = HttpResponse::Ok().json(&told);
    if matches!(told, Introspection::Inactive { .. }) {
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
