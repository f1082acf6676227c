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
use super::query::MAX_ITEMS;
use crate::domain::permission_request::RequestId;
use crate::domain::token::RedeemId;
use crate::http::error::ApiError;
use crate::http::state::AppState;

/// The number that the last segment of a path is.
#[derive(Clone, Copy, Debug)]
pub(super) struct IdParam(pub i64);

/// The UUID that the last segment of a path is.
#[derive(Clone, Copy, Debug)]
pub(super) struct UuidParam(pub Uuid);

/// What the last segment of a request's path is.
#[derive(Clone, Copy, Debug)]
pub(super) enum RequestParam {
    /// Its number, for either party.
    Id(RequestId),
    /// Its token, for its target ([`AppState::redeem_id`]).
    Token(RedeemId),
}

/// How one resource is named, as it is documented.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "parsed by `IdParam`; declared for the OpenAPI schema")]
pub(super) struct IdPath {
    /// Its number.
    id: i64,
}

/// How a request is named, as it is documented.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "parsed by `RequestParam`; declared for the OpenAPI schema")]
pub(super) struct IdOrTokenPath {
    /// Its number, for either party; or its token, `csr_…`, for its target.
    id_or_token: String,
}

/// How a set is named, as it is documented.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "parsed by `IdSet`; declared for the OpenAPI schema")]
pub(super) struct IdsPath {
    /// Numbers, separated by semicolons: `1;2;77`. 1,000 at the most.
    ids: String,
}

/// How one resource is named that has no number, as it is documented.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "parsed by `UuidParam`; declared for the OpenAPI schema")]
pub(super) struct UuidPath {
    /// Its UUID.
    id: String,
}

/// How a set of them is named, as it is documented.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "parsed by `IdSet`; declared for the OpenAPI schema")]
pub(super) struct UuidsPath {
    /// UUIDs, separated by semicolons. 1,000 at the most.
    ids: String,
}

/// A set, as it is answered.
#[derive(Serialize, ToSchema)]
#[schema(as = hexo::Set)]
pub(super) struct SetResponse<'a, T> {
    /// Those that are nothing, or nothing for this caller.
    not_found: Vec<&'a str>,
    objects: Vec<T>,
}

/// The ids of a set, in the order given, each once.
#[derive(Clone, Debug)]
pub(super) struct IdSet(Vec<String>);

impl FromRequest for IdParam {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let number = parse_decimal(&last_segment(request)).map(Self);
        ready(number.ok_or_else(|| ApiError::NotFound.into_actix_error(request)))
    }
}

impl FromRequest for UuidParam {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let id = last_segment(request).parse().ok().map(Self);
        ready(id.ok_or_else(|| ApiError::NotFound.into_actix_error(request)))
    }
}

impl FromRequest for RequestParam {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let text = last_segment(request);
        let token = || request.app_data::<Data<AppState>>().map(|state| state.redeem_id(&text));
        let name = parse_decimal(&text).map(|number| Self::Id(RequestId(number)));
        let name = name.or_else(|| token().map(Self::Token));
        ready(name.ok_or_else(|| ApiError::NotFound.into_actix_error(request)))
    }
}

impl FromRequest for IdSet {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::parse(&last_segment(request)).map_err(Into::into))
    }
}

impl IdSet {
    fn parse(text: &str) -> Result<Self, HexoError> {
        let mut seen = HashSet::new();
        let ids = text.split(';').filter(|id| !id.is_empty() && seen.insert(*id));
        let ids: Vec<String> = ids.map(str::to_owned).collect();
        if ids.len() > MAX_ITEMS {
            return Err(HexoError::bad_request(format!("Provide at most {MAX_ITEMS} ids in a set.")));
        }
        if text.contains('\0') {
            return Err(HexoError::bad_request("Strings must not contain U+0000."));
        }
        Ok(Self(ids))
    }

    /// Those of the ids that are numbers.
    pub(super) fn integer_ids(&self) -> Vec<i64> {
        self.0.iter().filter_map(|id| parse_decimal(id)).collect()
    }

    /// Those of the ids that are UUIDs.
    pub(super) fn uuids(&self) -> Vec<Uuid> {
        self.0.iter().filter_map(|id| id.parse().ok()).collect()
    }

    /// The answer: what was found of the set, in its order, and what was not.
    pub(super) fn to_response<T: Serialize>(
        &self,
        found: impl IntoIterator<Item = (i64, T)>,
    ) -> HttpResponse {
        self.to_response_by(parse_decimal, found)
    }

    /// The same for what is named by UUIDs.
    pub(super) fn to_response_by_uuid<T: Serialize>(
        &self,
        found: impl IntoIterator<Item = (Uuid, T)>,
    ) -> HttpResponse {
        self.to_response_by(|id| id.parse().ok(), found)
    }

    fn to_response_by<K: Hash + Eq, T: Serialize>(
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
        HttpResponse::Ok().json(SetResponse { not_found, objects })
    }
}

/// The last segment, decoded. What is not UTF-8 names nothing, in whatever way
/// it is read.
fn last_segment(request: &HttpRequest) -> String {
    let raw = request.match_info().get("id").unwrap_or_default();
    percent_decode_str(raw).decode_utf8_lossy().into_owned()
}

/// An id in decimal digits.
pub(super) fn parse_decimal(text: &str) -> Option<i64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}
