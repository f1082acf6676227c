//! Pagination of lists: which rows a page reads, and the links to its neighbours.

use minijinja::{Value, context};

use super::context::{FLASH_PARAM, PageContext};
use super::url::{parse_number, query_encode, query_param};
use crate::store::LimitOffset;

/// Rows on a page.
const PAGE_SIZE: i64 = 20;
/// Maximum offset in a list that is not counted. The database reads all rows before the
/// offset; search finds rows after it.
const MAX_UNCOUNTED_OFFSET: i64 = 10_000;
/// Maximum offset in a list that is counted.
const MAX_OFFSET: i64 = 1_000_000_000;

/// A page of a list. Its offset is a query parameter of the requested URL.
#[derive(Clone, Copy, Debug)]
pub struct Pager<'a> {
    url: &'a str,
    param: &'static str,
    offset: i64,
}

impl<'a> Pager<'a> {
    /// The page that a URL requests with this parameter, or the first one.
    pub fn from_url(url: &'a str, param: &'static str) -> Self {
        let offset = query_param(url, param).and_then(|offset| parse_number(&offset).ok());
        Self { url, param, offset: offset.unwrap_or_default().min(MAX_OFFSET) }
    }

    /// The page that a visitor requests with this parameter.
    pub fn new(ctx: &'a PageContext, name: &'static str) -> Self {
        Self::from_url(&ctx.current_url, name)
    }

    /// The rows to read of a list that is counted.
    pub const fn page(self) -> LimitOffset {
        LimitOffset { limit: PAGE_SIZE, offset: self.offset }
    }

    /// The position of the page in a list of `total` rows (`first`, `last`, `total`), and the
    /// URLs of its neighbours (`previous`, `next`), if they exist.
    pub fn links(self, total: i64) -> Value {
        let end = self.offset.saturating_add(PAGE_SIZE);
        // Past the end, `previous` is the last page.
        let before = (self.offset - PAGE_SIZE).min((total - 1).max(0) / PAGE_SIZE * PAGE_SIZE).max(0);
        context! {
            first => (self.offset + 1).min(total),
            last => end.min(total),
            total,
            previous => (self.offset > 0).then(|| self.page_url(before)),
            next => (end < total).then(|| self.page_url(end)),
        }
    }

    /// The rows to read of a list that is not counted: one more than the page shows.
    pub fn limit_plus_one(self) -> LimitOffset {
        LimitOffset { limit: PAGE_SIZE + 1, offset: self.offset.min(MAX_UNCOUNTED_OFFSET) }
    }

    /// Drops the extra row that [`Self::limit_plus_one`] read, and returns [`Self::links`]
    /// without a `total`.
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

    /// The URL of another page, without the result of the last action.
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
        let links = pagination.finish(&mut rows);
        assert_eq!(rows.len() as i64, PAGE_SIZE);
        let text = |name: &str| links.get_attr(name).unwrap().to_string();
        assert_eq!(text("previous"), "/staff/users?q=a%26b&offset=0");
        assert_eq!(text("next"), "/staff/users?q=a%26b&offset=40");
        assert_eq!((text("first"), text("last")), ("21".to_owned(), "40".to_owned()));
        let links = Pager::from_url("/staff/users", "offset").finish(&mut rows);
        assert!(["previous", "next"].iter().all(|name| links.get_attr(name).unwrap().is_none()));
        let links = pagination.links(20);
        assert_eq!(links.get_attr("previous").unwrap().to_string(), "/staff/users?q=a%26b&offset=0");
    }
}
