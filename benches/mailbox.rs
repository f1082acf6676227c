//! The actors' mailboxes: messages a second through the handles of the registry
//! and the mailer, and what becomes of ten times as much as the registry can do,
//! first through its handle and then over HTTP.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a bench that cannot go on has failed"
)]

#[expect(dead_code, reason = "no bench uses all of it")]
mod harness;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::Arbiter;
use actix_web::rt::System;
use countersign::actors::mailer::{Mailer, Postage};
use countersign::actors::pulse;
use countersign::actors::registry::{Registry, RegistryError};
use countersign::domain::clock::Timestamp;
use countersign::domain::event::Origin;
use countersign::domain::token::{ExportId, RedeemId};
use countersign::domain::user::UserId;
use countersign::mail::template::Templates;
use countersign::mail::transport::{MemoryMailbox, Transport};
use countersign::store::lookup::Question;
use countersign::store::{Clock, Directory, Store};
use countersign::words::Language;
use harness::bench::{Bench, Target};
use harness::cluster::Cluster;
use harness::database::Database;
use harness::load::{self, Lap, Offered, Window, histogram};
use harness::requests::CLIENT;
use harness::seed;
use harness::seed::{Open, Person};
use harness::server::{self, Server};
use hdrhistogram::Histogram;

/// How much more is offered than can be done.
const OVERLOAD: f64 = 10.0;
/// Redemptions that wait when the registry is to do what it can: as many as it has
/// places for.
const PLENTY: usize = 512;
/// Connections over which more is asked than there are places.
const CROWD: usize = 2_048;
/// Requests that a run may redeem.
const ROWS: usize = 60_000;
/// Messages between two looks at the clock.
const BURST: u64 = 1_000;

fn main() {
    harness::run("mailbox", |bench| {
        let cluster = Rc::new(Cluster::start());
        let database = Database::postgres(&cluster);
        let people = seed::people(&database, 2_000);
        let system = System::new();
        let stage = Stage::new(&database, &people, &system);
        messages(bench, &stage, &cluster);
        overload(bench, &stage);
        overload_over_http(bench, &stage);
    });
}

/// The actors, as the server starts them.
struct Stage<'a> {
    database: &'a Database,
    people: &'a [Person],
    system: &'a actix_web::rt::SystemRunner,
    registry: Registry,
    mailer: Mailer,
    _arbiters: [Arbiter; 2],
}

impl<'a> Stage<'a> {
    fn new(database: &'a Database, people: &'a [Person], system: &'a actix_web::rt::SystemRunner) -> Self {
        let store = Store::connect(&database.url.parse().unwrap(), 8, Clock::Database).unwrap();
        let postage = Postage {
            directory: Directory::new(store.clone(), 2),
            keyring: Arc::new(seed::keyring()),
            templates: Arc::new(Templates::load(None).unwrap()),
            transport: Transport::Memory(MemoryMailbox::default()),
            from: "bench@example.org".parse().unwrap(),
            public_url: "http://127.0.0.1:8080".to_owned(),
            language: Language::English,
        };
        let (registry, mailer, arbiters) = system.block_on(async {
            let arbiters = [Arbiter::new(), Arbiter::new()];
            let registry = Registry::start(store, pulse().0, &arbiters[0].handle());
            (registry, Mailer::start(postage, pulse().0, &arbiters[1].handle()), arbiters)
        });
        Self { database, people, system, registry, mailer, _arbiters: arbiters }
    }

    fn fresh(&self, rows: usize) -> Rc<Tokens> {
        let open = seed::open_requests(self.database, self.people, rows);
        self.database.settle();
        let left = open
            .iter()
            .rev()
            .map(|Open { redeem_id, target, .. }| (RedeemId(*redeem_id), UserId(self.people[*target].id)));
        Rc::new(Tokens { left: RefCell::new(left.collect()), registry: self.registry.clone() })
    }
}

/// Tokens that have not been redeemed yet, and by whom they can be.
struct Tokens {
    left: RefCell<Vec<(RedeemId, UserId)>>,
    registry: Registry,
}

impl Tokens {
    /// Redeems one; false when the registry was too busy or could not come to it in
    /// time, which costs no token.
    async fn redeem(&self) -> bool {
        let (id, by) = self.left.borrow_mut().pop().expect("enough tokens");
        let origin = Origin { actor: Some(by), address: None, client: Some(CLIENT.to_owned()) };
        match self.registry.redeem(id, by, None, origin).await {
            Ok(redeemed) => {
                redeemed.expect("a token that is live");
                true
            }
            Err(RegistryError::Busy | RegistryError::NotDone) => {
                self.left.borrow_mut().push((id, by));
                false
            }
            Err(error) => panic!("{error}"),
        }
    }
}

fn messages(bench: &mut Bench, stage: &Stage<'_>, cluster: &Cluster) {
    seed::hubs(stage.database, &stage.people[..1]);
    let token = ExportId(seed::exports(stage.database, &stage.people[..1], 1, 1)[0].id);
    let mut race = bench.race();
    for waiting in [1, 64, 256, PLENTY] {
        race.enter("registry, redeem", "handle", waiting, move |window| {
            let tokens = stage.fresh(ROWS);
            stage.system.block_on(closed(tokens, waiting, window))
        });
    }
    race.enter("registry, count a use", "handle", 1, move |window| {
        let now = Timestamp::from_micros(seed::now());
        let count = || stage.registry.count_use(token, now);
        // What is asked after them is answered after them.
        let all_counted = || drop(stage.system.block_on(stage.registry.look_up(Question::Export(token))));
        bursts(window, count, all_counted)
    });
    race.enter("mailer, hint", "handle", 1, move |window| bursts(window, || stage.mailer.hint(), || {}));
    race.run(bench, cluster.directory());
}

