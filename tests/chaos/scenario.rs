//! A scenario: replicas on one database, concurrent clients and injected faults. The checker runs
//! after each round.

use std::fmt;
use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::checker::{self, Violation};
use crate::client::{Attempt, Client, random_action};
use crate::database_state::{DatabaseState, TestToken, TestTokenKind, TestTokenSpec, connect};
use crate::deliveries::Webhooks;
use crate::fault_proxy::NetworkFaults;
use crate::history::{HistoryEntry, Outcome, Terms, TokenAction, save_histories};
use crate::http_client::{HttpClient, HttpResponse, SendResult};
use crate::replica::Replica;
use crate::rng::Rng;

/// The number of clients in a group.
const CLIENTS_PER_GROUP: usize = 64;
/// The number of groups. Each group operates on its own tokens.
const CLIENT_GROUPS: usize = 3;
/// The number of clients per token in rounds that spread a group over many tokens.
const CLIENTS_PER_SPREAD_TOKEN: usize = 4;
/// The maximum lifetime of a token that may expire during a round, in microseconds.
const MAX_SHORT_LIFETIME_MICROS: usize = 3_000_000;

/// The faults that are injected while clients run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultSchedule {
    NoFaults,
    /// Kills a replica every second, after the previous one is up again, and terminates a database
    /// connection five times a second.
    Crashes,
    /// The same, and every two seconds the database and the receivers of webhooks go away for 0.3 seconds.
    Outages,
    /// Stops and starts one replica after the other.
    RollingRestarts,
    /// Applies schema changes of a future version while the replicas run.
    SchemaMigration,
}

#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    pub name: &'static str,
    /// The scenario ends after this number of redemptions.
    pub redemptions: usize,
    /// The number of rounds, each on one token per group or on sixteen, before the checker runs.
    pub rounds: usize,
    pub fault_schedule: FaultSchedule,
    pub network_faults: NetworkFaults,
    /// The percentage of operations with an idempotency key whose client disconnects early.
    pub disconnect_percent: usize,
    /// The mutant that all replicas run.
    pub mutation: Option<&'static str>,
    /// Whether the clocks of two replicas are wrong by an hour.
    pub clock_skew: bool,
    /// Whether webhooks receive the events.
    pub webhooks: bool,
    pub seed: u64,
}

/// The result of a scenario.
#[derive(Debug, Default)]
pub struct Report {
    name: &'static str,
    pub tokens: usize,
    pub operations: usize,
    pub redemptions: usize,
    /// Acknowledged redemptions, including replays.
    pub acknowledged: usize,
    /// Tokens with an acknowledged redemption.
    pub redeemed_tokens: usize,
    pub replays: usize,
    pub not_executed: usize,
    pub unknown_outcomes: usize,
    pub crashes: usize,
    pub terminations: usize,
    pub restarts: usize,
    pub dropped_acks: usize,
    /// How often the database and the receivers were away.
    pub outages: usize,
    /// Events that receivers of webhooks got.
    pub delivered_events: usize,
    /// Requests that these receivers got.
    pub deliveries: usize,
    /// Deliveries that are shown as failed.
    pub failed_deliveries: usize,
    /// The longest time until a response.
    pub slowest_response: Duration,
    /// The longest time in which a replica stopped.
    pub slowest_stop: Duration,
    /// The longest time between two health checks of a replica.
    pub longest_health_check_gap: Duration,
    pub elapsed: Duration,
    pub violations: Vec<(usize, Violation)>,
    pub inconsistencies: Vec<String>,
}

impl Scenario {
    /// Three replicas without faults.
    pub const DEFAULT: Self = Self {
        name: "plain",
        redemptions: 2_000,
        rounds: 24,
        fault_schedule: FaultSchedule::NoFaults,
        network_faults: NetworkFaults { drop_ack_every: 0, delay_response_every: 0 },
        disconnect_percent: 0,
        mutation: None,
        clock_skew: false,
        webhooks: false,
        seed: 1,
    };

