//! A client's connection, which is closed when nothing on it comes to an end.
//!
//! actix bounds the time that the first request of a connection may take to come, and
//! how long one is kept without another. What it leaves open for ever is a connection
//! whose second request never comes to its end, one whose body nobody wants to read,
//! and one whose answers nobody reads. So each connection has this beside it: it ends
//! when no request has been served over it for a while, and none is being served.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use actix_web::rt::net::TcpStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::failpoints;

/// How long a connection is kept over which no request is served: its rest after one,
/// and the time that the headers of the next may take.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection.
pub struct TimedStream {
    stream: TcpStream,
    activity: Rc<Activity>,
    idle_timer: Pin<Box<Sleep>>,
}

/// What has become of a connection's requests.
#[derive(Debug)]
pub struct Activity {
    in_flight: Cell<u32>,
    /// When one was served last, or else when the connection was made.
    last_served_at: Cell<Instant>,
}

/// A request that is being served, until this is dropped.
#[derive(Debug)]
pub struct InFlightGuard(Rc<Activity>);

impl TimedStream {
    /// A connection that has just been made.
    pub fn new(stream: TcpStream) -> Self {
        let activity =
            Rc::new(Activity { in_flight: Cell::new(0), last_served_at: Cell::new(Instant::now()) });
        Self { stream, activity, idle_timer: Box::pin(sleep(IDLE_TIMEOUT)) }
    }

    /// Whom it is with.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.stream.peer_addr().ok()
    }

    /// What becomes of its requests.
    pub fn activity(&self) -> Rc<Activity> {
        Rc::clone(&self.activity)
    }

    /// Is ready, with an error, once nothing has come to its end for too long. To be
    /// polled wherever the client is waited for.
    fn poll_idle<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        loop {
            ready!(self.idle_timer.as_mut().poll(cx));
            let expires_at = if self.activity.in_flight.get() > 0 {
                Instant::now()
            } else {
                self.activity.last_served_at.get()
            };
            let expires_at = expires_at + failpoints::timeout("connection.idle_timeout", IDLE_TIMEOUT);
            if expires_at <= Instant::now() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.idle_timer.as_mut().reset(expires_at.into());
        }
    }
}

impl Activity {
    /// A request is being served.
    pub fn begin_request(self: &Rc<Self>) -> InFlightGuard {
        self.in_flight.set(self.in_flight.get() + 1);
        InFlightGuard(Rc::clone(self))
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.0.in_flight.set(self.0.in_flight.get() - 1);
        self.0.last_served_at.set(Instant::now());
    }
}

impl AsyncRead for TimedStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match Pin::new(&mut this.stream).poll_read(cx, buffer) {
            Poll::Pending => this.poll_idle(cx),
            read => read,
        }
    }
}

impl AsyncWrite for TimedStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        match Pin::new(&mut this.stream).poll_write(cx, bytes) {
            Poll::Pending => this.poll_idle(cx),
            written => written,
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        match Pin::new(&mut this.stream).poll_write_vectored(cx, pieces) {
            Poll::Pending => this.poll_idle(cx),
            written => written,
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
