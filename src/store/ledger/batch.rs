//! One batch: its rows, locked; what the domain decides on them, operation by
//! operation; and the writes that record it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use diesel::QueryResult;
use diesel::result::Error;

use super::redeem_statement::RedeemStatement;
use super::request_constraints::RequestConstraints;
use super::{
    Command, CommandResult, ConcurrencyMode, CreateRequestError, Operation, RequestRef, ResendMailError,
};
use crate::domain::audit::{AuditAction, AuditContext};
use crate::domain::block::Block;
use crate::domain::bundle_permission::{BundlePermission, BundlePermissionId};
use crate::domain::export_token::{ExportToken, ExportTokenRef, NewExportToken};
use crate::domain::permission::Mask;
use crate::domain::permission_request::{
    IdempotencyMatch, NewPermissionRequest, PermissionRequest, Redemption, RequestError, RequestId,
    RequestOutcome,
};
use crate::domain::rate_limit::{QuotaStatus, RequestLimits};
use crate::domain::terms::Terms;
use crate::domain::timestamp::Timestamp;
use crate::domain::token::{Entropy, ExportId, RedeemId, TokenDigest};
use crate::domain::user::Authority;
use crate::domain::user::UserId;
use crate::domain::validated_text::IdempotencyKey;
use crate::entropy;
use crate::failpoints::fail_point;
use crate::store::audit_log::{self, NewAuditEntry};
use crate::store::participants::Participants;
use crate::store::requests::{self, RequestSelector};
use crate::store::requests_with_parties::{self, RequestsWithParties};
use crate::store::user_counters::CounterDeltas;
use crate::store::{Conn, export_tokens, hubs, outbox, permissions};

/// What was decided, before the database has given new rows their numbers.
enum PendingResult {
    Ready(CommandResult),
    RequestCreated(RedeemId, Vec<QuotaStatus>),
    Redeemed(BundlePermission),
    PermissionGranted(RedeemId),
}

/// The rows of a batch, locked, and what is to be written of them.
pub(super) struct Batch {
    now: Timestamp,
    /// Whom the requests name that are to be redeemed.
    participants: Arc<Participants>,
    privileges: HashMap<(String, UserId), Mask>,
    exports: HashMap<ExportId, (ExportToken, TokenDigest)>,
    requests: BTreeMap<RedeemId, PermissionRequest>,
    /// What stands, by what was read; and what will, when this is written.
    grants: HashMap<Terms, BundlePermission>,
    constraints: RequestConstraints,
    /// The requests of which a mail is owed, of those that one is wanted of.
    pending_mails: HashSet<RequestId>,

    new_exports: Vec<(ExportToken, TokenDigest)>,
    revoked_exports: Vec<ExportId>,
    new_requests: Vec<RedeemId>,
    closed_requests: Vec<RedeemId>,
    expired_keys: Vec<RequestId>,
    revoked_permissions: Vec<RedeemId>,
    resent_requests: Vec<RequestId>,
    audit_entries: Vec<PendingAuditEntry>,
}

/// An entry of the trail whose subject may not have its number yet.
struct PendingAuditEntry {
    action: AuditAction,
    context: AuditContext,
    subject: AuditSubject,
}

enum AuditSubject {
    /// With its creator.
    Export(ExportId, UserId),
    Request(RedeemId),
    Grant(RedeemId),
    User(UserId),
}

impl Batch {
    /// Locks, decides and writes a batch: the verdicts, and one event that
    /// witnesses the COMMIT if anything was written.
    pub(super) fn execute(
        conn: &mut Conn,
        operations: &[Operation],
        mode: ConcurrencyMode,
    ) -> QueryResult<(Vec<CommandResult>, Option<NewAuditEntry>)> {
        let mut batch = Self::load(conn, operations, mode)?;
        let decisions = operations.iter().map(|operation| batch.decide(operation)).collect();
        batch.persist(conn, decisions)
    }

