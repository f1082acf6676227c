//! The load generator: keep-alive HTTP/1.1 over raw sockets, on one thread. It shares the machine
//! with the server, so it uses as little CPU as possible.
//!
//! A *closed loop* keeps a fixed number of connections busy and measures throughput. An *open
//! loop* sends at a fixed rate, regardless of the responses, and measures latency from the time at
//! which a request was due: a pause of the server counts for every request that was due during it.

use std::cell::{Cell, RefCell};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::sync::{Mutex, mpsc};
use tokio::task::LocalSet;

use super::requests::Requests;

/// The timeout of a response, after which the run fails.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(20);

/// The result of a run.
#[derive(Clone, Debug)]
pub struct RunResult {
    /// The number of operations during the measurement.
    pub operations: u64,
    /// The duration of the measurement.
    pub elapsed: Duration,
    /// The latencies in nanoseconds, if they were measured.
    pub latencies: Option<Histogram<u64>>,
}

/// The latencies during an overload, in nanoseconds.
#[derive(Clone, Debug)]
pub struct OverloadResult {
    /// Executed operations.
    pub admitted: Histogram<u64>,
    /// Operations that were rejected with 503.
    pub rejected: Histogram<u64>,
}

impl RunResult {
    /// Operations per second.
    pub fn throughput(&self) -> f64 {
        self.operations as f64 / self.elapsed.as_secs_f64()
    }
}

/// A histogram of nanoseconds with three significant digits.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1_000, 60_000_000_000, 3).unwrap()
}

/// The timing of a run.
#[derive(Clone, Copy, Debug)]
pub struct MeasurementWindow {
    /// The duration before the measurement.
    pub warm_up: Duration,
    /// The duration of the measurement.
    pub measured: Duration,
}

/// Keeps this number of connections busy. Panics at an unexpected response. When all single-use
/// requests are used, the run ends early; panics if it was too short to measure.
pub fn closed_loop(
    address: SocketAddr,
    requests: &Requests,
    connections: usize,
    window: MeasurementWindow,
) -> RunResult {
    run(address, requests, connections, window, Mode::default())
}

/// Sends this number of requests per second over at most this number of connections.
pub fn open_loop(
    address: SocketAddr,
    requests: &Requests,
    connections: usize,
    rate: f64,
    window: MeasurementWindow,
) -> RunResult {
    run(address, requests, connections, window, Mode { rate: Some(rate), ..Mode::default() })
}

/// Sends this number of requests per second over all of these connections in turn. Before that,
/// each connection sends one: the server closes connections without a request.
pub fn now_and_then(
    address: SocketAddr,
    requests: &Requests,
    connections: usize,
    rate: f64,
    window: MeasurementWindow,
) -> RunResult {
    let mode = Mode { rate: Some(rate), is_used_before: true, ..Mode::default() };
    run(address, requests, connections, window, mode)
}

/// Sends this number of requests per second, more than the server can execute. A response of 503
/// is accepted, and its request is sent again. Latency is measured from the sending, so that it
/// contains only the server's time.
pub fn overload(
    address: SocketAddr,
    requests: &Requests,
    connections: usize,
    rate: f64,
    window: MeasurementWindow,
) -> OverloadResult {
    let mode = Mode { rate: Some(rate), allow_503: true, ..Mode::default() };
    let (admitted, refused) = run_with(address, requests, connections, window, mode);
    OverloadResult { admitted: admitted.latencies.unwrap(), rejected: refused.unwrap() }
}

/// The response to the first of these requests, including its head.
pub fn send_first(address: SocketAddr, requests: &Requests) -> String {
    let mut client = SequentialClient::connect(address);
    let status = client.send(requests.get(0).unwrap());
    let response = String::from_utf8_lossy(client.response()).into_owned();
    assert_eq!(status, requests.status, "{response}");
    response
}

/// A connection on which each request is sent after the response to the one before.
pub struct SequentialClient {
    runtime: Runtime,
    connection: Connection,
}

impl SequentialClient {
    pub fn connect(address: SocketAddr) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let stream = runtime.block_on(connect(address)).unwrap();
        Self { runtime, connection: Connection { stream, answer: Vec::new() } }
    }

    /// Sends a request and returns the status of the response.
    pub fn send(&mut self, request: &[u8]) -> u16 {
        self.runtime.block_on(async {
            self.connection.send(request).await.unwrap();
            self.connection.receive().await.unwrap()
        })
    }

    /// The last response, including its head.
    pub fn response(&self) -> &[u8] {
        &self.connection.answer
    }
}

