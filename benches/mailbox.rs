//! The actors' mailboxes: messages per second through the handles of the registry and the mailer,
//! and an overload of ten times the registry's throughput, through its handle and over HTTP.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a bench fails by panicking"
)]

#[expect(dead_code, reason = "no bench uses all of it")]
mod harness;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::Arbiter;
use actix_web::rt::System;
use countersign::actors::delivery_stats::DeliveryStats;
use countersign::actors::liveness;
use countersign::actors::mailer::{MailSender, Mailer};
use countersign::actors::registry::{CommandError, Registry, RegistryError};
use countersign::config::Controller;
use countersign::domain::approval::Approval;
use countersign::domain::audit::AuditContext;
use countersign::domain::timestamp::Timestamp;
use countersign::domain::token::{ExportId, RedeemId};
use countersign::domain::user::UserId;
use countersign::i18n::Language;
use countersign::mail::template::Templates;
use countersign::mail::transport::{MemoryMailbox, Transport};
use countersign::receipt::ReceiptIssuer;
use countersign::store::{AsyncStore, Clock, Store};
use countersign::tasks::export_use_counter::ExportUseCounter;
use harness::bench::{Bench, Target};
use harness::cluster::Cluster;
use harness::database::Database;
use harness::fixtures;
use harness::fixtures::{BenchUser, OpenRequest};
use harness::load::{self, MeasurementWindow, OverloadResult, RunResult, histogram};
use harness::requests::USER_AGENT;
use harness::server::{self, Server};
use hdrhistogram::Histogram;

/// The offered load in multiples of the throughput.
const OVERLOAD_FACTOR: f64 = 10.0;
/// The number of concurrent redemptions that saturates the registry: its admission limit.
const SATURATING_REQUESTS: usize = 512;
/// The number of connections for the overload: more than the admission limit.
const OVERLOAD_CONNECTIONS: usize = 2_048;
/// The number of requests that a run may redeem.
const REQUESTS_PER_RUN: usize = 60_000;
/// The number of messages between two readings of the clock.
const BURST_SIZE: u64 = 1_000;

fn main() {
    harness::run("mailbox", |bench| {
        let cluster = Rc::new(Cluster::start());
        let database = Database::postgres(&cluster);
        let people = fixtures::insert_users(&database, 2_000);
        let system = System::new();
        let stage = RegistryBench::new(&database, &people, &system);
        messages(bench, &stage, &cluster);
        overload(bench, &stage);
        overload_over_http(bench, &stage);
    });
}

/// The actors, started as in the server.
struct RegistryBench<'a> {
    database: &'a Database,
    users: &'a [BenchUser],
    system: &'a actix_web::rt::SystemRunner,
    registry: Registry,
    usage: ExportUseCounter,
    mailer: Mailer,
    _arbiters: [Arbiter; 2],
}

impl<'a> RegistryBench<'a> {
    fn new(database: &'a Database, users: &'a [BenchUser], system: &'a actix_web::rt::SystemRunner) -> Self {
        let store = Store::connect(&database.url.parse().unwrap(), 8, Clock::Database).unwrap();
        let postage = MailSender {
            store: AsyncStore::new(store.clone(), 2),
            keyring: Arc::new(fixtures::keyring()),
            templates: Arc::new(Templates::load(None).unwrap()),
            transport: Transport::Memory(MemoryMailbox::default()),
            from: "bench@example.org".parse().unwrap(),
            public_url: "http://127.0.0.1:8080".to_owned(),
            default_language: Language::English,
            retry_days: 5,
            stats: DeliveryStats::default(),
            receipts: ReceiptIssuer::new(
                Arc::new(fixtures::keyring()),
                "http://127.0.0.1:8080",
                Controller::default(),
            ),
        };
        let usage = ExportUseCounter::new(store.clone());
        let (registry, mailer, arbiters) = system.block_on(async {
            let arbiters = [Arbiter::new(), Arbiter::new()];
            let registry = Registry::start(store, usage.clone(), None, liveness().0, &arbiters[0].handle());
            (registry, Mailer::start(postage, liveness().0, &arbiters[1].handle()), arbiters)
        });
        Self { database, users, system, registry, usage, mailer, _arbiters: arbiters }
    }

    fn new_tokens(&self, rows: usize) -> Rc<UnredeemedTokens> {
        let open = fixtures::insert_open_requests(self.database, self.users, rows);
        self.database.checkpoint();
        let left = open.iter().rev().map(|OpenRequest { redeem_id, target, .. }| {
            (RedeemId(*redeem_id), UserId(self.users[*target].id))
        });
        Rc::new(UnredeemedTokens { left: RefCell::new(left.collect()), registry: self.registry.clone() })
    }
}

/// Tokens that are not redeemed yet, and their targets.
struct UnredeemedTokens {
    left: RefCell<Vec<(RedeemId, UserId)>>,
    registry: Registry,
}

