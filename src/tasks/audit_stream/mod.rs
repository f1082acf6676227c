//! Writes the audit log to a destination outside, as it grows.
//!
//! A thread of its own does all of it: a destination that blocks delays nothing else.

mod file;
mod line;
mod syslog;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use tokio::runtime::Builder;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use crate::config::{AuditStreamSettings, StreamTarget};
use crate::entropy;
use crate::store::audit_log::stream::{self, Step, StreamPlace};
use crate::store::{Store, StoreError};
use crate::tls::{self, TlsError};
use file::{LogFile, Stdout};
use line::{Line, lines};
use syslog::Syslog;

/// Entries that one step writes.
const STEP_SIZE: i64 = 1_000;
const INTERVAL: Duration = Duration::from_secs(1);
/// The longest pause after a failure; the first one is [`INTERVAL`].
const MAX_PAUSE: Duration = Duration::from_secs(60);
/// How long a shutdown waits for the lines that are being written.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// Why the stream was not started.
#[derive(Debug, thiserror::Error)]
pub enum AuditStreamError {
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("audit.stream: cannot start: {0}")]
    Start(#[from] io::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Counts of this process, for `/metrics`.
#[derive(Clone, Debug, Default)]
pub struct AuditStreamCounts {
    pub lines: Counter,
    pub failures: Counter,
}

/// A handle to the stream.
#[derive(Debug)]
pub struct AuditStream {
    counts: AuditStreamCounts,
    /// `None` if the stream is off.
    stop: Option<Arc<Stop>>,
}

#[derive(Debug, Default)]
struct Stop {
    requested: Notify,
    done: Notify,
}

impl AuditStream {
    /// Starts the stream. Without settings, it removes the place of an earlier one. `api` is the path of the API with
    /// the base path, such as `/api/`.
    pub fn start(
        store: Store,
        settings: Option<&AuditStreamSettings>,
        api: String,
    ) -> Result<Self, AuditStreamError> {
        let counts = AuditStreamCounts::default();
        let Some(AuditStreamSettings { to, ca }) = settings else {
            store.write_in_background(stream::remove)?;
            return Ok(Self { counts, stop: None });
        };
        let destination = match to {
            StreamTarget::Stdout => Destination::Stdout(Stdout::new()?),
            StreamTarget::File(path) => Destination::File(LogFile::new(path)),
            StreamTarget::Syslog { host, port } => {
                let tls = tls::connector(ca.as_deref(), "audit.stream.ca", &[])?;
                Destination::Syslog(Box::new(Syslog::new(host.clone(), *port, tls)))
            }
        };
        let writer = Writer {
            store,
            destination,
            api,
            counts: counts.clone(),
            server: entropy::uuid(),
            place: None,
            unfinished: None,
            failures: 0,
        };
        let stop = Arc::new(Stop::default());
        let (runtime, stopping) = (Builder::new_current_thread().enable_all().build()?, Arc::clone(&stop));
        let thread = std::thread::Builder::new().name("audit-stream".to_owned());
        thread.spawn(move || runtime.block_on(writer.run(&stopping)))?;
        Ok(Self { counts, stop: Some(stop) })
    }

    /// The counts of this process.
    pub fn counts(&self) -> AuditStreamCounts {
        self.counts.clone()
    }

    /// Stops after the lines that are being written, and lets another server have the stream. A destination that
    /// blocks does not delay the shutdown: other servers can write these lines again after some seconds.
    pub async fn stop(&self) {
        if let Some(stop) = &self.stop {
            stop.requested.notify_one();
            drop(timeout(STOP_TIMEOUT, stop.done.notified()).await);
        }
    }
}

enum Destination {
    Stdout(Stdout),
    File(LogFile),
    Syslog(Box<Syslog>),
}

impl Destination {
    /// Returns when the destination has the lines, as far as it says so. After an error, it may have a part of them.
    async fn write(&mut self, lines: &[Line]) -> io::Result<()> {
        match self {
            Self::Syslog(server) => server.write(lines).await,
            Self::Stdout(_) | Self::File(_) if lines.is_empty() => Ok(()),
            Self::Stdout(stdout) => stdout.write(lines),
            Self::File(file) => file.write(lines),
        }
    }
}

struct Writer {
    store: Store,
    destination: Destination,
    api: String,
    counts: AuditStreamCounts,
    /// The name of this process among the servers.
    server: Uuid,
    /// The place of the stream when it was last read.
    place: Option<StreamPlace>,
    /// A step whose lines are written, and whose end the database has not recorded.
    unfinished: Option<Step>,
    /// Attempts that have failed since the last one that has not.
    failures: u32,
}

impl Writer {
    async fn run(mut self, stop: &Stop) {
        loop {
            let pause = match self.step().await {
                Ok(true) => Duration::ZERO,
                Ok(false) => INTERVAL,
                Err(error) => self.on_failure(&error),
            };
            tokio::select! {
                biased;
                () = stop.requested.notified() => break,
                () = sleep(pause) => {}
            }
        }
        self.release();
        stop.done.notify_one();
    }

    /// Writes the next lines. Returns whether there may be more. An error is the destination's; one of the database is
    /// left to the next step.
    async fn step(&mut self) -> io::Result<bool> {
        let step = match self.unfinished.take() {
            Some(step) => step,
            None => {
                let Some(step) = self.claim() else {
                    self.destination.write(&[]).await?;
                    return Ok(false);
                };
                let lines = lines(&step, &self.api)?;
                self.destination.write(&lines).await?;
                self.on_success(lines.len());
                step
            }
        };
        let (server, written) = (self.server, step.clone());
        // If the stream is another server's now, it writes these lines again.
        let finished = self.store.write_in_background(move |conn| stream::finish(conn, server, &written));
        if finished.is_err() {
            self.unfinished = Some(step);
        }
        Ok(finished.is_ok())
    }

    fn claim(&mut self) -> Option<Step> {
        let (server, known) = (self.server, self.place);
        let claimed =
            self.store.write_in_background(move |conn| stream::claim(conn, server, known, STEP_SIZE));
        let (place, step) = claimed.ok()?;
        self.place = Some(place);
        step
    }

    fn release(&self) {
        let server = self.server;
        // It ends on its own after some seconds.
        drop(self.store.write_in_background(move |conn| stream::release(conn, server)));
    }

    fn on_success(&mut self, lines: usize) {
        self.counts.lines.inc_by(u64::try_from(lines).unwrap_or_default());
        if self.failures > 0 {
            tracing::info!(failures = self.failures, "audit stream works again");
            self.failures = 0;
        }
    }

    /// Returns the pause before the next attempt.
    fn on_failure(&mut self, error: &io::Error) -> Duration {
        self.counts.failures.inc();
        if self.failures == 0 {
            tracing::error!(%error, "audit stream cannot write; entries wait, and are written when it works again");
        }
        // Another server may be able to.
        self.release();
        let pause = INTERVAL * 2_u32.saturating_pow(self.failures);
        self.failures = self.failures.saturating_add(1);
        pause.min(MAX_PAUSE)
    }
}
