//! The steps of replicas, clients and the database.
//!
//! Decisions use the domain's `PermissionRequest`, queues use the registry's `Queue`. The steps
//! between them and the disk model `store::ledger`. A batch that redeems or declines by token
//! reads without locks, and sends one statement that succeeds only if nothing has changed. Any
//! other batch locks the row first. If a response is lost, the replica looks up the audit entry of
//! the transaction.
//!
//! COMMIT waits for a synchronous standby. If the session is terminated meanwhile, others see what
//! the standby may lack: a transaction that only reads waits for the standby, too.
//!
//! A statement that was sent can be executed or dropped by the database long after its sender has
//! stopped.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use countersign::actors::batch_queue::{BatchId, BatchQueue, QueueItem, QueueLimits, TimeoutKind};
use countersign::domain::approval::{Approval, AskedPermission};
use countersign::domain::bundle::BundleId;
use countersign::domain::bundle_permission::{EndCause, PermissionEnd};
use countersign::domain::permission_request::{
    Decided, Decision, NewPermissionRequest, PermissionRequest, RequestClosure, RequestId, RequestOutcome,
};
use countersign::domain::rights::Mask;
use countersign::domain::terms::Terms;
use countersign::domain::timestamp::Timestamp;
use countersign::domain::token::RedeemId;
use countersign::domain::user::{Authority, UserId};
use countersign::domain::validated_text::IdempotencyKey;
use countersign::store::ledger::{CloseRequest, Command, CreateRequest, Decide, RowKey};
use stateright::{Model, Property};
use uuid::Uuid;

const NOW: Timestamp = Timestamp::from_micros(1_893_456_000_000_000);
const TARGET: UserId = UserId(1);
const GRANTEE: UserId = UserId(2);
const TERMS: Terms = Terms { target: TARGET, grantee: GRANTEE, bundle: BundleId(1) };
/// The maximum number of attempts per batch, as in the ledger.
const MAX_ATTEMPTS: usize = 3;
/// The limits of the queues. A unit of time is a second.
const QUEUE_LIMITS: QueueLimits = QueueLimits {
    max_batch_size: 2,
    max_queue_time: Duration::from_secs(1),
    min_time_left: Duration::ZERO,
    max_wait: Duration::from_secs(2),
};
/// The time at which all clients have a response.
const END_TIME: u64 = 2;

/// What a client requests for the single permission request of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClientRequest {
    /// Redeem it by its token.
    Redeem,
    /// Redeem it with an idempotency key, and repeat that.
    RedeemWithKey,
    /// Approve fewer rights than asked, by its token.
    ApprovePart,
    /// Decline it by its token.
    Decline,
    /// Withdraw it by its id.
    Withdraw,
    /// Replace it by a newer request.
    Replace,
}

/// The response to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Response {
    /// The permission is active.
    Granted,
    /// The request is closed as requested.
    Closed,
    /// The request does not exist or is closed.
    NotPending,
    /// Nothing was done.
    NotExecuted,
    /// The outcome is unknown, or the connection was closed.
    Unknown,
}

/// An attempt of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attempt {
    client: usize,
    nth: usize,
}

/// The work of a replica.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Job {
    attempt: Attempt,
    request: ClientRequest,
}

impl Job {
    fn idempotency_key(&self) -> Option<IdempotencyKey> {
        let key = || IdempotencyKey::new(&format!("client {}", self.attempt.client)).unwrap();
        (self.request == ClientRequest::RedeemWithKey).then(key)
    }

    /// The key of the real command.
    fn row_key(&self) -> Option<RowKey> {
        let id = RedeemId(Uuid::nil());
        match self.request {
            ClientRequest::Redeem | ClientRequest::RedeemWithKey | ClientRequest::ApprovePart => {
                Decide::as_asked(id, TARGET, self.idempotency_key()).row_key()
            }
            ClientRequest::Decline => Decide::decline(id, TARGET).row_key(),
            ClientRequest::Withdraw => {
                CloseRequest { id: RequestId(1), by: Authority::User(GRANTEE) }.row_key()
            }
            ClientRequest::Replace => {
                CreateRequest(NewPermissionRequest::new(TERMS, GRANTEE, Mask::READ, 60)).row_key()
            }
        }
    }

