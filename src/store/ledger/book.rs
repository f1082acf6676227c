//! One batch: its rows, locked; what the domain decides on them, operation by
//! operation; and the writes that record it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use diesel::QueryResult;
use diesel::result::Error;

use super::restraints::Restraints;
use super::stroke::Stroke;
use super::{AskRefusal, Deed, Manner, Operation, RequestRef, ResendRefusal, Verdict};
use crate::domain::block::Block;
use crate::domain::clock::Timestamp;
use crate::domain::event::{Action, Origin};
use crate::domain::export::{ExportRef, ExportToken, NewExport};
use crate::domain::grant::{Grant, GrantId, Terms};
use crate::domain::limit::{AskLimits, Standing};
use crate::domain::permission::Mask;
use crate::domain::request::{
    NewRequest, Outcome, PermissionRequest, Redemption, Refusal, Repetition, RequestId,
};
use crate::domain::text::IdempotencyKey;
use crate::domain::token::{Entropy, ExportId, RedeemId, TokenDigest};
use crate::domain::user::Authority;
use crate::domain::user::UserId;
use crate::entropy;
use crate::faults::planted;
use crate::store::cast::Cast;
use crate::store::events::{self, Event};
use crate::store::requests::{self, Wanted};
use crate::store::staged::{self, Staged};
use crate::store::tallies::Changes;
use crate::store::{Conn, exports, grants, hubs, outbox};

/// What was decided, before the database has given new rows their numbers.
enum Decision {
    Done(Verdict),
    Asked(RedeemId, Vec<Standing>),
    Redeemed(Grant),
    Given(RedeemId),
}

/// The rows of a batch, locked, and what is to be written of them.
pub(super) struct Book {
    now: Timestamp,
    /// Whom the requests name that are to be redeemed.
    cast: Arc<Cast>,
    privileges: HashMap<(String, UserId), Mask>,
    exports: HashMap<ExportId, (ExportToken, TokenDigest)>,
    requests: BTreeMap<RedeemId, PermissionRequest>,
    /// What stands, by what was read; and what will, when this is written.
    grants: HashMap<Terms, Grant>,
    restraints: Restraints,
    /// The requests of which a mail is owed, of those that one is wanted of.
    owed: HashSet<RequestId>,

    new_exports: Vec<(ExportToken, TokenDigest)>,
    revoked: Vec<ExportId>,
    new_requests: Vec<RedeemId>,
    closed: Vec<RedeemId>,
    forgotten: Vec<RequestId>,
    taken_back: Vec<RedeemId>,
    resent: Vec<RequestId>,
    trail: Vec<Entry>,
}

/// An entry of the trail whose subject may not have its number yet.
struct Entry {
    action: Action,
    origin: Origin,
    subject: Subject,
}

enum Subject {
    /// With its creator.
    Export(ExportId, UserId),
    Request(RedeemId),
    Grant(RedeemId),
    User(UserId),
}

impl Book {
    /// Locks, decides and writes a batch: the verdicts, and one event that
    /// witnesses the COMMIT if anything was written.
    pub(super) fn settle(
        conn: &mut Conn,
        operations: &[Operation],
        manner: Manner,
    ) -> QueryResult<(Vec<Verdict>, Option<Event>)> {
        let mut book = Self::open(conn, operations, manner)?;
        let decisions = operations.iter().map(|operation| book.decide(operation)).collect();
        book.close(conn, decisions)
    }

    /// Decides a batch of redemptions on rows as they are just now: what is to be
    /// written, if anything; the verdicts that hold once it is; and an event that
    /// witnesses that.
    pub(super) fn draft(
        conn: &mut Conn,
        operations: &[Operation],
    ) -> QueryResult<(Option<Stroke>, Vec<Verdict>, Option<Event>)> {
        let mut book = Self::open(conn, operations, Manner::Swift)?;
        let decisions = operations.iter().map(|operation| book.decide(operation)).collect();
        let trail = book.trail()?;
        let witness = trail.last().cloned();
        let verdicts = book.verdicts(decisions)?;
        let changes = book.changes();
        let ended = book.closed.iter().filter_map(|id| book.requests.remove(id)).collect();
        let stroke = Stroke { ended, changes, trail };
        Ok(((!stroke.trail.is_empty()).then_some(stroke), verdicts, witness))
    }