    /// Runs until the number of redemptions is reached or an invariant is violated.
    pub fn run(&self) -> Report {
        let database = DatabaseState::new();
        let webhooks = self.webhooks.then(|| Webhooks::register(&database.app));
        let replicas = self.start_replicas(database.database_url());
        let mut field = Deployment { webhooks, database, replicas, next_id: AtomicU64::new(1) };
        let mut report = Report { name: self.name, ..Report::default() };
        let (started, mut rng) = (Instant::now(), Rng(self.seed));
        let longest = Duration::from_secs(120 + self.redemptions as u64 / 100);
        while report.redemptions < self.redemptions && report.is_clean() {
            assert!(started.elapsed() < longest, "the scenario takes too long: {report}");
            let plan = RoundPlan::generate(self, field.replicas.len(), &mut rng);
            let subjects = field.database.create_tokens(&plan.tokens);
            let (histories, injected) = self.run_round(&field, &plan, &subjects, &mut rng);
            let records = field.database.read_records(&subjects);
            for (nth, (history, record)) in histories.iter().zip(&records).enumerate() {
                report.add_history(history);
                let wrong = checker::check(history, record);
                report.violations.extend(wrong.into_iter().map(|wrong| (nth, wrong)));
            }
            report.inconsistencies = field.database.find_inconsistencies();
            report.add_faults(injected);
            report.elapsed = started.elapsed();
            report.dropped_acks = field.replicas.iter().map(|replica| replica.proxy().lost()).sum();
            println!("{report}");
            if !report.is_clean() {
                let wronged: Vec<usize> = report.violations.iter().map(|(nth, _)| *nth).collect();
                let histories = histories.iter().enumerate().filter(|(nth, _)| wronged.contains(nth));
                let path = save_histories(self.name, histories.map(|(nth, history)| (nth, &history[..])));
                println!("histories: {}", path.display());
                for (nth, wrong) in report.violations.iter().take(10) {
                    println!("  token {nth}: {wrong:?}; {:?}", records[*nth]);
                }
                report.inconsistencies.iter().for_each(|wrong| println!("  {wrong}"));
                field.replicas.iter().flat_map(Replica::warnings).for_each(|line| println!("  {line}"));
            }
        }
        if let Some(webhooks) = &field.webhooks {
            report.add_deliveries(webhooks);
            report.elapsed = started.elapsed();
            println!("{report}");
            report.inconsistencies.iter().take(10).for_each(|wrong| println!("  {wrong}"));
        }
        report
    }

    fn start_replicas(&self, url: &str) -> Vec<Replica> {
        let mutation = self.mutation.map(|mutation| format!("{mutation}=return"));
        let start = |skew: Option<&str>| {
            let mut environment = Vec::new();
            environment.extend(mutation.as_deref().map(|mutation| ("FAILPOINTS", mutation)));
            environment.push(("COUNTERSIGN_WEBHOOKS_ALLOW", "127.0.0.1"));
            let library = std::env::var("COUNTERSIGN_TEST_FAKETIME");
            if let Some(skew) = skew {
                let library = library.as_deref().expect("COUNTERSIGN_TEST_FAKETIME: run by `make test`");
                // The clocks of timeouts are monotonic, and cannot be set.
                environment.extend([
                    ("LD_PRELOAD", library),
                    ("FAKETIME", skew),
                    ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
                ]);
            }
            Replica::start(url, self.network_faults, &environment)
        };
        let skews = if self.clock_skew { [Some("+3600"), Some("-3600"), None] } else { [None; 3] };
        thread::scope(|scope| {
            let starts = skews.map(|skew| scope.spawn(move || start(skew)));
            starts.map(|start| start.join().unwrap()).into()
        })
    }

