//! Permission requests (`bundle_permission_request` in Hexoskin's public "Hexostore API
//! Documentation"): one user asks another, the target, for rights of a bundle. The target can decide
//! once. An approved request is also the record of the permission that it granted.

use std::fmt;

use super::approval::{Approval, AskedPermission, InvalidApproval, NewAsk, Purpose, Reason, ReturnTo};
use super::bundle_permission::{
    BundlePermission, BundlePermissionId, EndCause, GrantedPermission, PermissionEnd,
};
use super::creation_key::CreationKey;
use super::rights::Mask;
use super::terms::Terms;
use super::timestamp::Timestamp;
use super::token::{Keyring, RedeemId};
use super::user::{Authority, UserId};
use super::validated_text::IdempotencyKey;

/// The longest lifetime of a request: 30 days. No setting can raise it: after a rotation, the
/// previous secret must be kept for as long.
pub const MAX_REQUEST_TTL_SECONDS: i64 = 30 * 86_400;
/// How long an `Idempotency-Key` is remembered.
pub const IDEMPOTENCY_KEY_TTL_SECONDS: i64 = 24 * 3_600;

/// The public number of a request. It does not authorize anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub i64);

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How a request was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RequestOutcome {
    /// The target approved it.
    Approved,
    /// The target granted the permission without a request; the record was never pending.
    GrantedDirectly,
    Declined,
    /// The requester or the operator withdrew it.
    Withdrawn,
    /// The requester created a newer request with the same terms.
    Replaced,
    /// It had expired when it was closed.
    Expired,
}

impl RequestOutcome {
    /// The name in the database and on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::GrantedDirectly => "granted",
            Self::Declined => "declined",
            Self::Withdrawn => "withdrawn",
            Self::Replaced => "replaced",
            Self::Expired => "expired",
        }
    }

    /// Parses the name in the database. A name written by a later version becomes
    /// [`RequestOutcome::Withdrawn`]: the request is closed either way.
    pub(crate) fn from_db(name: &str) -> Self {
        match name {
            "approved" => Self::Approved,
            "granted" => Self::GrantedDirectly,
            "declined" => Self::Declined,
            "replaced" => Self::Replaced,
            "expired" => Self::Expired,
            _ => Self::Withdrawn,
        }
    }
}

/// How and when a request was closed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RequestClosure {
    pub outcome: RequestOutcome,
    pub closed_at: Timestamp,
    /// The `Idempotency-Key` of the decision, which can be replayed with it.
    pub idempotency_key: Option<IdempotencyKey>,
    /// The permission. `None`: there is none, or another one with the same terms stays in force.
    pub granted: Option<GrantedPermission>,
    /// What the target approved while another permission that covers it stayed in force, and until
    /// when.
    pub covered: Option<(Mask, Option<Timestamp>)>,
    /// Why the target declined.
    pub reason: Option<Reason>,
    /// The text that the target saw on the page: `<language>/<version>`.
    pub statement: Option<String>,
}

impl RequestClosure {
    fn new(outcome: RequestOutcome, closed_at: Timestamp) -> Self {
        Self {
            outcome,
            closed_at,
            idempotency_key: None,
            granted: None,
            covered: None,
            reason: None,
            statement: None,
        }
    }

    /// The rights and the end that the target approved.
    pub fn approved(&self) -> Option<(Mask, Option<Timestamp>)> {
        self.granted.map(|granted| (granted.permission, granted.expires_at)).or(self.covered)
    }
}

/// A request to create.
#[derive(Clone, Debug)]
pub struct NewPermissionRequest {
    pub terms: Terms,
    /// The user who posts it: the grantee, or staff on their behalf.
    pub asked_by: UserId,
    pub asked: NewAsk,
    pub purpose: Option<Purpose>,
    pub return_to: Option<ReturnTo>,
    pub lifetime_seconds: i64,
    /// The page that the mail links to; `None` means the configured page.
    pub redeem_page: Option<String>,
    pub creation_key: Option<CreationKey>,
}

