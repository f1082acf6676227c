//! A receiver of webhooks that records what it gets, and fails now and then.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use countersign::domain::timestamp::Timestamp;
use countersign::domain::webhook::{WebhookSecret, signature_header};
use uuid::Uuid;

use crate::history::now_micros;

/// How long a request may take to arrive.
const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// How much the time in a signature may differ, in seconds.
const MAX_SECONDS: u64 = 300;
/// How long a slow response takes.
const SLOW: Duration = Duration::from_secs(1);
const OK: &str = "200 OK";

/// A request that a receiver got.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub id: String,
    pub body: String,
    pub is_signed: bool,
    /// Whether the response was a success.
    pub is_accepted: bool,
}

/// The response to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Response {
    Status(&'static str),
    /// 200 after a second.
    Slow,
    /// Closes the connection.
    HangUp,
}

/// A receiver. It stops when it is dropped.
pub struct WebhookReceiver {
    address: SocketAddr,
    state: Arc<ReceiverState>,
}

struct ReceiverState {
    is_flaky: bool,
    secret: OnceLock<WebhookSecret>,
    deliveries: Mutex<Vec<Delivery>>,
    /// How often each event was received.
    attempts: Mutex<HashMap<String, usize>>,
    is_down: AtomicBool,
    is_stopped: AtomicBool,
}

impl WebhookReceiver {
    /// Starts a receiver. One that is flaky fails for some events at first, and for a few always.
    pub fn start(is_flaky: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(ReceiverState {
            is_flaky,
            secret: OnceLock::new(),
            deliveries: Mutex::default(),
            attempts: Mutex::default(),
            is_down: AtomicBool::new(false),
            is_stopped: AtomicBool::new(false),
        });
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if shared.is_stopped.load(Ordering::Relaxed) {
                    return;
                }
                // Closing immediately has the same effect as refusing the connection.
                if !shared.is_down.load(Ordering::Relaxed) {
                    let shared = Arc::clone(&shared);
                    thread::spawn(move || drop(shared.handle_connection(stream)));
                }
            }
        });
        Self { address, state }
    }

    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// Sets the secret that signs the deliveries.
    pub fn set_secret(&self, secret: WebhookSecret) {
        self.state.secret.set(secret).unwrap();
    }

    /// Refuses connections, or accepts them again.
    pub fn set_down(&self, is_down: bool) {
        self.state.is_down.store(is_down, Ordering::Relaxed);
    }

    /// What was received so far.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.state.deliveries.lock().unwrap().clone()
    }
}

impl Drop for WebhookReceiver {
    fn drop(&mut self) {
        self.state.is_stopped.store(true, Ordering::Relaxed);
        // Wakes the listening thread so that it ends.
        let _ = TcpStream::connect(self.address);
    }
}

impl ReceiverState {
    fn handle_connection(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_read_timeout(Some(READ_TIMEOUT))?;
        let Request { id, at, signature, body } = read_request(&mut stream)?;
        let response = if self.is_flaky { self.flaky_response(&id) } else { Response::Status(OK) };
        let is_accepted = matches!(response, Response::Slow | Response::Status(OK));
        let is_signed = self.is_signed(&id, &at, &signature, &body);
        self.deliveries.lock().unwrap().push(Delivery { id, body, is_signed, is_accepted });
        let status = match response {
            Response::HangUp => return Ok(()),
            Response::Slow => {
                thread::sleep(SLOW);
                OK
            }
            Response::Status(status) => status,
        };
        stream.write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").as_bytes())
    }

    /// The response to an event. It depends on the event's id, which is random, and on the earlier attempts.
    fn flaky_response(&self, id: &str) -> Response {
        let before = {
            let mut attempts = self.attempts.lock().unwrap();
            let times = attempts.entry(id.to_owned()).or_default();
            *times += 1;
            *times - 1
        };
        let random = id.get(id.len().saturating_sub(2)..).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (random, before) {
            (Some(0), _) => Response::Status("500 Never"),
            (Some(1..3), 0) => Response::Status("500 Later"),
            (Some(3), 0) => Response::Status("429 Later\r\nRetry-After: 3600"),
            (Some(4), 0) => Response::Status("302 Elsewhere\r\nLocation: http://127.0.0.1:9/"),
            (Some(5..7), 0) => Response::HangUp,
            (Some(7), _) => Response::Slow,
            _ => Response::Status(OK),
        }
    }

    fn is_signed(&self, id: &str, at: &str, signature: &str, body: &str) -> bool {
        let (Ok(id), Ok(at), Some(secret)) = (Uuid::parse_str(id), at.parse::<i64>(), self.secret.get())
        else {
            return false;
        };
        let signed_at = Timestamp::from_micros(at.saturating_mul(1_000_000));
        let expected = signature_header(std::slice::from_ref(secret), id, signed_at, body.as_bytes());
        signature == expected && (now_micros() / 1_000_000).abs_diff(at) <= MAX_SECONDS
    }
}

struct Request {
    id: String,
    at: String,
    signature: String,
    body: String,
}

fn read_request(stream: &mut TcpStream) -> io::Result<Request> {
    let mut text = Vec::new();
    loop {
        let mut chunk = [0; 4_096];
        match stream.read(&mut chunk)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => text.extend_from_slice(&chunk[..read]),
        }
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut request = httparse::Request::new(&mut headers);
        let parsed = request.parse(&text).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
        let httparse::Status::Complete(start) = parsed else { continue };
        let header = |name: &str| {
            let found = request.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
            found.map(|header| String::from_utf8_lossy(header.value).into_owned()).unwrap_or_default()
        };
        let length: usize = header("content-length").parse().unwrap_or_default();
        if let Some(body) = text.get(start..start + length) {
            return Ok(Request {
                id: header("webhook-id"),
                at: header("webhook-timestamp"),
                signature: header("webhook-signature"),
                body: String::from_utf8_lossy(body).into_owned(),
            });
        }
    }
}
