//! Guards: a write that affects an unexpected number of rows rolls the batch back.

use diesel::QueryResult;
use diesel::result::Error;

/// Fails unless a guarded write affected exactly the rows that were decided on.
pub(super) fn expect_rows(affected: usize, expected: usize) -> QueryResult<()> {
    if affected == expected {
        Ok(())
    } else {
        Err(invariant_violation("unexpected row count in a guarded write"))
    }
}

/// Logs a violated invariant and returns the error that rolls the batch back.
pub(super) fn invariant_violation(what: &'static str) -> Error {
    tracing::error!(what, "batch rolled back");
    Error::QueryBuilderError(what.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expect_rows_requires_the_exact_row_count() {
        assert!(expect_rows(0, 0).is_ok() && expect_rows(2, 2).is_ok());
        for (affected, expected) in [(1, 2), (0, 1), (3, 2)] {
            assert!(expect_rows(affected, expected).is_err(), "{affected} of {expected}");
        }
    }
}
