//! Closes connections that make no progress.
//!
//! [`TimedStream`] fails when no request has completed on a connection for `STALL_TIMEOUT` and none is
//! in flight, or for the keep-alive time if the client has sent nothing since and has read the
//! response. The time for a head counts from when its first byte is read, so the server's own delays do
//! not count.
//!
//! actix has timeouts for the first head of a connection and between requests. They also end a
//! connection whose request has arrived and waits for a busy worker, and there is none for later heads,
//! for bodies that no handler reads, and for clients that do not read the responses.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use actix_web::rt::net::TcpStream;
use rustix::io::ioctl_fionread;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::failpoints;

/// How long a client may take to send the head of a request, or to go on reading a response.
const STALL_TIMEOUT: Duration = Duration::from_secs(10);

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
    /// When the last request completed, the first byte after it arrived, or the connection was
    /// accepted.
    waiting_since: Cell<Instant>,
    /// Whether nothing has arrived since.
    is_silent: Cell<bool>,
    /// Whether no request has completed.
    is_new: Cell<bool>,
    /// Whether the client does not read what is written.
    is_write_blocked: Cell<bool>,
    /// How long the connection is kept open between requests.
    keep_alive: Duration,
}

/// Counts a request as in flight until it is dropped.
#[derive(Debug)]
pub struct InFlightGuard(Rc<Activity>);

impl TimedStream {
    /// Starts the idle timeout of a new connection.
    pub fn new(stream: TcpStream, keep_alive: Duration) -> Self {
        let activity = Rc::new(Activity {
            in_flight: Cell::new(0),
            waiting_since: Cell::new(Instant::now()),
            is_silent: Cell::new(true),
            is_new: Cell::new(true),
            is_write_blocked: Cell::new(false),
            keep_alive,
        });
        Self { stream, activity, idle_timer: Box::pin(sleep(STALL_TIMEOUT)) }
    }

    /// Returns the address of the client.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.stream.peer_addr().ok()
    }

    /// Returns the handle with which the middleware reports requests.
    pub fn activity(&self) -> Rc<Activity> {
        Rc::clone(&self.activity)
    }

    /// Whether a silent client has sent something of which the runtime has not learned yet.
    fn has_unread_bytes(&self) -> bool {
        self.activity.is_silent.get() && ioctl_fionread(&self.stream).is_ok_and(|bytes| bytes > 0)
    }

    /// Returns an error when the idle timeout has expired. Called whenever the stream waits for
    /// the client.
    fn poll_idle<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        loop {
            let expires_at = self.activity.expires_at();
            if expires_at <= Instant::now() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            // The timer is rarely moved: it may be early, but not late.
            if self.idle_timer.deadline() > expires_at.into() || self.idle_timer.is_elapsed() {
                self.idle_timer.as_mut().reset(expires_at.into());
            }
            ready!(self.idle_timer.as_mut().poll(cx));
        }
    }
}

impl Activity {
    /// When the connection is closed if nothing changes.
    fn expires_at(&self) -> Instant {
        let since = if self.in_flight.get() > 0 { Instant::now() } else { self.waiting_since.get() };
        let is_idle = self.is_silent.get() && !self.is_new.get() && !self.is_write_blocked.get();
        let timeout = if is_idle { self.keep_alive } else { STALL_TIMEOUT };
        since + failpoints::timeout("connection.idle_timeout", timeout)
    }

    /// Notes that bytes have arrived.
    fn record_read(&self) {
        if self.in_flight.get() == 0 && self.is_silent.replace(false) {
            self.waiting_since.set(Instant::now());
        }
    }

    /// Counts a request as in flight.
    pub fn begin_request(self: &Rc<Self>) -> InFlightGuard {
        self.in_flight.set(self.in_flight.get() + 1);
        InFlightGuard(Rc::clone(self))
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.0.in_flight.set(self.0.in_flight.get() - 1);
        self.0.waiting_since.set(Instant::now());
        self.0.is_silent.set(true);
        self.0.is_new.set(false);
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
            Poll::Pending => match this.poll_idle(cx) {
                Poll::Ready(_) if this.has_unread_bytes() => {
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
                idle => idle,
            },
            read => {
                this.activity.record_read();
                read
            }
        }
    }
}

impl AsyncWrite for TimedStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.activity.is_write_blocked.set(written.is_pending());
        if written.is_pending() { this.poll_idle(cx) } else { written }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(cx, pieces);
        this.activity.is_write_blocked.set(written.is_pending());
        if written.is_pending() { this.poll_idle(cx) } else { written }
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
