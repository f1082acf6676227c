//! Lists: pagination and filters, as in django-tastypie.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use form_urlencoded::Serializer;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::common::{MAX_ITEMS, parse_decimal};
use super::error::HexoError;
use crate::domain::timestamp::Timestamp;
use crate::store::LimitOffset;

pub(super) const DEFAULT_PAGE_SIZE: i64 = 20;

/// The query string of a list.
#[derive(Clone, Debug)]
pub(super) struct ListQuery {
    pairs: Vec<(String, String)>,
    page: PageParams,
}

/// The requested page.
#[derive(Clone, Copy, Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PageParams {
    /// The number of objects. The maximum is 1,000; 0 means 1,000.
    #[param(value_type = Option<i64>, nullable = false, minimum = 0, default = 20)]
    limit: i64,
    /// The number of objects to skip.
    #[param(value_type = Option<i64>, nullable = false, minimum = 0, default = 0)]
    offset: i64,
}

/// One page of a list.
#[derive(Serialize, ToSchema)]
#[schema(as = hexo::List)]
pub(super) struct ListResponse<T> {
    meta: PageMeta,
    objects: Vec<T>,
}

/// The position of the page in the list.
#[derive(Serialize, ToSchema)]
#[schema(as = hexo::PageMeta)]
struct PageMeta {
    limit: i64,
    /// The URI of the next page; null on the last page.
    next: Option<String>,
    offset: i64,
    /// The URI of the previous page; null on the first page.
    previous: Option<String>,
    total_count: i64,
}

impl FromRequest for ListQuery {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::parse(request.query_string()).map_err(Into::into))
    }
}

impl ListQuery {
    pub(super) fn parse(text: &str) -> Result<Self, HexoError> {
        let pairs: Vec<(String, String)> = form_urlencoded::parse(text.as_bytes()).into_owned().collect();
        if pairs.iter().any(|(name, value)| name.contains('\0') || value.contains('\0')) {
            return Err(HexoError::bad_request("Strings must not contain U+0000."));
        }
        let mut query = Self { pairs, page: PageParams { limit: DEFAULT_PAGE_SIZE, offset: 0 } };
        if let Some(limit) = query.paging_value("limit")? {
            let max = MAX_ITEMS as i64;
            query.page.limit = if limit == 0 { max } else { limit.min(max) };
        }
        query.page.offset = query.paging_value("offset")?.unwrap_or(0);
        Ok(query)
    }

    fn paging_value(&self, name: &'static str) -> Result<Option<i64>, HexoError> {
        let invalid = |given: &str| HexoError::InvalidPaging { name, given: given.to_owned() };
        self.single_value(name)?.map(|text| parse_decimal(text).ok_or_else(|| invalid(text))).transpose()
    }

