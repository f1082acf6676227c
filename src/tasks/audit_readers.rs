//! Reads the audit log as it grows, for mails about decisions, for webhooks and for seals. They share each read.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::time::sleep;

use crate::domain::token::Keyring;
use crate::store::audit_log::{self, AuditReader, Pace, Page};
use crate::store::decision_mails::{self, Decisions};
use crate::store::seals::{self, SealError};
use crate::store::signing_keys::SealedUnderOtherSecret;
use crate::store::{Store, threads, webhook_deliveries};

const INTERVAL: Duration = Duration::from_secs(1);
/// Few entries are sealed after this time, many as soon as they are read.
const SEAL_INTERVAL: Duration = Duration::from_secs(10);
/// This many entries since the last time are a busy server: they are read less often, and each time sealed.
const MANY: usize = 1_000;
const BUSY_INTERVAL: Duration = Duration::from_secs(2);

/// The readers of this process.
pub struct AuditReaders {
    pub store: Store,
    pub keyring: Arc<Keyring>,
    /// Notified of new deliveries.
    pub deliveries: Arc<Notify>,
}

impl AuditReaders {
    /// Runs until the process stops.
    pub async fn run(self) {
        let readers = Arc::new(self);
        let (mut is_busy, mut has_key, mut sealed_at) = (false, true, Instant::now());
        loop {
            let seals_too = is_busy || sealed_at.elapsed() >= SEAL_INTERVAL;
            let reading = Arc::clone(&readers);
            let read = threads::spawn(move || reading.read(seals_too)).await;
            // Any other failure is left to the next run; `/readyz` and `/metrics` report how long that takes.
            let is_other_key = matches!(read, Ok(Err(SealError::Key(_))));
            if is_other_key && has_key {
                tracing::error!("the audit log is not sealed: {SealedUnderOtherSecret}");
            }
            if seals_too {
                (sealed_at, has_key) = (Instant::now(), !is_other_key);
            }
            is_busy = matches!(read, Ok(Ok(MANY..)));
            sleep(if is_busy { BUSY_INTERVAL } else { INTERVAL }).await;
        }
    }

    /// Lets the readers take all entries that they can take now. Returns the number of entries.
    fn read(&self, seals_too: bool) -> Result<usize, SealError> {
        let store = &self.store;
        let mut decisions = Decisions::default();
        let schedule = |decisions: &mut Decisions| {
            let decisions = std::mem::take(decisions);
            store.write_in_background(|conn| decision_mails::schedule(conn, &decisions))
        };
        let mut mails = |page: &Page| {
            decisions.add(page);
            Ok(!decisions.is_full() || schedule(&mut decisions)?)
        };
        let mut webhooks = |page: &Page| {
            let queued = store.write_in_background(|conn| webhook_deliveries::fan_out(conn, page))?;
            if queued.is_some_and(|queued| queued > 0) {
                self.deliveries.notify_one();
            }
            Ok(queued.is_some())
        };
        let mut seals = |page: &Page| seals::seal_page(store, &self.keyring, page);
        let mut readers: Vec<(AuditReader, &mut audit_log::HandlePage<'_, SealError>)> =
            vec![(AuditReader::DecisionMails, &mut mails), (AuditReader::Webhooks, &mut webhooks)];
        if seals_too {
            readers.push((AuditReader::Seals, &mut seals));
        }
        let read = audit_log::read_all(store, Pace::Gentle, &mut readers);
        schedule(&mut decisions)?;
        read
    }
}