/// What connections do.
#[derive(Clone, Copy, Default)]
struct Mode {
    /// Requests per second of an open loop.
    rate: Option<f64>,
    /// Whether 503 is accepted, and its request sent again.
    allow_503: bool,
    /// Whether each connection sends a request before the run.
    is_used_before: bool,
}

/// The shared state of the connections of a run.
struct LoadState {
    requests: Requests,
    next: Cell<usize>,
    latencies: RefCell<Histogram<u64>>,
    last_response: Cell<Instant>,
    measured_from: Instant,
    /// Brought forward when all requests are used.
    stop_at: Cell<Instant>,
    /// The minimum duration of the measurement.
    min_measured: Duration,
    /// The times at which requests are due. `None` in a closed loop, in which they are due
    /// immediately.
    due_times: Option<Mutex<mpsc::UnboundedReceiver<Instant>>>,
    /// The latencies of 503 responses, if they are accepted.
    rejected_latencies: Option<RefCell<Histogram<u64>>>,
    /// The indexes of rejected requests, which are sent again.
    resend: RefCell<Vec<usize>>,
}

impl LoadState {
    /// The index of the next request.
    fn next_index(&self) -> usize {
        self.resend.borrow_mut().pop().unwrap_or_else(|| self.next.replace(self.next.get() + 1))
    }

    /// The time at which the next request is due. `None` after the last one.
    async fn next_due(&self) -> Option<Instant> {
        match &self.due_times {
            None => Some(Instant::now()),
            Some(due) => due.lock().await.recv().await,
        }
    }

    /// All requests are used: ends the measurement if it was long enough.
    fn finish_early(&self) -> Result<(), String> {
        let now = Instant::now();
        if now < self.measured_from + self.min_measured {
            return Err(format!("all {} requests were used up; seed more of them", self.requests.len()));
        }
        self.stop_at.set(now.min(self.stop_at.get()));
        Ok(())
    }
}

fn run(
    address: SocketAddr,
    requests: &Requests,
    connections: usize,
    window: MeasurementWindow,
    mode: Mode,
) -> RunResult {
    run_with(address, requests, connections, window, mode).0
}

fn run_with(
    address: SocketAddr,
    requests: &Requests,
    connections: usize,
    MeasurementWindow { warm_up, measured }: MeasurementWindow,
    Mode { rate, allow_503, is_used_before }: Mode,
) -> (RunResult, Option<Histogram<u64>>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = LocalSet::new();
    let done: Result<_, String> = local.block_on(&runtime, async {
        let mut streams = Vec::with_capacity(connections);
        for _ in 0..connections {
            // In an overload, connections are opened when they are needed: the server closes
            // connections without a request.
            let mut stream = if allow_503 { None } else { Some(connect(address).await?) };
            if let Some(stream) = stream.as_mut().filter(|_| is_used_before) {
                exchange(stream, requests).await?;
            }
            streams.push(stream);
        }
        let started = Instant::now();
        let measured_from = started + warm_up;
        let until = measured_from + measured;
        let shared = Rc::new(LoadState {
            requests: requests.clone(),
            next: Cell::new(0),
            latencies: RefCell::new(histogram()),
            last_response: Cell::new(measured_from),
            measured_from,
            stop_at: Cell::new(until),
            min_measured: measured / 4,
            due_times: rate.map(|rate| Mutex::new(schedule_arrivals(rate, started, until))),
            rejected_latencies: allow_503.then(|| RefCell::new(histogram())),
            resend: RefCell::default(),
        });
        let tasks: Vec<_> = streams
            .into_iter()
            .map(|stream| {
                let shared = Rc::clone(&shared);
                tokio::task::spawn_local(async move {
                    let Some(stream) = stream else { return run_connection(address, shared).await };
                    Connection { stream, answer: Vec::with_capacity(4_096) }.send_requests(shared, None).await
                })
            })
            .collect();
        for task in tasks {
            tokio::time::timeout(RESPONSE_TIMEOUT + warm_up + measured, task)
                .await
                .map_err(|_| "an answer never came".to_owned())?
                .map_err(|error| error.to_string())??;
        }
        let refused = shared.rejected_latencies.as_ref().map(|refused| refused.replace(histogram()));
        let elapsed = shared.last_response.get().max(shared.stop_at.get()) - measured_from;
        Ok((shared.latencies.replace(histogram()), elapsed, refused))
    });
    let (latencies, elapsed, refused) = done.unwrap_or_else(|error| panic!("the load failed: {error}"));
    (RunResult { operations: latencies.len(), elapsed, latencies: Some(latencies) }, refused)
}