    fn open(conn: &mut Conn, operations: &[Operation], manner: Manner) -> QueryResult<Self> {
        planted("ledger.panic");
        let mut wanted = Wanted::default();
        let (mut export_ids, mut terms) = (Vec::new(), Vec::new());
        let (mut creators, mut resent) = (Vec::new(), Vec::new());
        for operation in operations {
            match &operation.deed {
                Deed::CreateExport(new) => creators.push((new.hub.as_str(), new.creator)),
                Deed::RevokeExport { which, .. } => export_ids.push(which.id),
                Deed::Ask(new) => {
                    wanted.terms.push(new.terms);
                    wanted.onces.extend(new.once.clone().map(|once| (new.asked_by, once)));
                    terms.push(new.terms);
                }
                Deed::Redeem { id, .. } | Deed::End { which: RequestRef::Token(id), .. } => {
                    wanted.redeem_ids.push(*id);
                }
                Deed::End { which: RequestRef::Number(number), .. } => wanted.numbers.push(*number),
                Deed::Resend { id, .. } => {
                    wanted.numbers.push(*id);
                    resent.push(*id);
                }
                Deed::Give(given) => terms.push(*given),
                Deed::TakeBack { id, .. } => wanted.numbers.push(RequestId(id.0)),
                Deed::Block(block) => wanted.blocked.push(*block),
                Deed::Refer { .. } | Deed::Unblock(_) => {}
            }
        }
        let restraints = Restraints::open(conn, operations)?;
        let exports = if export_ids.is_empty() { Vec::new() } else { exports::lock(conn, &export_ids)? };
        let (requests, scene) = if wanted.redeem_ids.is_empty() {
            (requests::lock(conn, &wanted)?, Staged::default())
        } else if wanted.is_by_token() {
            let mut staged = staged::load(conn, &wanted.redeem_ids, manner != Manner::Swift)?;
            (std::mem::take(&mut staged.requests), staged)
        } else {
            (requests::lock(conn, &wanted)?, staged::load(conn, &wanted.redeem_ids, false)?)
        };
        let requests: BTreeMap<RedeemId, PermissionRequest> =
            requests.into_iter().map(|request| (request.redeem_id, request)).collect();
        let over = |request: &&PermissionRequest| request.closed.is_some();
        let looked_at = requests.values().filter(|request| manner == Manner::Wary || over(request));
        terms.extend(looked_at.map(|request| request.terms));
        let grants = if terms.is_empty() { Vec::new() } else { grants::of_terms(conn, &terms)? };
        let owed = if resent.is_empty() { HashSet::new() } else { outbox::owed(conn, &resent)? };
        let privileges =
            if creators.is_empty() { HashMap::new() } else { hubs::privileges(conn, &creators)? };
        Ok(Self {
            now: match scene.now {
                Some(now) => now,
                // After the locks: waiting for them takes time.
                None => conn.now()?,
            },
            cast: Arc::new(scene.cast),
            privileges,
            exports: exports.into_iter().map(|(token, digest)| (token.id, (token, digest))).collect(),
            requests,
            grants: grants.into_iter().map(|grant| (grant.terms, grant)).collect(),
            restraints,
            owed,
            new_exports: Vec::new(),
            revoked: Vec::new(),
            new_requests: Vec::new(),
            closed: Vec::new(),
            forgotten: Vec::new(),
            taken_back: Vec::new(),
            resent: Vec::new(),
            trail: Vec::new(),
        })
    }

    fn decide(&mut self, operation: &Operation) -> Decision {
        let Operation { deed, origin, limits, entropy } = operation;
        match deed {
            Deed::CreateExport(new) => Decision::Done(self.create_export(new, entropy, origin)),
            Deed::RevokeExport { which, by } => Decision::Done(self.revoke_export(*which, *by, origin)),
            Deed::Ask(new) => self.ask(new, limits, entropy, origin),
            Deed::Redeem { id, by, once } => self.redeem(*id, *by, once.as_ref(), origin),
            Deed::End { which, by } => Decision::Done(Verdict::Ended(self.end(*which, *by, origin))),
            Deed::Resend { id, terms, by } => {
                Decision::Done(Verdict::Resent(self.resend(*id, *terms, *by, limits, origin)))
            }
            Deed::Give(terms) => self.give(*terms, entropy, origin),
            Deed::TakeBack { id, by } => Decision::Done(self.take_back(*id, *by, origin)),
            Deed::Refer { by, astray } => Decision::Done(self.refer(*by, *astray, limits)),
            Deed::Block(block) => Decision::Done(self.block(*block, origin)),
            Deed::Unblock(block) => Decision::Done(self.unblock(block, origin)),
        }
    }

