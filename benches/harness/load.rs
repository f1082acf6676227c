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
const PATIENCE: Duration = Duration::from_secs(20);

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Lap {
    /// What was done while the clock ran.
    pub operations: u64,
    /// For how long it ran.
    pub elapsed: Duration,
    /// How long each took, in nanoseconds, where that was measured.
    pub latencies: Option<Histogram<u64>>,
}

impl Lap {
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
pub struct Window {
    /// How long a run goes before it is measured.
    pub warm_up: Duration,
    /// How long it is measured.
    pub measured: Duration,
}

/// Keeps so many connections busy. Panics at the first answer that is wrong,
/// and when requests that work once run out.
pub fn closed(address: SocketAddr, requests: &Requests, connections: usize, window: Window) -> Lap {
    run(address, requests, connections, window, None)
}

/// Sends so many requests a second over at most so many connections.
pub fn open(address: SocketAddr, requests: &Requests, connections: usize, rate: f64, window: Window) -> Lap {
    run(address, requests, connections, window, Some(rate))
}

/// What the connections of a run share.
struct Shared {
    requests: Requests,
    next: Cell<usize>,
    latencies: RefCell<Histogram<u64>>,
    measured_from: Instant,
    until: Instant,
    /// When the next request is due; `None` in a closed loop, where it is now.
    due: Option<Mutex<mpsc::UnboundedReceiver<Instant>>>,
}

fn run(
    address: SocketAddr,
    requests: &Requests,
    connections: usize,
    Window { warm_up, measured }: Window,
    rate: Option<f64>,
) -> Lap {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = LocalSet::new();
    let done: Result<Histogram<u64>, String> = local.block_on(&runtime, async {
        let mut streams = Vec::with_capacity(connections);
        for _ in 0..connections {
            let stream = TcpStream::connect(address).await.map_err(|error| format!("connect: {error}"))?;
            stream.set_nodelay(true).map_err(|error| error.to_string())?;
            streams.push(stream);
        }
        let started = Instant::now();
        let measured_from = started + warm_up;
        let until = measured_from + measured;
        let shared = Rc::new(Shared {
            requests: requests.clone(),
            next: Cell::new(0),
            latencies: RefCell::new(histogram()),
            measured_from,
            until,
            due: rate.map(|rate| Mutex::new(pace(rate, started, until))),
        });
        let tasks: Vec<_> = streams
            .into_iter()
            .map(|stream| {
                let connection = Connection { stream, answer: Vec::with_capacity(4_096) };
                tokio::task::spawn_local(connection.work(Rc::clone(&shared)))
            })
            .collect();
        for task in tasks {
            tokio::time::timeout(PATIENCE + warm_up + measured, task)
                .await
                .map_err(|_| "an answer never came".to_owned())?
                .map_err(|error| error.to_string())??;
        }
        Ok(shared.latencies.replace(histogram()))
    });
    let latencies = done.unwrap_or_else(|error| panic!("the load failed: {error}"));
    Lap { operations: latencies.len(), elapsed: measured, latencies: Some(latencies) }
}

/// Tells when each request is due. A thread of its own, since the runtime's
/// timers are no finer than a millisecond.
fn pace(rate: f64, started: Instant, until: Instant) -> mpsc::UnboundedReceiver<Instant> {
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

struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Connection {
    async fn work(mut self, shared: Rc<Shared>) -> Result<(), String> {
        loop {
            let began = match &shared.due {
                None => Instant::now(),
                Some(due) => match due.lock().await.recv().await {
                    Some(due) => due,
                    None => return Ok(()),
                },
            };
            if began >= shared.until {
                return Ok(());
            }
            let nth = shared.next.replace(shared.next.get() + 1);
            let request = shared.requests.get(nth).ok_or_else(|| {
                format!("all {} requests were used up; seed more of them", shared.requests.len())
            })?;
            self.send(request).await.map_err(|error| format!("send: {error}"))?;
            let status = self.receive().await?;
            let ended = Instant::now();
            if status != shared.requests.status {
                let answer = String::from_utf8_lossy(&self.answer);
                return Err(format!(
                    "{} was wanted of request {nth}, not:\n{answer}",
                    shared.requests.status
                ));
            }
            // By its end in a closed loop, whose throughput is what was answered;
            // by when it was due in an open one, which must miss none that is late.
            let counts = match &shared.due {
                None => ended >= shared.measured_from && ended < shared.until,
                Some(_) => began >= shared.measured_from,
            };
            if counts {
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
            if let Some((status, length)) = measure(&self.answer)?
                && self.answer.len() >= length
            {
                return Ok(status);
            }
        }
    }
}

/// An answer's status and its length, once its head is complete.
fn measure(answer: &[u8]) -> Result<Option<(u16, usize)>, String> {
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