    fn is_by_token(&self) -> bool {
        use ClientRequest::{ApprovePart, Decline, Redeem, RedeemWithKey};
        matches!(self.request, Redeem | RedeemWithKey | ApprovePart | Decline)
    }
}

impl QueueItem for Job {
    type Key = RowKey;

    fn key(&self) -> Option<RowKey> {
        self.row_key()
    }
}

/// A mistake in the protocol that the model must detect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// The statement does not check the row.
    NoRecheck,
    /// Rows are read and written without a lock or a check.
    NoLock,
    /// Clients get their response before the COMMIT.
    EarlyResponse,
    /// A statement without a response is assumed to have failed, and executed again.
    RetryAfterUnknown,
    /// The outcome is looked up in the row, which may contain another attempt's.
    ReadBackByRow,
    /// A statement whose audit entry does not exist can still be executed later.
    NoFence,
    /// A client that waits too long gets [`Response::NotExecuted`], although the batch was sent.
    EarlyNotExecuted,
    /// The request is closed in one transaction, and the permission is granted in another.
    SeparateGrant,
    /// The idempotency key of a redemption is not stored.
    KeyNotStored,
    /// A transaction that writes nothing does not wait for the standby.
    UnconfirmedRead,
}

/// An audit entry, identified by the first attempt of the batch and the number of the try.
type EventId = (Attempt, usize);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum AuditRow {
    /// The command was executed.
    Done,
    /// It was not executed, and never will be.
    Fence,
}

/// The last statement of a transaction, in transit or in the database.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Statement {
    event: EventId,
    /// Whether its transaction holds the row lock.
    locks: bool,
    closed: RequestClosure,
    attempt: Attempt,
    /// Whether half of it is executed, as a mistake.
    half_applied: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum BatchStep {
    /// Will read without a lock.
    Read,
    /// Will lock and read.
    Lock,
    /// Waits for the response to its last statement.
    Sent { event: EventId, answers: Vec<Response> },
    /// The response was lost: will look up the outcome.
    CheckOutcome { event: EventId, locks: bool, answers: Vec<Response> },
}

/// A dispatched batch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct BatchThread {
    batch_id: BatchId,
    jobs: Vec<Job>,
    attempts: usize,
    step: BatchStep,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Replica {
    queue: BatchQueue<Job, Attempt>,
    threads: Vec<BatchThread>,
}

impl Replica {
    fn new() -> Self {
        Self { queue: BatchQueue::new(QUEUE_LIMITS), threads: Vec::new() }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct ModelClient {
    request: ClientRequest,
    /// The replica whose response the client waits for.
    waiting_for: Option<usize>,
    received: Vec<Response>,
}

/// The state of the model.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// How the request was closed.
    closed: Option<RequestClosure>,
    /// Whether the synchronous standby is known to have that.
    is_on_standby: bool,
    audit_log: BTreeMap<EventId, AuditRow>,
    statements: Vec<Statement>,
    replicas: Vec<Replica>,
    clients: Vec<ModelClient>,
    now: u64,
    lost_responses: usize,
    crashes: usize,
    /// Only for the properties: the attempts that took effect, and how many of them granted a
    /// permission.
    effective: BTreeSet<Attempt>,
    grants: usize,
}

/// A possible next step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelAction {
    /// A client sends its request to a replica.
    Send { client: usize, replica: usize },
    /// A batch performs its next step.
    Run { replica: usize, thread: usize },
    /// A batch reaches its deadline.
    GiveUp { replica: usize, thread: usize },
    /// The response to a statement is lost with its connection.
    LoseResponse { replica: usize, thread: usize },
    /// The database executes a statement.
    Execute(usize),
    /// A statement that no batch waits for is dropped.
    DropStatement(usize),
    /// A replica crashes and restarts.
    Crash(usize),
    /// Time advances by a unit.
    AdvanceTime,
}