impl NewPermissionRequest {
    /// A request for these rights until they are revoked, without any optional part.
    pub const fn new(terms: Terms, asked_by: UserId, permission: Mask, lifetime_seconds: i64) -> Self {
        Self {
            terms,
            asked_by,
            asked: NewAsk { permission: Some(permission), minimum: None, ttl_seconds: None },
            purpose: None,
            return_to: None,
            lifetime_seconds,
            redeem_page: None,
            creation_key: None,
        }
    }
}

/// A request, pending or closed. Its status is derived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PermissionRequest {
    pub id: RequestId,
    /// The id in its redeem token.
    pub redeem_id: RedeemId,
    pub terms: Terms,
    /// The user who posted it: the grantee, or staff on their behalf.
    pub asked_by: UserId,
    pub asked: AskedPermission,
    pub purpose: Option<Purpose>,
    pub return_to: Option<ReturnTo>,
    /// The page that the mail links to; `None` means the configured page.
    pub redeem_page: Option<String>,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub creation_key: Option<CreationKey>,
    pub closed: Option<RequestClosure>,
}

/// The status of a request at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestStatus {
    /// The target has not decided yet.
    Pending,
    /// Expired before the target decided, whether or not it has been closed since.
    Expired,
    /// Closed with an outcome other than [`RequestOutcome::Expired`].
    Closed(RequestOutcome),
}

impl RequestStatus {
    /// All statuses of a request.
    pub const ALL: [Self; 6] = [
        Self::Pending,
        Self::Closed(RequestOutcome::Approved),
        Self::Closed(RequestOutcome::Declined),
        Self::Closed(RequestOutcome::Withdrawn),
        Self::Expired,
        Self::Closed(RequestOutcome::Replaced),
    ];

    /// Finds a status by its name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Expired => "expired",
            Self::Closed(outcome) => outcome.name(),
        }
    }
}

/// Why an operation on a request was refused. The APIs do not reveal which of the first two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The user is not the party that may do this.
    #[error("not a party to this request")]
    NotAParty,
    /// The request was closed, or has expired.
    #[error("the request is closed")]
    NotPending,
    /// The target has made another decision with this idempotency key.
    #[error("the idempotency key was used for another decision")]
    IdempotencyKeyConflict,
    /// The target grants something else than what was asked.
    #[error(transparent)]
    InvalidApproval(#[from] InvalidApproval),
}

/// A decision of the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// With the text that the target saw on the page.
    Approve(Approval, Option<String>),
    Decline(Option<Reason>),
}

/// The result of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decided {
    /// The request is now closed.
    First,
    /// It was already closed by this decision with the same idempotency key; the caller gets the
    /// same result.
    Replay,
}

/// How a new request relates to an earlier one with the same idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdempotencyMatch {
    /// The same request.
    Replay,
    /// A different request, so the key must not be reused.
    Conflict,
}

impl PermissionRequest {
    /// The record of a permission that the target, or staff on their behalf, grants without a
    /// request. Its token is never issued, and would not redeem anything.
    pub fn granted_directly(
        id: RequestId,
        terms: Terms,
        by: UserId,
        permission: Mask,
        expires_at: Option<Timestamp>,
        redeem_id: RedeemId,
        now: Timestamp,
    ) -> Self {
        let granted = GrantedPermission { permission, expires_at, ended: None };
        Self {
            id,
            redeem_id,
            terms,
            asked_by: by,
            asked: AskedPermission::without_end(permission),
            purpose: None,
            return_to: None,
            redeem_page: None,
            created_at: now,
            expires_at: now,
            creation_key: None,
            closed: Some(RequestClosure {
                granted: Some(granted),
                ..RequestClosure::new(RequestOutcome::GrantedDirectly, now)
            }),
        }
    }

    /// What it granted, and whether that has ended.
    pub fn granted(&self) -> Option<&GrantedPermission> {
        self.closed.as_ref()?.granted.as_ref()
    }

    /// The active permission that it granted.
    pub fn permission(&self, now: Timestamp) -> Option<BundlePermission> {
        let closed = self.closed.as_ref()?;
        let granted = closed.granted.filter(|granted| granted.is_active(now))?;
        Some(BundlePermission {
            id: BundlePermissionId(self.id.0),
            terms: self.terms,
            permission: granted.permission,
            granted_at: closed.closed_at,
            expires_at: granted.expires_at,
            requested: closed.outcome == RequestOutcome::Approved,
        })
    }

