//! Export tokens of any user.

use crate::domain::hub::HubId;
use crate::services::DbWork;
use crate::services::export_tokens::{TokensWithCreators, list_with_creators};
use crate::store::LimitOffset;
use crate::store::export_tokens::ExportFilter;

/// The newest export tokens, at most `limit`, perhaps of one hub.
pub fn newest(limit: i64, hub: Option<HubId>) -> impl DbWork<TokensWithCreators> {
    let filter = ExportFilter { hub, ..ExportFilter::all(LimitOffset { limit, offset: 0 }) };
    move |conn| list_with_creators(conn, &filter)
}