    fn create_export(&mut self, new: &NewExport, entropy: &Entropy, origin: &Origin) -> Verdict {
        let privilege = self.privileges.get(&(new.hub.as_str().to_owned(), new.creator)).copied();
        let issued = new.issue(privilege, entropy, self.now);
        if let Ok((export, token)) = &issued {
            self.new_exports.push((export.clone(), token.digest()));
            self.note(Action::ExportCreated, origin, Subject::Export(export.id, export.creator));
        }
        Verdict::ExportCreated(issued)
    }

    fn revoke_export(&mut self, which: ExportRef, by: Authority, origin: &Origin) -> Verdict {
        let Some((export, _)) = self.exports.get_mut(&which.id).filter(|(_, digest)| which.names(digest))
        else {
            return Verdict::ExportRevoked(None);
        };
        let Some(fresh) = export.revoke(by, self.now) else {
            return Verdict::ExportRevoked(None);
        };
        let revoked = export.clone();
        if fresh {
            self.revoked.push(which.id);
            self.note(Action::ExportRevoked, origin, Subject::Export(which.id, revoked.creator));
        }
        Verdict::ExportRevoked(Some(revoked))
    }

    fn ask(&mut self, new: &NewRequest, limits: &AskLimits, entropy: &Entropy, origin: &Origin) -> Decision {
        let now = self.now;
        let refused = |refusal| Decision::Done(Verdict::Asked(Err(refusal)));
        let before = |request: &&mut PermissionRequest| {
            new.once.is_some() && request.once == new.once && request.asked_by == new.asked_by
        };
        if let Some(earlier) = self.requests.values_mut().find(before) {
            match earlier.repeated_by(new, now) {
                Some(Repetition::Same) => return Decision::Asked(earlier.redeem_id, Vec::new()),
                Some(Repetition::Another) => return refused(AskRefusal::AnotherUnderThisKey),
                None => {
                    earlier.once = None;
                    self.forgotten.push(earlier.id);
                }
            }
        }
        // Before anything is told of whoever was referred to.
        if let Err(exceeded) = self.restraints.allow(limits.astray_of(new.asked_by), now) {
            return refused(exceeded.into());
        }
        if self.grants.contains_key(&new.terms) {
            return refused(AskRefusal::Granted);
        }
        if self.restraints.forbid(&Block::of(new.terms)) {
            return refused(AskRefusal::Blocked);
        }
        let standings = match self.restraints.take(&limits.taken_by(new), now) {
            Ok(standings) => standings,
            Err(exceeded) => return refused(exceeded.into()),
        };
        let mut replaced = Vec::new();
        for request in self.requests.values_mut().filter(|request| request.terms == new.terms) {
            if request.replace(now).is_ok() {
                replaced.push(request.redeem_id);
            }
        }
        for id in replaced {
            if !self.new_requests.contains(&id) {
                self.closed.push(id);
            }
            self.note(Action::RequestReplaced, origin, Subject::Request(id));
        }
        let redeem_id = RedeemId(entropy.uuid(now));
        let request = PermissionRequest {
            id: RequestId::UNNUMBERED,
            redeem_id,
            terms: new.terms,
            asked_by: new.asked_by,
            redeem_page: new.redeem_page.clone(),
            created_at: now,
            expires_at: now.plus_seconds(new.lifetime),
            once: new.once.clone(),
            closed: None,
        };
        self.requests.insert(redeem_id, request);
        self.new_requests.push(redeem_id);
        self.note(Action::RequestCreated, origin, Subject::Request(redeem_id));
        Decision::Asked(redeem_id, standings)
    }

