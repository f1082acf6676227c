//! The stream to a syslog server: RFC 5424 messages over TLS, framed by their length (RFC 5425).
//!
//! A syslog server confirms nothing. What was written just before a connection is lost may not have arrived, so it is
//! written again to the next one.

use std::collections::VecDeque;
use std::fmt::Write;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::Host;

use super::line::Line;
use crate::tls;

/// The time for a connection, with its handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The time for the lines of a step.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection is lost if the other machine does not confirm to have received bytes for so long.
const ACK_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection has to stay open after a write until the bytes are known to have been received. More than
/// [`ACK_TIMEOUT`].
const RECEIVED_AFTER: Duration = Duration::from_secs(15);
/// Facility 13 (log audit), severity 5 (notice).
const PRIORITY: u8 = 13 * 8 + 5;
const MAX_MESSAGE_ID_CHARS: usize = 32;

/// A syslog server.
pub(super) struct Syslog {
    host: Host,
    port: u16,
    tls: TlsConnector,
    /// This machine, the program and the process, as each message names them.
    origin: String,
    connection: Option<TlsStream<TcpStream>>,
    /// What may not have been received.
    recent: VecDeque<(Instant, Vec<u8>)>,
}

impl Syslog {
    pub(super) fn new(host: Host, port: u16, tls: TlsConnector) -> Self {
        let name = rustix::system::uname();
        let name = name.nodename().to_str().ok().and_then(|name| printable(name, 255));
        let origin = format!("{} countersign {}", name.as_deref().unwrap_or("-"), std::process::id());
        Self { host, port, tls, origin, connection: None, recent: VecDeque::new() }
    }

    /// Returns when the lines are written to the connection. Without lines, it writes those again that a lost
    /// connection may have lost.
    pub(super) async fn write(&mut self, lines: &[Line]) -> io::Result<()> {
        let mut connection = match self.open_connection().await {
            Some(connection) => connection,
            None if lines.is_empty() && self.recent.is_empty() => return Ok(()),
            None => self.reconnect().await?,
        };
        let bytes: Vec<u8> = lines.iter().flat_map(|line| frame(line, &self.origin).into_bytes()).collect();
        if !bytes.is_empty() {
            in_time(WRITE_TIMEOUT, write_all(&mut connection, &bytes)).await?;
            if !is_open(&mut connection).await {
                return Err(io::Error::other("the syslog server closed the connection"));
            }
            self.recent.push_back((Instant::now(), bytes));
        }
        // After an error, the connection is dropped: it may have a part of a message.
        self.connection = Some(connection);
        Ok(())
    }

    /// The connection, if it is still open.
    async fn open_connection(&mut self) -> Option<TlsStream<TcpStream>> {
        let mut connection = self.connection.take()?;
        if !is_open(&mut connection).await {
            return None;
        }
        let received = |(at, _): &mut (Instant, Vec<u8>)| at.elapsed() >= RECEIVED_AFTER;
        while self.recent.pop_front_if(received).is_some() {}
        Some(connection)
    }

    /// A new connection, which gets what the last one may have lost.
    async fn reconnect(&mut self) -> io::Result<TlsStream<TcpStream>> {
        let mut connection = in_time(CONNECT_TIMEOUT, self.connect()).await?;
        let again: Vec<u8> = self.recent.iter().flat_map(|(_, bytes)| bytes).copied().collect();
        in_time(WRITE_TIMEOUT, write_all(&mut connection, &again)).await?;
        let now = Instant::now();
        self.recent.iter_mut().for_each(|(at, _)| *at = now);
        Ok(connection)
    }

    async fn connect(&self) -> io::Result<TlsStream<TcpStream>> {
        let addresses: Vec<SocketAddr> = match &self.host {
            Host::Domain(name) => lookup_host((name.as_str(), self.port)).await?.collect(),
            Host::Ipv4(address) => vec![SocketAddr::new(IpAddr::from(*address), self.port)],
            Host::Ipv6(address) => vec![SocketAddr::new(IpAddr::from(*address), self.port)],
        };
        let stream = TcpStream::connect(&*addresses).await?;
        let millis = u32::try_from(ACK_TIMEOUT.as_millis()).unwrap_or(u32::MAX);
        rustix::net::sockopt::set_tcp_user_timeout(&stream, millis)?;
        let name = tls::server_name(&self.host).ok_or(io::ErrorKind::InvalidInput)?;
        self.tls.connect(name, stream).await
    }
}

async fn in_time<T>(limit: Duration, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(limit, work).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

async fn write_all(connection: &mut TlsStream<TcpStream>, bytes: &[u8]) -> io::Result<()> {
    connection.write_all(bytes).await?;
    connection.flush().await
}

/// Whether the other side has not closed the connection. A syslog server sends nothing.
async fn is_open(connection: &mut TlsStream<TcpStream>) -> bool {
    // Lets the runtime see what has arrived.
    tokio::task::yield_now().await;
    !matches!(connection.read(&mut [0; 64]).now_or_never(), Some(Ok(0) | Err(_)))
}

/// A message, after its length. The line is plain JSON without a byte order mark, which RFC 5424 allows.
fn frame(line: &Line, origin: &str) -> String {
    let id = printable(&line.topic, MAX_MESSAGE_ID_CHARS);
    let mut message = format!("<{PRIORITY}>1 {} {origin} ", line.at.format("%Y-%m-%dT%H:%M:%S%.6fZ"));
    // Writing to a text does not fail.
    let _ = write!(message, "{} - {}", id.as_deref().unwrap_or("-"), line.json);
    format!("{} {message}", message.len())
}

/// A part of a header: visible ASCII characters. `None` if the text has none.
fn printable(text: &str, max: usize) -> Option<String> {
    let text: String = text.chars().filter(char::is_ascii_graphic).take(max).collect();
    Some(text).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::timestamp::Timestamp;

    #[test]
    fn a_message_has_the_form_of_rfc_5424_and_the_length_of_its_bytes() {
        let at = Timestamp::from_micros(1_893_456_000_000_042);
        let line = |topic: &str, json: &str| Line { at, topic: topic.to_owned(), json: json.to_owned() };
        assert_eq!(
            frame(&line("request.approved", r#"{"client":"ä"}"#), "host countersign 7"),
            "88 <109>1 2030-01-01T00:00:00.000042Z host countersign 7 request.approved - {\"client\":\"ä\"}"
        );
        let odd = frame(&line(" a name\nof a later version, which is longer", "{}"), "- countersign 7");
        assert!(odd.ends_with(" anameofalaterversion,whichislong - {}"), "{odd}");
        assert!(frame(&line("ä", "{}"), "- countersign 7").ends_with(" 7 - - {}"));
    }
}
