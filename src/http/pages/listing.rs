//! What pages with lists share: which part of a list is looked at, and what is told of
//! what was done.

use actix_web::http::StatusCode;
use minijinja::{Value, context};

use super::error::encoded;
use super::visit::Visit;
use crate::http::problem::Problem;
use crate::store::Page;

/// Rows on a page.
const ROWS: i64 = 20;
/// The most rows that are passed over.
const MOST: i64 = 1_000_000_000;
/// The parameter that names what was done.
const DONE: &str = "done";

/// A part of a list, by the rows that its parameter passes over.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    name: &'static str,
    offset: i64,
}

impl Part {
    /// The part that the visitor looks at: the first one, unless they say otherwise.
    pub fn of(visit: &Visit, name: &'static str) -> Self {
        let offset = visit.parameter(name).and_then(|offset| number(&offset).ok());
        Self { name, offset: offset.unwrap_or_default().min(MOST) }
    }

    /// What to read.
    pub const fn page(self) -> Page {
        Page { limit: ROWS, offset: self.offset }
    }

    /// Where the part lies in a list of so many rows (`first`, `last`, `total`), and the
    /// ways to the ones beside it (`previous`, `next`), as far as there are any.
    pub fn links(self, visit: &Visit, total: i64) -> Value {
        let Self { name, offset } = self;
        let end = offset.saturating_add(ROWS);
        // Who is beyond the end is led back to what there is.
        let before = (offset - ROWS).min((total - 1).max(0) / ROWS * ROWS).max(0);
        context! {
            first => (offset + 1).min(total),
            last => end.min(total),
            total,
            previous => (offset > 0).then(|| link(visit, name, before)),
            next => (end < total).then(|| link(visit, name, end)),
        }
    }
}

/// The visitor's page, from another row on. What was done is told once.
fn link(visit: &Visit, name: &str, offset: i64) -> String {
    let (path, query) = visit.here.split_once('?').unwrap_or((&visit.here, ""));
    let others = form_urlencoded::parse(query.as_bytes());
    let mut link = format!("{path}?");
    for (other, value) in others.filter(|(other, _)| other != name && other != DONE) {
        link.push_str(&format!("{}={}&", encoded(&other), encoded(&value)));
    }
    link.push_str(&format!("{name}={offset}"));
    link
}

/// What was done before the visitor was led here: one of these messages, `done-…`.
pub fn done(visit: &Visit, messages: &'static [&'static str]) -> Option<&'static str> {
    let done = visit.parameter(DONE)?;
    messages.iter().copied().find(|message| message.strip_prefix("done-") == Some(done.as_str()))
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
