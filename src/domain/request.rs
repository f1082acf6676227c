//! Permission requests: one user asks another for a bundle, and the target
//! redeems the request once, or not at all (`bundle_permission_request` in Hexoskin's
//! public "Hexostore API Documentation"). A permission is the request that was redeemed
//! for it, as long as it stands.

use std::fmt;

use super::clock::Timestamp;
use super::grant::{Grant, GrantId, Terms};
use super::text::IdempotencyKey;
use super::token::{Keyring, RedeemId};
use super::user::{Authority, UserId};

/// Seconds that an `Idempotency-Key` is remembered: a day.
pub const IDEMPOTENCY_SECONDS: i64 = 24 * 3_600;

/// A request's number, which names it to either party. It redeems nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub i64);

impl RequestId {
    /// What a new request has for a number before the database gives it one; it
    /// gives nobody this one.
    pub const UNNUMBERED: Self = Self(0);
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How a request came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The target approved.
    Redeemed,
    /// The target gave the permission unasked: it was never open.
    Given,
    /// The target declined.
    Declined,
    /// The requester, or the operator, took it back.
    Withdrawn,
    /// A newer request for the same took its place.
    Replaced,
    /// It died by itself, and has been closed since.
    Expired,
}

impl Outcome {
    /// The name that the database keeps.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Redeemed => "redeemed",
            Self::Given => "given",
            Self::Declined => "declined",
            Self::Withdrawn => "withdrawn",
            Self::Replaced => "replaced",
            Self::Expired => "expired",
        }
    }

    /// By the name that the database keeps. One that a later version brought in
    /// is an end like any other.
    pub(crate) fn from_store(name: &str) -> Self {
        match name {
            "redeemed" => Self::Redeemed,
            "given" => Self::Given,
            "declined" => Self::Declined,
            "replaced" => Self::Replaced,
            "expired" => Self::Expired,
            _ => Self::Withdrawn,
        }
    }
}

/// How and when a request ended, and the key under which its end may be told again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Closed {
    /// How.
    pub outcome: Outcome,
    /// When.
    pub at: Timestamp,
    /// The `Idempotency-Key` of the redemption.
    pub once: Option<IdempotencyKey>,
    /// Whether a permission stands on it.
    pub stands: bool,
}

/// A request to be made.
#[derive(Clone, Debug)]
pub struct NewRequest {
    /// Who is asked for what by whom.
    pub terms: Terms,
    /// Who posts it: the one who asks, or staff on their behalf.
    pub asked_by: UserId,
    /// Seconds that it lives.
    pub lifetime: i64,
    /// The page that the mail links to; `None` is the configured one.
    pub redeem_page: Option<String>,
    /// The `Idempotency-Key` it came with.
    pub once: Option<IdempotencyKey>,
}

/// A request, open or closed. Its status is derived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PermissionRequest {
    /// The number, for either party.
    pub id: RequestId,
    /// The id that the redeem token carries.
    pub redeem_id: RedeemId,
    /// Who is asked for what by whom.
    pub terms: Terms,
    /// Who posted it.
    pub asked_by: UserId,
    /// The page that the mail links to; `None` is the configured one.
    pub redeem_page: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it dies by itself.
    pub expires_at: Timestamp,
    /// The `Idempotency-Key` it came with.
    pub once: Option<IdempotencyKey>,
    /// How it ended, if it did.
    pub closed: Option<Closed>,
}

/// Where a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestStatus {
    /// Waits for its target.
    Pending,
    /// Died by itself.
    Expired,
    /// Came to an end.
    Closed(Outcome),
}

impl RequestStatus {
    /// The status in a word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Expired => "expired",
            Self::Closed(outcome) => outcome.name(),
        }
    }
}

/// Why a request cannot be acted on. The wire tells these apart for nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is somebody else's.
    #[error("not a party to this request")]
    NotYours,
    /// It is over.
    #[error("the request is closed")]
    Dead,
}

/// What a redemption comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redemption {
    /// The request is redeemed by this, now.
    Fresh,
    /// It was redeemed before under the same key: the same answer again.
    Repeated,
}

/// Whether an attempt under a key is the same as one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repetition {
    /// The same once more.
    Same,
    /// Something else under a key that is taken.
    Another,
}

impl PermissionRequest {
    /// A permission that is given unasked. Nobody is ever shown its token, which
    /// would redeem nothing.
    pub fn given(terms: Terms, redeem_id: RedeemId, now: Timestamp) -> Self {
        Self {
            id: RequestId::UNNUMBERED,
            redeem_id,
            terms,
            asked_by: terms.target,
            redeem_page: None,
            created_at: now,
            expires_at: now,
            once: None,
            closed: Some(Closed { outcome: Outcome::Given, at: now, once: None, stands: true }),
        }
    }

