//! Graceful shutdown. Before the server stops it drains: it still handles requests, but
//! `/readyz` returns 503, so that load balancers send no new clients, and each response closes
//! its connection, so that no client loses its next request.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::dev::ServerHandle;

use super::listener::Listener;

/// How long the server drains: long enough for a load balancer that probes `/readyz` every
/// second or two.
const DRAIN_PERIOD: Duration = Duration::from_millis(2_500);

/// Whether the server is draining. Clones share the state.
#[derive(Clone, Debug, Default)]
pub struct Shutdown(Arc<AtomicBool>);

impl Shutdown {
    /// Whether the server is draining.
    pub fn is_draining(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Drains and then stops the server.
    async fn drain(&self, server: &ServerHandle, listener: &Listener) {
        self.0.store(true, Ordering::Relaxed);
        tokio::time::sleep(DRAIN_PERIOD).await;
        listener.stop(server).await;
        server.stop(true).await;
    }

    /// Stops the server on a signal: on SIGTERM after draining, on SIGINT and SIGQUIT at once.
    /// Signals that other programs use to reload or to reopen files have no effect.
    /// When this returns, the signal handlers are installed.
    #[cfg(unix)]
    pub fn stop_on_signal(
        self,
        server: ServerHandle,
        listener: Listener,
    ) -> io::Result<impl Future<Output = ()>> {
        use tokio::signal::unix::{SignalKind, signal};
        let (mut interrupt, mut quit) = (signal(SignalKind::interrupt())?, signal(SignalKind::quit())?);
        let mut terminate = signal(SignalKind::terminate())?;
        // A handler stays installed until the process ends; the default ends the process.
        for ignored in [
            SignalKind::hangup(),
            SignalKind::user_defined1(),
            SignalKind::user_defined2(),
            SignalKind::alarm(),
        ] {
            drop(signal(ignored)?);
        }
        Ok(async move {
            let graceful = async {
                terminate.recv().await;
                self.drain(&server, &listener).await;
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
    pub fn stop_on_signal(self, server: ServerHandle, _: Listener) -> io::Result<impl Future<Output = ()>> {
        Ok(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                server.stop(false).await;
            }
        })
    }
}