/// A protocol with these sizes.
#[derive(Clone, Debug)]
pub struct Protocol {
    pub replicas: usize,
    pub clients: Vec<ClientRequest>,
    /// The maximum number of lost responses.
    pub max_lost_responses: usize,
    /// The maximum number of crashes.
    pub max_crashes: usize,
    /// Whether deadlines can be reached.
    pub short_deadlines: bool,
    pub mutation: Option<Mutation>,
    /// The start of the queues' time.
    pub epoch: Instant,
}

impl Protocol {
    pub fn new(replicas: usize, clients: &[ClientRequest]) -> Self {
        Self {
            replicas,
            clients: clients.to_vec(),
            max_lost_responses: 0,
            max_crashes: 0,
            short_deadlines: false,
            mutation: None,
            epoch: Instant::now(),
        }
    }

    fn has_mutation(&self, mistake: Mutation) -> bool {
        self.mutation == Some(mistake)
    }

    fn instant(&self, state: &State) -> Instant {
        self.epoch + Duration::from_secs(state.now)
    }

    /// The domain's decisions for a batch on the current row: the responses, and how the request
    /// is closed and by which attempt, if it is.
    fn decide(
        &self,
        jobs: &[Job],
        closed: Option<&RequestClosure>,
    ) -> (Vec<Response>, Option<(Attempt, RequestClosure)>) {
        let mut request = PermissionRequest {
            id: RequestId(1),
            redeem_id: RedeemId(Uuid::nil()),
            terms: TERMS,
            asked_by: GRANTEE,
            asked: AskedPermission::without_end(Mask::MAX),
            purpose: None,
            return_to: None,
            redeem_page: None,
            created_at: NOW,
            expires_at: NOW.plus_seconds(60),
            creation_key: None,
            closed: closed.cloned(),
        };
        let mut ended = None;
        let answers = jobs.iter().map(|job| {
            let active = request.permission(NOW);
            let end = |request: &mut PermissionRequest, by| request.close(Authority::User(by), NOW).is_ok();
            let (fresh, answer) = match job.request {
                ClientRequest::Redeem | ClientRequest::RedeemWithKey | ClientRequest::ApprovePart => {
                    let part = (job.request == ClientRequest::ApprovePart).then_some(Mask::READ);
                    let approve =
                        Decision::Approve(Approval { permission: part, ..Approval::AS_ASKED }, None);
                    match request.decide(
                        TARGET,
                        &approve,
                        job.idempotency_key().as_ref(),
                        active.as_ref(),
                        NOW,
                    ) {
                        Ok(Decided::First) => (true, Response::Granted),
                        Ok(Decided::Replay) if active.is_some() => (false, Response::Granted),
                        Ok(Decided::Replay) | Err(_) => (false, Response::NotPending),
                    }
                }
                ClientRequest::Decline if end(&mut request, TARGET) => (true, Response::Closed),
                ClientRequest::Withdraw if end(&mut request, GRANTEE) => (true, Response::Closed),
                ClientRequest::Replace if request.replace(NOW).is_ok() => (true, Response::Closed),
                ClientRequest::Decline | ClientRequest::Withdraw | ClientRequest::Replace => {
                    (false, Response::NotPending)
                }
            };
            if fresh {
                ended = Some(job.attempt);
            }
            answer
        });
        let answers = answers.collect();
        let mut after = request.closed;
        if let Some(closed) = after.as_mut().filter(|_| self.has_mutation(Mutation::KeyNotStored)) {
            closed.idempotency_key = None;
        }
        (answers, ended.zip(after))
    }