    /// Runs the operations of a plan. Returns the history of each token and the injected faults.
    fn run_round(
        &self,
        field: &Deployment,
        plan: &RoundPlan,
        subjects: &[TestToken],
        rng: &mut Rng,
    ) -> (Vec<Vec<HistoryEntry>>, InjectedFaults) {
        let Deployment { database, replicas, webhooks, next_id: ids } = field;
        let (people, url) = (&*database.users, database.database_url());
        let mut histories = vec![Vec::new(); subjects.len()];
        thread::scope(|scope| {
            let (over, is_over) = channel();
            let fault_schedule = scope.spawn(move || {
                inject_faults(self.fault_schedule, replicas, webhooks.as_ref(), url, &is_over)
            });
            let (watched, is_watched) = channel();
            let watch = scope.spawn(move || run_load_balancer(replicas, &is_watched));
            let barriers: Vec<Barrier> =
                plan.groups.iter().map(|_| Barrier::new(CLIENTS_PER_GROUP)).collect();
            thread::scope(|scope| {
                let mut racers = Vec::new();
                for (crowd, barrier) in plan.groups.iter().zip(&barriers) {
                    for number in 0..CLIENTS_PER_GROUP {
                        let rng = Rng(rng.below(usize::MAX) as u64);
                        let mut racer = Client::new(number, people, subjects, replicas, ids, rng);
                        racers.push(scope.spawn(move || {
                            for round in crowd {
                                barrier.wait();
                                racer.run(&round[number]);
                            }
                            racer.history
                        }));
                    }
                }
                for racer in racers {
                    for (subject, entry) in racer.join().unwrap() {
                        histories[subject].push(entry);
                    }
                }
            });
            drop((over, watched));
            let slowest_look = watch.join().unwrap();
            (
                histories,
                InjectedFaults { longest_health_check_gap: slowest_look, ..fault_schedule.join().unwrap() },
            )
        })
    }
}

/// The database and the replicas.
struct Deployment {
    /// First, because it uses the database until it is dropped.
    webhooks: Option<Webhooks>,
    database: DatabaseState,
    replicas: Vec<Replica>,
    /// The id of the next operation.
    next_id: AtomicU64,
}

/// The operations of a round: per group, per step, per client.
struct RoundPlan {
    tokens: Vec<TestTokenSpec>,
    groups: Vec<Vec<Vec<Attempt>>>,
}

impl RoundPlan {
    fn generate(scenario: &Scenario, replicas: usize, rng: &mut Rng) -> Self {
        let mut plan = Self { tokens: Vec::new(), groups: Vec::new() };
        for _ in 0..CLIENT_GROUPS {
            let rounds = (0..scenario.rounds).map(|nth| plan.round(nth, scenario, replicas, rng)).collect();
            plan.groups.push(rounds);
        }
        plan
    }

    /// Operations of a group on one token, or on several.
    fn round(&mut self, nth: usize, scenario: &Scenario, replicas: usize, rng: &mut Rng) -> Vec<Attempt> {
        let at_once = if nth.is_multiple_of(2) { CLIENTS_PER_GROUP } else { CLIENTS_PER_SPREAD_TOKEN };
        let mut tries = Vec::new();
        while tries.len() < CLIENTS_PER_GROUP {
            let sort = if rng.percent(15) { TestTokenKind::Export } else { TestTokenKind::Request };
            let life = rng.percent(15).then(|| rng.below(MAX_SHORT_LIFETIME_MICROS) as i64);
            let subject = self.tokens.len();
            self.tokens.push((sort, life));
            for racer in 0..at_once {
                let act = random_action(sort, rng);
                let key = matches!(act, TokenAction::Redeem | TokenAction::CreateAgain)
                    .then(|| random_key(subject, act, racer, rng));
                let key = key.flatten();
                let hangs_up = key.is_some() && rng.percent(scenario.disconnect_percent);
                let hang_up = hangs_up.then(|| Duration::from_micros(rng.below(3_000) as u64));
                // Equal keys stand for equal decisions.
                let number = match &key {
                    Some(key) => key.bytes().map(usize::from).sum(),
                    None => rng.below(6),
                };
                tries.push(Attempt {
                    token: subject,
                    action: act,
                    terms: Terms::from_number(number),
                    idempotency_key: key,
                    replica: rng.below(replicas),
                    disconnect_after: hang_up,
                });
            }
        }
        tries
    }
}

/// No key, a key that several clients share, or a key of one client.
fn random_key(subject: usize, act: TokenAction, racer: usize, rng: &mut Rng) -> Option<String> {
    let of = match rng.below(10) {
        0..4 => return None,
        4..6 => "shared".to_owned(),
        _ => racer.to_string(),
    };
    // A key is unique per caller, across all operations.
    Some(format!("{act:?}-{subject}-{of}-{}", rng.0 % 1_000_000))
}

#[derive(Default)]
struct InjectedFaults {
    crashes: usize,
    terminations: usize,
    restarts: usize,
    outages: usize,
    slowest_stop: Duration,
    longest_health_check_gap: Duration,
}

/// The interval of the load balancer's health checks. Usually it is one or two seconds. It must be
/// shorter than the server's drain period.
const HEALTH_CHECK_INTERVAL: Duration = Duration::from_millis(250);

