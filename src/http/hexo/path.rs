//! The last segment of a path: the id of one object, the ids of a set, or the token of a request.

use std::collections::{HashMap, HashSet};
use std::future::{Ready, ready};
use std::hash::Hash;
use std::marker::PhantomData;

use actix_web::dev::Payload;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use percent_encoding::percent_decode_str;
use serde::Serialize;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::Schema;
use utoipa::openapi::{RefOr, Required};
use utoipa::{IntoParams, PartialSchema, ToSchema};
use uuid::Uuid;

use super::common::{MAX_ITEMS, parse_decimal};
use super::error::HexoError;
use crate::domain::permission_request::RequestId;
use crate::domain::token::RedeemId;
use crate::http::error::ApiError;
use crate::http::state::AppState;

/// The type of a resource's ids.
pub(super) trait ResourceId: Copy + Eq + Hash + 'static {
    const DESCRIPTION: &'static str;
    const SET_DESCRIPTION: &'static str;

    fn parse(text: &str) -> Option<Self>;

    fn schema() -> RefOr<Schema>;
}

impl ResourceId for i64 {
    const DESCRIPTION: &'static str = "The id.";
    const SET_DESCRIPTION: &'static str = "Up to 1,000 ids, separated by semicolons: `1;2;77`.";

    fn parse(text: &str) -> Option<Self> {
        parse_decimal(text)
    }

    fn schema() -> RefOr<Schema> {
        <Self as PartialSchema>::schema()
    }
}

impl ResourceId for Uuid {
    const DESCRIPTION: &'static str = "The id, a UUID.";
    const SET_DESCRIPTION: &'static str = "Up to 1,000 UUIDs, separated by semicolons.";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn schema() -> RefOr<Schema> {
        String::schema()
    }
}

/// The id of one object. A segment that is not an id responds 404.
#[derive(Clone, Copy, Debug)]
pub(super) struct IdParam<I>(pub I);

/// The ids of a webhook and of one of its deliveries.
#[derive(Clone, Copy, Debug)]
pub(super) struct DeliveryParam {
    pub webhook: i64,
    pub delivery: Uuid,
}

/// The id or the token of a request.
#[derive(Clone, Copy, Debug, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct RequestParam {
    /// The id, for either party; or the token, `csr_…`, for the target.
    #[param(value_type = String)]
    pub id_or_token: RequestRef,
}

/// How a path names a request.
#[derive(Clone, Copy, Debug)]
pub(super) enum RequestRef {
    Id(RequestId),
    /// See [`AppState::redeem_id`].
    Token(RedeemId),
}

/// The ids of a set, without duplicates, in the order of the path.
#[derive(Clone, Debug)]
pub(super) struct IdSet<I> {
    ids: Vec<String>,
    id_type: PhantomData<I>,
}

/// The objects of a set.
#[derive(Serialize, ToSchema)]
#[schema(as = hexo::Set)]
pub(super) struct SetResponse<'a, T> {
    /// The ids of objects that do not exist or that the caller cannot see.
    not_found: Vec<&'a str>,
    objects: Vec<T>,
}

impl<I: ResourceId> FromRequest for IdParam<I> {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let id = I::parse(&last_segment(request)).map(Self);
        ready(id.ok_or_else(|| ApiError::NotFound.into_actix_error(request)))
    }
}

impl<I: ResourceId> IntoParams for IdParam<I> {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![path_parameter("id", I::DESCRIPTION, I::schema())]
    }
}

impl FromRequest for RequestParam {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let text = last_segment(request);
        let token = || {
            let state = request.app_data::<Data<AppState>>()?;
            Some(RequestRef::Token(state.redeem_id(&text)))
        };
        let id = parse_decimal(&text).map(|id| RequestRef::Id(RequestId(id)));
        let found = id.or_else(token).map(|id_or_token| Self { id_or_token });
        ready(found.ok_or_else(|| ApiError::NotFound.into_actix_error(request)))
    }
}

impl<I: ResourceId> FromRequest for IdSet<I> {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::parse(&last_segment(request)).map_err(Into::into))
    }
}

impl<I: ResourceId> IntoParams for IdSet<I> {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![path_parameter("ids", I::SET_DESCRIPTION, String::schema())]
    }
}

impl<I: ResourceId> IdSet<I> {
    fn parse(text: &str) -> Result<Self, HexoError> {
        let mut seen = HashSet::new();
        // `1` and `01` are the same id.
        let ids = text.split(';').filter(|id| !id.is_empty() && seen.insert(I::parse(id).ok_or(*id)));
        let ids: Vec<String> = ids.map(str::to_owned).collect();
        if ids.len() > MAX_ITEMS {
            return Err(HexoError::bad_request(format!("Provide at most {MAX_ITEMS} ids in a set.")));
        }
        if text.contains('\0') {
            return Err(HexoError::bad_request("Strings must not contain U+0000."));
        }
        Ok(Self { ids, id_type: PhantomData })
    }

    /// The well-formed ids.
    pub(super) fn valid_ids(&self) -> Vec<I> {
        self.ids.iter().filter_map(|id| I::parse(id)).collect()
    }

    /// The response: the found objects in the order of the set, and the ids that were not found.
    pub(super) fn to_response<T: Serialize>(&self, found: impl IntoIterator<Item = (I, T)>) -> HttpResponse {
        let mut found: HashMap<I, T> = found.into_iter().collect();
        let (mut objects, mut not_found) = (Vec::new(), Vec::new());
        for id in &self.ids {
            match I::parse(id).and_then(|id| found.remove(&id)) {
                Some(object) => objects.push(object),
                None => not_found.push(id.as_str()),
            }
        }
        HttpResponse::Ok().json(SetResponse { not_found, objects })
    }
}

impl FromRequest for DeliveryParam {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let [webhook, delivery] = ["id", "delivery"].map(|name| decoded(request.match_info().query(name)));
        let parsed = i64::parse(&webhook).zip(Uuid::parse(&delivery));
        let param = parsed.map(|(webhook, delivery)| Self { webhook, delivery });
        ready(param.ok_or_else(|| ApiError::NotFound.into_actix_error(request)))
    }
}

impl IntoParams for DeliveryParam {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![
            path_parameter("id", "The id of the webhook.", <i64 as ResourceId>::schema()),
            path_parameter("delivery", "The id of the delivery, a UUID.", String::schema()),
        ]
    }
}

/// The only parameter of a path, decoded.
fn last_segment(request: &HttpRequest) -> String {
    decoded(request.match_info().iter().next().map(|(_, segment)| segment).unwrap_or_default())
}

/// A segment, percent-decoded. Invalid UTF-8 becomes U+FFFD, which no id contains.
fn decoded(segment: &str) -> String {
    percent_decode_str(segment).decode_utf8_lossy().into_owned()
}

fn path_parameter(name: &str, description: &str, schema: RefOr<Schema>) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .description(Some(description))
        .schema(Some(schema))
        .build()
}
