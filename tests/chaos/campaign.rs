//! A campaign: replicas on one database, racers who fight over tokens, storms that
//! rage meanwhile; and afterwards the checker.

use std::fmt;
use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::checker::{self, Violation};
use crate::client::{Client, Outcome, Response};
use crate::dice::Dice;
use crate::ground::{Ground, Sort, Subject, Wish, connect};
use crate::history::{Act, Answer, Entry, write_down};
use crate::racer::{Racer, Try, any_act};
use crate::replica::Replica;
use crate::wire::Weather;

/// Racers for one token.
const RACERS: usize = 64;
/// Crowds of so many racers, each at a token, or several, of its own.
const CROWDS: usize = 3;
/// Racers for one token when the crowd parts.
const FEW: usize = 4;
/// A token that is to die by itself does so within so many microseconds.
const SOON: usize = 3_000_000;

/// What rages while racers race.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storm {
    /// Nothing does.
    Calm,
    /// Each second a replica is killed, or when the one before is up again if that
    /// takes longer; five times a second a connection's back end.
    Fire,
    /// One replica after the other is asked to stop, and started again.
    Restarts,
    /// The schema grows under the replicas, as the next version's migration may have it.
    Growth,
}

/// What is to be fought out.
#[derive(Clone, Copy, Debug)]
pub struct Campaign {
    pub name: &'static str,
    /// It ends when so many redemptions have been tried.
    pub redemptions: usize,
    /// How many tokens a crowd races for, one after the other or sixteen at a time,
    /// before what came of it is checked.
    pub rounds: usize,
    pub storm: Storm,
    pub weather: Weather,
    /// How many in a hundred of those with a key hang up before they hear anything.
    pub hang_ups: usize,
    /// The bug that is planted in all replicas.
    pub plant: Option<&'static str>,
    /// Whether the clocks of two replicas are wrong by an hour.
    pub skew: bool,
    pub seed: u64,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Report {
    name: &'static str,
    pub tokens: usize,
    pub operations: usize,
    pub redemptions: usize,
    /// Redemptions that were acknowledged, those told again under the same key among them.
    pub acknowledged: usize,
    /// Tokens of which somebody was told that they are redeemed.
    pub redeemed: usize,
    pub told_again: usize,
    pub not_done: usize,
    pub unknown: usize,
    pub crashes: usize,
    pub terminations: usize,
    pub restarts: usize,
    pub lost_answers: usize,
    /// The longest that anybody waited for an answer that came.
    pub slowest: Duration,
    /// The longest that a replica took to stop when it was asked to.
    pub slowest_stop: Duration,
    /// The longest that the load balancer did not see how the replicas are.
    pub slowest_look: Duration,
    pub took: Duration,
    pub violations: Vec<(usize, Violation)>,
    pub audit: Vec<String>,
}

impl Campaign {
    /// One of no name and no trouble: three replicas, and racers.
    pub const PLAIN: Self = Self {
        name: "plain",
        redemptions: 2_000,
        rounds: 24,
        storm: Storm::Calm,
        weather: Weather { loses_each: 0, holds_up_each: 0 },
        hang_ups: 0,
        plant: None,
        skew: false,
        seed: 1,
    };

