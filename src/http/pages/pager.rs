//! What pages with lists share: which part of a list is looked at, and what is told of
//! what was done.

use actix_web::http::StatusCode;
use minijinja::{Value, context};

use super::context::{PageContext, query_param};
use super::error::query_encode;
use crate::http::error::ApiError;
use crate::store::LimitOffset;

/// Rows on a page.
const PAGE_SIZE: i64 = 20;
/// The most rows that are passed over in a list that nobody counts: who looks for more than
/// this shows searches. What is passed over is read too.
const MAX_UNCOUNTED_OFFSET: i64 = 10_000;
/// The most in one that is counted.
const MAX_OFFSET: i64 = 1_000_000_000;
/// The parameter that names what was done.
const FLASH_PARAM: &str = "flash";

/// A part of a list, by the rows that a parameter of the page's address passes over.
#[derive(Clone, Copy, Debug)]
pub struct Pager<'a> {
    url: &'a str,
    param: &'static str,
    offset: i64,
}

impl<'a> Pager<'a> {
    /// The part that an address asks for by this parameter: the first one, unless it says
    /// otherwise.
    pub fn from_url(url: &'a str, param: &'static str) -> Self {
        let offset = query_param(url, param).and_then(|offset| parse_number(&offset).ok());
        Self { url, param, offset: offset.unwrap_or_default().min(MAX_OFFSET) }
    }

    /// The part that a visitor looks at.
    pub fn new(ctx: &'a PageContext, name: &'static str) -> Self {
        Self::from_url(&ctx.current_url, name)
    }

    /// What to read of a list that is counted.
    pub const fn page(self) -> LimitOffset {
        LimitOffset { limit: PAGE_SIZE, offset: self.offset }
    }

    /// Where the part lies in a list of so many rows (`first`, `last`, `total`), and the
    /// ways to the ones beside it (`previous`, `next`), as far as there are any.
    pub fn links(self, total: i64) -> Value {
        let end = self.offset.saturating_add(PAGE_SIZE);
        // Who is beyond the end is led back to what there is.
        let before = (self.offset - PAGE_SIZE).min((total - 1).max(0) / PAGE_SIZE * PAGE_SIZE).max(0);
        context! {
            first => (self.offset + 1).min(total),
            last => end.min(total),
            total,
            previous => (self.offset > 0).then(|| self.page_url(before)),
            next => (end < total).then(|| self.page_url(end)),
        }
    }

    /// What to read of a list that nobody counts: a row more than is shown.
    pub fn limit_plus_one(self) -> LimitOffset {
        LimitOffset { limit: PAGE_SIZE + 1, offset: self.offset.min(MAX_UNCOUNTED_OFFSET) }
    }

    /// Leaves the rows that are shown of what was read; [`Self::links`], without a `total`.
    pub fn finish<T>(self, rows: &mut Vec<T>) -> Value {
        let offset = self.offset.min(MAX_UNCOUNTED_OFFSET);
        let more = rows.len() as i64 > PAGE_SIZE && offset < MAX_UNCOUNTED_OFFSET;
        rows.truncate(PAGE_SIZE as usize);
        context! {
            first => offset + 1,
            last => offset + rows.len() as i64,
            total => None::<i64>,
            previous => (offset > 0).then(|| self.page_url((offset - PAGE_SIZE).max(0))),
            next => more.then(|| self.page_url(offset + PAGE_SIZE)),
        }
    }

    /// The page, from another row on. What was done is told once.
    fn page_url(self, offset: i64) -> String {
        let (path, query) = self.url.split_once('?').unwrap_or((self.url, ""));
        let others = form_urlencoded::parse(query.as_bytes());
        let mut link = format!("{path}?");
        for (other, value) in others.filter(|(other, _)| other != self.param && other != FLASH_PARAM) {
            link.push_str(&format!("{}={}&", query_encode(&other), query_encode(&value)));
        }
        link.push_str(&format!("{}={offset}", self.param));
        link
    }
}

/// What was done before the visitor was led here, by the name that the address has for it:
/// one of these, else nothing. Its words are those of `<room>-<name>`. A link from elsewhere
/// tells of nothing done.
pub fn flash(ctx: &PageContext, key_prefix: &str, names: &[&str]) -> Option<String> {
    let flash = ctx.query_param(FLASH_PARAM).filter(|_| ctx.same_origin)?;
    names.contains(&flash.as_str()).then(|| format!("{key_prefix}-{flash}"))
}

/// A number in decimal digits; what is none names nothing.
pub fn parse_number(text: &str) -> Result<i64, ApiError> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().ok_or(ApiError::NotFound)
}

/// What is wrong with a form, at which of its fields.
#[derive(Clone, Copy, Debug)]
pub struct FieldError {
    /// The field's name.
    pub field: &'static str,
    /// The message.
    pub message: &'static str,
    /// The status to answer with.
    pub status: StatusCode,
}

impl FieldError {
    /// What cannot be taken.
    pub const fn new(field: &'static str, message: &'static str) -> Self {
        Self { field, message, status: StatusCode::BAD_REQUEST }
    }

    /// What this person may not do.
    pub const fn forbidden(field: &'static str, message: &'static str) -> Self {
        Self { field, message, status: StatusCode::FORBIDDEN }
    }

    /// As templates know it: `at` and `words`, both empty where nothing is wrong.
    pub fn to_context(error: Option<Self>) -> Value {
        let (field, message) = error.map_or(("", ""), |error| (error.field, error.message));
        context! { field, message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_offset_selects_the_first_page() {
        for (query, offset) in
            [("", 0), ("?offset=40", 40), ("?offset=-9", 0), ("?offset=x", 0), ("?offset=", 0)]
        {
            assert_eq!(
                Pager::from_url(&format!("/tokens{query}"), "offset").page().offset,
                offset,
                "{query}"
            );
        }
        let deep = Pager::from_url("/tokens?offset=9999999999999", "offset");
        assert_eq!((deep.page().offset, deep.limit_plus_one().offset), (MAX_OFFSET, MAX_UNCOUNTED_OFFSET));
        assert!(deep.finish(&mut vec![(); 21]).get_attr("next").unwrap().is_none());
    }

    #[test]
    fn page_links_keep_the_other_query_parameters() {
        let pagination = Pager::from_url("/staff/users?q=a%26b&offset=20&flash=added", "offset");
        let mut rows: Vec<i64> = (0..=PAGE_SIZE).collect();
        let beside = pagination.finish(&mut rows);
        assert_eq!(rows.len() as i64, PAGE_SIZE);
        let says = |name: &str| beside.get_attr(name).unwrap().to_string();
        assert_eq!(says("previous"), "/staff/users?q=a%26b&offset=0");
        assert_eq!(says("next"), "/staff/users?q=a%26b&offset=40");
        assert_eq!((says("first"), says("last")), ("21".to_owned(), "40".to_owned()));
        let beside = Pager::from_url("/staff/users", "offset").finish(&mut rows);
        assert!(["previous", "next"].iter().all(|way| beside.get_attr(way).unwrap().is_none()));
        let beside = pagination.links(20);
        assert_eq!(beside.get_attr("previous").unwrap().to_string(), "/staff/users?q=a%26b&offset=0");
    }
}
