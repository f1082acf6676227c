//! An HTTP client that reports whether the request was sent, and whether the complete response
//! arrived.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use crate::replica::Replica;

/// The timeout of a response. The server promises two seconds.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(6);
const MAX_RESPONSE_BYTES: usize = 64 * 1024;

/// The result of sending a request.
#[derive(Debug)]
pub enum SendResult {
    /// The complete response.
    Received(HttpResponse),
    /// The connection was refused: nothing was sent.
    NotSent,
    /// The request was sent, at least in part, and no complete response arrived.
    NoResponse,
}

#[derive(Debug)]
pub struct HttpResponse {
    pub status: u16,
    pub body: String,
    /// Whether the response announces that the server closes the connection.
    closes_connection: bool,
}

/// A client with a persistent connection to each replica.
pub struct HttpClient<'a> {
    replicas: &'a [Replica],
    connections: Vec<Option<Connection>>,
}

struct Connection {
    stream: TcpStream,
    port: u16,
}

impl<'a> HttpClient<'a> {
    pub fn new(replicas: &'a [Replica]) -> Self {
        Self { replicas, connections: replicas.iter().map(|_| None).collect() }
    }

    /// Sends a request to a replica. With `disconnect_after`, closes the connection that long
    /// after sending it, without reading the response.
    pub fn send(&mut self, replica: usize, request: &[u8], disconnect_after: Option<Duration>) -> SendResult {
        let port = self.replicas[replica].port();
        let kept = self.connections[replica].take();
        let kept = kept.filter(|connection| connection.port == port && connection.is_open());
        let Some(mut connection) = kept.or_else(|| Connection::open(port)) else {
            return SendResult::NotSent;
        };
        if connection.stream.write_all(request).is_err() {
            // A part of the request may have arrived.
            return SendResult::NoResponse;
        }
        if let Some(soon) = disconnect_after {
            std::thread::sleep(soon);
            return SendResult::NoResponse;
        }
        match connection.receive() {
            Ok(response) => {
                if !response.closes_connection {
                    self.connections[replica] = Some(connection);
                }
                SendResult::Received(response)
            }
            Err(_) => SendResult::NoResponse,
        }
    }
}

impl Connection {
    fn open(port: u16) -> Option<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
        // The kernel may choose the destination port as the source port, which connects the socket
        // to itself.
        if stream.local_addr().ok()? == stream.peer_addr().ok()? {
            return None;
        }
        stream.set_read_timeout(Some(RESPONSE_TIMEOUT)).ok()?;
        stream.set_nodelay(true).ok()?;
        Some(Self { stream, port })
    }

    /// Whether the server has not closed the idle connection. Connection pools check the same
    /// before they send.
    fn is_open(&self) -> bool {
        let look = || {
            self.stream.set_nonblocking(true)?;
            let looked = self.stream.peek(&mut [0]);
            self.stream.set_nonblocking(false)?;
            looked
        };
        look().is_err_and(|error: io::Error| error.kind() == io::ErrorKind::WouldBlock)
    }

    fn receive(&mut self) -> io::Result<HttpResponse> {
        let (mut buffer, mut filled) = (vec![0; 4 * 1024], 0);
        loop {
            if let Some(response) = parse(&buffer[..filled])? {
                return Ok(response);
            }
            if filled == buffer.len() {
                if filled >= MAX_RESPONSE_BYTES {
                    return Err(io::ErrorKind::InvalidData.into());
                }
                buffer.resize(2 * filled, 0);
            }
            match self.stream.read(&mut buffer[filled..])? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => filled += read,
            }
        }
    }
}

/// The response, if it is complete.
fn parse(bytes: &[u8]) -> io::Result<Option<HttpResponse>> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) =
        response.parse(bytes).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?
    else {
        return Ok(None);
    };
    let header = |name: &str| {
        let found = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        found.and_then(|header| std::str::from_utf8(header.value).ok())
    };
    let length = header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let Some(body) = bytes.get(head..head + length) else { return Ok(None) };
    Ok(Some(HttpResponse {
        status: response.code.unwrap(),
        body: String::from_utf8_lossy(body).into_owned(),
        closes_connection: header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")),
    }))
}