    /// Whether its approval led to this permission with the same terms: granted it, or left it in force.
    pub fn led_to(&self, permission: &BundlePermission) -> bool {
        self.closed.as_ref().is_some_and(|closed| match closed.granted {
            Some(_) => permission.id.0 == self.id.0,
            None => closed.covered.is_some() && permission.granted_at <= closed.closed_at,
        })
    }

    /// Whether it granted a permission that has not been marked as ended.
    pub fn holds_permission(&self) -> bool {
        self.granted().is_some_and(|granted| granted.ended.is_none())
    }

    /// The status at `now`.
    pub fn status(&self, now: Timestamp) -> RequestStatus {
        match &self.closed {
            Some(RequestClosure { outcome: RequestOutcome::Expired, .. }) => RequestStatus::Expired,
            Some(closed) => RequestStatus::Closed(closed.outcome),
            None if self.expires_at <= now => RequestStatus::Expired,
            None => RequestStatus::Pending,
        }
    }

    /// Whether the target can still decide.
    pub fn is_pending(&self, now: Timestamp) -> bool {
        self.status(now) == RequestStatus::Pending
    }

    /// Whether this user is the target and can still decide.
    pub fn is_pending_for(&self, user: UserId, now: Timestamp) -> bool {
        self.terms.target == user && self.is_pending(now)
    }

    /// The link in the mail: the redeem page with the redeem token.
    pub fn redeem_url(&self, keyring: &Keyring, public_url: &str) -> String {
        let token = keyring.redeem_token(self.redeem_id).expose();
        match &self.redeem_page {
            Some(page) if page.contains('?') => format!("{page}&token={token}"),
            Some(page) => format!("{page}?token={token}"),
            None => format!("{public_url}/redeem?token={token}"),
        }
    }

    /// Whole seconds until it expires; 0 if it is not pending.
    pub fn seconds_left(&self, now: Timestamp) -> i64 {
        if self.is_pending(now) { now.seconds_until(self.expires_at) } else { 0 }
    }

    /// Decides for its target, once. The same idempotency key replays the same decision within
    /// [`IDEMPOTENCY_KEY_TTL_SECONDS`]. An approval grants a permission, unless the `active` one with
    /// the same terms was granted after the request was made, and covers it. It also limits the
    /// request to the longest time that the configuration allows.
    pub fn decide(
        &mut self,
        by: UserId,
        decision: &Decision,
        idempotency_key: Option<&IdempotencyKey>,
        active: Option<&BundlePermission>,
        now: Timestamp,
    ) -> Result<Decided, RequestError> {
        if by != self.terms.target {
            return Err(RequestError::NotAParty);
        }
        if let Some(closed) = &self.closed
            && closed.idempotency_key.is_some()
            && closed.idempotency_key.as_ref() == idempotency_key
            && now < closed.closed_at.plus_seconds(IDEMPOTENCY_KEY_TTL_SECONDS)
        {
            let same = self.is_closed_by(closed, decision);
            return if same { Ok(Decided::Replay) } else { Err(RequestError::IdempotencyKeyConflict) };
        }
        if !self.is_pending(now) {
            return Err(RequestError::NotPending);
        }
        let closure = match decision {
            Decision::Approve(approval, statement) => {
                let asked = self.asked.within(approval.max_ttl);
                let (permission, expires_at) = approval.check(&asked, now)?;
                self.asked = asked;
                let stays = |active: &&BundlePermission| {
                    active.granted_at >= self.created_at && active.covers(permission, expires_at)
                };
                let (granted, covered) = match active.filter(stays) {
                    Some(_) => (None, Some((permission, expires_at))),
                    None => (Some(GrantedPermission { permission, expires_at, ended: None }), None),
                };
                let statement = statement.clone();
                let closure = RequestClosure::new(RequestOutcome::Approved, now);
                RequestClosure { granted, covered, statement, ..closure }
            }
            Decision::Decline(reason) => RequestClosure {
                reason: reason.clone(),
                ..RequestClosure::new(RequestOutcome::Declined, now)
            },
        };
        self.closed = Some(RequestClosure { idempotency_key: idempotency_key.cloned(), ..closure });
        Ok(Decided::First)
    }