    fn redeem(
        &mut self,
        id: RedeemId,
        by: UserId,
        once: Option<&IdempotencyKey>,
        origin: &Origin,
    ) -> Decision {
        let refused = |refusal| Decision::Done(Verdict::Redeemed(Err(refusal)));
        let once = once.filter(|_| !planted("book.keyless"));
        let Some(request) = self.requests.get_mut(&id) else {
            return refused(Refusal::Dead);
        };
        let terms = request.terms;
        let by = if planted("book.anybody") { terms.target } else { by };
        let redemption = match request.redeem(by, once, self.grants.contains_key(&terms), self.now) {
            Ok(redemption) => redemption,
            Err(refusal) => return refused(refusal),
        };
        self.grants.extend(request.grant().map(|grant| (terms, grant)));
        if redemption == Redemption::Fresh {
            self.closed.push(id);
            self.note(Action::RequestRedeemed, origin, Subject::Request(id));
        }
        match self.grants.get(&terms) {
            Some(grant) => Decision::Redeemed(*grant),
            // It was told before, and the permission has been deleted since.
            None => refused(Refusal::Dead),
        }
    }

    fn end(&mut self, which: RequestRef, by: Authority, origin: &Origin) -> Result<Outcome, Refusal> {
        let now = self.now;
        let request = match which {
            RequestRef::Token(id) => self.requests.get_mut(&id),
            RequestRef::Number(RequestId::UNNUMBERED) => None,
            RequestRef::Number(id) => self.requests.values_mut().find(|request| request.id == id),
        };
        let request = request.ok_or(Refusal::Dead)?;
        // A token is its target's alone, even for ending it.
        if matches!(which, RequestRef::Token(_)) && by != Authority::User(request.terms.target) {
            return Err(Refusal::NotYours);
        }
        let outcome = request.end(by, now)?;
        let id = request.redeem_id;
        let action = match outcome {
            Outcome::Declined => Action::RequestDeclined,
            _ => Action::RequestWithdrawn,
        };
        if !planted("book.undeclined") {
            self.closed.push(id);
        }
        self.note(action, origin, Subject::Request(id));
        Ok(outcome)
    }

    /// Another mail with the same link. One that has not left yet will do as well.
    fn resend(
        &mut self,
        id: RequestId,
        terms: Terms,
        by: UserId,
        limits: &AskLimits,
        origin: &Origin,
    ) -> Result<(), ResendRefusal> {
        let numbered = |request: &&PermissionRequest| request.id == id && request.terms == terms;
        let found = self.requests.values().find(numbered).filter(|_| id != RequestId::UNNUMBERED);
        let request = found.ok_or(Refusal::Dead)?;
        request.resend(by, self.now)?;
        if self.owed.contains(&id) {
            return Err(ResendRefusal::Owed);
        }
        self.restraints.take(&limits.taken_by_mail(terms, by), self.now)?;
        let redeem_id = request.redeem_id;
        self.owed.insert(id);
        self.resent.push(id);
        self.note(Action::RequestResent, origin, Subject::Request(redeem_id));
        Ok(())
    }

    fn give(&mut self, terms: Terms, entropy: &Entropy, origin: &Origin) -> Decision {
        if self.grants.contains_key(&terms) {
            return Decision::Done(Verdict::Given(None));
        }
        let given = PermissionRequest::given(terms, RedeemId(entropy.uuid(self.now)), self.now);
        let redeem_id = given.redeem_id;
        self.grants.extend(given.grant().map(|grant| (terms, grant)));
        self.requests.insert(redeem_id, given);
        self.new_requests.push(redeem_id);
        self.note(Action::GrantCreated, origin, Subject::Grant(redeem_id));
        Decision::Given(redeem_id)
    }

    fn take_back(&mut self, id: GrantId, by: UserId, origin: &Origin) -> Verdict {
        let number = RequestId(id.0);
        let numbered = |request: &&mut PermissionRequest| request.id == number;
        let Some(request) =
            self.requests.values_mut().find(numbered).filter(|_| number != RequestId::UNNUMBERED)
        else {
            return Verdict::TakenBack(false);
        };
        if !request.take_back(by) {
            return Verdict::TakenBack(false);
        }
        let (terms, redeem_id) = (request.terms, request.redeem_id);
        self.grants.remove(&terms);
        // One that came to stand in this batch is written as it is now.
        if !self.closed.contains(&redeem_id) {
            self.taken_back.push(redeem_id);
        }
        self.note(Action::GrantDeleted, origin, Subject::Grant(redeem_id));
        Verdict::TakenBack(true)
    }