/// Checks the health of the replicas until the round ends. Returns the longest time between two
/// checks.
fn run_load_balancer(replicas: &[Replica], over: &Receiver<()>) -> Duration {
    let (mut looked, mut slowest) = (Instant::now(), Duration::ZERO);
    let mut client = HttpClient::new(replicas);
    let probe = b"GET /readyz HTTP/1.1\r\nHost: countersign\r\nConnection: close\r\n\r\n";
    while let Err(RecvTimeoutError::Timeout) = over.recv_timeout(HEALTH_CHECK_INTERVAL) {
        for (nth, replica) in replicas.iter().enumerate() {
            let outcome = client.send(nth, probe, None);
            replica.set_ready(matches!(outcome, SendResult::Received(HttpResponse { status: 200, .. })));
        }
        slowest = slowest.max(looked.elapsed());
        looked = Instant::now();
    }
    slowest
}

/// Injects faults until the round ends.
fn inject_faults(
    fault_schedule: FaultSchedule,
    replicas: &[Replica],
    webhooks: Option<&Webhooks>,
    url: &str,
    over: &Receiver<()>,
) -> InjectedFaults {
    let mut injected = InjectedFaults::default();
    let mut db = connect(url);
    let mut next = replicas.iter().cycle();
    let mut growth = MIGRATIONS.iter();
    let mut killed = Instant::now();
    for tick in 1.. {
        match over.recv_timeout(Duration::from_millis(200)) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => break,
        }
        match fault_schedule {
            FaultSchedule::NoFaults => {}
            FaultSchedule::Crashes | FaultSchedule::Outages => {
                if fault_schedule == FaultSchedule::Outages && tick % 8 == 3 {
                    set_away(replicas, webhooks, true);
                    db.execute(TERMINATE_BACKENDS, &[]).unwrap();
                    std::thread::sleep(OUTAGE);
                    set_away(replicas, webhooks, false);
                    injected.outages += 1;
                }
                let ended: i64 = db.query_one(TERMINATE_BACKEND, &[]).unwrap().get(0);
                injected.terminations += ended as usize;
                if killed.elapsed() >= Duration::from_secs(1) {
                    killed = Instant::now();
                    next.next().unwrap().crash();
                    injected.crashes += 1;
                }
            }
            FaultSchedule::RollingRestarts => {
                let replica = next.next().unwrap();
                let (status, took) = replica.stop();
                assert!(status.success(), "{status}: {:?}", replica.warnings());
                replica.start_process();
                // A rolling restart waits until each replica is ready.
                while !replica.is_ready()
                    && over.recv_timeout(HEALTH_CHECK_INTERVAL) == Err(RecvTimeoutError::Timeout)
                {
                }
                injected.restarts += 1;
                injected.slowest_stop = injected.slowest_stop.max(took);
            }
            FaultSchedule::SchemaMigration => {
                if let Some(sql) = growth.next() {
                    db.batch_execute(sql).unwrap();
                } else if tick % 5 == 0 {
                    // A replica also starts on the changed schema.
                    next.next().unwrap().crash();
                    injected.crashes += 1;
                }
            }
        }
    }
    injected
}

/// How long the database and the receivers of webhooks are away.
const OUTAGE: Duration = Duration::from_millis(300);

/// Takes the database and the receivers of webhooks away, or gives them back.
fn set_away(replicas: &[Replica], webhooks: Option<&Webhooks>, is_away: bool) {
    replicas.iter().for_each(|replica| replica.proxy().set_down(is_away));
    webhooks.iter().for_each(|webhooks| webhooks.set_down(is_away));
}

/// Terminates the connections of all replicas, as a restart of the database does.
const TERMINATE_BACKENDS: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
    WHERE datname = current_database() AND application_name <> 'chaos'";
/// Terminates a random database connection of the replicas.
const TERMINATE_BACKEND: &str = "SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity \
    WHERE datname = current_database() AND application_name <> 'chaos' ORDER BY random() LIMIT 1) AS one";