impl UnredeemedTokens {
    /// Redeems a token. Returns false if the registry rejected the command or could not run it in
    /// time, which leaves the token usable.
    async fn redeem(&self) -> bool {
        let (id, by) = self.left.borrow_mut().pop().expect("enough tokens");
        let origin = AuditContext { actor: Some(by), ip: None, user_agent: Some(USER_AGENT.to_owned()) };
        match self.registry.approve(id, by, (Approval::AS_ASKED, None), None, origin).await {
            Ok(_) => true,
            Err(CommandError::Unavailable(RegistryError::Busy | RegistryError::Unavailable)) => {
                self.left.borrow_mut().push((id, by));
                false
            }
            Err(error) => panic!("{error}"),
        }
    }
}

fn messages(bench: &mut Bench, stage: &RegistryBench<'_>, cluster: &Cluster) {
    fixtures::insert_hubs(stage.database, &stage.users[..1]);
    let token = ExportId(fixtures::insert_exports(stage.database, &stage.users[..1], 1, 1)[0].id);
    let mut comparison = bench.comparison();
    for waiting in [1, 64, 256, SATURATING_REQUESTS] {
        comparison.add("registry, redeem", "handle", waiting, move |window| {
            let tokens = stage.new_tokens(REQUESTS_PER_RUN);
            stage.system.block_on(closed_loop(tokens, waiting, window))
        });
    }
    comparison.add("usage counter, count a use", "handle", 1, move |window| {
        let now = Timestamp::from_micros(fixtures::now());
        measure_bursts(window, || stage.usage.record_use(token, now), || {})
    });
    comparison.add("mailer, hint", "handle", 1, move |window| {
        measure_bursts(window, || stage.mailer.notify(), || {})
    });
    comparison.run(bench, cluster.directory());
}

/// Sends messages as fast as one thread can. `await_all` waits regularly until all of them are
/// handled, and this time counts.
fn measure_bursts(window: MeasurementWindow, send: impl Fn(), await_all: impl Fn()) -> RunResult {
    let started = Instant::now();
    let mut operations = 0;
    while started.elapsed() < window.measured {
        (0..BURST_SIZE).for_each(|_| send());
        await_all();
        operations += BURST_SIZE;
    }
    RunResult { operations, elapsed: started.elapsed(), latencies: None }
}

