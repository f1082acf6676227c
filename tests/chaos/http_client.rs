//! A client that knows what it knows: whether anything was sent, and whether the
//! whole answer came.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use crate::replica::Replica;

/// How long to wait for an answer. Each is promised within two seconds.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(6);
/// The most that an answer has.
const MAX_RESPONSE_BYTES: usize = 64 * 1024;

/// What came of sending a request.
#[derive(Debug)]
pub enum SendResult {
    /// The whole answer.
    Received(HttpResponse),
    /// Nobody listened: nothing was sent.
    NotSent,
    /// It was sent, and no whole answer came.
    NoResponse,
}

#[derive(Debug)]
pub struct HttpResponse {
    pub status: u16,
    pub body: String,
    /// Whether the server has said that it hangs up after this.
    closes_connection: bool,
}

/// A client with a connection to each replica, kept from one request to the next.
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

    /// Sends a request to a replica. With `hang_up`, the client is gone so soon after
    /// it has sent all of it that it hears no answer.
    pub fn send(&mut self, replica: usize, request: &[u8], disconnect_after: Option<Duration>) -> SendResult {
        let port = self.replicas[replica].port();
        let kept = self.connections[replica].take();
        let kept = kept.filter(|connection| connection.port == port && connection.is_open());
        let Some(mut connection) = kept.or_else(|| Connection::open(port)) else {
            return SendResult::NotSent;
        };
        if connection.stream.write_all(request).is_err() {
            // Some of it may have arrived, if not all.
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
        // A port that nobody listens on may be given to who connects to it.
        if stream.local_addr().ok()? == stream.peer_addr().ok()? {
            return None;
        }
        stream.set_read_timeout(Some(RESPONSE_TIMEOUT)).ok()?;
        stream.set_nodelay(true).ok()?;
        Some(Self { stream, port })
    }

    /// Whether the server has not hung up while nothing was asked of it, as every
    /// pool of connections looks before it sends.
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

/// An answer, once all of it is there.
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
