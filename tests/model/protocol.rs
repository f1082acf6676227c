//! The protocol: what replicas, clients and the database do, one step at a time.
//!
//! The decisions are the domain's own (`PermissionRequest`), the queue is the
//! registry's own (`Queue`). What lies between them and the disk is told here as
//! `store::ledger` does it. A batch that redeems or declines by token reads without
//! locks, and sends one statement that holds only if nothing has changed; any other
//! locks the row first. When an answer is lost, it is asked whether the entry of the
//! trail is there that the deed was to leave.
//!
//! A statement that was sent is the database's. It may be done, or come to nothing,
//! long after whoever sent it has gone.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use countersign::actors::batch::{Flight, Item, Limits, Overdue, Queue};
use countersign::actors::registry::RowKey;
use countersign::domain::bundle::BundleId;
use countersign::domain::clock::Timestamp;
use countersign::domain::event::Origin;
use countersign::domain::grant::Terms;
use countersign::domain::request::{Closed, NewRequest, Outcome, PermissionRequest, Redemption, RequestId};
use countersign::domain::text::IdempotencyKey;
use countersign::domain::token::RedeemId;
use countersign::domain::user::{Authority, UserId};
use countersign::store::ledger::{Deed, Operation, RequestRef};
use stateright::{Model, Property};
use uuid::Uuid;

const NOW: Timestamp = Timestamp::from_micros(1_893_456_000_000_000);
const TARGET: UserId = UserId(1);
const ALLOWED: UserId = UserId(2);
const TERMS: Terms = Terms { target: TARGET, allowed: ALLOWED, bundle: BundleId(1) };
/// How often a batch is tried, as the ledger has it.
const TRIES: usize = 3;
/// The queues' measure, with a second for a unit of time.
const LIMITS: Limits = Limits {
    batch: 2,
    boarding: Duration::from_secs(1),
    last_call: Duration::ZERO,
    patience: Duration::from_secs(2),
};
/// After so many units of time everybody has been told.
const END_OF_TIME: u64 = 2;

/// What a client wants of the one request that there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wish {
    /// To redeem it, by its token.
    Redeem,
    /// To redeem it, under a key of the client's own, and if need be again.
    RedeemOnce,
    /// To decline it, by its token.
    Decline,
    /// To withdraw it, by its number.
    Withdraw,
    /// To put a newer one in its place.
    Replace,
}

/// What a client is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// The permission stands.
    Granted,
    /// The request has ended as was wanted.
    Ended,
    /// There is no such request (any more).
    Dead,
    /// Nothing was done.
    NotDone,
    /// The outcome is unknown, or the connection broke.
    Unknown,
}

/// One of a client's attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attempt {
    client: usize,
    nth: usize,
}

/// What a replica has to do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Job {
    attempt: Attempt,
    wish: Wish,
}

impl Job {
    fn key(&self) -> Option<IdempotencyKey> {
        let key = || IdempotencyKey::new(&format!("client {}", self.attempt.client)).unwrap();
        (self.wish == Wish::RedeemOnce).then(key)
    }

    /// The real deed.
    fn deed(&self) -> Deed {
        let id = RedeemId(Uuid::nil());
        match self.wish {
            Wish::Redeem | Wish::RedeemOnce => Deed::Redeem { id, by: TARGET, once: self.key() },
            Wish::Decline => Deed::End { which: RequestRef::Token(id), by: Authority::User(TARGET) },
            Wish::Withdraw => {
                Deed::End { which: RequestRef::Number(RequestId(1)), by: Authority::User(ALLOWED) }
            }
            Wish::Replace => Deed::Ask(NewRequest {
                terms: TERMS,
                asked_by: ALLOWED,
                lifetime: 60,
                redeem_page: None,
                once: None,
            }),
        }
    }

    fn is_by_token(&self) -> bool {
        matches!(self.wish, Wish::Redeem | Wish::RedeemOnce | Wish::Decline)
    }
}

