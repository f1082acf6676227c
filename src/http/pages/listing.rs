//! What pages with lists share: which part of a list is looked at, and what is told of
//! what was done.

use actix_web::http::StatusCode;
use minijinja::{Value, context};

use super::error::encoded;
use super::visit::{Visit, parameter};
use crate::http::problem::Problem;
use crate::store::Page;

/// Rows on a page.
const ROWS: i64 = 20;
/// The most rows that are passed over in a list that nobody counts: who looks for more than
/// this shows searches. What is passed over is read too.
const DEEPEST: i64 = 10_000;
/// The most in one that is counted.
const MOST: i64 = 1_000_000_000;
/// The parameter that names what was done.
const DONE: &str = "done";

/// A part of a list, by the rows that a parameter of the page's address passes over.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    here: &'a str,
    name: &'static str,
    offset: i64,
}

impl<'a> Part<'a> {
    /// The part that an address asks for by this parameter: the first one, unless it says
    /// otherwise.
    pub fn at(here: &'a str, name: &'static str) -> Self {
        let offset = parameter(here, name).and_then(|offset| number(&offset).ok());
        Self { here, name, offset: offset.unwrap_or_default().min(MOST) }
    }

    /// The part that a visitor looks at.
    pub fn of(visit: &'a Visit, name: &'static str) -> Self {
        Self::at(&visit.here, name)
    }

    /// What to read of a list that is counted.
    pub const fn page(self) -> Page {
        Page { limit: ROWS, offset: self.offset }
    }

    /// Where the part lies in a list of so many rows (`first`, `last`, `total`), and the
    /// ways to the ones beside it (`previous`, `next`), as far as there are any.
    pub fn links(self, total: i64) -> Value {
        let end = self.offset.saturating_add(ROWS);
        // Who is beyond the end is led back to what there is.
        let before = (self.offset - ROWS).min((total - 1).max(0) / ROWS * ROWS).max(0);
        context! {
            first => (self.offset + 1).min(total),
            last => end.min(total),
            total,
            previous => (self.offset > 0).then(|| self.link(before)),
            next => (end < total).then(|| self.link(end)),
        }
    }

    /// What to read of a list that nobody counts: a row more than is shown.
    pub fn page_and_one(self) -> Page {
        Page { limit: ROWS + 1, offset: self.offset.min(DEEPEST) }
    }

    /// Leaves the rows that are shown of what was read; [`Self::links`], without a `total`.
    pub fn cut<T>(self, rows: &mut Vec<T>) -> Value {
        let offset = self.offset.min(DEEPEST);
        let more = rows.len() as i64 > ROWS && offset < DEEPEST;
        rows.truncate(ROWS as usize);
        context! {
            first => offset + 1,
            last => offset + rows.len() as i64,
            total => None::<i64>,
            previous => (offset > 0).then(|| self.link((offset - ROWS).max(0))),
            next => more.then(|| self.link(offset + ROWS)),
        }
    }

    /// The page, from another row on. What was done is told once.
    fn link(self, offset: i64) -> String {
        let (path, query) = self.here.split_once('?').unwrap_or((self.here, ""));
        let others = form_urlencoded::parse(query.as_bytes());
        let mut link = format!("{path}?");
        for (other, value) in others.filter(|(other, _)| other != self.name && other != DONE) {
            link.push_str(&format!("{}={}&", encoded(&other), encoded(&value)));
        }
        link.push_str(&format!("{}={offset}", self.name));
        link
    }
}

/// What was done before the visitor was led here, by the name that the address has for it:
/// one of these, else nothing. Its words are those of `<room>-<name>`. A link from elsewhere
/// tells of nothing done.
pub fn done(visit: &Visit, room: &str, names: &[&str]) -> Option<String> {
    let done = visit.parameter(DONE).filter(|_| visit.led_here)?;
    names.contains(&done.as_str()).then(|| format!("{room}-{done}"))
}

/// A number in decimal digits; what is none names nothing.
pub fn number(text: &str) -> Result<i64, Problem> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().ok_or(Problem::NotFound)
}

/// What is wrong with a form, at which of its fields.
#[derive(Clone, Copy, Debug)]
pub struct Wrong {
    /// The field's name.
    pub at: &'static str,
    /// The message.
    pub words: &'static str,
    /// The status to answer with.
    pub status: StatusCode,
}

impl Wrong {
    /// What cannot be taken.
    pub const fn new(at: &'static str, words: &'static str) -> Self {
        Self { at, words, status: StatusCode::BAD_REQUEST }
    }

    /// What this person may not do.
    pub const fn forbidden(at: &'static str, words: &'static str) -> Self {
        Self { at, words, status: StatusCode::FORBIDDEN }
    }

    /// As templates know it: `at` and `words`, both empty where nothing is wrong.
    pub fn told(wrong: Option<Self>) -> Value {
        let (at, words) = wrong.map_or(("", ""), |wrong| (wrong.at, wrong.words));
        context! { at, words }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_cannot_be_is_the_first() {
        for (query, offset) in [("", 0), ("?from=40", 40), ("?from=-9", 0), ("?from=x", 0), ("?from=", 0)] {
            assert_eq!(Part::at(&format!("/tokens{query}"), "from").page().offset, offset, "{query}");
        }
        let deep = Part::at("/tokens?from=9999999999999", "from");
        assert_eq!((deep.page().offset, deep.page_and_one().offset), (MOST, DEEPEST));
        assert!(deep.cut(&mut vec![(); 21]).get_attr("next").unwrap().is_none());
    }

    #[test]
    fn the_parts_beside_it_are_told_with_all_else_that_was_asked_for() {
        let part = Part::at("/staff/users?q=a%26b&from=20&done=added", "from");
        let mut rows: Vec<i64> = (0..=ROWS).collect();
        let beside = part.cut(&mut rows);
        assert_eq!(rows.len() as i64, ROWS);
        let says = |name: &str| beside.get_attr(name).unwrap().to_string();
        assert_eq!(says("previous"), "/staff/users?q=a%26b&from=0");
        assert_eq!(says("next"), "/staff/users?q=a%26b&from=40");
        assert_eq!((says("first"), says("last")), ("21".to_owned(), "40".to_owned()));
        let beside = Part::at("/staff/users", "from").cut(&mut rows);
        assert!(["previous", "next"].iter().all(|way| beside.get_attr(way).unwrap().is_none()));
        let beside = part.links(20);
        assert_eq!(beside.get_attr("previous").unwrap().to_string(), "/staff/users?q=a%26b&from=0");
    }
}