    /// Whether the request was closed by this decision. Decisions are compared by their meaning.
    fn is_closed_by(&self, closed: &RequestClosure, decision: &Decision) -> bool {
        match (closed.outcome, decision) {
            (RequestOutcome::Approved, Decision::Approve(approval, _)) => {
                closed.approved() == Some(approval.resolve(&self.asked, closed.closed_at))
            }
            (RequestOutcome::Declined, Decision::Decline(reason)) => closed.reason == *reason,
            _ => false,
        }
    }

    /// Closes it by its number: the target declines; the requester or the operator withdraws.
    pub fn close(&mut self, by: Authority, now: Timestamp) -> Result<RequestOutcome, RequestError> {
        let outcome = match by {
            Authority::User(user) if user == self.terms.target => RequestOutcome::Declined,
            Authority::User(user) if user != self.terms.grantee => return Err(RequestError::NotAParty),
            Authority::User(_) | Authority::Operator => RequestOutcome::Withdrawn,
        };
        if !self.is_pending(now) {
            return Err(RequestError::NotPending);
        }
        self.closed = Some(RequestClosure::new(outcome, now));
        Ok(outcome)
    }

    /// Checks that this user may have the mail sent again.
    pub fn check_resend(&self, by: UserId, now: Timestamp) -> Result<(), RequestError> {
        if by != self.terms.grantee {
            return Err(RequestError::NotAParty);
        }
        if self.is_pending(now) { Ok(()) } else { Err(RequestError::NotPending) }
    }

    /// Closes it in favor of a newer request with the same terms, even if it has expired.
    pub fn replace(&mut self, now: Timestamp) -> Result<(), RequestError> {
        if self.closed.is_some() {
            return Err(RequestError::NotPending);
        }
        self.closed = Some(RequestClosure::new(RequestOutcome::Replaced, now));
        Ok(())
    }

    /// Revokes the permission that it granted; false if it is not active or this user is not a
    /// party.
    pub fn revoke_permission(&mut self, by: Authority, now: Timestamp) -> bool {
        let may_revoke = match by {
            Authority::User(user) => self.terms.has_party(user),
            Authority::Operator => true,
        };
        let is_active = may_revoke && self.permission(now).is_some();
        is_active && self.end_permission(EndCause::Revoked, now)
    }

    /// Marks the permission that it granted as ended; false if there is none. If its time was over
    /// before, it ended then.
    pub fn end_permission(&mut self, cause: EndCause, now: Timestamp) -> bool {
        let granted = self.closed.as_mut().and_then(|closed| closed.granted.as_mut());
        let Some(granted) = granted.filter(|granted| granted.ended.is_none()) else { return false };
        granted.ended = Some(granted.end(now).unwrap_or(PermissionEnd { at: now, cause }));
        true
    }