impl Item for Job {
    type Key = RowKey;

    fn keys(&self) -> Vec<RowKey> {
        Operation::new(self.deed(), Origin::default()).keys()
    }
}

/// A mistake in the protocol, for the model to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// The statement is done whatever has become of the row.
    Unguarded,
    /// Rows are read and written without a lock or a guard.
    Unlocked,
    /// Who waits is told before the COMMIT.
    EarlyAnswer,
    /// What got no answer is taken for not done, and done again.
    RetriedUnknown,
    /// Who wants to know whether it was done looks at the row, which may be another's.
    ReadBackByRow,
    /// A statement that was not there when it was asked for may come yet.
    Unfenced,
    /// Whoever waits too long is told that nothing was done, though it has left.
    HastyNotDone,
    /// The token is used up in one transaction, the permission given in another.
    GrantApart,
    /// The key of a redemption is not kept.
    ForgottenKey,
}

/// An entry of the trail, by the first attempt and the try of the batch that it is of.
type EventId = (Attempt, usize);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Entry {
    /// The deed was done.
    Done,
    /// It was not, and never will be.
    Fence,
}

/// A transaction's last statement, on its way to the database or in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Statement {
    event: EventId,
    /// Whether its transaction holds the row's lock.
    locks: bool,
    closed: Closed,
    attempt: Attempt,
    /// Whether half of it is done, by mistake.
    half: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Step {
    /// About to read, without a lock.
    Read,
    /// About to lock and read.
    Lock,
    /// Waits for the answer to its last statement.
    Sent { event: EventId, answers: Vec<Answer> },
    /// The answer is lost: about to ask what became of it.
    Ask { event: EventId, locks: bool, answers: Vec<Answer> },
}

/// A batch on its way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Thread {
    flight: Flight,
    jobs: Vec<Job>,
    tries: usize,
    step: Step,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Replica {
    queue: Queue<Job, Attempt>,
    threads: Vec<Thread>,
}

impl Replica {
    fn new() -> Self {
        Self { queue: Queue::new(LIMITS), threads: Vec::new() }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Client {
    wish: Wish,
    /// The replica whose answer it waits for.
    at: Option<usize>,
    heard: Vec<Answer>,
}

/// All that is the case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// How the request ended.
    closed: Option<Closed>,
    trail: BTreeMap<EventId, Entry>,
    statements: Vec<Statement>,
    replicas: Vec<Replica>,
    clients: Vec<Client>,
    now: u64,
    losses: usize,
    crashes: usize,
    /// For the properties alone: what took effect, and how often it was a permission.
    done: BTreeSet<Attempt>,
    grants: usize,
}

/// What can happen next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A client sends its wish to a replica.
    Send { client: usize, replica: usize },
    /// A batch takes its next step.
    Run { replica: usize, thread: usize },
    /// A batch has no time left.
    GiveUp { replica: usize, thread: usize },
    /// The answer to a statement is lost, with its connection.
    Lose { replica: usize, thread: usize },
    /// The database does what it was sent.
    Execute(usize),
    /// What nobody waits for any more comes to nothing.
    Vanish(usize),
    /// A replica is killed, and starts anew.
    Crash(usize),
    /// Time passes.
    Wait,
}

/// The protocol, of this size.
#[derive(Clone, Debug)]
pub struct Protocol {
    pub replicas: usize,
    pub clients: Vec<Wish>,
    /// Answers of the database that get lost, at the most.
    pub losses: usize,
    /// Replicas that are killed, at the most.
    pub crashes: usize,
    /// Whether anybody runs out of time.
    pub hurried: bool,
    pub mistake: Option<Mistake>,
    /// Where the queues' time begins.
    pub epoch: Instant,
}

impl Protocol {
    pub fn new(replicas: usize, clients: &[Wish]) -> Self {
        Self {
            replicas,
            clients: clients.to_vec(),
            losses: 0,
            crashes: 0,
            hurried: false,
            mistake: None,
            epoch: Instant::now(),
        }
    }