    /// Decides a batch of redemptions on rows as they are just now: what is to be
    /// written, if anything; the verdicts that hold once it is; and an event that
    /// witnesses that.
    pub(super) fn plan(
        conn: &mut Conn,
        operations: &[Operation],
    ) -> QueryResult<(Option<RedeemStatement>, Vec<CommandResult>, Option<NewAuditEntry>)> {
        let mut batch = Self::load(conn, operations, ConcurrencyMode::Optimistic)?;
        let decisions = operations.iter().map(|operation| batch.decide(operation)).collect();
        let audit_entries = batch.build_audit_entries()?;
        let commit_marker = audit_entries.last().cloned();
        let results = batch.to_results(decisions)?;
        let counter_deltas = batch.counter_deltas();
        let closed_requests =
            batch.closed_requests.iter().filter_map(|id| batch.requests.remove(id)).collect();
        let statement = RedeemStatement { closed_requests, counter_deltas, audit_entries };
        Ok(((!statement.audit_entries.is_empty()).then_some(statement), results, commit_marker))
    }

    fn load(conn: &mut Conn, operations: &[Operation], mode: ConcurrencyMode) -> QueryResult<Self> {
        fail_point("ledger.panic");
        let mut selector = RequestSelector::default();
        let (mut export_ids, mut terms) = (Vec::new(), Vec::new());
        let (mut creators, mut resend_ids) = (Vec::new(), Vec::new());
        for operation in operations {
            match &operation.command {
                Command::CreateExport(new) => creators.push((new.hub.as_str(), new.creator)),
                Command::RevokeExport { which, .. } => export_ids.push(which.id),
                Command::CreateRequest(new) => {
                    selector.terms.push(new.terms);
                    selector.idempotency_keys.extend(
                        new.idempotency_key.clone().map(|idempotency_key| (new.asked_by, idempotency_key)),
                    );
                    terms.push(new.terms);
                }
                Command::Redeem { id, .. } | Command::CloseRequest { which: RequestRef::Token(id), .. } => {
                    selector.redeem_ids.push(*id);
                }
                Command::CloseRequest { which: RequestRef::Id(number), .. } => selector.numbers.push(*number),
                Command::ResendMail { id, .. } => {
                    selector.numbers.push(*id);
                    resend_ids.push(*id);
                }
                Command::GrantPermission(given) => terms.push(*given),
                Command::RevokePermission { id, .. } => selector.numbers.push(RequestId(id.0)),
                Command::Block(block) => selector.blocks.push(*block),
                Command::RecordUserLookup { .. } | Command::Unblock(_) => {}
            }
        }
        let constraints = RequestConstraints::load(conn, operations)?;
        let exports =
            if export_ids.is_empty() { Vec::new() } else { export_tokens::lock(conn, &export_ids)? };
        let (requests, with_parties) = if selector.redeem_ids.is_empty() {
            (requests::lock(conn, &selector)?, RequestsWithParties::default())
        } else if selector.is_by_token_only() {
            let mut loaded =
                requests_with_parties::load(conn, &selector.redeem_ids, mode != ConcurrencyMode::Optimistic)?;
            (std::mem::take(&mut loaded.requests), loaded)
        } else {
            (
                requests::lock(conn, &selector)?,
                requests_with_parties::load(conn, &selector.redeem_ids, false)?,
            )
        };
        let requests: BTreeMap<RedeemId, PermissionRequest> =
            requests.into_iter().map(|request| (request.redeem_id, request)).collect();
        let is_closed = |request: &&PermissionRequest| request.closed.is_some();
        let to_recheck = requests
            .values()
            .filter(|request| mode == ConcurrencyMode::LockedWithRecheck || is_closed(request));
        terms.extend(to_recheck.map(|request| request.terms));
        let grants = if terms.is_empty() { Vec::new() } else { permissions::by_terms(conn, &terms)? };
        let pending_mails =
            if resend_ids.is_empty() { HashSet::new() } else { outbox::pending(conn, &resend_ids)? };
        let privileges =
            if creators.is_empty() { HashMap::new() } else { hubs::privileges(conn, &creators)? };
        Ok(Self {
            now: match with_parties.read_at {
                Some(now) => now,
                // After the locks: waiting for them takes time.
                None => conn.now()?,
            },
            participants: Arc::new(with_parties.participants),
            privileges,
            exports: exports.into_iter().map(|(token, digest)| (token.id, (token, digest))).collect(),
            requests,
            grants: grants.into_iter().map(|permission| (permission.terms, permission)).collect(),
            constraints: constraints,
            pending_mails,
            new_exports: Vec::new(),
            revoked_exports: Vec::new(),
            new_requests: Vec::new(),
            closed_requests: Vec::new(),
            expired_keys: Vec::new(),
            revoked_permissions: Vec::new(),
            resent_requests: Vec::new(),
            audit_entries: Vec::new(),
        })
    }