/// Sends the time of each request. On its own thread, because the timers of the runtime have a
/// resolution of a millisecond.
fn schedule_arrivals(rate: f64, started: Instant, until: Instant) -> mpsc::UnboundedReceiver<Instant> {
    let (sender, receiver) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for nth in 0_u64.. {
            let due = started + Duration::from_secs_f64(nth as f64 / rate);
            if due >= until {
                return;
            }
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            if sender.send(due).is_err() {
                return;
            }
        }
    });
    receiver
}

async fn connect(address: SocketAddr) -> Result<TcpStream, String> {
    let stream = TcpStream::connect(address).await.map_err(|error| format!("connect: {error}"))?;
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    Ok(stream)
}

/// Sends the first of these requests and reads the response.
async fn exchange(stream: &mut TcpStream, requests: &Requests) -> Result<(), String> {
    stream.write_all(requests.get(0).unwrap()).await.map_err(|error| error.to_string())?;
    let mut answer = Vec::new();
    while parse_response_head(&answer)?.is_none_or(|(_, length)| answer.len() < length) {
        if stream.read_buf(&mut answer).await.map_err(|error| error.to_string())? == 0 {
            return Err("the server closed the connection".to_owned());
        }
    }
    Ok(())
}

/// Connects when the first request is due.
async fn run_connection(address: SocketAddr, shared: Rc<LoadState>) -> Result<(), String> {
    let Some(due) = shared.next_due().await else { return Ok(()) };
    let stream = connect(address).await?;
    Connection { stream, answer: Vec::with_capacity(4_096) }.send_requests(shared, Some(due)).await
}

struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Connection {
    /// Sends requests until the end, starting with one that is due.
    async fn send_requests(mut self, shared: Rc<LoadState>, mut due: Option<Instant>) -> Result<(), String> {
        loop {
            let next = match due.take() {
                Some(due) => Some(due),
                None => shared.next_due().await,
            };
            let Some(began) = next else { return Ok(()) };
            // In an overload, missed due times are not counted.
            let began = if shared.rejected_latencies.is_some() { Instant::now() } else { began };
            if began >= shared.stop_at.get() {
                return Ok(());
            }
            let nth = shared.next_index();
            let Some(request) = shared.requests.get(nth) else { return shared.finish_early() };
            self.send(request).await.map_err(|error| format!("send: {error}"))?;
            let status = self.receive().await?;
            let ended = Instant::now();
            if let (503, Some(refused)) = (status, &shared.rejected_latencies) {
                shared.resend.borrow_mut().push(nth);
                if began >= shared.measured_from {
                    refused.borrow_mut().saturating_record((ended - began).as_nanos() as u64);
                }
                continue;
            }
            if status != shared.requests.status {
                let answer = String::from_utf8_lossy(&self.answer);
                return Err(format!(
                    "{} was wanted of request {nth}, not:\n{answer}",
                    shared.requests.status
                ));
            }
            // A closed loop counts responses by their end, because it measures throughput. An open
            // loop counts them by their due time, so that no late response is missed.
            let counts = match &shared.due_times {
                None => ended >= shared.measured_from && ended < shared.stop_at.get(),
                Some(_) => began >= shared.measured_from,
            };
            if counts {
                shared.last_response.set(ended.max(shared.last_response.get()));
                shared.latencies.borrow_mut().saturating_record((ended - began).as_nanos() as u64);
            }
        }
    }

    async fn send(&self, mut bytes: &[u8]) -> std::io::Result<()> {
        while !bytes.is_empty() {
            match self.stream.try_write(bytes) {
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.stream.writable().await?,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads one response into `self.answer`.
    async fn receive(&mut self) -> Result<u16, String> {
        self.answer.clear();
        loop {
            self.stream.readable().await.map_err(|error| error.to_string())?;
            match self.stream.try_read_buf(&mut self.answer) {
                Ok(0) => return Err("the server closed the connection".to_owned()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                Err(error) => return Err(format!("receive: {error}")),
            }
            if let Some((status, length)) = parse_response_head(&self.answer)?
                && self.answer.len() >= length
            {
                return Ok(status);
            }
        }
    }
}

/// The status and the length of a response, once its head is complete.
fn parse_response_head(answer: &[u8]) -> Result<Option<(u16, usize)>, String> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    let head = match response.parse(answer).map_err(|error| error.to_string())? {
        httparse::Status::Complete(head) => head,
        httparse::Status::Partial => return Ok(None),
    };
    let status = response.code.unwrap_or_default();
    let length = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let body = match length {
        Some(length) => {
            let text = std::str::from_utf8(length.value).map_err(|error| error.to_string())?;
            text.parse().map_err(|_| format!("a length of {text}"))?
        }
        None if status == 204 || status == 304 => 0,
        None => return Err("an answer without a length".to_owned()),
    };
    Ok(Some((status, head + body)))
}