    /// Reads, decides, and sends the last statement of the batch. Responds immediately if nothing
    /// is to be written.
    fn plan(&self, state: &mut State, replica: usize, thread: usize, locks: bool) {
        let BatchThread { batch_id: flight, jobs, attempts: tries, .. } =
            state.replicas[replica].threads[thread].clone();
        let (answers, ended) = self.decide(&jobs, state.closed.as_ref());
        let Some((attempt, closed)) = ended else {
            self.confirm(state);
            return self.complete(state, replica, thread, &answers);
        };
        let event = (jobs[0].attempt, tries);
        state.statements.push(Statement { event, locks, closed, attempt, half_applied: false });
        state.replicas[replica].threads[thread].step = BatchStep::Sent { event, answers: answers.clone() };
        if self.has_mutation(Mutation::EarlyResponse) {
            let told = state.replicas[replica].queue.complete(flight);
            respond(state, told, &answers);
            state.replicas[replica].threads.remove(thread);
            self.dispatch(state, replica);
        }
    }

    /// A transaction without a change writes a record, whose COMMIT waits for the standby.
    fn confirm(&self, state: &mut State) {
        state.is_on_standby |= !self.has_mutation(Mutation::UnconfirmedRead);
    }

    /// Ends the batch and responds to its clients.
    fn complete(&self, state: &mut State, replica: usize, thread: usize, answers: &[Response]) {
        let BatchThread { batch_id: flight, .. } = state.replicas[replica].threads.remove(thread);
        let told = state.replicas[replica].queue.complete(flight);
        respond(state, told, answers);
        self.dispatch(state, replica);
    }

    /// Dispatches the next batch if one is queued and none is in flight.
    fn dispatch(&self, state: &mut State, replica: usize) {
        let now = self.instant(state);
        let Replica { queue, threads } = &mut state.replicas[replica];
        if let Some((flight, jobs)) = queue.dispatch(now) {
            let step = if jobs.iter().all(Job::is_by_token) { BatchStep::Read } else { BatchStep::Lock };
            threads.push(BatchThread { batch_id: flight, jobs, attempts: 0, step });
        }
    }

    /// Whether a batch can perform its next step.
    fn may_run(&self, state: &State, thread: &BatchThread) -> bool {
        match &thread.step {
            BatchStep::Read => true,
            BatchStep::Lock => {
                thread.attempts < MAX_ATTEMPTS && (!state.is_locked() || self.has_mutation(Mutation::NoLock))
            }
            BatchStep::Sent { .. } => false,
            // The id of the audit entry is unique: an insert waits for a transaction that has
            // inserted the same id, and then fails or succeeds.
            BatchStep::CheckOutcome { event, locks, .. } => {
                !(*locks && state.statements.iter().any(|statement| statement.event == *event))
            }
        }
    }

    /// Looks up the outcome of a statement whose response was lost.
    fn check_outcome(&self, state: &mut State, replica: usize, thread: usize) {
        let asking = &mut state.replicas[replica].threads[thread];
        let BatchStep::CheckOutcome { event, locks, answers } = asking.step.clone() else { return };
        let redeemed = |closed: &RequestClosure| closed.outcome == RequestOutcome::Approved;
        let done = if self.has_mutation(Mutation::ReadBackByRow) {
            state.closed.as_ref().is_some_and(redeemed)
        } else {
            state.audit_log.get(&event) == Some(&AuditRow::Done)
        };
        if done {
            self.confirm(state);
            return self.complete(state, replica, thread, &answers);
        }
        asking.attempts += 1;
        asking.step = BatchStep::Lock;
        if !locks && !self.has_mutation(Mutation::NoFence) {
            state.audit_log.insert(event, AuditRow::Fence);
        }
    }

