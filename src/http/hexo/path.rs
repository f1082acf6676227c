//! What a path names: one resource by its number or, for requests, its token;
//! or a set of resources.

use std::collections::{HashMap, HashSet};
use std::future::{Ready, ready};
use std::hash::Hash;

use actix_web::dev::Payload;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use percent_encoding::percent_decode_str;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::error::HexoError;
use super::query::MOST;
use crate::domain::request::RequestId;
use crate::domain::token::RedeemId;
use crate::http::Services;
use crate::http::problem::Problem;

/// The number that the last segment of a path is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Number(pub i64);

/// The UUID that the last segment of a path is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unique(pub Uuid);

/// What the last segment of a request's path is.
#[derive(Clone, Copy, Debug)]
pub(super) enum RequestName {
    /// Its number, for either party.
    Number(RequestId),
    /// Its token, for its target ([`Services::redeem_id`]).
    Token(RedeemId),
}

/// How one resource is named, as it is documented.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "read by `Number`; this is what it looks like")]
pub(super) struct ById {
    /// Its number.
    id: i64,
}

/// How a request is named, as it is documented.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "read by `RequestName`; this is what it looks like")]
pub(super) struct ByIdOrToken {
    /// Its number, for either party; or its token, `csr_…`, for its target.
    id_or_token: String,
}

/// How a set is named, as it is documented.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "read by `IdSet`; this is what it looks like")]
pub(super) struct ByIds {
    /// Numbers, separated by semicolons: `1;2;77`. 1,000 at the most.
    ids: String,
}

/// How one resource is named that has no number, as it is documented.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "read by `Unique`; this is what it looks like")]
pub(super) struct ByUuid {
    /// Its UUID.
    id: String,
}

/// How a set of them is named, as it is documented.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "read by `IdSet`; this is what it looks like")]
pub(super) struct ByUuids {
    /// UUIDs, separated by semicolons. 1,000 at the most.
    ids: String,
}

/// A set, as it is answered.
#[derive(Serialize, ToSchema)]
#[schema(as = hexo::Set)]
pub(super) struct Set<'a, T> {
    /// Those that are nothing, or nothing for this caller.
    not_found: Vec<&'a str>,
    objects: Vec<T>,
}

/// The ids of a set, in the order given, each once.
#[derive(Clone, Debug)]
pub(super) struct IdSet(Vec<String>);

impl FromRequest for Number {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let number = number(&segment(request)).map(Self);
        ready(number.ok_or_else(|| Problem::NotFound.refuse(request)))
    }
}

impl FromRequest for Unique {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let id = segment(request).parse().ok().map(Self);
        ready(id.ok_or_else(|| Problem::NotFound.refuse(request)))
    }
}

impl FromRequest for RequestName {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let text = segment(request);
        let token = || request.app_data::<Data<Services>>().map(|services| services.redeem_id(&text));
        let name = number(&text).map(|number| Self::Number(RequestId(number)));
        let name = name.or_else(|| token().map(Self::Token));
        ready(name.ok_or_else(|| Problem::NotFound.refuse(request)))
    }
}

impl FromRequest for IdSet {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::read(&segment(request)).map_err(Into::into))
    }
}

impl IdSet {
    fn read(text: &str) -> Result<Self, HexoError> {
        let mut seen = HashSet::new();
        let ids = text.split(';').filter(|id| !id.is_empty() && seen.insert(*id));
        let ids: Vec<String> = ids.map(str::to_owned).collect();
        if ids.len() > MOST {
            return Err(HexoError::bad(format!("Provide at most {MOST} ids in a set.")));
        }
        if text.contains('\0') {
            return Err(HexoError::bad("Strings must not contain U+0000."));
        }
        Ok(Self(ids))
    }

    /// Those of the ids that are numbers.
    pub(super) fn numbers(&self) -> Vec<i64> {
        self.0.iter().filter_map(|id| number(id)).collect()
    }

    /// Those of the ids that are UUIDs.
    pub(super) fn uuids(&self) -> Vec<Uuid> {
        self.0.iter().filter_map(|id| id.parse().ok()).collect()
    }

    /// The answer: what was found of the set, in its order, and what was not.
    pub(super) fn answer<T: Serialize>(&self, found: impl IntoIterator<Item = (i64, T)>) -> HttpResponse {
        self.answer_by(number, found)
    }

    /// The same for what is named by UUIDs.
    pub(super) fn answer_by_uuid<T: Serialize>(
        &self,
        found: impl IntoIterator<Item = (Uuid, T)>,
    ) -> HttpResponse {
        self.answer_by(|id| id.parse().ok(), found)
    }

    fn answer_by<K: Hash + Eq, T: Serialize>(
        &self,
        read: impl Fn(&str) -> Option<K>,
        found: impl IntoIterator<Item = (K, T)>,
    ) -> HttpResponse {
        let mut found: HashMap<K, T> = found.into_iter().collect();
        let (mut objects, mut not_found) = (Vec::new(), Vec::new());
        for id in &self.0 {
            match read(id).and_then(|id| found.remove(&id)) {
                Some(object) => objects.push(object),
                None => not_found.push(id.as_str()),
            }
        }
        HttpResponse::Ok().json(Set { not_found, objects })
    }
}

/// The last segment, decoded. What is not UTF-8 names nothing, in whatever way
/// it is read.
fn segment(request: &HttpRequest) -> String {
    let raw = request.match_info().get("name").unwrap_or_default();
    percent_decode_str(raw).decode_utf8_lossy().into_owned()
}

/// An id in decimal digits.
pub(super) fn number(text: &str) -> Option<i64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}
