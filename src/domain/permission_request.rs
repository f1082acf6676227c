//! Permission requests (`bundle_permission_request` in Hexoskin's public "Hexostore API
//! Documentation"): one user asks another, the target, for a bundle. The target can redeem the
//! request once. A redeemed request is also the record of the permission that it granted.

use std::fmt;

use super::bundle_permission::{BundlePermission, BundlePermissionId};
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

impl RequestId {
    /// The number of a request that has not been inserted yet. The database never assigns it.
    pub const UNASSIGNED: Self = Self(0);
}

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
    /// The `Idempotency-Key` of the redemption, which can be replayed with it.
    pub idempotency_key: Option<IdempotencyKey>,
    /// Whether the permission that it granted is active.
    pub active: bool,
}

/// A request to create.
#[derive(Clone, Debug)]
pub struct NewPermissionRequest {
    pub terms: Terms,
    /// The user who posts it: the grantee, or staff on their behalf.
    pub asked_by: UserId,
    pub lifetime_seconds: i64,
    /// The page that the mail links to; `None` means the configured page.
    pub redeem_page: Option<String>,
    /// The `Idempotency-Key` of its creation.
    pub idempotency_key: Option<IdempotencyKey>,
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
    /// The page that the mail links to; `None` means the configured page.
    pub redeem_page: Option<String>,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    /// The `Idempotency-Key` of its creation.
    pub idempotency_key: Option<IdempotencyKey>,
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
    /// The target has approved another request with this idempotency key.
    #[error("the idempotency key was used for another request")]
    IdempotencyKeyConflict,
}

