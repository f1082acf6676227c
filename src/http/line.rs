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

use crate::faults;

/// How long a connection is kept over which no request is served: its rest after one,
/// and the time that the headers of the next may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection.
pub struct Line {
    stream: TcpStream,
    pace: Rc<Pace>,
    alarm: Pin<Box<Sleep>>,
}

/// What has become of a connection's requests.
#[derive(Debug)]
pub struct Pace {
    serving: Cell<u32>,
    /// When one was served last, or else when the connection was made.
    served: Cell<Instant>,
}

/// A request that is being served, until this is dropped.
#[derive(Debug)]
pub struct Serving(Rc<Pace>);

impl Line {
    /// A connection that has just been made.
    pub fn new(stream: TcpStream) -> Self {
        let pace = Rc::new(Pace { serving: Cell::new(0), served: Cell::new(Instant::now()) });
        Self { stream, pace, alarm: Box::pin(sleep(PATIENCE)) }
    }

    /// Whom it is with.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.stream.peer_addr().ok()
    }

    /// What becomes of its requests.
    pub fn pace(&self) -> Rc<Pace> {
        Rc::clone(&self.pace)
    }

    /// Is ready, with an error, once nothing has come to its end for too long. To be
    /// polled wherever the client is waited for.
    fn poll_patience<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        loop {
            ready!(self.alarm.as_mut().poll(cx));
            let until = if self.pace.serving.get() > 0 { Instant::now() } else { self.pace.served.get() };
            let until = until + faults::patience("line.patience", PATIENCE);
            if until <= Instant::now() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.alarm.as_mut().reset(until.into());
        }
    }
}

impl Pace {
    /// A request is being served.
    pub fn serve(self: &Rc<Self>) -> Serving {
        self.serving.set(self.serving.get() + 1);
        Serving(Rc::clone(self))
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.serving.set(self.0.serving.get() - 1);
        self.0.served.set(Instant::now());
    }
}

impl AsyncRead for Line {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let line = self.get_mut();
        match Pin::new(&mut line.stream).poll_read(cx, buffer) {
            Poll::Pending => line.poll_patience(cx),
            read => read,
        }
    }
}

impl AsyncWrite for Line {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let line = self.get_mut();
        match Pin::new(&mut line.stream).poll_write(cx, bytes) {
            Poll::Pending => line.poll_patience(cx),
            written => written,
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let line = self.get_mut();
        match Pin::new(&mut line.stream).poll_write_vectored(cx, pieces) {
            Poll::Pending => line.poll_patience(cx),
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
