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