    /// Fights it out, until there were so many redemptions or anything is wrong.
    pub fn run(&self) -> Report {
        let ground = Ground::new();
        let replicas = self.replicas(ground.database_url());
        let mut field = Field { ground, replicas, ids: AtomicU64::new(1) };
        let mut report = Report { name: self.name, ..Report::default() };
        let (started, mut dice) = (Instant::now(), Dice(self.seed));
        let longest = Duration::from_secs(120 + self.redemptions as u64 / 100);
        while report.redemptions < self.redemptions && report.is_clean() {
            assert!(started.elapsed() < longest, "it takes too long: {report}");
            let plan = Plan::of(self, field.replicas.len(), &mut dice);
            let subjects = field.ground.seed(&plan.wishes);
            let (histories, raged) = self.fight(&field, &plan, &subjects, &mut dice);
            let records = field.ground.records(&subjects);
            for (nth, (history, record)) in histories.iter().zip(&records).enumerate() {
                report.count(history);
                let wrong = checker::check(history, record);
                report.violations.extend(wrong.into_iter().map(|wrong| (nth, wrong)));
            }
            report.audit = field.ground.audit();
            report.add(raged);
            report.took = started.elapsed();
            report.lost_answers = field.replicas.iter().map(|replica| replica.wire().lost()).sum();
            println!("{report}");
            if !report.is_clean() {
                let wronged: Vec<usize> = report.violations.iter().map(|(nth, _)| *nth).collect();
                let histories = histories.iter().enumerate().filter(|(nth, _)| wronged.contains(nth));
                let path = write_down(self.name, histories.map(|(nth, history)| (nth, &history[..])));
                println!("histories: {}", path.display());
                for (nth, wrong) in report.violations.iter().take(10) {
                    println!("  token {nth}: {wrong:?}; {:?}", records[*nth]);
                }
                report.audit.iter().for_each(|wrong| println!("  {wrong}"));
                field.replicas.iter().flat_map(Replica::complaints).for_each(|line| println!("  {line}"));
            }
        }
        report
    }

    fn replicas(&self, url: &str) -> Vec<Replica> {
        let plant = self.plant.map(|plant| format!("{plant}=return"));
        let start = |skew: Option<&str>| {
            let mut environment = Vec::new();
            environment.extend(plant.as_deref().map(|plant| ("FAILPOINTS", plant)));
            let library = std::env::var("COUNTERSIGN_TEST_FAKETIME");
            if let Some(skew) = skew {
                let library = library.as_deref().expect("COUNTERSIGN_TEST_FAKETIME: run by `make test`");
                // Time-outs go by the monotonic clock, which no operator can set wrongly.
                environment.extend([
                    ("LD_PRELOAD", library),
                    ("FAKETIME", skew),
                    ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
                ]);
            }
            Replica::start(url, self.weather, &environment)
        };
        let skews = if self.skew { [Some("+3600"), Some("-3600"), None] } else { [None; 3] };
        thread::scope(|scope| {
            let starts = skews.map(|skew| scope.spawn(move || start(skew)));
            starts.map(|start| start.join().unwrap()).into()
        })
    }