/// The result of a redemption.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redemption {
    /// The request is now redeemed.
    First,
    /// It was already redeemed with the same idempotency key; the caller gets the same result.
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
    pub fn granted_directly(terms: Terms, by: UserId, redeem_id: RedeemId, now: Timestamp) -> Self {
        Self {
            id: RequestId::UNASSIGNED,
            redeem_id,
            terms,
            asked_by: by,
            redeem_page: None,
            created_at: now,
            expires_at: now,
            idempotency_key: None,
            closed: Some(RequestClosure {
                outcome: RequestOutcome::GrantedDirectly,
                closed_at: now,
                idempotency_key: None,
                active: true,
            }),
        }
    }

    /// The active permission that it granted.
    pub fn permission(&self) -> Option<BundlePermission> {
        let closed = self.closed.as_ref().filter(|closed| closed.active)?;
        Some(BundlePermission {
            id: BundlePermissionId(self.id.0),
            terms: self.terms,
            created_at: closed.closed_at,
        })
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

    /// Redeems it for its target, once. The same idempotency key replays the redemption within
    /// [`IDEMPOTENCY_KEY_TTL_SECONDS`]. Grants the permission, unless one with the same terms
    /// is `already_active`.
    pub fn redeem(
        &mut self,
        by: UserId,
        idempotency_key: Option<&IdempotencyKey>,
        already_active: bool,
        now: Timestamp,
    ) -> Result<Redemption, RequestError> {
        if by != self.terms.target {
            return Err(RequestError::NotAParty);
        }
        if let Some(RequestClosure {
            outcome: RequestOutcome::Approved,
            closed_at: at,
            idempotency_key: Some(key),
            ..
        }) = &self.closed
            && idempotency_key == Some(key)
            && now < at.plus_seconds(IDEMPOTENCY_KEY_TTL_SECONDS)
        {
            return Ok(Redemption::Replay);
        }
        self.close_as(RequestOutcome::Approved, idempotency_key.cloned(), !already_active, now)?;
        Ok(Redemption::First)
    }

    /// Closes it: the target declines; the requester or the operator withdraws.
    pub fn close(&mut self, by: Authority, now: Timestamp) -> Result<RequestOutcome, RequestError> {
        let outcome = match by {
            Authority::User(user) if user == self.terms.target => RequestOutcome::Declined,
            Authority::User(user) if user != self.terms.grantee => return Err(RequestError::NotAParty),
            Authority::User(_) | Authority::Operator => RequestOutcome::Withdrawn,
        };
        self.close_as(outcome, None, false, now)?;
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
        self.closed = Some(RequestClosure {
            outcome: RequestOutcome::Replaced,
            closed_at: now,
            idempotency_key: None,
            active: false,
        });
        Ok(())
    }

    /// Revokes the permission that it granted; false if it is not active or this user is not a
    /// party.
    pub fn revoke_permission(&mut self, by: UserId) -> bool {
        match &mut self.closed {
            Some(closed) if closed.active && self.terms.has_party(by) => {
                closed.active = false;
                true
            }
            _ => false,
        }
    }

    /// Compares a new request that uses the same idempotency key: an identical replay, or a
    /// conflict. `None` if the key has expired.
    pub fn match_idempotency(&self, new: &NewPermissionRequest, now: Timestamp) -> Option<IdempotencyMatch> {
        if now >= self.created_at.plus_seconds(IDEMPOTENCY_KEY_TTL_SECONDS) {
            return None;
        }
        let same = self.terms == new.terms
            && self.redeem_page == new.redeem_page
            && self.created_at.plus_seconds(new.lifetime_seconds) == self.expires_at;
        Some(if same { IdempotencyMatch::Replay } else { IdempotencyMatch::Conflict })
    }

    fn close_as(
        &mut self,
        outcome: RequestOutcome,
        idempotency_key: Option<IdempotencyKey>,
        active: bool,
        now: Timestamp,
    ) -> Result<(), RequestError> {
        if !self.is_pending(now) {
            return Err(RequestError::NotPending);
        }
        self.closed = Some(RequestClosure { outcome, closed_at: now, idempotency_key, active });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::bundle::BundleId;
    use proptest::prelude::*;
    use uuid::Uuid;

    const START: Timestamp = Timestamp::from_micros(1_893_456_000_000_000);
    const TARGET: UserId = UserId(1);
    const GRANTEE: UserId = UserId(2);

    fn request(lifetime: i64) -> PermissionRequest {
        PermissionRequest {
            id: RequestId(1),
            redeem_id: RedeemId(Uuid::nil()),
            terms: Terms { target: TARGET, grantee: GRANTEE, bundle: BundleId(1) },
            asked_by: GRANTEE,
            redeem_page: None,
            created_at: START,
            expires_at: START.plus_seconds(lifetime),
            idempotency_key: None,
            closed: None,
        }
    }

    fn key(name: &str) -> IdempotencyKey {
        IdempotencyKey::new(name).unwrap()
    }

    #[derive(Clone, Debug)]
    enum TestStep {
        Redeem { by: i64, key: Option<u8> },
        Close { by: Option<i64> },
        Replace,
        Wait(i64),
    }

    fn any_test_step() -> impl Strategy<Value = TestStep> {
        prop_oneof![
            4 => (1_i64..=3, proptest::option::of(0_u8..2)).prop_map(|(by, key)| TestStep::Redeem { by, key }),
            1 => proptest::option::of(1_i64..=3).prop_map(|by| TestStep::Close { by }),
            1 => Just(TestStep::Replace),
            2 => (0_i64..60_000).prop_map(TestStep::Wait),
        ]
    }

    proptest! {
        #[test]
        fn no_sequence_of_operations_redeems_twice_or_reopens(steps in proptest::collection::vec(any_test_step(), 0..40)) {
            let mut request = request(100_000);
            let mut now = START;
            let (mut redeemed, mut closed) = (0, 0);
            let mut redeem_key: Option<Option<IdempotencyKey>> = None;
            for step in steps {
                let before = request.clone();
                let was_pending = request.is_pending(now);
                match step {
                    TestStep::Wait(seconds) => now = now.plus_seconds(seconds),
                    TestStep::Redeem { by, key: name } => {
                        let idempotency_key = name.map(|name| key(&name.to_string()));
                        match request.redeem(UserId(by), idempotency_key.as_ref(), false, now) {
                            Ok(Redemption::First) => {
                                prop_assert!(was_pending && by == TARGET.0);
                                redeemed += 1;
                                redeem_key = Some(idempotency_key);
                            }
                            Ok(Redemption::Replay) => {
                                prop_assert!(idempotency_key.is_some() && redeem_key == Some(idempotency_key));
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
                prop_assert!(redeemed + closed <= 1, "a request is closed at most once");
                prop_assert_eq!(request.seconds_left(now) > 0 || now.plus_seconds(1) > request.expires_at, request.is_pending(now) || now.plus_seconds(1) > request.expires_at);
            }
        }
    }

    #[test]
    fn only_the_target_can_redeem() {
        let mut request = request(60);
        assert_eq!(request.redeem(GRANTEE, None, false, START), Err(RequestError::NotAParty));
        assert_eq!(request.redeem(TARGET, None, false, START), Ok(Redemption::First));
        assert_eq!(request.redeem(TARGET, None, false, START), Err(RequestError::NotPending));
    }

    #[test]
    fn a_redemption_can_be_replayed_with_its_key_for_a_day() {
        let mut request = request(3_600);
        assert_eq!(request.redeem(TARGET, Some(&key("a")), false, START), Ok(Redemption::First));
        assert_eq!(
            request.redeem(TARGET, Some(&key("a")), false, START.plus_seconds(86_399)),
            Ok(Redemption::Replay)
        );
        assert_eq!(request.redeem(TARGET, Some(&key("b")), false, START), Err(RequestError::NotPending));
        assert_eq!(request.redeem(GRANTEE, Some(&key("a")), false, START), Err(RequestError::NotAParty));
        assert_eq!(
            request.redeem(TARGET, Some(&key("a")), false, START.plus_seconds(86_400)),
            Err(RequestError::NotPending)
        );
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
    fn a_permission_is_active_from_redemption_until_revoked() {
        let mut request = request(60);
        assert_eq!((request.permission(), request.revoke_permission(TARGET)), (None, false));
        let at = START.plus_seconds(5);
        request.redeem(TARGET, None, false, at).unwrap();
        assert_eq!(
            request.permission(),
            Some(BundlePermission { id: BundlePermissionId(1), terms: request.terms, created_at: at })
        );
        assert!(!request.revoke_permission(UserId(3)) && request.permission().is_some());
        assert!(request.revoke_permission(GRANTEE) && request.permission().is_none());
        assert!(!request.revoke_permission(TARGET));

        let mut second = self::request(60);
        second.redeem(TARGET, None, true, START).unwrap();
        assert_eq!(second.permission(), None, "the permission is already active elsewhere");
        let given = PermissionRequest::granted_directly(request.terms, TARGET, request.redeem_id, START);
        assert_eq!(given.permission().map(|grant| grant.created_at), Some(START));
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
        let request = request(3_600);
        let new = NewPermissionRequest {
            terms: request.terms,
            asked_by: GRANTEE,
            lifetime_seconds: 3_600,
            redeem_page: None,
            idempotency_key: Some(key("a")),
        };
        assert_eq!(
            request.match_idempotency(&new, START.plus_seconds(86_399)),
            Some(IdempotencyMatch::Replay)
        );
        assert_eq!(request.match_idempotency(&new, START.plus_seconds(86_400)), None);
        let terms = Terms { bundle: BundleId(2), ..request.terms };
        for other in [
            NewPermissionRequest { terms, ..new.clone() },
            NewPermissionRequest { lifetime_seconds: 60, ..new.clone() },
            NewPermissionRequest { redeem_page: Some("https://hub.test".to_owned()), ..new },
        ] {
            assert_eq!(request.match_idempotency(&other, START), Some(IdempotencyMatch::Conflict));
        }
    }
}
