//! The errors of a file: the first invalid lines, and the number of all.

use std::fmt;

use serde::Serialize;

use crate::domain::user::Email;
use crate::store::import::Unresolved;

/// Invalid lines that are reported in detail.
pub const MAX_REPORTED: usize = 20;

/// An invalid line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LineError {
    /// The header is line 1.
    pub line: u64,
    pub error: String,
}

/// The invalid lines of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportErrors {
    first: Vec<LineError>,
    count: u64,
}

impl ImportErrors {
    /// Adds an error. Errors come in the order of the lines.
    pub fn add(&mut self, error: LineError) {
        self.count += 1;
        if self.first.len() < MAX_REPORTED {
            self.first.push(error);
        }
    }

    /// Adds the errors of another check of the same file: the first ones, and the number of all.
    pub fn merge(&mut self, first: impl IntoIterator<Item = LineError>, count: u64) {
        self.count += count;
        self.first.extend(first);
        self.first.sort_by_key(|error| error.line);
        self.first.truncate(MAX_REPORTED);
    }

    /// Whether all lines are valid.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The first invalid lines.
    pub fn lines(&self) -> &[LineError] {
        &self.first
    }

    /// The number of invalid lines beyond [`Self::lines`].
    pub fn unreported(&self) -> u64 {
        self.count.saturating_sub(self.first.len() as u64)
    }
}

impl fmt::Display for ImportErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = if self.count == 1 { "line" } else { "lines" };
        write!(
            f,
            "the file has {} invalid {lines}, so nothing was imported; correct the file and import it again",
            self.count
        )
    }
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.error)
    }
}

impl From<Unresolved> for LineError {
    fn from(unresolved: Unresolved) -> Self {
        let not_found = |(column, email): (&str, Email)| {
            format!("{column}: no active user has the email {}", email.as_str())
        };
        let target = unresolved.target.map(|email| ("user_target", email));
        let grantee = unresolved.grantee.map(|email| ("user_allowed", email));
        let errors: Vec<String> = target.into_iter().chain(grantee).map(not_found).collect();
        Self { line: unresolved.line, error: errors.join("; ") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_errors_are_listed_and_the_rest_counted() {
        let bad = |line| LineError { line, error: "bad".to_owned() };
        let mut report = ImportErrors::default();
        assert!(report.is_empty());
        (1..=30).map(|line| bad(2 * line)).for_each(|line| report.add(line));
        report.merge((1..=20).map(|line| bad(2 * line + 1)), 25);
        let lines: Vec<u64> = report.lines().iter().map(|bad| bad.line).collect();
        assert_eq!(lines, (2..22).collect::<Vec<_>>());
        assert_eq!(report.unreported(), 35);
    }
}