/// Messages as fast as one thread sends them. With `await_all`, those that are
/// not handled yet are waited for now and then, and that counts.
fn bursts(window: Window, send: impl Fn(), await_all: impl Fn()) -> Lap {
    let started = Instant::now();
    let mut operations = 0;
    while started.elapsed() < window.measured {
        (0..BURST).for_each(|_| send());
        await_all();
        operations += BURST;
    }
    Lap { operations, elapsed: started.elapsed(), latencies: None }
}

/// Keeps so many redemptions waiting.
async fn closed(tokens: Rc<Tokens>, waiting: usize, window: Window) -> Lap {
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
    Lap { operations: latencies.len(), elapsed: window.measured, latencies: Some(latencies) }
}

/// Offers so many redemptions a second, whatever becomes of them.
async fn offer(tokens: Rc<Tokens>, rate: f64, window: Window) -> Offered {
    let started = Instant::now();
    let all = window.warm_up + window.measured;
    let offered = Rc::new(RefCell::new(Offered { admitted: histogram(), refused: histogram() }));
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
                    let histogram = if admitted { &mut offered.admitted } else { &mut offered.refused };
                    histogram.saturating_record(took);
                }
            });
        }
    }
    while waiting.get() > 0 {
        tick.tick().await;
    }
    offered.replace(Offered { admitted: histogram(), refused: histogram() })
}

/// How overload went, round by round.
#[derive(Default)]
struct Overload {
    offered: Vec<f64>,
    admitted: Vec<f64>,
    against_half: Vec<f64>,
    refusal: Vec<f64>,
    growth: Vec<f64>,
}

impl Overload {
    /// What came of a round: beside what can be done in a second, and latency at
    /// half of that.
    fn note(&mut self, over: &Offered, half: &Histogram<u64>, capacity: f64, window: Window, growth: f64) {
        let p99 = |latencies: &Histogram<u64>| latencies.value_at_quantile(0.99) as f64;
        let times = |operations: u64| operations as f64 / window.measured.as_secs_f64() / capacity;
        self.offered.push(times(over.admitted.len() + over.refused.len()));
        self.admitted.push(times(over.admitted.len()));
        self.against_half.push(p99(&over.admitted) / p99(half));
        self.refusal.push(p99(&over.refused) / 1e6);
        self.growth.push(growth / 1e6);
    }

    fn tell(&self, bench: &mut Bench, how: &str, target: Target) {
        let on = |what: &str| format!("overload {how}: {what}");
        bench.figure(&on("offered ÷ what can be done"), &self.offered, "×", Target::None);
        bench.figure(&on("admitted ÷ what can be done"), &self.admitted, "×", Target::None);
        bench.figure(&on("p99 of the admitted ÷ p99 at half load"), &self.against_half, "×", target);
        bench.figure(&on("p99 of a refusal"), &self.refusal, " ms", Target::None);
        bench.figure(&on("memory more than before"), &self.growth, " MB", Target::None);
    }
}

/// What the registry can do, half of that, and ten times that, in turn.
fn overload(bench: &mut Bench, stage: &Stage<'_>) {
    let window = Window { warm_up: bench.options.warm_up(), measured: bench.options.measured() };
    let mut overload = Overload::default();
    let bar = harness::bench::progress(bench.options.rounds() as u64);
    for round in 0..bench.options.rounds() {
        bar.set_message(format!("round {} · ten times what can be done", round + 1));
        let capacity = stage.system.block_on(closed(stage.fresh(ROWS), PLENTY, window)).throughput();
        let run = |rate: f64| stage.system.block_on(offer(stage.fresh(ROWS), rate, window));
        let half = run(capacity / 2.0);
        let before = server::own_resident_bytes() as f64;
        let over = run(capacity * OVERLOAD);
        let growth = server::own_resident_bytes() as f64 - before;
        overload.note(&over, &half.admitted, capacity, window, growth);
        bar.inc(1);
    }
    bar.finish_and_clear();
    overload.tell(bench, "through the handle", Target::AtMost(2.0, 1.3));
}

/// The same of a server, as far as one thread can send it.
fn overload_over_http(bench: &mut Bench, stage: &Stage<'_>) {
    let window = Window { warm_up: bench.options.warm_up(), measured: bench.options.measured() };
    let server = Server::start(stage.database);
    let mut overload = Overload::default();
    let bar = harness::bench::progress(bench.options.rounds() as u64);
    for round in 0..bench.options.rounds() {
        bar.set_message(format!("round {} · ten times what can be done, over HTTP", round + 1));
        let fresh = || {
            let open = seed::open_requests(stage.database, stage.people, ROWS);
            stage.database.settle();
            seed::redemptions(stage.people, &open)
        };
        let capacity = load::closed(server.address, &fresh(), 256, window).throughput();
        let half = load::open(server.address, &fresh(), 256, capacity / 2.0, window);
        let before = server.most_resident_bytes() as f64;
        let over = load::overload(server.address, &fresh(), CROWD, capacity * OVERLOAD, window);
        let growth = server.most_resident_bytes() as f64 - before;
        overload.note(&over, &half.latencies.unwrap(), capacity, window, growth);
        bar.inc(1);
    }
    bar.finish_and_clear();
    // The generator is one of the crowd's two bottlenecks: a figure without a target.
    overload.tell(bench, "over HTTP", Target::None);
}
