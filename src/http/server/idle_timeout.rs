//! Closes connections that make no progress.
//!
//! actix limits the time for the first request head of a connection, and the time between
//! requests. It does not close a connection whose second request head is never completed, one
//! whose body no handler reads, or one whose client does not read the responses. [`TimedStream`]
//! fails when no request has completed on a connection for `IDLE_TIMEOUT` and none is in flight.

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

/// How long a connection may exist without a request in flight: the time between two requests
/// plus the time to send the second one's head.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection with an idle timeout.
pub struct TimedStream {
    stream: TcpStream,
    activity: Rc<Activity>,
    idle_timer: Pin<Box<Sleep>>,
}

/// The requests of a connection.
#[derive(Debug)]
pub struct Activity {
    in_flight: Cell<u32>,
    /// When the last request completed, or the connection was accepted.
    last_completed_at: Cell<Instant>,
}

/// Counts a request as in flight until it is dropped.
#[derive(Debug)]
pub struct InFlightGuard(Rc<Activity>);

impl TimedStream {
    /// Starts the idle timeout of a new connection.
    pub fn new(stream: TcpStream) -> Self {
        let activity =
            Rc::new(Activity { in_flight: Cell::new(0), last_completed_at: Cell::new(Instant::now()) });
        Self { stream, activity, idle_timer: Box::pin(sleep(IDLE_TIMEOUT)) }
    }

    /// Returns the address of the client.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.stream.peer_addr().ok()
    }

    /// Returns the handle with which the middleware reports requests.
    pub fn activity(&self) -> Rc<Activity> {
        Rc::clone(&self.activity)
    }

    /// Returns an error when the idle timeout has expired. Called whenever the stream waits for
    /// the client.
    fn poll_idle<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        loop {
            ready!(self.idle_timer.as_mut().poll(cx));
            let expires_at = if self.activity.in_flight.get() > 0 {
                Instant::now()
            } else {
                self.activity.last_completed_at.get()
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
    /// Counts a request as in flight.
    pub fn begin_request(self: &Rc<Self>) -> InFlightGuard {
        self.in_flight.set(self.in_flight.get() + 1);
        InFlightGuard(Rc::clone(self))
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.0.in_flight.set(self.0.in_flight.get() - 1);
        self.0.last_completed_at.set(Instant::now());
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
