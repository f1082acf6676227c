//! Pages of lists.

/// One page of a list, and the length of the list.
#[derive(Clone, Debug)]
pub struct Paginated<T> {
    pub rows: Vec<T>,
    /// The number of rows in all pages.
    pub total: i64,
}

/// Which page of a list to read.
#[derive(Clone, Copy, Debug)]
pub struct LimitOffset {
    pub limit: i64,
    pub offset: i64,
}

impl LimitOffset {
    /// The rows of the page, out of those of the whole list.
    pub fn take<T>(self, rows: impl IntoIterator<Item = T>) -> Vec<T> {
        let to_usize = |number| usize::try_from(number).unwrap_or(usize::MAX);
        rows.into_iter().skip(to_usize(self.offset)).take(to_usize(self.limit)).collect()
    }
}

/// Conditions on the terms of requests or permissions, all of which must hold. `None` does not
/// restrict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TermsFilter {
    pub bundles: Option<Vec<i64>>,
    pub grantees: Option<Vec<i64>>,
    pub targets: Option<Vec<i64>>,
}