    /// The permission that stands on it.
    pub fn grant(&self) -> Option<Grant> {
        let closed = self.closed.as_ref().filter(|closed| closed.stands)?;
        Some(Grant { id: GrantId(self.id.0), terms: self.terms, created_at: closed.at })
    }

    /// Where the request stands.
    pub fn status(&self, now: Timestamp) -> RequestStatus {
        match &self.closed {
            Some(Closed { outcome: Outcome::Expired, .. }) => RequestStatus::Expired,
            Some(closed) => RequestStatus::Closed(closed.outcome),
            None if self.expires_at <= now => RequestStatus::Expired,
            None => RequestStatus::Pending,
        }
    }

    /// Whether it waits for its target.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.status(now) == RequestStatus::Pending
    }

    /// Whether it waits for this user to decide.
    pub fn awaits(&self, user: UserId, now: Timestamp) -> bool {
        self.terms.target == user && self.is_live(now)
    }

    /// Where the mail leads: the page, with the token that redeems.
    pub fn link(&self, keyring: &Keyring, public_url: &str) -> String {
        let token = keyring.redeem_token(self.redeem_id).reveal();
        match &self.redeem_page {
            Some(page) if page.contains('?') => format!("{page}&token={token}"),
            Some(page) => format!("{page}?token={token}"),
            None => format!("{public_url}/redeem?token={token}"),
        }
    }

    /// Whole seconds left; 0 when it is over.
    pub fn ttl(&self, now: Timestamp) -> i64 {
        if self.is_live(now) { now.seconds_until(self.expires_at) } else { 0 }
    }

    /// Redeems it for its target, once; again only under the same key, within a
    /// day. A permission stands on it from then on, unless `granted`: the same one
    /// stands by other means.
    pub fn redeem(
        &mut self,
        by: UserId,
        once: Option<&IdempotencyKey>,
        granted: bool,
        now: Timestamp,
    ) -> Result<Redemption, Refusal> {
        if by != self.terms.target {
            return Err(Refusal::NotYours);
        }
        if let Some(Closed { outcome: Outcome::Redeemed, at, once: Some(key), .. }) = &self.closed
            && once == Some(key)
            && now < at.plus_seconds(IDEMPOTENCY_SECONDS)
        {
            return Ok(Redemption::Repeated);
        }
        self.close(Outcome::Redeemed, once.cloned(), !granted, now)?;
        Ok(Redemption::Fresh)
    }

    /// Ends it for either party: the target declines, the requester withdraws,
    /// as does the operator.
    pub fn end(&mut self, by: Authority, now: Timestamp) -> Result<Outcome, Refusal> {
        let outcome = match by {
            Authority::User(user) if user == self.terms.target => Outcome::Declined,
            Authority::User(user) if user != self.terms.allowed => return Err(Refusal::NotYours),
            Authority::User(_) | Authority::Operator => Outcome::Withdrawn,
        };
        self.close(outcome, None, false, now)?;
        Ok(outcome)
    }

    /// Whether its requester may have its mail sent anew.
    pub fn resend(&self, by: UserId, now: Timestamp) -> Result<(), Refusal> {
        if by != self.terms.allowed {
            return Err(Refusal::NotYours);
        }
        if self.is_live(now) { Ok(()) } else { Err(Refusal::Dead) }
    }

    /// Makes room for a newer request of the same terms; an expired one too.
    pub fn replace(&mut self, now: Timestamp) -> Result<(), Refusal> {
        if self.closed.is_some() {
            return Err(Refusal::Dead);
        }
        self.closed = Some(Closed { outcome: Outcome::Replaced, at: now, once: None, stands: false });
        Ok(())
    }

    /// Ends the permission that stands on it, for either party; false when there
    /// is none that is theirs.
    pub fn take_back(&mut self, by: UserId) -> bool {
        match &mut self.closed {
            Some(closed) if closed.stands && self.terms.has_party(by) => {
                closed.stands = false;
                true
            }
            _ => false,
        }
    }

    /// What `new`, which came under the key of this request, is to it; `None`
    /// when the key is no longer remembered.
    pub fn repeated_by(&self, new: &NewRequest, now: Timestamp) -> Option<Repetition> {
        if now >= self.created_at.plus_seconds(IDEMPOTENCY_SECONDS) {
            return None;
        }
        let same = self.terms == new.terms
            && self.redeem_page == new.redeem_page
            && self.created_at.plus_seconds(new.lifetime) == self.expires_at;
        Some(if same { Repetition::Same } else { Repetition::Another })
    }

    fn close(
        &mut self,
        outcome: Outcome,
        once: Option<IdempotencyKey>,
        stands: bool,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        if !self.is_live(now) {
            return Err(Refusal::Dead);
        }
        self.closed = Some(Closed { outcome, at: now, once, stands });
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
    const ALLOWED: UserId = UserId(2);

    fn request(lifetime: i64) -> PermissionRequest {
        PermissionRequest {
            id: RequestId(1),
            redeem_id: RedeemId(Uuid::nil()),
            terms: Terms { target: TARGET, allowed: ALLOWED, bundle: BundleId(1) },
            asked_by: ALLOWED,
            redeem_page: None,
            created_at: START,
            expires_at: START.plus_seconds(lifetime),
            once: None,
            closed: None,
        }
    }

    fn key(name: &str) -> IdempotencyKey {
        IdempotencyKey::new(name).unwrap()
    }

    #[derive(Clone, Debug)]
    enum Step {
        Redeem { by: i64, key: Option<u8> },
        End { by: Option<i64> },
        Replace,
        Wait(i64),
    }

    fn any_step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (1_i64..=3, proptest::option::of(0_u8..2)).prop_map(|(by, key)| Step::Redeem { by, key }),
            1 => proptest::option::of(1_i64..=3).prop_map(|by| Step::End { by }),
            1 => Just(Step::Replace),
            2 => (0_i64..60_000).prop_map(Step::Wait),
        ]
    }

    proptest! {
        #[test]
        fn no_run_of_operations_redeems_twice_or_revives(steps in proptest::collection::vec(any_step(), 0..40)) {
            let mut request = request(100_000);
            let mut now = START;
            let (mut fresh, mut ended) = (0, 0);
            let mut winner: Option<Option<IdempotencyKey>> = None;
            for step in steps {
                let before = request.clone();
                let live = request.is_live(now);
                match step {
                    Step::Wait(seconds) => now = now.plus_seconds(seconds),
                    Step::Redeem { by, key: name } => {
                        let once = name.map(|name| key(&name.to_string()));
                        match request.redeem(UserId(by), once.as_ref(), false, now) {
                            Ok(Redemption::Fresh) => {
                                prop_assert!(live && by == TARGET.0);
                                fresh += 1;
                                winner = Some(once);
                            }
                            Ok(Redemption::Repeated) => {
                                prop_assert!(once.is_some() && winner == Some(once));
                                prop_assert_eq!(&before, &request);
                            }
                            Err(_) => prop_assert_eq!(&before, &request),
                        }
                    }
                    Step::End { by } => {
                        let by = by.map_or(Authority::Operator, |by| Authority::User(UserId(by)));
                        match request.end(by, now) {
                            Ok(_) => { prop_assert!(live); ended += 1; }
                            Err(_) => prop_assert_eq!(&before, &request),
                        }
                    }
                    Step::Replace => if request.replace(now).is_ok() {
                        prop_assert!(before.closed.is_none());
                        ended += 1;
                    },
                }
                prop_assert!(live || !request.is_live(now), "the dead stay dead");
                prop_assert!(fresh + ended <= 1, "one end at most");
                prop_assert_eq!(request.ttl(now) > 0 || now.plus_seconds(1) > request.expires_at, request.is_live(now) || now.plus_seconds(1) > request.expires_at);
            }
        }
    }

    #[test]
    fn only_its_target_redeems() {
        let mut request = request(60);
        assert_eq!(request.redeem(ALLOWED, None, false, START), Err(Refusal::NotYours));
        assert_eq!(request.redeem(TARGET, None, false, START), Ok(Redemption::Fresh));
        assert_eq!(request.redeem(TARGET, None, false, START), Err(Refusal::Dead));
    }

    #[test]
    fn the_winners_key_is_told_again_for_a_day() {
        let mut request = request(3_600);
        assert_eq!(request.redeem(TARGET, Some(&key("a")), false, START), Ok(Redemption::Fresh));
        assert_eq!(
            request.redeem(TARGET, Some(&key("a")), false, START.plus_seconds(86_399)),
            Ok(Redemption::Repeated)
        );
        assert_eq!(request.redeem(TARGET, Some(&key("b")), false, START), Err(Refusal::Dead));
        assert_eq!(request.redeem(ALLOWED, Some(&key("a")), false, START), Err(Refusal::NotYours));
        assert_eq!(
            request.redeem(TARGET, Some(&key("a")), false, START.plus_seconds(86_400)),
            Err(Refusal::Dead)
        );
    }

    #[test]
    fn it_dies_at_its_last_second() {
        let request = request(60);
        assert_eq!(request.status(START.plus_seconds(59)), RequestStatus::Pending);
        assert_eq!(request.ttl(START.plus_seconds(59)), 1);
        assert_eq!(request.status(START.plus_seconds(60)), RequestStatus::Expired);
        assert_eq!(request.ttl(START.plus_seconds(60)), 0);
    }

    #[test]
    fn a_target_declines_and_a_requester_withdraws() {
        assert_eq!(request(60).end(Authority::User(TARGET), START), Ok(Outcome::Declined));
        assert_eq!(request(60).end(Authority::User(ALLOWED), START), Ok(Outcome::Withdrawn));
        assert_eq!(request(60).end(Authority::Operator, START), Ok(Outcome::Withdrawn));
        assert_eq!(request(60).end(Authority::User(UserId(3)), START), Err(Refusal::NotYours));
    }

    #[test]
    fn only_its_requester_has_the_mail_sent_anew_and_only_while_it_lives() {
        assert_eq!(request(60).resend(ALLOWED, START), Ok(()));
        assert_eq!(request(60).resend(TARGET, START), Err(Refusal::NotYours));
        assert_eq!(request(60).resend(ALLOWED, START.plus_seconds(60)), Err(Refusal::Dead));
        let mut declined = request(60);
        declined.end(Authority::User(TARGET), START).unwrap();
        assert_eq!(declined.resend(ALLOWED, START), Err(Refusal::Dead));
    }

    #[test]
    fn an_outcome_is_kept_by_its_name() {
        for (outcome, name) in [
            (Outcome::Redeemed, "redeemed"),
            (Outcome::Given, "given"),
            (Outcome::Declined, "declined"),
            (Outcome::Withdrawn, "withdrawn"),
            (Outcome::Replaced, "replaced"),
            (Outcome::Expired, "expired"),
        ] {
            assert_eq!((outcome.name(), Outcome::from_store(name)), (name, outcome));
            assert_eq!(RequestStatus::Closed(outcome).name(), name);
        }
        assert_eq!(Outcome::from_store("of a later version"), Outcome::Withdrawn);
        assert_eq!((RequestStatus::Pending.name(), RequestStatus::Expired.name()), ("pending", "expired"));
    }

    #[test]
    fn it_awaits_its_target_while_it_lives() {
        let mut request = request(60);
        assert!(request.awaits(TARGET, START) && !request.awaits(ALLOWED, START));
        assert!(!request.awaits(TARGET, START.plus_seconds(60)));
        request.replace(START).unwrap();
        assert!(!request.awaits(TARGET, START));
        assert_eq!(request.replace(START), Err(Refusal::Dead));
    }

    #[test]
    fn a_permission_stands_from_redemption_until_a_party_takes_it_back() {
        let mut request = request(60);
        assert_eq!((request.grant(), request.take_back(TARGET)), (None, false));
        let at = START.plus_seconds(5);
        request.redeem(TARGET, None, false, at).unwrap();
        assert_eq!(request.grant(), Some(Grant { id: GrantId(1), terms: request.terms, created_at: at }));
        assert!(!request.take_back(UserId(3)) && request.grant().is_some());
        assert!(request.take_back(ALLOWED) && request.grant().is_none());
        assert!(!request.take_back(TARGET));

        let mut second = self::request(60);
        second.redeem(TARGET, None, true, START).unwrap();
        assert_eq!(second.grant(), None, "it stands by other means");
        let given = PermissionRequest::given(request.terms, request.redeem_id, START);
        assert_eq!(given.grant().map(|grant| grant.created_at), Some(START));
        assert_eq!((given.status(START).name(), given.ttl(START)), ("given", 0));
    }

    #[test]
    fn a_link_leads_to_the_page_that_was_asked_for() {
        let keyring = Keyring::new(&[7; 32], None).unwrap();
        let mut request = request(60);
        let token = keyring.redeem_token(request.redeem_id).reveal();
        for (page, link) in [
            (None, "https://c.test/redeem?token="),
            (Some("https://hub.test/ask"), "https://hub.test/ask?token="),
            (Some("https://hub.test/ask?lang=de"), "https://hub.test/ask?lang=de&token="),
        ] {
            request.redeem_page = page.map(str::to_owned);
            assert_eq!(request.link(&keyring, "https://c.test"), format!("{link}{token}"));
        }
    }

    #[test]
    fn a_key_stands_for_the_same_request_for_a_day() {
        let request = request(3_600);
        let new = NewRequest {
            terms: request.terms,
            asked_by: ALLOWED,
            lifetime: 3_600,
            redeem_page: None,
            once: Some(key("a")),
        };
        assert_eq!(request.repeated_by(&new, START.plus_seconds(86_399)), Some(Repetition::Same));
        assert_eq!(request.repeated_by(&new, START.plus_seconds(86_400)), None);
        let terms = Terms { bundle: BundleId(2), ..request.terms };
        for other in [
            NewRequest { terms, ..new.clone() },
            NewRequest { lifetime: 60, ..new.clone() },
            NewRequest { redeem_page: Some("https://hub.test".to_owned()), ..new },
        ] {
            assert_eq!(request.repeated_by(&other, START), Some(Repetition::Another));
        }
    }
}