/// Keeps this number of redemptions in progress.
async fn closed_loop(tokens: Rc<UnredeemedTokens>, waiting: usize, window: MeasurementWindow) -> RunResult {
    let measured_from = Instant::now() + window.warm_up;
    let until = measured_from + window.measured;
    let latencies = Rc::new(RefCell::new(histogram()));
    let tasks: Vec<_> = (0..waiting)
        .map(|_| {
            let (tokens, latencies) = (Rc::clone(&tokens), Rc::clone(&latencies));
            actix_web::rt::spawn(async move {
                loop {
                    let began = Instant::now();
                    assert!(tokens.redeem().await, "{waiting} at a time are not too many");
                    let ended = Instant::now();
                    if ended >= until {
                        return;
                    }
                    if ended >= measured_from {
                        latencies.borrow_mut().saturating_record((ended - began).as_nanos() as u64);
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let latencies = latencies.replace(histogram());
    RunResult { operations: latencies.len(), elapsed: window.measured, latencies: Some(latencies) }
}

/// Starts this number of redemptions per second, regardless of their results.
async fn open_loop(tokens: Rc<UnredeemedTokens>, rate: f64, window: MeasurementWindow) -> OverloadResult {
    let started = Instant::now();
    let all = window.warm_up + window.measured;
    let offered = Rc::new(RefCell::new(OverloadResult { admitted: histogram(), rejected: histogram() }));
    let waiting = Rc::new(Cell::new(0_usize));
    let mut tick = tokio::time::interval(Duration::from_millis(1));
    let mut sent = 0;
    while started.elapsed() < all {
        tick.tick().await;
        while sent < (started.elapsed().as_secs_f64() * rate) as u64 {
            sent += 1;
            waiting.set(waiting.get() + 1);
            let (tokens, offered, waiting) = (Rc::clone(&tokens), Rc::clone(&offered), Rc::clone(&waiting));
            let counts = started.elapsed() >= window.warm_up;
            actix_web::rt::spawn(async move {
                let began = Instant::now();
                let admitted = tokens.redeem().await;
                let took = began.elapsed().as_nanos() as u64;
                waiting.set(waiting.get() - 1);
                if counts {
                    let offered = &mut *offered.borrow_mut();
                    let histogram = if admitted { &mut offered.admitted } else { &mut offered.rejected };
                    histogram.saturating_record(took);
                }
            });
        }
    }
    while waiting.get() > 0 {
        tick.tick().await;
    }
    offered.replace(OverloadResult { admitted: histogram(), rejected: histogram() })
}

/// The results of the overload, per round.
#[derive(Default)]
struct OverloadRounds {
    offered_rate: Vec<f64>,
    admitted_rate: Vec<f64>,
    latency_vs_half_load: Vec<f64>,
    rejection_latency: Vec<f64>,
    memory_growth: Vec<f64>,
}

impl OverloadRounds {
    /// Adds the results of a round, and compares them with the throughput, and with the latency at
    /// half of it.
    fn add_round(
        &mut self,
        over: &OverloadResult,
        half: &Histogram<u64>,
        capacity: f64,
        window: MeasurementWindow,
        growth: f64,
    ) {
        let p99 = |latencies: &Histogram<u64>| latencies.value_at_quantile(0.99) as f64;
        let times = |operations: u64| operations as f64 / window.measured.as_secs_f64() / capacity;
        self.offered_rate.push(times(over.admitted.len() + over.rejected.len()));
        self.admitted_rate.push(times(over.admitted.len()));
        self.latency_vs_half_load.push(p99(&over.admitted) / p99(half));
        self.rejection_latency.push(p99(&over.rejected) / 1e6);
        self.memory_growth.push(growth / 1e6);
    }

    fn report(&self, bench: &mut Bench, how: &str, target: Target) {
        let on = |what: &str| format!("overload {how}: {what}");
        bench.metric(&on("offered ÷ what can be done"), &self.offered_rate, "×", Target::Unbounded);
        bench.metric(&on("admitted ÷ what can be done"), &self.admitted_rate, "×", Target::Unbounded);
        bench.metric(&on("p99 of the admitted ÷ p99 at half load"), &self.latency_vs_half_load, "×", target);
        bench.metric(&on("p99 of a refusal"), &self.rejection_latency, " ms", Target::Unbounded);
        bench.metric(&on("memory more than before"), &self.memory_growth, " MB", Target::Unbounded);
    }
}

/// Measures the throughput of the registry, then half of it, then ten times of it, in turns.
fn overload(bench: &mut Bench, stage: &RegistryBench<'_>) {
    const HOW: &str = "through the handle";
    if !bench.options.is_selected(HOW) {
        return;
    }
    let window = MeasurementWindow { warm_up: bench.options.warm_up(), measured: bench.options.measured() };
    let mut overload = OverloadRounds::default();
    let bar = harness::bench::progress(bench.options.rounds() as u64);
    for round in 0..bench.options.rounds() {
        bar.set_message(format!("round {} · ten times what can be done", round + 1));
        let capacity = stage
            .system
            .block_on(closed_loop(stage.new_tokens(REQUESTS_PER_RUN), SATURATING_REQUESTS, window))
            .throughput();
        let run =
            |rate: f64| stage.system.block_on(open_loop(stage.new_tokens(REQUESTS_PER_RUN), rate, window));
        let half = run(capacity / 2.0);
        let before = server::own_resident_bytes() as f64;
        let over = run(capacity * OVERLOAD_FACTOR);
        let growth = server::own_resident_bytes() as f64 - before;
        overload.add_round(&over, &half.admitted, capacity, window, growth);
        bar.inc(1);
    }
    bar.finish_and_clear();
    overload.report(bench, HOW, Target::AtMost(2.0, 1.3));
}

/// Measures the same over HTTP, as far as one thread can send it.
fn overload_over_http(bench: &mut Bench, stage: &RegistryBench<'_>) {
    const HOW: &str = "over HTTP";
    if !bench.options.is_selected(HOW) {
        return;
    }
    let window = MeasurementWindow { warm_up: bench.options.warm_up(), measured: bench.options.measured() };
    let server = Server::start(stage.database);
    let mut overload = OverloadRounds::default();
    let bar = harness::bench::progress(bench.options.rounds() as u64);
    for round in 0..bench.options.rounds() {
        bar.set_message(format!("round {} · ten times what can be done, over HTTP", round + 1));
        let fresh = || {
            let open = fixtures::insert_open_requests(stage.database, stage.users, REQUESTS_PER_RUN);
            stage.database.checkpoint();
            fixtures::redeem_requests(stage.users, &open)
        };
        let capacity = load::closed_loop(server.address, &fresh(), 256, window).throughput();
        let half = load::open_loop(server.address, &fresh(), 256, capacity / 2.0, window);
        let before = server.peak_resident_bytes() as f64;
        let over = load::overload(
            server.address,
            &fresh(),
            OVERLOAD_CONNECTIONS,
            capacity * OVERLOAD_FACTOR,
            window,
        );
        let growth = server.peak_resident_bytes() as f64 - before;
        overload.add_round(&over, &half.latencies.unwrap(), capacity, window, growth);
        bar.inc(1);
    }
    bar.finish_and_clear();
    overload.report(bench, HOW, Target::AtMost(8.0, 3.0));
}
