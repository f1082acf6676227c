//! Lists, as tastypie pages and filters them.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use form_urlencoded::Serializer;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::error::HexoError;
use super::path::parse_decimal;
use crate::store::LimitOffset;

/// The most objects of a page, and the most values of a filter.
pub(super) const MAX_ITEMS: usize = 1_000;
/// The objects of a page unless it says.
pub(super) const DEFAULT_PAGE_SIZE: i64 = 20;

/// What a list is asked for.
#[derive(Clone, Debug)]
pub(super) struct ListQuery {
    pairs: Vec<(String, String)>,
    page: LimitOffset,
}

/// Which page of a list, as it is documented.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "parsed by `ListQuery`; declared for the OpenAPI schema")]
pub(super) struct PagingParams {
    /// How many objects, 1,000 at the most; 0 is as many.
    #[param(nullable = false, minimum = 0, default = 20)]
    limit: Option<i64>,
    /// After how many.
    #[param(nullable = false, minimum = 0, default = 0)]
    offset: Option<i64>,
}

/// A list, or rather one page of it.
#[derive(Serialize, ToSchema)]
#[schema(as = hexo::List)]
pub(super) struct ListResponse<T> {
    meta: PageMeta,
    objects: Vec<T>,
}

/// Which page, of how many objects.
#[derive(Serialize, ToSchema)]
#[schema(as = hexo::PageMeta)]
struct PageMeta {
    limit: i64,
    /// The URI of the next page; null on the last.
    next: Option<String>,
    offset: i64,
    /// The URI of the page before; null on the first.
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
        let mut query = Self { pairs, page: LimitOffset { limit: DEFAULT_PAGE_SIZE, offset: 0 } };
        if let Some(limit) = query.paging_value("limit")? {
            let max = MAX_ITEMS as i64;
            query.page.limit = if limit == 0 { max } else { limit.min(max) };
        }
        query.page.offset = query.paging_value("offset")?.unwrap_or(0);
        Ok(query)
    }

    fn paging_value(&self, name: &'static str) -> Result<Option<i64>, HexoError> {
        let wrong = |given: &str| HexoError::InvalidPaging { name, given: given.to_owned() };
        self.single_value(name)?.map(|text| parse_decimal(text).ok_or_else(|| wrong(text))).transpose()
    }

    /// The value of a parameter that has one at most.
    pub(super) fn single_value(&self, name: &str) -> Result<Option<&str>, HexoError> {
        let mut values =
            self.pairs.iter().filter(|(other, _)| other == name).map(|(_, value)| value.as_str());
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            _ => Err(HexoError::bad_request(format!("Provide one value for '{name}'."))),
        }
    }

    /// What a field has to be one of: `field` and `field__exact` have one value,
    /// `field__in` several, separated by commas or given one by one. Each list
    /// that comes of this is a condition of its own.
    pub(super) fn filter_values<T>(
        &self,
        field: &str,
        read: impl Fn(&str) -> Result<T, HexoError>,
    ) -> Result<Vec<Vec<T>>, HexoError> {
        let mut conditions = Vec::new();
        for name in [field.to_owned(), format!("{field}__exact")] {
            if let Some(value) = self.single_value(&name)? {
                conditions.push(vec![read(value)?]);
            }
        }
        let name = format!("{field}__in");
        let mut several = self.pairs.iter().filter(|(other, _)| *other == name).peekable();
        if several.peek().is_some() {
            let values = several.flat_map(|(_, values)| values.split(',')).filter(|value| !value.is_empty());
            let values: Vec<T> = values.take(MAX_ITEMS + 1).map(read).collect::<Result<_, _>>()?;
            if values.len() > MAX_ITEMS {
                return Err(HexoError::bad_request(format!(
                    "Provide at most {MAX_ITEMS} values for '{name}'."
                )));
            }
            conditions.push(values);
        }
        Ok(conditions)
    }

    /// Which page.
    pub(super) fn page(&self) -> LimitOffset {
        self.page
    }

    /// This page's part of a whole list.
    pub(super) fn slice_page<T>(&self, whole: Vec<T>) -> Vec<T> {
        let LimitOffset { limit, offset } = self.page;
        let place = |number| usize::try_from(number).unwrap_or(usize::MAX);
        whole.into_iter().skip(place(offset)).take(place(limit)).collect()
    }

    /// The answer: one page, of a list of `total` objects at `uri`.
    pub(super) fn to_response<T: Serialize>(&self, uri: &str, total: i64, objects: Vec<T>) -> HttpResponse {
        let LimitOffset { limit, offset } = self.page;
        let after = offset.saturating_add(limit);
        let meta = PageMeta {
            limit,
            next: (after < total).then(|| self.page_uri(uri, after)),
            offset,
            previous: (offset > 0).then(|| self.page_uri(uri, offset.saturating_sub(limit).max(0))),
            total_count: total,
        };
        HttpResponse::Ok().json(ListResponse { meta, objects })
    }

    /// The URI of another page, with the other parameters as they came.
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

/// What all conditions have in common; `None` when there are none.
pub(super) fn intersection<T: PartialEq>(conditions: Vec<Vec<T>>) -> Option<Vec<T>> {
    conditions.into_iter().reduce(|mut left, right| {
        left.retain(|value| right.contains(value));
        left
    })
}

/// A filter's value that has to be an id.
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
    fn a_page_has_twenty_objects_unless_it_says() {
        assert_eq!(page(""), Some((20, 0)));
        assert_eq!(page("limit=5&offset=10&format=json"), Some((5, 10)));
        assert_eq!(page("limit=0"), Some((1_000, 0)));
        assert_eq!(page("limit=9223372036854775807"), Some((1_000, 0)));
    }

    #[test]
    fn what_is_no_page_is_refused() {
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
    fn conditions_narrow_each_other() {
        let query = ListQuery::parse("id__in=1,2,,3&id__in=4&id__exact=3").unwrap();
        let conditions = query.filter_values("id", parse_id).unwrap();
        assert_eq!(conditions, [vec![3], vec![1, 2, 3, 4]]);
        assert_eq!(intersection(conditions), Some(vec![3]));
        assert_eq!(intersection::<i64>(Vec::new()), None);
        assert!(ListQuery::parse("id__in=1,x").unwrap().filter_values("id", parse_id).is_err());
    }
}
