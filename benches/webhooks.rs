//! Deliveries per second from the audit log to receivers of webhooks that accept them immediately: with nothing else to
//! send, and beside a receiver that is down and has a million events waiting. Countersign, the database and the
//! receivers run on the same machine.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a bench fails by panicking"
)]

#[expect(dead_code, reason = "no bench uses all of it")]
mod harness;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use harness::bench::Target;
use harness::cluster::Cluster;
use harness::database::{Database, Value};
use harness::fixtures;
use harness::load::RunResult;
use harness::server::Server;

/// Each has four deliveries at a time.
const WEBHOOKS: usize = 8;
/// The owner of the webhooks.
const STAFF: i64 = 1;
/// The timeout for all deliveries of a run.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(300);
/// How long the last results may take to be written.
const RECORD_TIMEOUT: Duration = Duration::from_secs(10);

fn main() {
    harness::run("webhooks", |bench| {
        let cluster = Rc::new(Cluster::start());
        let (events, backlog) = if bench.options.quick { (50, 10_000) } else { (2_500, 1_000_000) };
        let databases = [0, backlog].map(|waiting| {
            [Database::postgres(&cluster), Database::sqlite()].map(|database| {
                let receiver = Receiver::start();
                insert_webhooks(&database, &receiver, waiting);
                (database, receiver, RefCell::new(Vec::new()))
            })
        });
        let mut comparison = bench.comparison();
        let mut series = Vec::new();
        for (databases, name) in databases.iter().zip(["nothing else waits", "beside the backlog"]) {
            for (database, receiver, rates) in databases {
                series.push(comparison.add(&panel(database), name, 1, move |_| {
                    insert_events(database, events);
                    let run_result = deliver(database, receiver, events * WEBHOOKS);
                    rates.borrow_mut().push(run_result.throughput());
                    run_result
                }));
            }
        }
        comparison.run(bench, cluster.directory());
        for (databases, waiting) in databases.iter().zip([0, backlog]) {
            for (database, _, rates) in databases {
                let rates = rates.borrow();
                if !rates.is_empty() {
                    let what = format!("{}, {waiting} waiting for a dead receiver", panel(database));
                    bench.metric(&what, &rates, "/s", Target::Unbounded);
                }
            }
        }
        for (nth, (database, ..)) in databases[0].iter().enumerate() {
            let what = format!("{}, with the backlog, compared with none", panel(database));
            bench.ratio(&what, series[nth + 2], series[nth], Target::AtLeast(0.8, 0.95));
        }
    });
}

fn panel(database: &Database) -> String {
    format!("deliveries, {}", database.backend.name())
}

/// Registers the webhooks, and one at a closed port with this number of waiting deliveries.
fn insert_webhooks(database: &Database, receiver: &Receiver, waiting: usize) {
    fixtures::insert_users(database, 2);
    for _ in 0..WEBHOOKS {
        let url = format!("http://127.0.0.1:{}/hook", receiver.port);
        fixtures::insert_webhook(database, STAFF, &url, "request.created");
    }
    let dead = fixtures::insert_webhook(database, STAFF, "http://127.0.0.1:9/", "request.declined");
    let now = fixtures::now();
    database.insert(
        "webhook_deliveries",
        ["id", "webhook", "event_id", "event_type", "created_at", "due_at", "attempts"],
        (0..waiting).map(|nth| {
            let id = fixtures::uuid_at(now - 1_000_000);
            let due = Value::Time(now - 1_000_000 + i64::try_from(nth).unwrap_or_default());
            let test = Value::text("webhook.test");
            [Value::Id(id), Value::Int(dead), Value::Id(id), test, due.clone(), due, Value::Int(0)]
        }),
    );
}

/// Writes events into the audit log that each webhook receives.
fn insert_events(database: &Database, events: usize) {
    let now = fixtures::now();
    database.insert(
        "audit_log",
        ["id", "at", "actor", "action", "subject", "affected_user_1", "affected_user_2"],
        (0..events).map(|nth| {
            [
                Value::Id(fixtures::uuid_at(now)),
                Value::Time(now),
                Value::Int(STAFF),
                Value::text("request.created"),
                Value::text(format!("request:{}", nth + 1)),
                Value::Int(STAFF),
                Value::Int(2),
            ]
        }),
    );
    database.checkpoint();
}

/// Starts a server and waits until it has made all deliveries. The time starts with the first request.
fn deliver(database: &Database, receiver: &Receiver, deliveries: usize) -> RunResult {
    receiver.reset();
    let delivered = "SELECT count(*) FROM webhook_deliveries WHERE result = 'delivered'";
    let before = database.query_i64(delivered);
    let environment =
        [("COUNTERSIGN_WEBHOOKS_ALLOW", "127.0.0.1"), ("PUBLIC_URL", "https://countersign.example")];
    let _server = Server::start_with(database, &environment);
    let started = Instant::now();
    while receiver.requests() < deliveries {
        assert!(started.elapsed() < DRAIN_TIMEOUT, "{} of {deliveries} were received", receiver.requests());
        std::thread::sleep(Duration::from_millis(5));
    }
    let elapsed = receiver.first_request().elapsed();
    let recorded = || database.query_i64(delivered) - before;
    let waiting = Instant::now();
    while usize::try_from(recorded()) != Ok(deliveries) {
        assert!(waiting.elapsed() < RECORD_TIMEOUT, "{} of {deliveries} are recorded", recorded());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(receiver.requests(), deliveries, "each event once");
    RunResult { operations: deliveries as u64, elapsed, latencies: None }
}

// --- The receiver ----------------------------------------------------------------

/// A receiver on its own thread, which accepts all events.
struct Receiver {
    port: u16,
    shared: Arc<ReceiverState>,
}

#[derive(Default)]
struct ReceiverState {
    requests: AtomicUsize,
    first: Mutex<Option<Instant>>,
    ended: AtomicBool,
}

impl Receiver {
    fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let receiver = Self { port: listener.local_addr().unwrap().port(), shared: Arc::default() };
        let shared = Arc::clone(&receiver.shared);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(listen(listener, shared))
        });
        receiver
    }

    fn reset(&self) {
        *self.shared.first.lock().unwrap() = None;
        self.shared.requests.store(0, Ordering::SeqCst);
    }

    fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::SeqCst)
    }

    fn first_request(&self) -> Instant {
        self.shared.first.lock().unwrap().expect("a request was received")
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
    }
}

async fn listen(listener: std::net::TcpListener, shared: Arc<ReceiverState>) {
    let listener = TcpListener::from_std(listener).unwrap();
    while !shared.ended.load(Ordering::SeqCst) {
        let accepted = tokio::time::timeout(Duration::from_millis(100), listener.accept());
        let Ok(Ok((stream, _))) = accepted.await else { continue };
        tokio::spawn(handle_connection(stream, Arc::clone(&shared)));
    }
}

/// Reads a request and accepts it.
async fn handle_connection(mut stream: TcpStream, shared: Arc<ReceiverState>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut text = Vec::with_capacity(2_048);
    // The body is an object in an object.
    while !text.ends_with(b"}}") {
        if stream.read_buf(&mut text).await? == 0 {
            return Ok(());
        }
    }
    shared.first.lock().unwrap().get_or_insert_with(Instant::now);
    stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await?;
    shared.requests.fetch_add(1, Ordering::SeqCst);
    Ok(())
}