    fn decide(&mut self, operation: &Operation) -> PendingResult {
        let Operation { command, audit_context, limits, entropy } = operation;
        match command {
            Command::CreateExport(new) => {
                PendingResult::Ready(self.create_export(new, entropy, audit_context))
            }
            Command::RevokeExport { which, by } => {
                PendingResult::Ready(self.revoke_export(*which, *by, audit_context))
            }
            Command::CreateRequest(new) => self.create_request(new, limits, entropy, audit_context),
            Command::Redeem { id, by, idempotency_key } => {
                self.redeem(*id, *by, idempotency_key.as_ref(), audit_context)
            }
            Command::CloseRequest { which, by } => PendingResult::Ready(CommandResult::RequestClosed(
                self.close_request(*which, *by, audit_context),
            )),
            Command::ResendMail { id, terms, by } => PendingResult::Ready(CommandResult::MailResent(
                self.resend_mail(*id, *terms, *by, limits, audit_context),
            )),
            Command::GrantPermission(terms) => self.grant_permission(*terms, entropy, audit_context),
            Command::RevokePermission { id, by } => {
                PendingResult::Ready(self.revoke_permission(*id, *by, audit_context))
            }
            Command::RecordUserLookup { by, unknown_user: unknown_references } => {
                PendingResult::Ready(self.record_user_lookup(*by, *unknown_references, limits))
            }
            Command::Block(block) => PendingResult::Ready(self.block(*block, audit_context)),
            Command::Unblock(block) => PendingResult::Ready(self.unblock(block, audit_context)),
        }
    }

    fn create_export(
        &mut self,
        new: &NewExportToken,
        entropy: &Entropy,
        audit_context: &AuditContext,
    ) -> CommandResult {
        let privilege = self.privileges.get(&(new.hub.as_str().to_owned(), new.creator)).copied();
        let issued = new.issue(privilege, entropy, self.now);
        if let Ok((export, token)) = &issued {
            self.new_exports.push((export.clone(), token.digest()));
            self.audit(
                AuditAction::ExportCreated,
                audit_context,
                AuditSubject::Export(export.id, export.creator),
            );
        }
        CommandResult::ExportCreated(issued)
    }

    fn revoke_export(
        &mut self,
        export_ref: ExportTokenRef,
        by: Authority,
        audit_context: &AuditContext,
    ) -> CommandResult {
        let Some((export, _)) =
            self.exports.get_mut(&export_ref.id).filter(|(_, digest)| export_ref.matches(digest))
        else {
            return CommandResult::ExportRevoked(None);
        };
        let Some(newly_revoked) = export.revoke(by, self.now) else {
            return CommandResult::ExportRevoked(None);
        };
        let revoked = export.clone();
        if newly_revoked {
            self.revoked_exports.push(export_ref.id);
            self.audit(
                AuditAction::ExportRevoked,
                audit_context,
                AuditSubject::Export(export_ref.id, revoked.creator),
            );
        }
        CommandResult::ExportRevoked(Some(revoked))
    }