    fn errs(&self, mistake: Mistake) -> bool {
        self.mistake == Some(mistake)
    }

    fn instant(&self, state: &State) -> Instant {
        self.epoch + Duration::from_secs(state.now)
    }

    /// What the domain makes of a batch, on the row as it is: the answers, and how the
    /// request ends by whose attempt, if it does.
    fn decide(&self, jobs: &[Job], closed: Option<&Closed>) -> (Vec<Answer>, Option<(Attempt, Closed)>) {
        let mut request = PermissionRequest {
            id: RequestId(1),
            redeem_id: RedeemId(Uuid::nil()),
            terms: TERMS,
            asked_by: ALLOWED,
            redeem_page: None,
            created_at: NOW,
            expires_at: NOW.plus_seconds(60),
            once: None,
            closed: closed.cloned(),
        };
        let mut ended = None;
        let answers = jobs.iter().map(|job| {
            let granted = request.grant().is_some();
            let end = |request: &mut PermissionRequest, by| request.end(Authority::User(by), NOW).is_ok();
            let (fresh, answer) = match job.wish {
                Wish::Redeem | Wish::RedeemOnce => {
                    match request.redeem(TARGET, job.key().as_ref(), granted, NOW) {
                        Ok(Redemption::Fresh) => (true, Answer::Granted),
                        Ok(Redemption::Repeated) if granted => (false, Answer::Granted),
                        Ok(Redemption::Repeated) | Err(_) => (false, Answer::Dead),
                    }
                }
                Wish::Decline if end(&mut request, TARGET) => (true, Answer::Ended),
                Wish::Withdraw if end(&mut request, ALLOWED) => (true, Answer::Ended),
                Wish::Replace if request.replace(NOW).is_ok() => (true, Answer::Ended),
                Wish::Decline | Wish::Withdraw | Wish::Replace => (false, Answer::Dead),
            };
            if fresh {
                ended = Some(job.attempt);
            }
            answer
        });
        let answers = answers.collect();
        let mut after = request.closed;
        if let Some(closed) = after.as_mut().filter(|_| self.errs(Mistake::ForgottenKey)) {
            closed.once = None;
        }
        (answers, ended.zip(after))
    }

    /// Reads, decides and sends the batch's last statement; or answers, when there is
    /// nothing to be written.
    fn draft(&self, state: &mut State, replica: usize, thread: usize, locks: bool) {
        let Thread { flight, jobs, tries, .. } = state.replicas[replica].threads[thread].clone();
        let (answers, ended) = self.decide(&jobs, state.closed.as_ref());
        let Some((attempt, closed)) = ended else {
            return self.land(state, replica, thread, &answers);
        };
        let event = (jobs[0].attempt, tries);
        state.statements.push(Statement { event, locks, closed, attempt, half: false });
        state.replicas[replica].threads[thread].step = Step::Sent { event, answers: answers.clone() };
        if self.errs(Mistake::EarlyAnswer) {
            let told = state.replicas[replica].queue.land(flight);
            tell(state, told, &answers);
            state.replicas[replica].threads.remove(thread);
            self.depart(state, replica);
        }
    }

    /// The batch is over: who waits is told.
    fn land(&self, state: &mut State, replica: usize, thread: usize, answers: &[Answer]) {
        let Thread { flight, .. } = state.replicas[replica].threads.remove(thread);
        let told = state.replicas[replica].queue.land(flight);
        tell(state, told, answers);
        self.depart(state, replica);
    }

    /// The next batch leaves, if one waits and none is in flight.
    fn depart(&self, state: &mut State, replica: usize) {
        let now = self.instant(state);
        let Replica { queue, threads } = &mut state.replicas[replica];
        if let Some((flight, jobs)) = queue.depart(now) {
            let step = if jobs.iter().all(Job::is_by_token) { Step::Read } else { Step::Lock };
            threads.push(Thread { flight, jobs, tries: 0, step });
        }
    }

