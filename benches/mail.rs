//! Mails per second from a full outbox to an SMTP server that accepts them immediately.
//! Countersign, the database and the SMTP server run on the same machine.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a bench fails by panicking"
)]

#[expect(dead_code, reason = "no bench uses all of it")]
mod harness;

use std::cell::RefCell;
use std::io::ErrorKind;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};

use harness::bench::Target;
use harness::cluster::Cluster;
use harness::database::{Database, Value};
use harness::fixtures::{self, BenchUser};
use harness::load::RunResult;
use harness::server::Server;

/// The timeout for emptying the outbox.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(300);

fn main() {
    harness::run("mail", |bench| {
        let cluster = Rc::new(Cluster::start());
        let mails = if bench.options.quick { 2_000 } else { 20_000 };
        let databases = [Database::postgres(&cluster), Database::sqlite()].map(|database| {
            let people = fixtures::insert_users(&database, 2_000);
            (database, people, RefCell::new(Vec::new()))
        });
        let mut comparison = bench.comparison();
        for (database, people, rates) in &databases {
            comparison.add(&panel(database), "countersign", 1, move |_| {
                fill_outbox(database, people, mails);
                let run_result = drain_outbox(database, mails);
                rates.borrow_mut().push(run_result.throughput());
                run_result
            });
        }
        comparison.run(bench, cluster.directory());
        for (database, _, rates) in &databases {
            let rates = rates.borrow();
            if !rates.is_empty() {
                bench.metric(&panel(database), &rates, "/s", Target::AtLeast(1_000.0, 3_000.0));
            }
        }
    });
}

fn panel(database: &Database) -> String {
    format!("mails, {}", database.backend.name())
}

/// Fills the outbox with this number of due mails.
fn fill_outbox(database: &Database, people: &[BenchUser], mails: usize) {
    let (open, now) = (fixtures::insert_open_requests(database, people, mails), fixtures::now());
    database.insert(
        "outbox",
        ["id", "kind", "request_id", "created_at", "due_at", "attempts"],
        open.iter().zip(now..).map(|(open, at)| {
            let due = Value::Time(at - 1_000_000);
            [
                Value::Id(fixtures::uuid_at(at)),
                Value::Text("mail".to_owned()),
                Value::Int(open.number),
                due.clone(),
                due,
                Value::Int(0),
            ]
        }),
    );
    database.checkpoint();
}

/// Starts a server and waits until no mail is pending. The time starts with the first connection
/// to the SMTP server.
fn drain_outbox(database: &Database, mails: usize) -> RunResult {
    let sink = SmtpSink::start();
    let smtp_url = format!("smtp://127.0.0.1:{}", sink.port);
    let _server = Server::start_with(
        database,
        &[
            ("SMTP_URL", &smtp_url),
            ("MAIL_FROM", "Countersign <noreply@countersign.example>"),
            ("PUBLIC_URL", "https://countersign.example"),
        ],
    );
    let began = sink.first_connection();
    // Checks only whether there is one: counting all would cost more than sending them.
    let unsent = "SELECT count(*) FROM (SELECT 1 FROM outbox WHERE finished_at IS NULL LIMIT 1) AS unsent";
    while database.query_i64(unsent) > 0 {
        assert!(began.elapsed() < DRAIN_TIMEOUT, "{} of {mails} mails were sent", sink.mails());
        std::thread::sleep(Duration::from_millis(20));
    }
    let elapsed = began.elapsed();
    assert_eq!(sink.mails(), mails, "each mail once");
    let sent = database.query_i64("SELECT count(*) FROM outbox WHERE result = 'sent'");
    assert_eq!(usize::try_from(sent), Ok(mails), "each row is recorded as sent");
    RunResult { operations: mails as u64, elapsed, latencies: None }
}

// --- The SMTP server -----------------------------------------------------------

/// An SMTP server on its own thread, which accepts and discards all mails.
struct SmtpSink {
    port: u16,
    shared: Arc<SinkState>,
}

#[derive(Default)]
struct SinkState {
    mails: AtomicUsize,
    first: OnceLock<Instant>,
    ended: AtomicBool,
}

impl SmtpSink {
    fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let sink = Self { port: listener.local_addr().unwrap().port(), shared: Arc::default() };
        let shared = Arc::clone(&sink.shared);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(listen(listener, shared))
        });
        sink
    }

    fn mails(&self) -> usize {
        self.shared.mails.load(Ordering::SeqCst)
    }

    /// Waits for the first connection.
    fn first_connection(&self) -> Instant {
        let started = Instant::now();
        loop {
            if let Some(first) = self.shared.first.get() {
                return *first;
            }
            assert!(started.elapsed() < DRAIN_TIMEOUT, "no connection to the SMTP server");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for SmtpSink {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
    }
}

async fn listen(listener: std::net::TcpListener, shared: Arc<SinkState>) {
    let listener = TcpListener::from_std(listener).unwrap();
    while !shared.ended.load(Ordering::SeqCst) {
        let accepted = tokio::time::timeout(Duration::from_millis(100), listener.accept());
        let Ok(Ok((stream, _))) = accepted.await else { continue };
        shared.first.get_or_init(Instant::now);
        tokio::spawn(handle_connection(stream, Arc::clone(&shared)));
    }
}

/// Accepts every command.
async fn handle_connection(stream: TcpStream, shared: Arc<SinkState>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    write_all(&stream, b"220 sink ESMTP\r\n").await?;
    let (mut heard, mut in_mail) = (Vec::with_capacity(16_384), false);
    loop {
        stream.readable().await?;
        match stream.try_read_buf(&mut heard) {
            Ok(0) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
            read => read?,
        };
        let end: &[u8] = if in_mail { b"\r\n.\r\n" } else { b"\r\n" };
        // One command or one mail at a time: this server does not announce pipelining.
        if !heard.ends_with(end) {
            continue;
        }
        let answer: &[u8] = match heard.get(..4) {
            _ if in_mail => {
                shared.mails.fetch_add(1, Ordering::SeqCst);
                b"250 taken\r\n"
            }
            Some(b"DATA") => b"354 go on\r\n",
            Some(b"QUIT") => return write_all(&stream, b"221 bye\r\n").await,
            _ => b"250 yes\r\n",
        };
        in_mail = answer.starts_with(b"354");
        heard.clear();
        write_all(&stream, answer).await?;
    }
}

async fn write_all(stream: &TcpStream, mut words: &[u8]) -> std::io::Result<()> {
    while !words.is_empty() {
        match stream.try_write(words) {
            Ok(written) => words = words.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::WouldBlock => stream.writable().await?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