    fn create_request(
        &mut self,
        new: &NewPermissionRequest,
        limits: &RequestLimits,
        entropy: &Entropy,
        audit_context: &AuditContext,
    ) -> PendingResult {
        let now = self.now;
        let refused = |refusal| PendingResult::Ready(CommandResult::RequestCreated(Err(refusal)));
        let has_same_key = |request: &&mut PermissionRequest| {
            new.idempotency_key.is_some()
                && request.idempotency_key == new.idempotency_key
                && request.asked_by == new.asked_by
        };
        if let Some(earlier) = self.requests.values_mut().find(has_same_key) {
            match earlier.match_idempotency(new, now) {
                Some(IdempotencyMatch::Replay) => {
                    return PendingResult::RequestCreated(earlier.redeem_id, Vec::new());
                }
                Some(IdempotencyMatch::Conflict) => {
                    return refused(CreateRequestError::IdempotencyKeyConflict);
                }
                None => {
                    earlier.idempotency_key = None;
                    self.expired_keys.push(earlier.id);
                }
            }
        }
        // Before anything is told of whoever was referred to.
        if let Err(exceeded) = self.constraints.check_limit(limits.for_unknown_references(new.asked_by), now)
        {
            return refused(exceeded.into());
        }
        if self.grants.contains_key(&new.terms) {
            return refused(CreateRequestError::AlreadyGranted);
        }
        if self.constraints.is_blocked(&Block::from_terms(new.terms)) {
            return refused(CreateRequestError::Blocked);
        }
        let quota = match self.constraints.consume_limit(&limits.for_request(new), now) {
            Ok(quotas) => quotas,
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
                self.closed_requests.push(id);
            }
            self.audit(AuditAction::RequestReplaced, audit_context, AuditSubject::Request(id));
        }
        let redeem_id = RedeemId(entropy.uuid(now));
        let request = PermissionRequest {
            id: RequestId::UNASSIGNED,
            redeem_id,
            terms: new.terms,
            asked_by: new.asked_by,
            redeem_page: new.redeem_page.clone(),
            created_at: now,
            expires_at: now.plus_seconds(new.lifetime_seconds),
            idempotency_key: new.idempotency_key.clone(),
            closed: None,
        };
        self.requests.insert(redeem_id, request);
        self.new_requests.push(redeem_id);
        self.audit(AuditAction::RequestCreated, audit_context, AuditSubject::Request(redeem_id));
        PendingResult::RequestCreated(redeem_id, quota)
    }

    fn redeem(
        &mut self,
        id: RedeemId,
        by: UserId,
        idempotency_key: Option<&IdempotencyKey>,
        audit_context: &AuditContext,
    ) -> PendingResult {
        let refused = |refusal| PendingResult::Ready(CommandResult::Redeemed(Err(refusal)));
        let Some(request) = self.requests.get_mut(&id) else {
            return refused(RequestError::NotPending);
        };
        let terms = request.terms;
        let redemption = match request.redeem(by, idempotency_key, self.grants.contains_key(&terms), self.now)
        {
            Ok(redemption) => redemption,
            Err(refusal) => return refused(refusal),
        };
        self.grants.extend(request.permission().map(|permission| (terms, permission)));
        if redemption == Redemption::First {
            self.closed_requests.push(id);
            self.audit(AuditAction::RequestApproved, audit_context, AuditSubject::Request(id));
        }
        match self.grants.get(&terms) {
            Some(permission) => PendingResult::Redeemed(*permission),
            // It was told before, and the permission has been deleted since.
            None => refused(RequestError::NotPending),
        }
    }

    fn close_request(
        &mut self,
        request_ref: RequestRef,
        by: Authority,
        audit_context: &AuditContext,
    ) -> Result<RequestOutcome, RequestError> {
        let now = self.now;
        let request = match request_ref {
            RequestRef::Token(id) => self.requests.get_mut(&id),
            RequestRef::Id(RequestId::UNASSIGNED) => None,
            RequestRef::Id(id) => self.requests.values_mut().find(|request| request.id == id),
        };
        let request = request.ok_or(RequestError::NotPending)?;
        // A token is its target's alone, even for ending it.
        if matches!(request_ref, RequestRef::Token(_)) && by != Authority::User(request.terms.target) {
            return Err(RequestError::NotAParty);
        }
        let outcome = request.close(by, now)?;
        let id = request.redeem_id;
        let action = match outcome {
            RequestOutcome::Declined => AuditAction::RequestDeclined,
            _ => AuditAction::RequestWithdrawn,
        };
        self.closed_requests.push(id);
        self.audit(action, audit_context, AuditSubject::Request(id));
        Ok(outcome)
    }

    /// Another mail with the same link. One that has not left yet will do as well.
    fn resend_mail(
        &mut self,
        id: RequestId,
        terms: Terms,
        by: UserId,
        limits: &RequestLimits,
        audit_context: &AuditContext,
    ) -> Result<(), ResendMailError> {
        let has_id = |request: &&PermissionRequest| request.id == id && request.terms == terms;
        let found = self.requests.values().find(has_id).filter(|_| id != RequestId::UNASSIGNED);
        let request = found.ok_or(RequestError::NotPending)?;
        request.check_resend(by, self.now)?;
        if self.pending_mails.contains(&id) {
            return Err(ResendMailError::AlreadyPending);
        }
        self.constraints.consume_limit(&limits.for_mail(terms, by), self.now)?;
        let redeem_id = request.redeem_id;
        self.pending_mails.insert(id);
        self.resent_requests.push(id);
        self.audit(AuditAction::RequestResent, audit_context, AuditSubject::Request(redeem_id));
        Ok(())
    }

    fn grant_permission(
        &mut self,
        terms: Terms,
        entropy: &Entropy,
        audit_context: &AuditContext,
    ) -> PendingResult {
        if self.grants.contains_key(&terms) {
            return PendingResult::Ready(CommandResult::PermissionGranted(None));
        }
        let direct_grant =
            PermissionRequest::granted_directly(terms, RedeemId(entropy.uuid(self.now)), self.now);
        let redeem_id = direct_grant.redeem_id;
        self.grants.extend(direct_grant.permission().map(|permission| (terms, permission)));
        self.requests.insert(redeem_id, direct_grant);
        self.new_requests.push(redeem_id);
        self.audit(AuditAction::PermissionGranted, audit_context, AuditSubject::Grant(redeem_id));
        PendingResult::PermissionGranted(redeem_id)
    }

    fn revoke_permission(
        &mut self,
        id: BundlePermissionId,
        by: UserId,
        audit_context: &AuditContext,
    ) -> CommandResult {
        let request_id = RequestId(id.0);
        let has_id = |request: &&mut PermissionRequest| request.id == request_id;
        let Some(request) =
            self.requests.values_mut().find(has_id).filter(|_| request_id != RequestId::UNASSIGNED)
        else {
            return CommandResult::PermissionRevoked(false);
        };
        if !request.revoke_permission(by) {
            return CommandResult::PermissionRevoked(false);
        }
        let (terms, redeem_id) = (request.terms, request.redeem_id);
        self.grants.remove(&terms);
        // One that came to stand in this batch is written as it is now.
        if !self.closed_requests.contains(&redeem_id) {
            self.revoked_permissions.push(redeem_id);
        }
        self.audit(AuditAction::PermissionRevoked, audit_context, AuditSubject::Grant(redeem_id));
        CommandResult::PermissionRevoked(true)
    }

    fn record_user_lookup(
        &mut self,
        by: UserId,
        unknown_user: bool,
        limits: &RequestLimits,
    ) -> CommandResult {
        let keyed_limit = limits.for_unknown_references(by);
        CommandResult::UserLookupRecorded(if unknown_user {
            self.constraints.consume_limit(keyed_limit.as_slice(), self.now).map(drop)
        } else {
            self.constraints.check_limit(keyed_limit, self.now)
        })
    }

    fn block(&mut self, block: Block, audit_context: &AuditContext) -> CommandResult {
        let newly_blocked = self.constraints.block(block);
        if newly_blocked {
            self.audit(AuditAction::BlockCreated, audit_context, AuditSubject::User(block.blocked));
        }
        let affected = self.requests.values_mut().filter(|request| Block::from_terms(request.terms) == block);
        let by = Authority::User(block.target);
        let declined: Vec<RedeemId> = affected
            .filter_map(|request| request.close(by, self.now).is_ok().then_some(request.redeem_id))
            .collect();
        for id in declined {
            // One that was made in this batch is written as it is now.
            if !self.new_requests.contains(&id) {
                self.closed_requests.push(id);
            }
            self.audit(AuditAction::RequestDeclined, audit_context, AuditSubject::Request(id));
        }
        CommandResult::Blocked(newly_blocked)
    }

    fn unblock(&mut self, block: &Block, audit_context: &AuditContext) -> CommandResult {
        let existed = self.constraints.unblock(block);
        if existed {
            self.audit(AuditAction::BlockDeleted, audit_context, AuditSubject::User(block.blocked));
        }
        CommandResult::Unblocked(existed)
    }

    fn audit(&mut self, action: AuditAction, audit_context: &AuditContext, subject: AuditSubject) {
        self.audit_entries.push(PendingAuditEntry { action, context: audit_context.clone(), subject });
    }

    fn persist(
        mut self,
        conn: &mut Conn,
        decisions: Vec<PendingResult>,
    ) -> QueryResult<(Vec<CommandResult>, Option<NewAuditEntry>)> {
        self.constraints.persist(conn, self.now)?;
        self.write_exports(conn)?;
        self.write_requests(conn)?;
        self.write_resent_mails(conn)?;
        self.counter_deltas().write(conn)?;
        let mut audit_entries = self.build_audit_entries()?;
        if !audit_entries.is_empty() {
            audit_log::insert(conn, &audit_entries)?;
        }
        Ok((self.to_results(decisions)?, audit_entries.pop()))
    }

    fn to_results(&self, decisions: Vec<PendingResult>) -> QueryResult<Vec<CommandResult>> {
        let results = decisions.into_iter().map(|decision| self.to_result(decision));
        results
            .collect::<Option<_>>()
            .ok_or_else(|| invariant_violation("a row written in this batch is missing"))
    }

    fn write_exports(&self, conn: &mut Conn) -> QueryResult<()> {
        if !self.new_exports.is_empty() {
            export_tokens::insert(conn, &self.new_exports)?;
        }
        if !self.revoked_exports.is_empty() {
            expect_rows(
                export_tokens::revoke(conn, &self.revoked_exports, self.now)?,
                self.revoked_exports.len(),
            )?;
        }
        Ok(())
    }

    fn write_requests(&mut self, conn: &mut Conn) -> QueryResult<()> {
        if !self.expired_keys.is_empty() {
            requests::clear_create_keys(conn, &self.expired_keys)?;
        }
        if !self.revoked_permissions.is_empty() {
            let rows = self.revoked_permissions.iter().filter_map(|id| self.requests.get(id));
            let ids: Vec<RequestId> = rows.map(|request| request.id).collect();
            expect_rows(requests::revoke_permissions(conn, &ids)?, self.revoked_permissions.len())?;
        }
        if !self.closed_requests.is_empty() {
            let closed = self.closed_requests.iter().filter_map(|id| self.requests.get(id));
            expect_rows(requests::close_statement(closed).run(conn)?, self.closed_requests.len())?;
        }
        if self.new_requests.is_empty() {
            return Ok(());
        }
        let mut new: Vec<&PermissionRequest> =
            self.new_requests.iter().filter_map(|id| self.requests.get(id)).collect();
        // Replicas that ask for the same wait for each other in one order.
        new.sort_by_key(|request| request.terms);
        let inserted_ids = requests::insert(conn, &new)?;
        expect_rows(inserted_ids.len(), new.len())?;
        let mut mails = Vec::new();
        for (redeem_id, number) in inserted_ids {
            let Some(request) = self.requests.get_mut(&redeem_id) else { continue };
            request.id = number;
            match request.permission() {
                Some(permission) => drop(self.grants.insert(permission.terms, permission)),
                None => mails.push((entropy::token().uuid(self.now), number)),
            }
        }
        if mails.is_empty() { Ok(()) } else { outbox::insert(conn, &mails, self.now) }
    }

    fn write_resent_mails(&self, conn: &mut Conn) -> QueryResult<()> {
        if self.resent_requests.is_empty() {
            return Ok(());
        }
        let mail = |id: &RequestId| (entropy::token().uuid(self.now), *id);
        outbox::insert(conn, &self.resent_requests.iter().map(mail).collect::<Vec<_>>(), self.now)
    }

    /// What the batch changes of how much each user has open and standing.
    fn counter_deltas(&self) -> CounterDeltas {
        let mut counter_deltas = CounterDeltas::default();
        let closed = self.closed_requests.iter().map(|id| (id, -1, 0));
        let revoked = self.revoked_permissions.iter().map(|id| (id, 0, -1));
        let new = self.new_requests.iter().map(|id| (id, 0, 0));
        for (id, open, standing) in closed.chain(revoked).chain(new) {
            let Some(request) = self.requests.get(id) else { continue };
            let is_open = i64::from(request.closed.is_none());
            let is_active = i64::from(request.permission().is_some());
            counter_deltas.add(request.terms, open + is_open, standing + is_active);
        }
        counter_deltas
    }

    /// The entries of the trail, now that all that they tell of has its number.
    fn build_audit_entries(&mut self) -> QueryResult<Vec<NewAuditEntry>> {
        let entries = std::mem::take(&mut self.audit_entries);
        let mut audit_entries = Vec::with_capacity(entries.len());
        for PendingAuditEntry { action, context: audit_context, subject } in entries {
            let request = |id: RedeemId| {
                self.requests.get(&id).ok_or_else(|| invariant_violation("an audit entry refers to no row"))
            };
            let parties = |terms: Terms| vec![terms.target, terms.grantee];
            let (subject, affected_users) = match subject {
                AuditSubject::Export(id, creator) => (format!("export:{id}"), vec![creator]),
                AuditSubject::Request(id) => {
                    let PermissionRequest { id, terms, .. } = request(id)?;
                    (format!("request:{id}"), parties(*terms))
                }
                AuditSubject::Grant(id) => {
                    let PermissionRequest { id, terms, .. } = request(id)?;
                    (format!("permission:{id}"), parties(*terms))
                }
                // From whom somebody takes no requests concerns nobody else.
                AuditSubject::User(id) => (format!("user:{id}"), Vec::new()),
            };
            audit_entries.push(NewAuditEntry::new(
                self.now,
                &audit_context,
                action,
                subject,
                &affected_users,
            ));
        }
        Ok(audit_entries)
    }

    fn to_result(&self, decision: PendingResult) -> Option<CommandResult> {
        Some(match decision {
            PendingResult::Ready(result) => result,
            PendingResult::RequestCreated(id, quotas) => {
                let request = self.requests.get(&id)?;
                CommandResult::RequestCreated(Ok((request.clone(), request.seconds_left(self.now), quotas)))
            }
            PendingResult::Redeemed(permission) => {
                // One that was given in this batch has a number only now.
                let inserted = self
                    .grants
                    .get(&permission.terms)
                    .filter(|_| permission.id == BundlePermissionId::UNASSIGNED);
                CommandResult::Redeemed(Ok((
                    *inserted.unwrap_or(&permission),
                    Arc::clone(&self.participants),
                )))
            }
            PendingResult::PermissionGranted(id) => {
                CommandResult::PermissionGranted(self.requests.get(&id)?.permission())
            }
        })
    }
}

/// Fewer rows than decided: the lock did not hold what was decided on.
pub(super) fn expect_rows(affected: usize, expected: usize) -> QueryResult<()> {
    if affected == expected {
        Ok(())
    } else {
        Err(invariant_violation("unexpected row count in a guarded write"))
    }
}

fn invariant_violation(what: &'static str) -> Error {
    tracing::error!(what, "batch rolled back");
    Error::QueryBuilderError(what.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expect_rows_requires_the_exact_row_count() {
        assert!(expect_rows(0, 0).is_ok() && expect_rows(2, 2).is_ok());
        for (written, decided) in [(1, 2), (0, 1), (3, 2)] {
            assert!(expect_rows(written, decided).is_err(), "{written} of {decided}");
        }
    }
}
