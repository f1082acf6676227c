//! The listening socket: the server's own, or one from systemd's socket activation.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use listenfd::ListenFd;

/// Connections that wait to be accepted. The 128 that std sets are too few for bursts: a client that
/// is not queued retries after a second. The kernel has its own limit, usually 4,096.
const BACKLOG: i32 = 4_096;
/// How long the server takes to stop accepting connections.
const PAUSE_LATENCY: Duration = Duration::from_millis(1);
/// How long a connection that was just accepted has to send its first request before the server
/// stops. actix closes a connection that has not.
const FIRST_REQUEST_TIME: Duration = Duration::from_millis(500);

/// A listening socket.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    /// Whether the socket stays open after this process, for the next one.
    is_inherited: bool,
}

impl Listener {
    /// Takes the socket that systemd passes on (`LISTEN_FDS`). Without one, listens on an address.
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        let inherited = ListenFd::from_env().take_tcp_listener(0)?;
        let is_inherited = inherited.is_some();
        let socket = inherited.map_or_else(|| TcpListener::bind(address), Ok)?;
        rustix::net::listen(&socket, BACKLOG)?;
        Ok(Self { socket, is_inherited })
    }

    /// The address that the socket is bound to.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// The socket, for a server.
    pub fn socket(&self) -> io::Result<TcpListener> {
        self.socket.try_clone()
    }

    /// Stops accepting connections, and gives those that were accepted the time to send a request.
    /// A new connection is refused, so that its client tries another server; on an inherited
    /// socket it waits for the next process.
    pub async fn stop(&self, server: &ServerHandle) {
        server.pause().await;
        tokio::time::sleep(PAUSE_LATENCY).await;
        if !self.is_inherited {
            // Where the system cannot do this, the connection waits until the process ends.
            let _ = rustix::net::shutdown(&self.socket, rustix::net::Shutdown::Read);
        }
        tokio::time::sleep(FIRST_REQUEST_TIME).await;
    }
}

impl From<TcpListener> for Listener {
    fn from(socket: TcpListener) -> Self {
        Self { socket, is_inherited: false }
    }
}