    /// Whether a batch can take its next step now.
    fn may_run(&self, state: &State, thread: &Thread) -> bool {
        match &thread.step {
            Step::Read => true,
            Step::Lock => thread.tries < TRIES && (!state.is_locked() || self.errs(Mistake::Unlocked)),
            Step::Sent { .. } => false,
            // The entry's id is unique: whoever adds it waits for a transaction that
            // has added it, and then adds it or does not.
            Step::Ask { event, locks, .. } => {
                !(*locks && state.statements.iter().any(|statement| statement.event == *event))
            }
        }
    }

    /// What has become of a statement whose answer was lost.
    fn ask(&self, state: &mut State, replica: usize, thread: usize) {
        let asking = &mut state.replicas[replica].threads[thread];
        let Step::Ask { event, locks, answers } = asking.step.clone() else { return };
        let redeemed = |closed: &Closed| closed.outcome == Outcome::Redeemed;
        let done = if self.errs(Mistake::ReadBackByRow) {
            state.closed.as_ref().is_some_and(redeemed)
        } else {
            state.trail.get(&event) == Some(&Entry::Done)
        };
        if done {
            return self.land(state, replica, thread, &answers);
        }
        asking.tries += 1;
        asking.step = Step::Lock;
        if !locks && !self.errs(Mistake::Unfenced) {
            state.trail.insert(event, Entry::Fence);
        }
    }

    /// The database does what it was sent, all of it or nothing.
    fn execute(&self, state: &mut State, nth: usize) {
        let statement = state.statements[nth].clone();
        let waits = state.whose(statement.event);
        let guarded = match self.mistake {
            Some(Mistake::Unguarded) => false,
            Some(Mistake::Unlocked) => !statement.locks,
            _ => true,
        };
        let changed =
            (state.closed.is_some() && !statement.half) || state.trail.contains_key(&statement.event);
        if guarded && changed {
            state.statements.remove(nth);
            if let Some((replica, thread)) = waits {
                let refused = &mut state.replicas[replica].threads[thread];
                refused.tries += 1;
                refused.step = Step::Lock;
            }
            return;
        }
        let redeemed = statement.closed.outcome == Outcome::Redeemed;
        let first_half = self.errs(Mistake::GrantApart) && redeemed && !statement.half;
        state.closed = Some(Closed { stands: statement.closed.stands && !first_half, ..statement.closed });
        if first_half {
            state.statements[nth].half = true;
            return;
        }
        state.statements.remove(nth);
        state.trail.insert(statement.event, Entry::Done);
        state.done.insert(statement.attempt);
        state.grants += usize::from(redeemed);
        if let Some((replica, thread)) = waits
            && let Step::Sent { answers, .. } = state.replicas[replica].threads[thread].step.clone()
        {
            self.land(state, replica, thread, &answers);
        }
    }
}

/// Each who still waits hears their answer.
fn tell(state: &mut State, told: Vec<Option<Attempt>>, answers: &[Answer]) {
    for (attempt, answer) in told.into_iter().zip(answers) {
        if let Some(attempt) = attempt {
            state.hear(attempt.client, *answer);
        }
    }
}

impl State {
    fn hear(&mut self, client: usize, answer: Answer) {
        let client = &mut self.clients[client];
        client.at = None;
        client.heard.push(answer);
    }

    fn is_locked(&self) -> bool {
        self.statements.iter().any(|statement| statement.locks)
    }

    /// The batch that waits for the answer to this statement.
    fn whose(&self, event: EventId) -> Option<(usize, usize)> {
        let waits =
            |thread: &Thread| matches!(&thread.step, Step::Sent { event: sent, .. } if *sent == event);
        self.replicas
            .iter()
            .enumerate()
            .find_map(|(replica, Replica { threads, .. })| Some((replica, threads.iter().position(waits)?)))
    }

