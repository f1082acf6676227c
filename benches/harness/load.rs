//! The load generator: keep-alive HTTP/1.1 over raw sockets, on one thread. It
//! shares the machine with what it measures, so it does as little as it can.
//!
//! A *closed loop* keeps a fixed number of connections busy, and says how much
//! gets done. An *open loop* sends at a fixed rate, whether or not the answers
//! keep up, and counts latency from the moment at which a request was due: a
//! server that stalls is charged for everybody who would have waited.

use std::cell::{Cell, RefCell};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::net::TcpStream;
use tokio::sync::{Mutex, mpsc};
use tokio::task::LocalSet;

use super::requests::Requests;

/// How long an answer may take before the run has failed.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(20);

/// What came of a run.
#[derive(Clone, Debug)]
pub struct RunResult {
    /// What was done while the clock ran.
    pub operations: u64,
    /// For how long it ran.
    pub elapsed: Duration,
    /// How long each took, in nanoseconds, where that was measured.
    pub latencies: Option<Histogram<u64>>,
}

/// What became of more than can be done: how long each took, in nanoseconds.
#[derive(Clone, Debug)]
pub struct OverloadResult {
    /// Those that were done.
    pub admitted: Histogram<u64>,
    /// Those that were told at once that it is too much.
    pub rejected: Histogram<u64>,
}

impl RunResult {
    /// Operations in a second.
    pub fn throughput(&self) -> f64 {
        self.operations as f64 / self.elapsed.as_secs_f64()
    }
}

/// A histogram of nanoseconds, to three digits.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1_000, 60_000_000_000, 3).unwrap()
}

/// When to measure.
#[derive(Clone, Copy, Debug)]
pub struct MeasurementWindow {
    /// How long a run goes before it is measured.
    pub warm_up: Duration,
    /// How long it is measured.
    pub measured: Duration,
}

/// Keeps so many connections busy. Panics at the first answer that is wrong.
/// When requests that work once are used up, the run ends there; panics when
/// that is too early to tell anything.
pub fn closed_loop(
    address: SocketAddr,
    requests: &Requests,
    connections: usize,
    window: MeasurementWindow,
) -> RunResult {
    run(address, requests, connections, window, None)
}

/// Sends so many requests a second over at most so many connections.
pub fn open_loop(
    address: SocketAddr,
    requests: &Requests,
    connections: usize,
    rate: f64,
    window: MeasurementWindow,
) -> RunResult {
    run(address, requests, connections, window, Some(rate))
}

/// Sends more than can be done: so many requests a second, as far as they can be
/// sent. An answer of 503 is as right as the one that is wanted, and its request
/// is sent again. Latency is counted from the sending: it is the server's alone.
pub fn overload(
    address: SocketAddr,
    requests: &Requests,
    connections: usize,
    rate: f64,
    window: MeasurementWindow,
) -> OverloadResult {
    let (admitted, refused) = run_with(address, requests, connections, window, Some(rate), true);
    OverloadResult { admitted: admitted.latencies.unwrap(), rejected: refused.unwrap() }
}

/// The answer to the first of these requests, head and all.
pub fn send_first(address: SocketAddr, requests: &Requests) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut connection =
            Connection { stream: TcpStream::connect(address).await.unwrap(), answer: Vec::new() };
        connection.send(requests.get(0).unwrap()).await.unwrap();
        let status = connection.receive().await.unwrap();
        let answer = String::from_utf8_lossy(&connection.answer).into_owned();
        assert_eq!(status, requests.status, "{answer}");
        answer
    })
}

/// What the connections of a run share.
struct LoadState {
    requests: Requests,
    next: Cell<usize>,
    latencies: RefCell<Histogram<u64>>,
    last_response: Cell<Instant>,
    measured_from: Instant,
    /// Earlier than at first if the requests are used up.
    stop_at: Cell<Instant>,
    /// The least that must have been measured by then.
    min_measured: Duration,
    /// When the next request is due; `None` in a closed loop, where it is now.
    due_times: Option<Mutex<mpsc::UnboundedReceiver<Instant>>>,
    /// Where a 503 is an answer: how long each took.
    rejected_latencies: Option<RefCell<Histogram<u64>>>,
    /// What was refused, and is to be sent again.
    resend: RefCell<Vec<usize>>,
}

impl LoadState {
    /// Which request is next.
    fn next_index(&self) -> usize {
        self.resend.borrow_mut().pop().unwrap_or_else(|| self.next.replace(self.next.get() + 1))
    }

    /// When the next request is due; `None` when there is none any more.
    async fn next_due(&self) -> Option<Instant> {
        match &self.due_times {
            None => Some(Instant::now()),
            Some(due) => due.lock().await.recv().await,
        }
    }

    /// All requests are used up: what was measured until now has to do.
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
    rate: Option<f64>,
) -> RunResult {
    run_with(address, requests, connections, window, rate, false).0
}

fn run_with(
    address: SocketAddr,
    requests: &Requests,
    connections: usize,
    MeasurementWindow { warm_up, measured }: MeasurementWindow,
    rate: Option<f64>,
    allow_503: bool,
) -> (RunResult, Option<Histogram<u64>>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = LocalSet::new();
    let done: Result<_, String> = local.block_on(&runtime, async {
        let mut streams = Vec::with_capacity(connections);
        for _ in 0..connections {
            // A crowd connects as it is needed: a server waits for nobody's first
            // request for ever.
            streams.push(if allow_503 { None } else { Some(connect(address).await?) });
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

/// Tells when each request is due. A thread of its own, since the runtime's
/// timers are no finer than a millisecond.
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

/// Connects when there is something to ask.
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
    /// Asks until the end, beginning with what is due already, if anything is.
    async fn send_requests(mut self, shared: Rc<LoadState>, mut due: Option<Instant>) -> Result<(), String> {
        loop {
            let next = match due.take() {
                Some(due) => Some(due),
                None => shared.next_due().await,
            };
            let Some(began) = next else { return Ok(()) };
            // More than can be done is not made up for.
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
            // By its end in a closed loop, whose throughput is what was answered;
            // by when it was due in an open one, which must miss none that is late.
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

    /// Reads one answer, and leaves all of it in `self.answer`.
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

/// An answer's status and its length, once its head is complete.
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