    fn refer(&mut self, by: UserId, astray: bool, limits: &AskLimits) -> Verdict {
        let metered = limits.astray_of(by);
        Verdict::Referred(if astray {
            self.restraints.take(metered.as_slice(), self.now).map(drop)
        } else {
            self.restraints.allow(metered, self.now)
        })
    }

    fn block(&mut self, block: Block, origin: &Origin) -> Verdict {
        let fresh = self.restraints.block(block);
        if fresh {
            self.note(Action::BlockCreated, origin, Subject::User(block.blocked));
        }
        let theirs = self.requests.values_mut().filter(|request| Block::of(request.terms) == block);
        let by = Authority::User(block.target);
        let ended: Vec<RedeemId> = theirs
            .filter_map(|request| request.end(by, self.now).is_ok().then_some(request.redeem_id))
            .collect();
        for id in ended {
            // One that was made in this batch is written as it is now.
            if !self.new_requests.contains(&id) {
                self.closed.push(id);
            }
            self.note(Action::RequestDeclined, origin, Subject::Request(id));
        }
        Verdict::Blocked(fresh)
    }

    fn unblock(&mut self, block: &Block, origin: &Origin) -> Verdict {
        let stood = self.restraints.unblock(block);
        if stood {
            self.note(Action::BlockDeleted, origin, Subject::User(block.blocked));
        }
        Verdict::Unblocked(stood)
    }

    fn note(&mut self, action: Action, origin: &Origin, subject: Subject) {
        self.trail.push(Entry { action, origin: origin.clone(), subject });
    }

    fn close(
        mut self,
        conn: &mut Conn,
        decisions: Vec<Decision>,
    ) -> QueryResult<(Vec<Verdict>, Option<Event>)> {
        self.restraints.write(conn, self.now)?;
        self.write_exports(conn)?;
        self.write_requests(conn)?;
        self.write_resent(conn)?;
        self.changes().write(conn)?;
        let mut trail = self.trail()?;
        if !trail.is_empty() {
            events::insert(conn, &trail)?;
        }
        Ok((self.verdicts(decisions)?, trail.pop()))
    }

    fn verdicts(&self, decisions: Vec<Decision>) -> QueryResult<Vec<Verdict>> {
        let verdicts = decisions.into_iter().map(|decision| self.verdict(decision));
        verdicts.collect::<Option<_>>().ok_or_else(|| broken("a row written in this batch is missing"))
    }

    fn write_exports(&self, conn: &mut Conn) -> QueryResult<()> {
        if !self.new_exports.is_empty() {
            exports::insert(conn, &self.new_exports)?;
        }
        if !self.revoked.is_empty() {
            guard(exports::revoke(conn, &self.revoked, self.now)?, self.revoked.len())?;
        }
        Ok(())
    }

    fn write_requests(&mut self, conn: &mut Conn) -> QueryResult<()> {
        if !self.forgotten.is_empty() {
            requests::forget_once(conn, &self.forgotten)?;
        }
        if !self.taken_back.is_empty() {
            let rows = self.taken_back.iter().filter_map(|id| self.requests.get(id));
            let ids: Vec<RequestId> = rows.map(|request| request.id).collect();
            guard(requests::take_back(conn, &ids)?, self.taken_back.len())?;
        }
        if !self.closed.is_empty() {
            let ended = self.closed.iter().filter_map(|id| self.requests.get(id));
            guard(requests::closing(ended).run(conn)?, self.closed.len())?;
        }
        if self.new_requests.is_empty() {
            return Ok(());
        }
        let mut new: Vec<&PermissionRequest> =
            self.new_requests.iter().filter_map(|id| self.requests.get(id)).collect();
        // Replicas that ask for the same wait for each other in one order.
        new.sort_by_key(|request| request.terms);
        let numbers = requests::insert(conn, &new)?;
        guard(numbers.len(), new.len())?;
        let mut mails = Vec::new();
        for (redeem_id, number) in numbers {
            let Some(request) = self.requests.get_mut(&redeem_id) else { continue };
            request.id = number;
            match request.grant() {
                Some(grant) => drop(self.grants.insert(grant.terms, grant)),
                None => mails.push((entropy::token().uuid(self.now), number)),
            }
        }
        if mails.is_empty() || planted("outbox.unowed") {
            Ok(())
        } else {
            outbox::insert(conn, &mails, self.now)
        }
    }