    /// The database executes a statement completely or not at all.
    fn execute(&self, state: &mut State, nth: usize) {
        let statement = state.statements[nth].clone();
        let waits = state.waiting_thread(statement.event);
        let guarded = match self.mutation {
            Some(Mutation::NoRecheck) => false,
            Some(Mutation::NoLock) => !statement.locks,
            _ => true,
        };
        let changed = (state.closed.is_some() && !statement.half_applied)
            || state.audit_log.contains_key(&statement.event);
        if guarded && changed {
            state.statements.remove(nth);
            if let Some((replica, thread)) = waits {
                let refused = &mut state.replicas[replica].threads[thread];
                refused.attempts += 1;
                refused.step = BatchStep::Lock;
            }
            return;
        }
        let redeemed = statement.closed.outcome == RequestOutcome::Approved;
        let first_half = self.has_mutation(Mutation::SeparateGrant) && redeemed && !statement.half_applied;
        let mut closed = statement.closed;
        if let Some(granted) = closed.granted.as_mut().filter(|_| first_half) {
            granted.ended = Some(PermissionEnd { at: NOW, cause: EndCause::Revoked });
        }
        state.closed = Some(closed);
        if first_half {
            state.statements[nth].half_applied = true;
            return;
        }
        state.statements.remove(nth);
        state.audit_log.insert(statement.event, AuditRow::Done);
        state.effective.insert(statement.attempt);
        state.grants += usize::from(redeemed);
        // If no batch gets the response, the session may have been terminated while it waited.
        state.is_on_standby = waits.is_some();
        if let Some((replica, thread)) = waits
            && let BatchStep::Sent { answers, .. } = state.replicas[replica].threads[thread].step.clone()
        {
            self.complete(state, replica, thread, &answers);
        }
    }
}

/// Responds to each client that still waits.
fn respond(state: &mut State, told: Vec<Option<Attempt>>, answers: &[Response]) {
    for (attempt, answer) in told.into_iter().zip(answers) {
        if let Some(attempt) = attempt {
            state.receive(attempt.client, *answer);
        }
    }
}

impl State {
    fn receive(&mut self, client: usize, answer: Response) {
        let client = &mut self.clients[client];
        client.waiting_for = None;
        client.received.push(answer);
    }

    fn is_locked(&self) -> bool {
        self.statements.iter().any(|statement| statement.locks)
    }

    /// The batch that waits for the response to this statement.
    fn waiting_thread(&self, event: EventId) -> Option<(usize, usize)> {
        let waits = |thread: &BatchThread| matches!(&thread.step, BatchStep::Sent { event: sent, .. } if *sent == event);
        self.replicas
            .iter()
            .enumerate()
            .find_map(|(replica, Replica { threads, .. })| Some((replica, threads.iter().position(waits)?)))
    }

    fn responses(&self) -> impl Iterator<Item = (Attempt, ClientRequest, Response)> {
        self.clients.iter().enumerate().flat_map(
            |(client, ModelClient { request: wish, received: heard, .. })| {
                heard.iter().enumerate().map(move |(nth, answer)| (Attempt { client, nth }, *wish, *answer))
            },
        )
    }

    fn has_received(&self, answer: Response) -> bool {
        self.responses().any(|(_, _, heard)| heard == answer)
    }

    fn is_closed_by(&self, wish: ClientRequest) -> bool {
        let (outcome, rights) = match wish {
            ClientRequest::Redeem | ClientRequest::RedeemWithKey => {
                (RequestOutcome::Approved, Some(Mask::MAX))
            }
            ClientRequest::ApprovePart => (RequestOutcome::Approved, Some(Mask::READ)),
            ClientRequest::Decline => (RequestOutcome::Declined, None),
            ClientRequest::Withdraw => (RequestOutcome::Withdrawn, None),
            ClientRequest::Replace => (RequestOutcome::Replaced, None),
        };
        let granted = |closed: &RequestClosure| closed.granted.map(|granted| granted.permission);
        self.closed.as_ref().is_some_and(|closed| closed.outcome == outcome && granted(closed) == rights)
    }
}

fn is_active(closed: &RequestClosure) -> bool {
    closed.granted.is_some_and(|granted| granted.ended.is_none())
}

impl Model for Protocol {
    type State = State;
    type Action = ModelAction;