    /// Compares a new request that uses the same idempotency key: a replay, whose client sent the
    /// same, or a conflict. `None` if the key has expired.
    pub fn match_idempotency(&self, new: &NewPermissionRequest, now: Timestamp) -> Option<IdempotencyMatch> {
        if now >= self.created_at.plus_seconds(IDEMPOTENCY_KEY_TTL_SECONDS) {
            return None;
        }
        let same = self.creation_key == new.creation_key;
        Some(if same { IdempotencyMatch::Replay } else { IdempotencyMatch::Conflict })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::approval::ApprovedEnd;
    use crate::domain::bundle::BundleId;
    use crate::domain::creation_key::Fingerprint;
    use proptest::prelude::*;
    use uuid::Uuid;

    const START: Timestamp = Timestamp::from_micros(1_893_456_000_000_000);
    const TARGET: UserId = UserId(1);
    const GRANTEE: UserId = UserId(2);
    const RIGHTS: Mask = Mask::READ;
    const APPROVE: Decision = Decision::Approve(Approval::AS_ASKED, None);
    const DECLINE: Decision = Decision::Decline(None);

    fn request(lifetime: i64) -> PermissionRequest {
        PermissionRequest {
            id: RequestId(1),
            redeem_id: RedeemId(Uuid::nil()),
            terms: Terms { target: TARGET, grantee: GRANTEE, bundle: BundleId(1) },
            asked_by: GRANTEE,
            asked: AskedPermission::without_end(RIGHTS),
            purpose: None,
            return_to: None,
            redeem_page: None,
            created_at: START,
            expires_at: START.plus_seconds(lifetime),
            creation_key: None,
            closed: None,
        }
    }

    fn key(name: &str) -> IdempotencyKey {
        IdempotencyKey::new(name).unwrap()
    }

    #[derive(Clone, Debug)]
    enum TestStep {
        Decide { by: i64, approve: bool, key: Option<u8> },
        Close { by: Option<i64> },
        Replace,
        Wait(i64),
    }

    fn any_test_step() -> impl Strategy<Value = TestStep> {
        prop_oneof![
            4 => (1_i64..=3, proptest::bool::ANY, proptest::option::of(0_u8..2))
                .prop_map(|(by, approve, key)| TestStep::Decide { by, approve, key }),
            1 => proptest::option::of(1_i64..=3).prop_map(|by| TestStep::Close { by }),
            1 => Just(TestStep::Replace),
            2 => (0_i64..60_000).prop_map(TestStep::Wait),
        ]
    }

    proptest! {
        #[test]
        fn no_sequence_of_operations_decides_twice_or_reopens(steps in proptest::collection::vec(any_test_step(), 0..40)) {
            let mut request = request(100_000);
            let mut now = START;
            let (mut decided, mut closed) = (0, 0);
            let mut decision_key: Option<(bool, Option<IdempotencyKey>)> = None;
            for step in steps {
                let before = request.clone();
                let was_pending = request.is_pending(now);
                match step {
                    TestStep::Wait(seconds) => now = now.plus_seconds(seconds),
                    TestStep::Decide { by, approve, key: name } => {
                        let idempotency_key = name.map(|name| key(&name.to_string()));
                        let decision = if approve { APPROVE } else { DECLINE };
                        match request.decide(UserId(by), &decision, idempotency_key.as_ref(), None, now) {
                            Ok(Decided::First) => {
                                prop_assert!(was_pending && by == TARGET.0);
                                decided += 1;
                                decision_key = Some((approve, idempotency_key));
                            }
                            Ok(Decided::Replay) => {
                                prop_assert!(idempotency_key.is_some());
                                prop_assert_eq!(&decision_key, &Some((approve, idempotency_key)));
                                prop_assert_eq!(&before, &request);
                            }
                            Err(_) => prop_assert_eq!(&before, &request),
                        }
                    }
                    TestStep::Close { by } => {
                        let by = by.map_or(Authority::Operator, |by| Authority::User(UserId(by)));
                        match request.close(by, now) {
                            Ok(_) => { prop_assert!(was_pending); closed += 1; }
                            Err(_) => prop_assert_eq!(&before, &request),
                        }
                    }
                    TestStep::Replace => if request.replace(now).is_ok() {
                        prop_assert!(before.closed.is_none());
                        closed += 1;
                    },
                }
                prop_assert!(was_pending || !request.is_pending(now), "a request never becomes pending again");
                prop_assert!(decided + closed <= 1, "a request is closed at most once");
                prop_assert_eq!(request.seconds_left(now) > 0 || now.plus_seconds(1) > request.expires_at, request.is_pending(now) || now.plus_seconds(1) > request.expires_at);
            }
        }
    }

    #[test]
    fn only_the_target_can_decide() {
        let mut request = request(60);
        assert_eq!(request.decide(GRANTEE, &APPROVE, None, None, START), Err(RequestError::NotAParty));
        assert_eq!(request.decide(TARGET, &APPROVE, None, None, START), Ok(Decided::First));
        assert_eq!(request.decide(TARGET, &APPROVE, None, None, START), Err(RequestError::NotPending));
        assert_eq!(request.decide(TARGET, &DECLINE, None, None, START), Err(RequestError::NotPending));
    }

    #[test]
    fn a_decision_can_be_replayed_with_its_key_for_a_day() {
        let reason = Decision::Decline(Some(Reason::new("no").unwrap()));
        for (decision, other) in [(APPROVE, DECLINE), (DECLINE, APPROVE), (reason, DECLINE)] {
            let mut request = request(3_600);
            let mut decide = |by, decision: &Decision, name, at| {
                request.decide(by, decision, Some(&key(name)), None, START.plus_seconds(at))
            };
            assert_eq!(decide(TARGET, &decision, "a", 0), Ok(Decided::First));
            assert_eq!(decide(TARGET, &decision, "a", 86_399), Ok(Decided::Replay));
            assert_eq!(decide(TARGET, &other, "a", 0), Err(RequestError::IdempotencyKeyConflict));
            assert_eq!(decide(TARGET, &decision, "b", 0), Err(RequestError::NotPending));
            assert_eq!(decide(GRANTEE, &decision, "a", 0), Err(RequestError::NotAParty));
            assert_eq!(decide(TARGET, &decision, "a", 86_400), Err(RequestError::NotPending));
        }
    }

    #[test]
    fn decisions_are_compared_by_meaning() {
        let mut request = request(3_600);
        request.asked.permission = Mask::MAX;
        let approve = |permission, end| Decision::Approve(Approval { permission, end, max_ttl: None }, None);
        let end = START.plus_seconds(60);
        let first = approve(Some(RIGHTS), ApprovedEnd::After(60));
        let mut decide = |decision: &Decision, at| {
            request.decide(TARGET, decision, Some(&key("a")), None, START.plus_seconds(at))
        };
        assert_eq!(decide(&first, 0), Ok(Decided::First));
        assert_eq!(decide(&first, 70), Ok(Decided::Replay));
        assert_eq!(decide(&approve(Some(RIGHTS), ApprovedEnd::At(end)), 70), Ok(Decided::Replay));
        for other in [
            APPROVE,
            approve(None, ApprovedEnd::After(60)),
            approve(Some(RIGHTS), ApprovedEnd::AsAsked),
            approve(Some(RIGHTS), ApprovedEnd::After(61)),
        ] {
            assert_eq!(decide(&other, 0), Err(RequestError::IdempotencyKeyConflict), "{other:?}");
        }
    }

    #[test]
    fn an_approval_replaces_an_earlier_permission_and_keeps_a_later_one_that_covers_it() {
        let active = |granted_at, permission| BundlePermission {
            id: BundlePermissionId(9),
            terms: request(60).terms,
            permission,
            granted_at,
            expires_at: None,
            requested: false,
        };
        let (later, earlier) = (START.plus_seconds(5), START.plus_seconds(-5));
        for (active, grants) in [
            (active(later, RIGHTS), false),
            (active(later, Mask::MAX), false),
            (active(later, Mask::ADMIN), true),
            (active(earlier, RIGHTS), true),
            (active(earlier, Mask::MAX), true),
        ] {
            let mut request = request(60);
            let decided = request.decide(TARGET, &APPROVE, None, Some(&active), START.plus_seconds(9));
            assert_eq!((decided, request.holds_permission()), (Ok(Decided::First), grants), "{active:?}");
        }
    }

    #[test]
    fn an_approval_that_keeps_another_permission_replays_only_itself() {
        let mut request = request(3_600);
        request.asked.permission = Mask::MAX;
        let active = BundlePermission {
            id: BundlePermissionId(9),
            terms: request.terms,
            permission: Mask::MAX,
            granted_at: START,
            expires_at: None,
            requested: false,
        };
        let approve = |permission| Decision::Approve(Approval { permission, ..Approval::AS_ASKED }, None);
        let mut decide =
            |decision: &Decision| request.decide(TARGET, decision, Some(&key("a")), Some(&active), START);
        assert_eq!(decide(&approve(Some(RIGHTS))), Ok(Decided::First));
        assert_eq!(decide(&approve(Some(RIGHTS))), Ok(Decided::Replay));
        for other in [APPROVE, approve(Some(Mask::ADMIN))] {
            assert_eq!(decide(&other), Err(RequestError::IdempotencyKeyConflict), "{other:?}");
        }
        assert!(!request.holds_permission());
        assert_eq!(request.closed.unwrap().approved(), Some((RIGHTS, None)));
    }

    #[test]
    fn a_maximum_configured_since_limits_an_approval_and_its_replays() {
        let mut request = request(3_600);
        let approve = |end, max_ttl| Decision::Approve(Approval { permission: None, end, max_ttl }, None);
        let mut decide = |decision: &Decision| request.decide(TARGET, decision, Some(&key("a")), None, START);
        let too_long = approve(ApprovedEnd::After(7_201), Some(7_200));
        assert_eq!(decide(&too_long), Err(RequestError::InvalidApproval(InvalidApproval::EndLaterThanAsked)));
        assert_eq!(decide(&approve(ApprovedEnd::AsAsked, Some(7_200))), Ok(Decided::First));
        for (end, max_ttl) in [
            (ApprovedEnd::AsAsked, None),
            (ApprovedEnd::AsAsked, Some(60)),
            (ApprovedEnd::After(7_200), None),
        ] {
            assert_eq!(decide(&approve(end, max_ttl)), Ok(Decided::Replay));
        }
        let end = Some(START.plus_seconds(7_200));
        assert_eq!((request.asked.ttl_seconds, request.granted().unwrap().expires_at), (Some(7_200), end));
    }

    #[test]
    fn an_invalid_approval_leaves_the_request_pending() {
        let mut request = request(60);
        let too_much =
            Decision::Approve(Approval { permission: Some(Mask::MAX), ..Approval::AS_ASKED }, None);
        let refused = Err(RequestError::InvalidApproval(InvalidApproval::RightsNotAsked));
        assert_eq!(request.decide(TARGET, &too_much, None, None, START), refused);
        assert!(request.is_pending(START));
        assert_eq!(request.decide(GRANTEE, &too_much, None, None, START), Err(RequestError::NotAParty));
    }

    #[test]
    fn a_request_expires_at_its_last_second() {
        let request = request(60);
        assert_eq!(request.status(START.plus_seconds(59)), RequestStatus::Pending);
        assert_eq!(request.seconds_left(START.plus_seconds(59)), 1);
        assert_eq!(request.status(START.plus_seconds(60)), RequestStatus::Expired);
        assert_eq!(request.seconds_left(START.plus_seconds(60)), 0);
    }

    #[test]
    fn the_target_declines_and_the_requester_withdraws() {
        assert_eq!(request(60).close(Authority::User(TARGET), START), Ok(RequestOutcome::Declined));
        assert_eq!(request(60).close(Authority::User(GRANTEE), START), Ok(RequestOutcome::Withdrawn));
        assert_eq!(request(60).close(Authority::Operator, START), Ok(RequestOutcome::Withdrawn));
        assert_eq!(request(60).close(Authority::User(UserId(3)), START), Err(RequestError::NotAParty));
    }

    #[test]
    fn only_the_requester_can_resend_and_only_while_pending() {
        assert_eq!(request(60).check_resend(GRANTEE, START), Ok(()));
        assert_eq!(request(60).check_resend(TARGET, START), Err(RequestError::NotAParty));
        assert_eq!(request(60).check_resend(GRANTEE, START.plus_seconds(60)), Err(RequestError::NotPending));
        let mut declined = request(60);
        declined.close(Authority::User(TARGET), START).unwrap();
        assert_eq!(declined.check_resend(GRANTEE, START), Err(RequestError::NotPending));
    }

    #[test]
    fn outcomes_round_trip_by_name() {
        for (outcome, name) in [
            (RequestOutcome::Approved, "approved"),
            (RequestOutcome::GrantedDirectly, "granted"),
            (RequestOutcome::Declined, "declined"),
            (RequestOutcome::Withdrawn, "withdrawn"),
            (RequestOutcome::Replaced, "replaced"),
            (RequestOutcome::Expired, "expired"),
        ] {
            assert_eq!((outcome.name(), RequestOutcome::from_db(name)), (name, outcome));
            assert_eq!(RequestStatus::Closed(outcome).name(), name);
        }
        assert_eq!(RequestOutcome::from_db("of a later version"), RequestOutcome::Withdrawn);
        assert_eq!((RequestStatus::Pending.name(), RequestStatus::Expired.name()), ("pending", "expired"));
    }

    #[test]
    fn a_pending_request_waits_for_its_target() {
        let mut request = request(60);
        assert!(request.is_pending_for(TARGET, START) && !request.is_pending_for(GRANTEE, START));
        assert!(!request.is_pending_for(TARGET, START.plus_seconds(60)));
        request.replace(START).unwrap();
        assert!(!request.is_pending_for(TARGET, START));
        assert_eq!(request.replace(START), Err(RequestError::NotPending));
    }

    #[test]
    fn a_permission_is_active_from_the_approval_until_it_ends() {
        let party = Authority::User;
        let mut request = request(60);
        request.asked.ttl_seconds = Some(3_600);
        assert_eq!(
            (request.permission(START), request.revoke_permission(party(TARGET), START)),
            (None, false)
        );
        let at = START.plus_seconds(5);
        request.decide(TARGET, &APPROVE, None, None, at).unwrap();
        let end = at.plus_seconds(3_600);
        let expected = BundlePermission {
            id: BundlePermissionId(1),
            terms: request.terms,
            permission: RIGHTS,
            granted_at: at,
            expires_at: Some(end),
            requested: true,
        };
        assert_eq!(request.permission(at), Some(expected));
        assert!(!request.clone().revoke_permission(party(UserId(3)), at));
        assert!(request.clone().revoke_permission(Authority::Operator, at));

        let mut revoked = request.clone();
        assert!(revoked.revoke_permission(party(GRANTEE), at) && revoked.permission(at).is_none());
        assert!(!revoked.revoke_permission(party(TARGET), at));
        assert_eq!(revoked.granted().unwrap().ended, Some(PermissionEnd { at, cause: EndCause::Revoked }));

        assert_eq!(request.permission(end), None);
        assert!(request.holds_permission() && !request.revoke_permission(party(TARGET), end));
        assert!(request.end_permission(EndCause::Replaced, end.plus_seconds(9)));
        assert_eq!(
            request.granted().unwrap().ended,
            Some(PermissionEnd { at: end, cause: EndCause::Expired })
        );

        let given = PermissionRequest::granted_directly(
            RequestId(13),
            request.terms,
            TARGET,
            RIGHTS,
            Some(end),
            request.redeem_id,
            START,
        );
        assert_eq!(given.permission(START).map(|grant| grant.granted_at), Some(START));
        assert_eq!(given.permission(end), None);
        assert_eq!((given.status(START).name(), given.seconds_left(START)), ("granted", 0));
    }

    #[test]
    fn the_link_uses_the_requested_page() {
        let keyring = Keyring::new(&[7; 32], None).unwrap();
        let mut request = request(60);
        let token = keyring.redeem_token(request.redeem_id).expose();
        for (page, link) in [
            (None, "https://c.test/redeem?token="),
            (Some("https://hub.test/ask"), "https://hub.test/ask?token="),
            (Some("https://hub.test/ask?lang=de"), "https://hub.test/ask?lang=de&token="),
        ] {
            request.redeem_page = page.map(str::to_owned);
            assert_eq!(request.redeem_url(&keyring, "https://c.test"), format!("{link}{token}"));
        }
    }

    #[test]
    fn an_idempotency_key_identifies_one_request_for_a_day() {
        let sent = |text: &str| {
            Some(CreationKey { key: key("a"), fingerprint: Fingerprint::of(&[Some(text.to_owned())]) })
        };
        let request = PermissionRequest { creation_key: sent("one"), ..request(3_600) };
        let new = |creation_key| NewPermissionRequest {
            creation_key,
            ..NewPermissionRequest::new(request.terms, GRANTEE, RIGHTS, 3_600)
        };
        let replay = request.match_idempotency(&new(sent("one")), START.plus_seconds(86_399));
        assert_eq!(replay, Some(IdempotencyMatch::Replay));
        assert_eq!(request.match_idempotency(&new(sent("one")), START.plus_seconds(86_400)), None);
        assert_eq!(request.match_idempotency(&new(sent("two")), START), Some(IdempotencyMatch::Conflict));
    }
}
