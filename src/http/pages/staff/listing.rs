//! Pages of a list, and what a page's query asks for.

use actix_web::HttpRequest;
use minijinja::{Value, context};

use crate::http::pages::error::{PageError, encoded};
use crate::http::pages::post::Fields;
use crate::store::Page;

/// Rows on a page.
const ROWS: i64 = 25;
/// The last page: who looks for more than this shows searches. What lies before a page is
/// read too.
const LAST: i64 = 400;

/// A page of a list.
#[derive(Clone, Copy, Debug)]
pub struct Listing {
    number: i64,
}

/// What a query asks for.
pub fn query(request: &HttpRequest) -> Result<Fields, PageError> {
    Ok(Fields::parse(request.query_string().as_bytes())?)
}

/// A note on what was done, by the name that a query has: one of these, else none. Its
/// words are those of `<room>-<name>`.
pub fn note(query: &Fields, room: &str, notes: &[&str]) -> Option<String> {
    let name = query.optional("done")?;
    notes.contains(&name).then(|| format!("{room}-{name}"))
}

impl Listing {
    /// The page that `page` names, or the first.
    pub fn of(query: &Fields) -> Self {
        let asked = query.optional("page").and_then(|number| number.parse().ok());
        Self { number: asked.unwrap_or(1).clamp(1, LAST) }
    }

    /// The first page.
    pub fn first() -> Self {
        Self { number: 1 }
    }

    /// What is to be read: the page, and one row more.
    pub fn page(self) -> Page {
        Page { limit: ROWS + 1, offset: (self.number - 1) * ROWS }
    }

    /// Leaves the page's rows, and tells where the pages beside it are: at this path, whose
    /// query has these values too.
    pub fn cut<T>(self, rows: &mut Vec<T>, path: &str, values: &[(&str, &str)]) -> Value {
        let more = rows.len() as i64 > ROWS && self.number < LAST;
        rows.truncate(ROWS as usize);
        let at = |number: i64| {
            let values = values.iter().filter(|(_, value)| !value.is_empty());
            let values = values.map(|(name, value)| format!("{name}={}&", encoded(value)));
            format!("{path}?{}page={number}", values.collect::<String>())
        };
        context! {
            number => self.number,
            previous => (self.number > 1).then(|| at(self.number - 1)),
            next => more.then(|| at(self.number + 1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(query: &str) -> Listing {
        Listing::of(&Fields::parse(query.as_bytes()).unwrap())
    }

    #[test]
    fn a_page_that_cannot_be_is_the_nearest_that_can() {
        for (query, number) in
            [("", 1), ("page=2", 2), ("page=0", 1), ("page=-9", 1), ("page=x", 1), ("page=99999999", LAST)]
        {
            assert_eq!(listing(query).number, number, "{query}");
        }
        assert_eq!(listing("page=99999999999999999999999").number, 1);
    }

    #[test]
    fn the_pages_beside_it_are_told_with_all_else_that_was_asked_for() {
        let mut rows: Vec<i64> = (0..=ROWS).collect();
        let pages = listing("page=2").cut(&mut rows, "/staff/users", &[("q", "a&b"), ("x", "")]);
        assert_eq!(rows.len() as i64, ROWS);
        assert_eq!(pages.get_attr("previous").unwrap().to_string(), "/staff/users?q=a%26b&page=1");
        assert_eq!(pages.get_attr("next").unwrap().to_string(), "/staff/users?q=a%26b&page=3");
        let pages = Listing::first().cut(&mut rows, "/staff/users", &[]);
        assert!(pages.get_attr("previous").unwrap().is_none() && pages.get_attr("next").unwrap().is_none());
    }
}
