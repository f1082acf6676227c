//! Export tokens of any user.

use std::collections::HashMap;

use crate::domain::export_token::ExportTokenStatus;
use crate::domain::hub::HubId;
use crate::domain::user::{Email, UserId};
use crate::services::DbWork;
use crate::store::export_tokens::{self, ExportFilter, ListedExport};
use crate::store::users;

/// The newest export tokens and the email addresses of their creators.
pub struct NewestExportTokens {
    pub tokens: Vec<ListedExport>,
    pub creators: HashMap<UserId, Email>,
}

/// The newest export tokens, at most `limit`, perhaps of one hub.
pub fn newest(limit: i64, hub: Option<HubId>) -> impl DbWork<NewestExportTokens> {
    let filter = ExportFilter {
        creator: None,
        hub,
        statuses: ExportTokenStatus::ALL.to_vec(),
        before: None,
        limit,
        offset: 0,
    };
    move |conn| {
        let now = conn.now()?;
        let tokens = export_tokens::list(conn, &filter, now)?;
        let creators = users::emails_by_id(conn, tokens.iter().map(|listed| listed.token.creator).collect())?;
        Ok(NewestExportTokens { tokens, creators })
    }
}