    /// Has all of a plan tried: the history of each token, and what raged meanwhile.
    fn fight(
        &self,
        field: &Field,
        plan: &Plan,
        subjects: &[Subject],
        dice: &mut Dice,
    ) -> (Vec<Vec<Entry>>, Raged) {
        let Field { ground, replicas, ids } = field;
        let (people, url) = (&*ground.people, ground.database_url());
        let mut histories = vec![Vec::new(); subjects.len()];
        thread::scope(|scope| {
            let (over, is_over) = channel();
            let storm = scope.spawn(move || rage(self.storm, replicas, url, &is_over));
            let (watched, is_watched) = channel();
            let watch = scope.spawn(move || watch(replicas, &is_watched));
            let barriers: Vec<Barrier> = plan.crowds.iter().map(|_| Barrier::new(RACERS)).collect();
            thread::scope(|scope| {
                let mut racers = Vec::new();
                for (crowd, barrier) in plan.crowds.iter().zip(&barriers) {
                    for number in 0..RACERS {
                        let dice = Dice(dice.below(usize::MAX) as u64);
                        let mut racer = Racer::new(number, people, subjects, replicas, ids, dice);
                        racers.push(scope.spawn(move || {
                            for round in crowd {
                                barrier.wait();
                                racer.attempt(&round[number]);
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
            (histories, Raged { slowest_look, ..storm.join().unwrap() })
        })
    }
}

/// Where it is fought out.
struct Field {
    ground: Ground,
    replicas: Vec<Replica>,
    /// The next try's.
    ids: AtomicU64,
}

/// Who tries what on which token: crowd by crowd, round by round, racer by racer.
struct Plan {
    wishes: Vec<Wish>,
    crowds: Vec<Vec<Vec<Try>>>,
}

impl Plan {
    fn of(campaign: &Campaign, replicas: usize, dice: &mut Dice) -> Self {
        let mut plan = Self { wishes: Vec::new(), crowds: Vec::new() };
        for _ in 0..CROWDS {
            let rounds = (0..campaign.rounds).map(|nth| plan.round(nth, campaign, replicas, dice)).collect();
            plan.crowds.push(rounds);
        }
        plan
    }

    /// All at one token, or few at each of many.
    fn round(&mut self, nth: usize, campaign: &Campaign, replicas: usize, dice: &mut Dice) -> Vec<Try> {
        let at_once = if nth.is_multiple_of(2) { RACERS } else { FEW };
        let mut tries = Vec::new();
        while tries.len() < RACERS {
            let sort = if dice.percent(15) { Sort::Export } else { Sort::Request };
            let life = dice.percent(15).then(|| dice.below(SOON) as i64);
            let subject = self.wishes.len();
            self.wishes.push((sort, life));
            for racer in 0..at_once {
                let act = any_act(sort, dice);
                let key = matches!(act, Act::Redeem | Act::Ask).then(|| any_key(subject, act, racer, dice));
                let key = key.flatten();
                let hangs_up = key.is_some() && dice.percent(campaign.hang_ups);
                let hang_up = hangs_up.then(|| Duration::from_micros(dice.below(3_000) as u64));
                tries.push(Try { subject, act, key, replica: dice.below(replicas), hang_up });
            }
        }
        tries
    }
}

/// No key, one that several share, or one's own.
fn any_key(subject: usize, act: Act, racer: usize, dice: &mut Dice) -> Option<String> {
    let of = match dice.below(10) {
        0..4 => return None,
        4..6 => "shared".to_owned(),
        _ => racer.to_string(),
    };
    // Keys are the caller's, whatever they are used for.
    Some(format!("{act:?}-{subject}-{of}-{}", dice.0 % 1_000_000))
}

#[derive(Default)]
struct Raged {
    crashes: usize,
    terminations: usize,
    restarts: usize,
    slowest_stop: Duration,
    slowest_look: Duration,
}

/// How often a load balancer looks whether a replica is ready. They are wont to look
/// each second or two; it is the order that counts, and so it is the servers that
/// must wait for longer than this.
const LOOK: Duration = Duration::from_millis(250);

/// Looks after the replicas as a load balancer does, until all is over: for how long,
/// at the most, it has not seen how they are.
fn watch(replicas: &[Replica], over: &Receiver<()>) -> Duration {
    let (mut looked, mut slowest) = (Instant::now(), Duration::ZERO);
    let mut client = Client::of(replicas);
    let probe = b"GET /readyz HTTP/1.1\r\nHost: countersign\r\nConnection: close\r\n\r\n";
    while let Err(RecvTimeoutError::Timeout) = over.recv_timeout(LOOK) {
        for (nth, replica) in replicas.iter().enumerate() {
            let outcome = client.send(nth, probe, None);
            replica.set_ready(matches!(outcome, Outcome::Answered(Response { status: 200, .. })));
        }
        slowest = slowest.max(looked.elapsed());
        looked = Instant::now();
    }
    slowest
}

/// Lets a storm rage until all is over.
fn rage(storm: Storm, replicas: &[Replica], url: &str, over: &Receiver<()>) -> Raged {
    let mut raged = Raged::default();
    let mut db = connect(url);
    let mut next = replicas.iter().cycle();
    let mut growth = GROWTH.iter();
    let mut killed = Instant::now();
    for tick in 1.. {
        match over.recv_timeout(Duration::from_millis(200)) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => break,
        }
        match storm {
            Storm::Calm => {}
            Storm::Fire => {
                let ended: i64 = db.query_one(TERMINATE, &[]).unwrap().get(0);
                raged.terminations += ended as usize;
                if killed.elapsed() >= Duration::from_secs(1) {
                    killed = Instant::now();
                    next.next().unwrap().crash();
                    raged.crashes += 1;
                }
            }
            Storm::Restarts => {
                let replica = next.next().unwrap();
                let (status, took) = replica.stop();
                assert!(status.success(), "{status}: {:?}", replica.complaints());
                replica.run();
                // Whoever restarts them one by one waits for each to be ready.
                while !replica.is_ready() && over.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {}
                raged.restarts += 1;
                raged.slowest_stop = raged.slowest_stop.max(took);
            }
            Storm::Growth => {
                if let Some(sql) = growth.next() {
                    db.batch_execute(sql).unwrap();
                } else if tick % 5 == 0 {
                    // It starts again beside what it does not know.
                    next.next().unwrap().crash();
                    raged.crashes += 1;
                }
            }
        }
    }
    raged
}

/// Ends one of the replicas' back ends.
const TERMINATE: &str = "SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity \
    WHERE datname = current_database() AND application_name <> 'chaos' ORDER BY random() LIMIT 1) AS one";
/// What a next version may add while replicas of this one run.
const GROWTH: [&str; 4] = [
    "ALTER TABLE permission_requests ADD COLUMN IF NOT EXISTS note text, \
     ADD COLUMN IF NOT EXISTS priority integer NOT NULL DEFAULT 0",
    "CREATE TABLE IF NOT EXISTS later (id bigint PRIMARY KEY, request_id bigint REFERENCES permission_requests)",
    "ALTER TABLE permission_requests DROP CONSTRAINT permission_requests_outcome_check; \
     ALTER TABLE permission_requests ADD CONSTRAINT permission_requests_outcome_check CHECK (outcome IN \
     ('redeemed', 'given', 'declined', 'withdrawn', 'replaced', 'expired', 'delegated')) NOT VALID",
    "ALTER TABLE export_tokens ADD COLUMN IF NOT EXISTS label text; \
     ALTER TABLE events ADD COLUMN IF NOT EXISTS reason text; \
     INSERT INTO __diesel_schema_migrations (version) VALUES ('0002') ON CONFLICT DO NOTHING",
];

impl Report {
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty() && self.audit.is_empty()
    }

    fn add(&mut self, raged: Raged) {
        self.crashes += raged.crashes;
        self.terminations += raged.terminations;
        self.restarts += raged.restarts;
        self.slowest_stop = self.slowest_stop.max(raged.slowest_stop);
        self.slowest_look = self.slowest_look.max(raged.slowest_look);
    }

    fn count(&mut self, history: &[Entry]) {
        self.tokens += 1;
        self.operations += history.len();
        let mut winners = 0;
        for entry in history {
            self.not_done += usize::from(entry.answer == Answer::NotDone);
            self.unknown += usize::from(entry.answer == Answer::Unknown);
            if entry.act == Act::Redeem {
                self.redemptions += 1;
                winners += usize::from(matches!(entry.answer, Answer::Done(_)));
            }
            if entry.answer != Answer::Unknown {
                let waited = u64::try_from(entry.returned - entry.invoked).unwrap_or_default();
                self.slowest = self.slowest.max(Duration::from_micros(waited));
            }
        }
        self.acknowledged += winners;
        self.redeemed += usize::from(winners > 0);
        self.told_again += winners.saturating_sub(1);
    }

    /// Writes it where `make chaos` is told to look for it.
    pub fn keep(&self) {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("chaos");
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join(format!("{}.txt", self.name)), format!("{self}\n")).unwrap();
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.took.as_secs_f64();
        write!(
            f,
            "{}: {} redemptions tried ({} acknowledged, of {} tokens; {} told again under their key), \
             {} operations on {} tokens in {seconds:.0} s; {} told nothing or that it is unknown, {} that \
             nothing was done; {} kill -9, {} back ends ended, {} restarts (the slowest stop took {:.1} s), \
             {} acknowledgements lost; the slowest answer took {:.2} s; {} violations",
            self.name,
            self.redemptions,
            self.acknowledged,
            self.redeemed,
            self.told_again,
            self.operations,
            self.tokens,
            self.unknown,
            self.not_done,
            self.crashes,
            self.terminations,
            self.restarts,
            self.slowest_stop.as_secs_f64(),
            self.lost_answers,
            self.slowest.as_secs_f64(),
            self.violations.len() + self.audit.len(),
        )?;
        if self.is_clean() && self.tokens > 0 && self.redeemed > 0 {
            // The rule of three: none in n is fewer than 3/n, with 95 % confidence.
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
