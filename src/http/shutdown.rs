//! A server that is about to stop says so, while it still serves whoever comes:
//! `/readyz` is red, so that load balancers send nobody new, and each answer is the
//! last one on its connection, so that no client is cut off in the middle of its next
//! request.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::dev::ServerHandle;

/// How long a server serves after it was told to stop: long enough for a load
/// balancer that looks each second to have seen it.
const DRAIN_PERIOD: Duration = Duration::from_millis(2_500);

/// Whether the server is about to stop.
#[derive(Clone, Debug, Default)]
pub struct Shutdown(Arc<AtomicBool>);

impl Shutdown {
    /// Whether it has been said.
    pub fn is_draining(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Says it, and stops the server when all have had time to hear it.
    async fn drain(&self, server: &ServerHandle) {
        self.0.store(true, Ordering::Relaxed);
        tokio::time::sleep(DRAIN_PERIOD).await;
        server.stop(true).await;
    }

    /// Stops the server when the process is told to: on SIGTERM with a farewell, on
    /// Ctrl-C and SIGQUIT at once. From when this returns no signal ends the process
    /// by itself.
    #[cfg(unix)]
    pub fn stop_on_signal(self, server: ServerHandle) -> io::Result<impl Future<Output = ()>> {
        use tokio::signal::unix::{SignalKind, signal};
        let (mut interrupt, mut quit) = (signal(SignalKind::interrupt())?, signal(SignalKind::quit())?);
        let mut terminate = signal(SignalKind::terminate())?;
        Ok(async move {
            let graceful = async {
                terminate.recv().await;
                self.drain(&server).await;
            };
            tokio::select! {
                () = graceful => {}
                _ = interrupt.recv() => server.stop(false).await,
                _ = quit.recv() => server.stop(false).await,
            }
        })
    }

    /// Stops the server on Ctrl-C.
    #[cfg(not(unix))]
    pub fn stop_on_signal(self, server: ServerHandle) -> io::Result<impl Future<Output = ()>> {
        Ok(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                server.stop(false).await;
            }
        })
    }
}
