//! Case-insensitive search in texts, with `lower` and LIKE.

use diesel::prelude::*;
use diesel::sql_types::Text;

diesel::define_sql_function! {
    /// The text in lower case.
    fn lower(text: Text) -> Text;
}

/// Replaces SQLite's `lower`, which knows only ASCII, by one that works like PostgreSQL's.
pub(super) fn register_lower(conn: &mut SqliteConnection) -> QueryResult<()> {
    lower_utils::register_impl(conn, |text: String| text.to_lowercase())
}

/// The LIKE pattern that matches exactly this text.
pub(super) fn escape_like(text: &str) -> String {
    text.chars().flat_map(|c| matches!(c, '%' | '_' | '\\').then_some('\\').into_iter().chain([c])).collect()
}