    /// The value of a parameter that must not be repeated.
    pub(super) fn single_value(&self, name: &str) -> Result<Option<&str>, HexoError> {
        let mut values =
            self.pairs.iter().filter(|(other, _)| other == name).map(|(_, value)| value.as_str());
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            (_, Some(_)) => Err(HexoError::bad_request(format!("Provide one value for '{name}'."))),
        }
    }

    /// The conditions on a field, each a list of accepted values. `field` and `field__exact` have
    /// one value; `field__in` has several, separated by commas or in repeated parameters.
    pub(super) fn filter_values<T>(
        &self,
        field: &str,
        parse: impl Fn(&str) -> Result<T, HexoError>,
    ) -> Result<Vec<Vec<T>>, HexoError> {
        let mut conditions = Vec::new();
        for name in [field.to_owned(), format!("{field}__exact")] {
            if let Some(value) = self.single_value(&name)? {
                conditions.push(vec![parse(value)?]);
            }
        }
        let name = format!("{field}__in");
        let mut lists = self.pairs.iter().filter(|(other, _)| *other == name).peekable();
        if lists.peek().is_some() {
            let values = lists.flat_map(|(_, values)| values.split(',')).filter(|value| !value.is_empty());
            let values: Vec<T> = values.take(MAX_ITEMS + 1).map(parse).collect::<Result<_, _>>()?;
            if values.len() > MAX_ITEMS {
                return Err(HexoError::bad_request(format!(
                    "Provide at most {MAX_ITEMS} values for '{name}'."
                )));
            }
            conditions.push(values);
        }
        Ok(conditions)
    }

    /// The time in a parameter that must not be repeated.
    pub(super) fn time(&self, name: &str) -> Result<Option<Timestamp>, HexoError> {
        let parse = |text| Timestamp::from_rfc3339(text).ok_or(HexoError::InvalidFilter);
        self.single_value(name)?.map(parse).transpose()
    }

    /// The requested page.
    pub(super) fn page(&self) -> LimitOffset {
        let PageParams { limit, offset } = self.page;
        LimitOffset { limit, offset }
    }

    /// The response: a page of the list at `uri`, which has `total` objects.
    pub(super) fn to_response<T: Serialize>(&self, uri: &str, total: i64, objects: Vec<T>) -> HttpResponse {
        let PageParams { limit, offset } = self.page;
        let next_offset = offset.saturating_add(limit);
        let meta = PageMeta {
            limit,
            next: (next_offset < total).then(|| self.page_uri(uri, next_offset)),
            offset,
            previous: (offset > 0).then(|| self.page_uri(uri, offset.saturating_sub(limit).max(0))),
            total_count: total,
        };
        HttpResponse::Ok().json(ListResponse { meta, objects })
    }

    /// The URI of another page. The other parameters stay as they are.
    pub(super) fn page_uri(&self, uri: &str, offset: i64) -> String {
        let others = self.pairs.iter().filter(|(name, _)| name != "limit" && name != "offset");
        let query = Serializer::new(String::new())
            .extend_pairs(others)
            .append_pair("limit", &self.page.limit.to_string())
            .append_pair("offset", &offset.to_string())
            .finish();
        format!("{uri}?{query}")
    }
}

/// Parses an id in a filter.
pub(super) fn parse_id(text: &str) -> Result<i64, HexoError> {
    parse_decimal(text).ok_or(HexoError::InvalidFilter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(text: &str) -> Option<(i64, i64)> {
        ListQuery::parse(text).ok().map(|query| (query.page.limit, query.page.offset))
    }

    #[test]
    fn a_page_has_twenty_objects_by_default() {
        assert_eq!(page(""), Some((20, 0)));
        assert_eq!(page("limit=5&offset=10&format=json"), Some((5, 10)));
        assert_eq!(page("limit=0"), Some((1_000, 0)));
        assert_eq!(page("limit=9223372036854775807"), Some((1_000, 0)));
    }

    #[test]
    fn an_invalid_limit_or_offset_is_refused() {
        for text in [
            "limit=x",
            "limit=",
            "limit=-1",
            "limit=1.5",
            "limit=%2B1",
            "limit=9223372036854775808",
            "offset=-1",
            "offset=%00",
            "limit=1&limit=2",
        ] {
            assert_eq!(page(text), None, "{text}");
        }
    }

    #[test]
    fn the_next_page_keeps_the_other_parameters() {
        let query = ListQuery::parse("email=a%2Bb%40x.org&limit=1&x=%26&offset=3").unwrap();
        assert_eq!(query.page_uri("/api/user/", 4), "/api/user/?email=a%2Bb%40x.org&x=%26&limit=1&offset=4");
    }

    #[test]
    fn each_filter_parameter_is_a_condition() {
        let query = ListQuery::parse("id__in=1,2,,3&id__in=4&id__exact=3").unwrap();
        let conditions = query.filter_values("id", parse_id).unwrap();
        assert_eq!(conditions, [vec![3], vec![1, 2, 3, 4]]);
        assert!(ListQuery::parse("id__in=1,x").unwrap().filter_values("id", parse_id).is_err());
    }
}