    fn heard(&self) -> impl Iterator<Item = (Attempt, Wish, Answer)> {
        self.clients.iter().enumerate().flat_map(|(client, Client { wish, heard, .. })| {
            heard.iter().enumerate().map(move |(nth, answer)| (Attempt { client, nth }, *wish, *answer))
        })
    }

    fn has_heard(&self, answer: Answer) -> bool {
        self.heard().any(|(_, _, heard)| heard == answer)
    }

    fn ended_as(&self, wish: Wish) -> bool {
        let outcome = match wish {
            Wish::Redeem | Wish::RedeemOnce => Outcome::Redeemed,
            Wish::Decline => Outcome::Declined,
            Wish::Withdraw => Outcome::Withdrawn,
            Wish::Replace => Outcome::Replaced,
        };
        self.closed.as_ref().is_some_and(|closed| closed.outcome == outcome)
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let client = |wish: &Wish| Client { wish: *wish, at: None, heard: Vec::new() };
        vec![State {
            closed: None,
            trail: BTreeMap::new(),
            statements: Vec::new(),
            replicas: vec![Replica::new(); self.replicas],
            clients: self.clients.iter().map(client).collect(),
            now: 0,
            losses: 0,
            crashes: 0,
            done: BTreeSet::new(),
            grants: 0,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let untouched = state.clients.iter().all(|client| client.at.is_none() && client.heard.is_empty());
        for (client, Client { wish, at, heard }) in state.clients.iter().enumerate() {
            // Who has a key repeats, whatever the first answer was.
            let attempts = if *wish == Wish::RedeemOnce { 2 } else { 1 };
            if at.is_none() && heard.len() < attempts {
                // Replicas are alike: it is all one where the first wish is sent to.
                let choice = if untouched { 1 } else { self.replicas };
                actions.extend((0..choice).map(|replica| Action::Send { client, replica }));
            }
        }
        for (replica, Replica { threads, .. }) in state.replicas.iter().enumerate() {
            for (thread, Thread { tries, step, .. }) in threads.iter().enumerate() {
                if self.may_run(state, &threads[thread]) {
                    actions.push(Action::Run { replica, thread });
                }
                match step {
                    Step::Lock if *tries >= TRIES || (self.hurried && *tries > 0) => {
                        actions.push(Action::GiveUp { replica, thread });
                    }
                    Step::Ask { .. } if self.hurried => actions.push(Action::GiveUp { replica, thread }),
                    Step::Sent { .. } if state.losses < self.losses => {
                        actions.push(Action::Lose { replica, thread });
                    }
                    _ => {}
                }
            }
            let busy = state.clients.iter().any(|client| client.at == Some(replica)) || !threads.is_empty();
            if state.crashes < self.crashes && busy {
                actions.push(Action::Crash(replica));
            }
        }
        for (nth, statement) in state.statements.iter().enumerate() {
            if statement.locks || !state.is_locked() || self.errs(Mistake::Unlocked) {
                actions.push(Action::Execute(nth));
            }
            if state.whose(statement.event).is_none() {
                actions.push(Action::Vanish(nth));
            }
        }
        if self.hurried && state.now < END_OF_TIME && state.clients.iter().any(|client| client.at.is_some()) {
            actions.push(Action::Wait);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        let now = self.instant(&state);
        match action {
            Action::Send { client, replica } => {
                let Client { wish, heard, .. } = &state.clients[client];
                let attempt = Attempt { client, nth: heard.len() };
                let job = Job { attempt, wish: *wish };
                state.clients[client].at = Some(replica);
                match state.replicas[replica].queue.push(job, attempt, now, now + LIMITS.patience) {
                    Ok(()) => self.depart(&mut state, replica),
                    Err(_) => state.hear(client, Answer::NotDone),
                }
            }
            Action::Run { replica, thread } => match state.replicas[replica].threads[thread].step {
                Step::Read => self.draft(&mut state, replica, thread, false),
                Step::Lock => self.draft(&mut state, replica, thread, true),
                Step::Ask { .. } => self.ask(&mut state, replica, thread),
                Step::Sent { .. } => return None,
            },
            Action::GiveUp { replica, thread } => {
                let Thread { jobs, step, .. } = &state.replicas[replica].threads[thread];
                let unknown = matches!(step, Step::Ask { .. });
                let answer = if unknown { Answer::Unknown } else { Answer::NotDone };
                let answers = vec![answer; jobs.len()];
                self.land(&mut state, replica, thread, &answers);
            }
            Action::Lose { replica, thread } => {
                state.losses += 1;
                let losing = &mut state.replicas[replica].threads[thread];
                let Step::Sent { event, answers } = losing.step.clone() else { return None };
                let locks = last.statements.iter().any(|sent| sent.event == event && sent.locks);
                if self.errs(Mistake::RetriedUnknown) {
                    losing.tries += 1;
                    losing.step = Step::Lock;
                } else {
                    losing.step = Step::Ask { event, locks, answers };
                }
            }
            Action::Execute(nth) => self.execute(&mut state, nth),
            Action::Vanish(nth) => drop(state.statements.remove(nth)),
            Action::Crash(replica) => {
                state.crashes += 1;
                state.replicas[replica] = Replica::new();
                for client in 0..state.clients.len() {
                    if state.clients[client].at == Some(replica) {
                        state.hear(client, Answer::Unknown);
                    }
                }
            }
            Action::Wait => {
                state.now += 1;
                let now = self.instant(&state);
                for replica in 0..state.replicas.len() {
                    for (attempt, overdue) in state.replicas[replica].queue.overdue(now) {
                        let answer = match overdue {
                            Overdue::NotStarted => Answer::NotDone,
                            Overdue::Unknown if self.errs(Mistake::HastyNotDone) => Answer::NotDone,
                            Overdue::Unknown => Answer::Unknown,
                        };
                        state.hear(attempt.client, answer);
                    }
                    self.depart(&mut state, replica);
                }
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("a token makes one permission at most", |_, state: &State| state.grants <= 1),
            Property::always("a used token and its permission are there together", |_, state: &State| {
                state
                    .closed
                    .as_ref()
                    .is_none_or(|closed| closed.stands == (closed.outcome == Outcome::Redeemed))
            }),
            Property::always("what was acknowledged is so", |_, state: &State| {
                let acknowledged = |answer| matches!(answer, Answer::Granted | Answer::Ended);
                state.heard().all(|(_, wish, answer)| !acknowledged(answer) || state.ended_as(wish))
            }),
            Property::always("of what is said not to have been done nothing is", |_, state: &State| {
                let untrue =
                    |(attempt, _, answer)| answer == Answer::NotDone && state.done.contains(&attempt);
                !state.heard().any(untrue)
            }),
            Property::always("who is refused has done nothing", |_, state: &State| {
                let refused = |client: &Client| client.heard.contains(&Answer::Dead);
                let mut clients = state.clients.iter().enumerate();
                clients.all(|(nth, client)| {
                    !refused(client) || !state.done.iter().any(|attempt| attempt.client == nth)
                })
            }),
            Property::always("one wins", |_, state: &State| {
                let won = |client: &&Client| client.heard.contains(&Answer::Granted);
                state.clients.iter().filter(won).count() <= 1
            }),
            Property::always("the same key has the same answer", |_, state: &State| {
                state.clients.iter().all(|client| match client.heard.as_slice() {
                    [first @ (Answer::Granted | Answer::Dead), second @ (Answer::Granted | Answer::Dead)] => {
                        first == second
                    }
                    _ => true,
                })
            }),
            Property::always("nobody is left waiting", |protocol: &Self, state: &State| {
                let told = state.clients.iter().all(|client| client.at.is_none());
                told || {
                    let mut actions = Vec::new();
                    protocol.actions(state, &mut actions);
                    !actions.is_empty()
                }
            }),
            Property::sometimes("somebody redeems", |_, state: &State| state.has_heard(Answer::Granted)),
        ]
    }
}