    fn init_states(&self) -> Vec<State> {
        let client =
            |wish: &ClientRequest| ModelClient { request: *wish, waiting_for: None, received: Vec::new() };
        vec![State {
            closed: None,
            is_on_standby: false,
            audit_log: BTreeMap::new(),
            statements: Vec::new(),
            replicas: vec![Replica::new(); self.replicas],
            clients: self.clients.iter().map(client).collect(),
            now: 0,
            lost_responses: 0,
            crashes: 0,
            effective: BTreeSet::new(),
            grants: 0,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<ModelAction>) {
        let untouched =
            state.clients.iter().all(|client| client.waiting_for.is_none() && client.received.is_empty());
        for (client, ModelClient { request: wish, waiting_for: at, received: heard }) in
            state.clients.iter().enumerate()
        {
            // A client with an idempotency key repeats its request after any response.
            let attempts = if *wish == ClientRequest::RedeemWithKey { 2 } else { 1 };
            if at.is_none() && heard.len() < attempts {
                // Replicas are interchangeable: the first request always goes to the same one.
                let choice = if untouched { 1 } else { self.replicas };
                actions.extend((0..choice).map(|replica| ModelAction::Send { client, replica }));
            }
        }
        for (replica, Replica { threads, .. }) in state.replicas.iter().enumerate() {
            for (thread, BatchThread { attempts: tries, step, .. }) in threads.iter().enumerate() {
                if self.may_run(state, &threads[thread]) {
                    actions.push(ModelAction::Run { replica, thread });
                }
                match step {
                    BatchStep::Lock if *tries >= MAX_ATTEMPTS || (self.short_deadlines && *tries > 0) => {
                        actions.push(ModelAction::GiveUp { replica, thread });
                    }
                    BatchStep::CheckOutcome { .. } if self.short_deadlines => {
                        actions.push(ModelAction::GiveUp { replica, thread })
                    }
                    BatchStep::Sent { .. } if state.lost_responses < self.max_lost_responses => {
                        actions.push(ModelAction::LoseResponse { replica, thread });
                    }
                    _ => {}
                }
            }
            let busy =
                state.clients.iter().any(|client| client.waiting_for == Some(replica)) || !threads.is_empty();
            if state.crashes < self.max_crashes && busy {
                actions.push(ModelAction::Crash(replica));
            }
        }
        for (nth, statement) in state.statements.iter().enumerate() {
            if statement.locks || !state.is_locked() || self.has_mutation(Mutation::NoLock) {
                actions.push(ModelAction::Execute(nth));
            }
            if state.waiting_thread(statement.event).is_none() {
                actions.push(ModelAction::DropStatement(nth));
            }
        }
        if self.short_deadlines
            && state.now < END_TIME
            && state.clients.iter().any(|client| client.waiting_for.is_some())
        {
            actions.push(ModelAction::AdvanceTime);
        }
    }

    fn next_state(&self, last: &State, action: ModelAction) -> Option<State> {
        let mut state = last.clone();
        let now = self.instant(&state);
        match action {
            ModelAction::Send { client, replica } => {
                let ModelClient { request: wish, received: heard, .. } = &state.clients[client];
                let attempt = Attempt { client, nth: heard.len() };
                let job = Job { attempt, request: *wish };
                state.clients[client].waiting_for = Some(replica);
                match state.replicas[replica].queue.push(job, attempt, now, now + QUEUE_LIMITS.max_wait) {
                    Ok(()) => self.dispatch(&mut state, replica),
                    Err(_) => state.receive(client, Response::NotExecuted),
                }
            }
            ModelAction::Run { replica, thread } => match state.replicas[replica].threads[thread].step {
                BatchStep::Read => self.plan(&mut state, replica, thread, false),
                BatchStep::Lock => self.plan(&mut state, replica, thread, true),
                BatchStep::CheckOutcome { .. } => self.check_outcome(&mut state, replica, thread),
                BatchStep::Sent { .. } => return None,
            },
            ModelAction::GiveUp { replica, thread } => {
                let BatchThread { jobs, step, .. } = &state.replicas[replica].threads[thread];
                let unknown = matches!(step, BatchStep::CheckOutcome { .. });
                let answer = if unknown { Response::Unknown } else { Response::NotExecuted };
                let answers = vec![answer; jobs.len()];
                self.complete(&mut state, replica, thread, &answers);
            }
            ModelAction::LoseResponse { replica, thread } => {
                state.lost_responses += 1;
                let losing = &mut state.replicas[replica].threads[thread];
                let BatchStep::Sent { event, answers } = losing.step.clone() else { return None };
                let locks = last.statements.iter().any(|sent| sent.event == event && sent.locks);
                if self.has_mutation(Mutation::RetryAfterUnknown) {
                    losing.attempts += 1;
                    losing.step = BatchStep::Lock;
                } else {
                    losing.step = BatchStep::CheckOutcome { event, locks, answers };
                }
            }
            ModelAction::Execute(nth) => self.execute(&mut state, nth),
            ModelAction::DropStatement(nth) => drop(state.statements.remove(nth)),
            ModelAction::Crash(replica) => {
                state.crashes += 1;
                state.replicas[replica] = Replica::new();
                for client in 0..state.clients.len() {
                    if state.clients[client].waiting_for == Some(replica) {
                        state.receive(client, Response::Unknown);
                    }
                }
            }
            ModelAction::AdvanceTime => {
                state.now += 1;
                let now = self.instant(&state);
                for replica in 0..state.replicas.len() {
                    for (attempt, overdue) in state.replicas[replica].queue.take_expired(now) {
                        let answer = match overdue {
                            TimeoutKind::NotDispatched => Response::NotExecuted,
                            TimeoutKind::OutcomeUnknown if self.has_mutation(Mutation::EarlyNotExecuted) => {
                                Response::NotExecuted
                            }
                            TimeoutKind::OutcomeUnknown => Response::Unknown,
                        };
                        state.receive(attempt.client, answer);
                    }
                    self.dispatch(&mut state, replica);
                }
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("a token creates at most one permission", |_, state: &State| state.grants <= 1),
            Property::always("a used token has its permission", |_, state: &State| {
                state
                    .closed
                    .as_ref()
                    .is_none_or(|closed| is_active(closed) == (closed.outcome == RequestOutcome::Approved))
            }),
            Property::always("acknowledged operations are executed", |_, state: &State| {
                let acknowledged = |answer| matches!(answer, Response::Granted | Response::Closed);
                state.responses().all(|(_, wish, answer)| !acknowledged(answer) || state.is_closed_by(wish))
            }),
            Property::always("the standby has what is acknowledged", |_, state: &State| {
                let acknowledged = |answer| matches!(answer, Response::Granted | Response::Closed);
                state.is_on_standby || !state.responses().any(|(_, _, answer)| acknowledged(answer))
            }),
            Property::always("unexecuted operations have no effect", |_, state: &State| {
                let untrue = |(attempt, _, answer)| {
                    answer == Response::NotExecuted && state.effective.contains(&attempt)
                };
                !state.responses().any(untrue)
            }),
            Property::always("rejected operations are not executed", |_, state: &State| {
                let refused = |client: &ModelClient| client.received.contains(&Response::NotPending);
                let mut clients = state.clients.iter().enumerate();
                clients.all(|(nth, client)| {
                    !refused(client) || !state.effective.iter().any(|attempt| attempt.client == nth)
                })
            }),
            Property::always("exactly one wins", |_, state: &State| {
                let won = |client: &&ModelClient| client.received.contains(&Response::Granted);
                state.clients.iter().filter(won).count() <= 1
            }),
            Property::always("the same key gets the same response", |_, state: &State| {
                state.clients.iter().all(|client| match client.received.as_slice() {
                    [
                        first @ (Response::Granted | Response::NotPending),
                        second @ (Response::Granted | Response::NotPending),
                    ] => first == second,
                    _ => true,
                })
            }),
            Property::always("every client gets a response", |protocol: &Self, state: &State| {
                let told = state.clients.iter().all(|client| client.waiting_for.is_none());
                told || {
                    let mut actions = Vec::new();
                    protocol.actions(state, &mut actions);
                    !actions.is_empty()
                }
            }),
            Property::sometimes("a client redeems", |_, state: &State| state.has_received(Response::Granted)),
        ]
    }
}
