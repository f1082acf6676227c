//! The state of the server at a glance.

use crate::domain::timestamp::Timestamp;
use crate::services::DbWork;
use crate::store::capped_counts::{self, CappedCounts};
use crate::store::daily_stats::{self, DailyStats};
use crate::store::outbox;

/// The numbers of the staff overview.
pub struct Overview {
    pub counts: CappedCounts,
    /// When the oldest mail was queued that is still to be sent.
    pub oldest_pending_mail: Option<Timestamp>,
    pub daily_stats: DailyStats,
}

/// Reads the overview. The statistics cover `days` days; a day is sampled if they have more
/// than `max_requests` requests.
pub fn load(days: i64, max_requests: i64) -> impl DbWork<Overview> {
    move |conn| {
        let now = conn.now()?;
        Ok(Overview {
            counts: capped_counts::load(conn)?,
            oldest_pending_mail: outbox::oldest_pending(conn, now)?,
            daily_stats: daily_stats::load(conn, days, max_requests, now)?,
        })
    }
}