    fn write_resent(&self, conn: &mut Conn) -> QueryResult<()> {
        if self.resent.is_empty() {
            return Ok(());
        }
        let mail = |id: &RequestId| (entropy::token().uuid(self.now), *id);
        outbox::insert(conn, &self.resent.iter().map(mail).collect::<Vec<_>>(), self.now)
    }

    /// What the batch changes of how much each user has open and standing.
    fn changes(&self) -> Changes {
        let mut changes = Changes::default();
        let was_open = self.closed.iter().map(|id| (id, -1, 0));
        let stood = self.taken_back.iter().map(|id| (id, 0, -1));
        let new = self.new_requests.iter().map(|id| (id, 0, 0));
        for (id, open, standing) in was_open.chain(stood).chain(new) {
            let Some(request) = self.requests.get(id) else { continue };
            let is_open = i64::from(request.closed.is_none());
            let stands = i64::from(request.grant().is_some());
            changes.add(request.terms, open + is_open, standing + stands);
        }
        changes
    }

    /// The entries of the trail, now that all that they tell of has its number.
    fn trail(&mut self) -> QueryResult<Vec<Event>> {
        let entries = std::mem::take(&mut self.trail);
        let mut trail = Vec::with_capacity(entries.len());
        for Entry { action, origin, subject } in entries {
            let request = |id: RedeemId| {
                self.requests.get(&id).ok_or_else(|| broken("an audit entry refers to no row"))
            };
            let parties = |terms: Terms| vec![terms.target, terms.allowed];
            let (subject, about) = match subject {
                Subject::Export(id, creator) => (format!("export:{id}"), vec![creator]),
                Subject::Request(id) => {
                    let PermissionRequest { id, terms, .. } = request(id)?;
                    (format!("request:{id}"), parties(*terms))
                }
                Subject::Grant(id) => {
                    let PermissionRequest { id, terms, .. } = request(id)?;
                    (format!("grant:{id}"), parties(*terms))
                }
                // From whom somebody takes no requests concerns nobody else.
                Subject::User(id) => (format!("user:{id}"), Vec::new()),
            };
            trail.push(Event::new(self.now, &origin, action, subject, &about));
            if planted("book.doubled") {
                trail.extend(trail.last().cloned().map(|event| Event { id: entropy::uuid(), ..event }));
            }
        }
        Ok(trail)
    }

    fn verdict(&self, decision: Decision) -> Option<Verdict> {
        Some(match decision {
            Decision::Done(verdict) => verdict,
            Decision::Asked(id, standings) => {
                let request = self.requests.get(&id)?;
                Verdict::Asked(Ok((request.clone(), request.ttl(self.now), standings)))
            }
            Decision::Redeemed(grant) => {
                // One that was given in this batch has a number only now.
                let numbered = self.grants.get(&grant.terms).filter(|_| grant.id == GrantId::UNNUMBERED);
                Verdict::Redeemed(Ok((*numbered.unwrap_or(&grant), Arc::clone(&self.cast))))
            }
            Decision::Given(id) => Verdict::Given(self.requests.get(&id)?.grant()),
        })
    }
}

/// Fewer rows than decided: the lock did not hold what was decided on.
pub(super) fn guard(written: usize, decided: usize) -> QueryResult<()> {
    if written == decided { Ok(()) } else { Err(broken("unexpected row count in a guarded write")) }
}

fn broken(what: &'static str) -> Error {
    tracing::error!(what, "batch rolled back");
    Error::QueryBuilderError(what.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guard_wants_just_the_rows_that_were_decided_on() {
        assert!(guard(0, 0).is_ok() && guard(2, 2).is_ok());
        for (written, decided) in [(1, 2), (0, 1), (3, 2)] {
            assert!(guard(written, decided).is_err(), "{written} of {decided}");
        }
    }
}
