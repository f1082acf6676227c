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

/// Conditions on the terms of requests or permissions, all of which must hold. `None` does not
/// restrict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TermsFilter {
    pub bundles: Option<Vec<i64>>,
    pub grantees: Option<Vec<i64>>,
    pub targets: Option<Vec<i64>>,
}