/// Changes that a future version may apply while replicas of this version run. They are not recorded
/// as migrations, because a replica that starts on a newer schema is refused.
const MIGRATIONS: [&str; 4] = [
    "ALTER TABLE permission_requests ADD COLUMN IF NOT EXISTS note text, \
     ADD COLUMN IF NOT EXISTS priority integer NOT NULL DEFAULT 0",
    "CREATE TABLE IF NOT EXISTS later (id bigint PRIMARY KEY, request_id bigint REFERENCES permission_requests)",
    "ALTER DOMAIN request_outcome DROP CONSTRAINT request_outcome_check; \
     ALTER DOMAIN request_outcome ADD CONSTRAINT request_outcome_check CHECK (VALUE IN \
     ('approved', 'granted', 'declined', 'withdrawn', 'replaced', 'expired', 'delegated')) NOT VALID",
    "ALTER TABLE export_tokens ADD COLUMN IF NOT EXISTS label text; \
     ALTER TABLE audit_log ADD COLUMN IF NOT EXISTS reason text",
];

impl Report {
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty() && self.inconsistencies.is_empty()
    }

    fn add_faults(&mut self, injected: InjectedFaults) {
        self.crashes += injected.crashes;
        self.terminations += injected.terminations;
        self.restarts += injected.restarts;
        self.outages += injected.outages;
        self.slowest_stop = self.slowest_stop.max(injected.slowest_stop);
        self.longest_health_check_gap = self.longest_health_check_gap.max(injected.longest_health_check_gap);
    }

    fn add_deliveries(&mut self, webhooks: &Webhooks) {
        for report in webhooks.check() {
            self.delivered_events += report.events;
            self.deliveries += report.requests;
            self.failed_deliveries += report.failed;
            self.inconsistencies.extend(report.violations.iter().map(|wrong| format!("webhook: {wrong:?}")));
        }
    }

    fn add_history(&mut self, history: &[HistoryEntry]) {
        self.tokens += 1;
        self.operations += history.len();
        let mut winners = 0;
        for entry in history {
            self.not_executed += usize::from(entry.outcome == Outcome::NotExecuted);
            self.unknown_outcomes += usize::from(entry.outcome == Outcome::Unknown);
            if entry.action == TokenAction::Redeem {
                self.redemptions += 1;
                winners += usize::from(matches!(entry.outcome, Outcome::Done(_)));
            }
            if entry.outcome != Outcome::Unknown {
                let waited = u64::try_from(entry.returned - entry.invoked).unwrap_or_default();
                self.slowest_response = self.slowest_response.max(Duration::from_micros(waited));
            }
        }
        self.acknowledged += winners;
        self.redeemed_tokens += usize::from(winners > 0);
        self.replays += winners.saturating_sub(1);
    }

    /// Writes the report to target/tmp/chaos.
    pub fn save(&self) {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("chaos");
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join(format!("{}.txt", self.name)), format!("{self}\n")).unwrap();
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.elapsed.as_secs_f64();
        write!(
            f,
            "{}: {} redemptions tried ({} acknowledged, of {} tokens; {} told again under their key), \
             {} operations on {} tokens in {seconds:.0} s; {} told nothing or that it is unknown, {} that \
             nothing was done; {} kill -9, {} back ends ended, {} restarts (the slowest stop took {:.1} s), \
             {} acknowledgements lost; the slowest answer took {:.2} s; {} violations",
            self.name,
            self.redemptions,
            self.acknowledged,
            self.redeemed_tokens,
            self.replays,
            self.operations,
            self.tokens,
            self.unknown_outcomes,
            self.not_executed,
            self.crashes,
            self.terminations,
            self.restarts,
            self.slowest_stop.as_secs_f64(),
            self.dropped_acks,
            self.slowest_response.as_secs_f64(),
            self.violations.len() + self.inconsistencies.len(),
        )?;
        if self.deliveries > 0 {
            write!(
                f,
                "; {} outages; webhooks: {} events in {} requests, {} shown as failed",
                self.outages, self.delivered_events, self.deliveries, self.failed_deliveries
            )?;
        }
        if self.is_clean() && self.tokens > 0 && self.redeemed_tokens > 0 {
            // The rule of three: zero events in n trials means a rate below 3/n with 95 %
            // confidence.
            write!(
                f,
                " (with 95 % confidence fewer than {:.1e} of tokens, {:.1e} of acknowledged redemptions)",
                3.0 / self.tokens as f64,
                3.0 / self.acknowledged as f64,
            )?;
        }
        Ok(())
    }
}
