//! The checker: decides whether a history is linearizable. There must be an order in which each
//! operation takes effect at one moment between its start and its response, that explains every
//! response and the final state of the database.
//!
//! A token is a register that is closed once, by an operation or by expiry. Therefore an
//! exhaustive search is not exponential. For each operation that may have closed the token, the
//! closing time `p` must lie within it. An operation that found the token open must have started
//! before `p`, and one that found it closed must have ended after `p`. All other operations can be
//! ordered on their side of `p`. (A test compares the result with a search of all orders.)

use crate::history::{HistoryEntry, Outcome, Terms, TokenAction};

/// The outcome of a token in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    Redeemed,
    Declined,
    Withdrawn,
    Replaced,
    Expired,
    Revoked,
}

/// The end of an approval for a limited time, in seconds.
pub const LIMITED_SECONDS: i64 = 365 * 86_400;
/// The reason of a decline with a reason.
pub const REASON: &str = "Not now.";
/// The rights that are asked for, and the one that an approval of fewer rights grants.
const ASKED_RIGHTS: i16 = 6;
const FEWER_RIGHTS: i16 = 2;

/// What the database says about a decision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredDecision {
    pub rights: Option<i16>,
    /// The seconds from the approval to the end of the permission.
    pub seconds: Option<i64>,
    pub reason: Option<String>,
}

impl StoredDecision {
    /// What an approval or a decline stores; `None` for other operations.
    fn of(action: TokenAction, terms: Terms) -> Option<Self> {
        match action {
            TokenAction::Redeem => Some(Self {
                rights: Some(if terms == Terms::FewerRights { FEWER_RIGHTS } else { ASKED_RIGHTS }),
                seconds: (terms == Terms::ShorterTime).then_some(LIMITED_SECONDS),
                reason: None,
            }),
            TokenAction::Decline => {
                Some(Self { reason: (terms != Terms::AsAsked).then(|| REASON.to_owned()), ..Self::default() })
            }
            _ => None,
        }
    }
}

/// The state of a token in the database.
#[derive(Clone, Debug, Default)]
pub struct TokenRecord {
    /// The id of the request, or 0 for an export token.
    pub request_id: i64,
    pub end_reason: Option<EndReason>,
    /// The idempotency key of the redemption.
    pub redeem_key: Option<String>,
    pub decision: StoredDecision,
    /// The number of active permissions.
    pub permissions: i64,
    pub expires_at: Option<i64>,
    pub read_at: i64,
    /// The audit entries of the token: the action and the id of the operation.
    pub audit_entries: Vec<(String, Option<u64>)>,
    /// The requests that replaced it.
    pub successors: Vec<Successor>,
}

/// A later request with the same terms.
#[derive(Clone, Debug, Default)]
pub struct Successor {
    pub request_id: i64,
    /// The operations that created it, according to the audit log.
    pub created_by: Vec<Option<u64>>,
    /// The number of its mails in the outbox.
    pub mails: i64,
}

/// A violated invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// A response that no operation may get.
    UnexpectedResponse(u64),
    /// A user who is not the target redeemed the token.
    RedeemedByStranger(u64),
    /// Several operations were acknowledged as the one that closed the token.
    MultipleWinners(Vec<u64>),
    /// An acknowledged operation is not in the database.
    LostWrite(u64),
    /// An acknowledged decision is stored with other rights, another end or another reason.
    DecisionMismatch(u64),
    /// No order of the operations explains all responses.
    NotLinearizable,
    /// A redeemed token does not have exactly one permission, or an unredeemed one has a
    /// permission.
    PermissionMismatch { permissions: i64 },
    /// The audit log lacks the closing, has it twice, or attributes it to an operation with
    /// another response.
    AuditMismatch(String),
    /// The same idempotency key with different responses.
    ReplayMismatch(String),
    /// A replacing request that no operation created, that was created twice, or that has no mail.
    SuccessorMismatch(i64),
}

/// The tolerance between the times of clients and of the database, in microseconds. Both use the
/// same clock, but read it at different moments.
const CLOCK_TOLERANCE_MICROS: i64 = 2_000;

/// All violations in the history of a token.
pub fn check(history: &[HistoryEntry], record: &TokenRecord) -> Vec<Violation> {
    let mut wrong = Vec::new();
    for entry in history {
        match (&entry.action, &entry.outcome) {
            (_, Outcome::Unexpected(..)) => wrong.push(Violation::UnexpectedResponse(entry.id)),
            (TokenAction::RedeemAsStranger, Outcome::Done(_)) => {
                wrong.push(Violation::RedeemedByStranger(entry.id))
            }
            _ => {}
        }
    }
    wrong.extend(find_multiple_winners(history));
    wrong.extend(find_lost_write(history, record));
    if wrong.is_empty() {
        wrong.extend(find_decision_mismatch(history, record));
    }
    if wrong.is_empty() && !is_linearizable(history, record) {
        wrong.push(Violation::NotLinearizable);
    }
    if record.permissions != i64::from(record.end_reason == Some(EndReason::Redeemed)) {
        wrong.push(Violation::PermissionMismatch { permissions: record.permissions });
    }
    wrong.extend(check_audit_log(history, record));
    wrong.extend(check_replays(history, record));
    wrong.extend(check_successors(history, record));
    wrong
}

/// The operations that were acknowledged as closing the token, if there is more than one without a
/// common idempotency key.
fn find_multiple_winners(history: &[HistoryEntry]) -> Option<Violation> {
    let ends = |entry: &&HistoryEntry| {
        matches!(entry.action, TokenAction::Redeem | TokenAction::Decline | TokenAction::Withdraw)
    };
    let done = |entry: &&HistoryEntry| matches!(entry.outcome, Outcome::Done(_));
    let winners: Vec<&HistoryEntry> = history.iter().filter(ends).filter(done).collect();
    let (first, rest) = winners.split_first()?;
    let again = |entry: &&HistoryEntry| {
        first.action == TokenAction::Redeem
            && entry.action == TokenAction::Redeem
            && first.idempotency_key.is_some()
            && entry.idempotency_key == first.idempotency_key
    };
    let alike = rest.iter().all(again);
    (!alike).then(|| Violation::MultipleWinners(winners.iter().map(|entry| entry.id).collect()))
}

/// An acknowledged operation that is not in the database.
fn find_lost_write(history: &[HistoryEntry], record: &TokenRecord) -> Option<Violation> {
    let kept = |entry: &HistoryEntry| match entry.action {
        TokenAction::Redeem => {
            record.end_reason == Some(EndReason::Redeemed)
                && (entry.idempotency_key.is_none() || entry.idempotency_key == record.redeem_key)
        }
        TokenAction::Decline => record.end_reason == Some(EndReason::Declined),
        TokenAction::Withdraw => record.end_reason == Some(EndReason::Withdrawn),
        TokenAction::Revoke => record.end_reason == Some(EndReason::Revoked),
        // The successors are compared separately.
        TokenAction::CreateAgain
        | TokenAction::RedeemAsStranger
        | TokenAction::View
        | TokenAction::Authorize => true,
    };
    let done = |entry: &&HistoryEntry| matches!(entry.outcome, Outcome::Done(_));
    history.iter().filter(done).find(|entry| !kept(entry)).map(|entry| Violation::LostWrite(entry.id))
}

/// An acknowledged decision other than the one in the database.
fn find_decision_mismatch(history: &[HistoryEntry], record: &TokenRecord) -> Option<Violation> {
    let differs = |entry: &&HistoryEntry| {
        let decision = StoredDecision::of(entry.action, entry.terms);
        matches!(entry.outcome, Outcome::Done(_))
            && decision.is_some_and(|decision| decision != record.decision)
    };
    history.iter().find(differs).map(|entry| Violation::DecisionMismatch(entry.id))
}

/// Whether an operation must have taken effect before or after the closing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EffectOrder {
    Before,
    After,
    Either,
    Neither,
}

/// The event that closed a token.
#[derive(Clone, Copy, Debug)]
enum ClosingEvent<'a> {
    Entry(&'a HistoryEntry),
    Expiry,
    StillOpen,
}

impl ClosingEvent<'_> {
    fn is_entry(&self, entry: &HistoryEntry) -> bool {
        matches!(self, Self::Entry(closer) if closer.id == entry.id)
    }

    /// Whether the event redeemed the token, and its idempotency key.
    fn redeem_key(&self) -> Option<Option<&str>> {
        match self {
            Self::Entry(HistoryEntry { action: TokenAction::Redeem, idempotency_key: key, .. }) => {
                Some(key.as_deref())
            }
            _ => None,
        }
    }

    /// The side of the closing on which an operation took effect, according to its response.
    fn effect_order(&self, entry: &HistoryEntry) -> EffectOrder {
        let redeemed = self.redeem_key();
        let same_key = redeemed.flatten().is_some_and(|key| entry.idempotency_key.as_deref() == Some(key));
        match (entry.action, &entry.outcome) {
            (_, Outcome::NotExecuted | Outcome::Unknown) => EffectOrder::Either,
            (_, Outcome::Unexpected(..)) => EffectOrder::Neither,
            (TokenAction::RedeemAsStranger, Outcome::Rejected) => EffectOrder::Either,
            (TokenAction::RedeemAsStranger, Outcome::Done(_)) => EffectOrder::Neither,
            // Only the winner's key gets the result again, and always does.
            (TokenAction::Redeem, Outcome::Done(_)) if same_key => EffectOrder::After,
            (TokenAction::Redeem, Outcome::Rejected) if same_key => EffectOrder::Neither,
            (TokenAction::Redeem | TokenAction::Decline | TokenAction::Withdraw, Outcome::Done(_)) => {
                EffectOrder::Neither
            }
            (TokenAction::Redeem | TokenAction::Decline | TokenAction::Withdraw, Outcome::Rejected) => {
                EffectOrder::After
            }
            // Before the closing, it would have replaced the request. After a redemption, an
            // active permission exists.
            (TokenAction::CreateAgain, Outcome::Done(_)) if redeemed.is_none() => EffectOrder::After,
            (TokenAction::CreateAgain, Outcome::Rejected) if redeemed.is_some() => EffectOrder::After,
            (TokenAction::CreateAgain, Outcome::Done(_) | Outcome::Rejected) => EffectOrder::Neither,
            (TokenAction::View | TokenAction::Authorize, Outcome::Done(_)) => EffectOrder::Before,
            (TokenAction::View | TokenAction::Authorize, Outcome::Rejected) => EffectOrder::After,
            // Revoking is idempotent.
            (TokenAction::Revoke, Outcome::Done(_)) => EffectOrder::After,
            (TokenAction::Revoke, Outcome::Rejected) => EffectOrder::Neither,
        }
    }
}

/// Whether a closing event that matches the database explains all responses.
fn is_linearizable(history: &[HistoryEntry], record: &TokenRecord) -> bool {
    possible_closing_events(history, record)
        .into_iter()
        .any(|closer| is_consistent_with(closer, history, record))
}

/// The events that may have closed the token, according to the database.
fn possible_closing_events<'a>(history: &'a [HistoryEntry], record: &TokenRecord) -> Vec<ClosingEvent<'a>> {
    let by = |act: TokenAction| {
        let entries = history.iter().filter(move |entry| entry.action == act && entry.may_have_succeeded());
        entries.map(ClosingEvent::Entry)
    };
    let has_expired = record.expires_at.is_some_and(|at| at <= record.read_at + CLOCK_TOLERANCE_MICROS);
    let time = || has_expired.then_some(ClosingEvent::Expiry);
    match record.end_reason {
        None => [ClosingEvent::StillOpen].into_iter().chain(time()).collect(),
        Some(EndReason::Expired) => time().into_iter().collect(),
        Some(EndReason::Redeemed) => by(TokenAction::Redeem)
            .filter(|closer| closer.redeem_key() == Some(record.redeem_key.as_deref()))
            .collect(),
        Some(EndReason::Declined) => by(TokenAction::Decline).collect(),
        Some(EndReason::Withdrawn) => by(TokenAction::Withdraw).collect(),
        // Replacing or revoking a token that has expired is acknowledged too.
        Some(EndReason::Replaced) => by(TokenAction::CreateAgain).chain(time()).collect(),
        Some(EndReason::Revoked) => by(TokenAction::Revoke).chain(time()).collect(),
    }
}

/// Whether the event can have closed the token at some moment.
fn is_consistent_with(closer: ClosingEvent, history: &[HistoryEntry], record: &TokenRecord) -> bool {
    let dies = record.expires_at.map_or(i64::MAX, |at| at.saturating_add(CLOCK_TOLERANCE_MICROS));
    let (mut earliest, mut latest) = match closer {
        ClosingEvent::Entry(entry) => (entry.invoked, entry.latest_effect().min(dies)),
        ClosingEvent::Expiry => (dies - 2 * CLOCK_TOLERANCE_MICROS, dies),
        ClosingEvent::StillOpen => (i64::MAX, i64::MAX),
    };
    for entry in history.iter().filter(|entry| !closer.is_entry(entry)) {
        match closer.effect_order(entry) {
            EffectOrder::Before => earliest = earliest.max(entry.invoked),
            EffectOrder::After => latest = latest.min(entry.latest_effect()),
            EffectOrder::Either => {}
            EffectOrder::Neither => return false,
        }
    }
    earliest <= latest
}

/// The audit log must contain one entry for the closing, by an operation with a matching response.
fn check_audit_log(history: &[HistoryEntry], record: &TokenRecord) -> Vec<Violation> {
    let wanted = match record.end_reason {
        Some(EndReason::Redeemed) => Some(("request.approved", TokenAction::Redeem)),
        Some(EndReason::Declined) => Some(("request.declined", TokenAction::Decline)),
        Some(EndReason::Withdrawn) => Some(("request.withdrawn", TokenAction::Withdraw)),
        Some(EndReason::Replaced) => Some(("request.replaced", TokenAction::CreateAgain)),
        Some(EndReason::Revoked) => Some(("export.revoked", TokenAction::Revoke)),
        Some(EndReason::Expired) | None => None,
    };
    let mismatch =
        || Violation::AuditMismatch(format!("{:?} has {:?}", record.end_reason, record.audit_entries));
    if record.end_reason == Some(EndReason::Expired) {
        // A server closes expired requests by itself.
        let is_recorded = record.audit_entries == [("request.expired".to_owned(), None)];
        return if is_recorded { Vec::new() } else { vec![mismatch()] };
    }
    let mut wrong = Vec::new();
    if record.audit_entries.len() != usize::from(wanted.is_some()) {
        wrong.push(mismatch());
    }
    for (action, by) in &record.audit_entries {
        let did = |entry: &&HistoryEntry| {
            Some(entry.id) == *by
                && entry.may_have_succeeded()
                && wanted.is_some_and(|(name, act)| name == action && act == entry.action)
        };
        if !history.iter().any(|entry| did(&entry)) {
            let told = history.iter().find(|entry| Some(entry.id) == *by).map(|entry| &entry.outcome);
            wrong.push(Violation::AuditMismatch(format!("{action} by {by:?}, who was told {told:?}")));
        }
    }
    wrong
}

/// Idempotency keys with different responses, and redemptions whose response contains another
/// permission than the database.
fn check_replays(history: &[HistoryEntry], record: &TokenRecord) -> Vec<Violation> {
    let mut wrong = Vec::new();
    let done = history.iter().filter_map(|entry| match &entry.outcome {
        Outcome::Done(said) if matches!(entry.action, TokenAction::Redeem | TokenAction::CreateAgain) => {
            Some((entry, said))
        }
        _ => None,
    });
    let done: Vec<(&HistoryEntry, &String)> = done.collect();
    for (nth, (entry, said)) in done.iter().enumerate() {
        let same = |other: &HistoryEntry| {
            other.action == entry.action
                && other.idempotency_key.is_some()
                && other.idempotency_key == entry.idempotency_key
        };
        if done[..nth].iter().any(|(other, told)| same(other) && told != said) {
            wrong.push(Violation::ReplayMismatch(entry.idempotency_key.clone().unwrap_or_default()));
        }
        if entry.action == TokenAction::Redeem && request_id_in(said) != Some(record.request_id) {
            wrong.push(Violation::ReplayMismatch(format!("{} {said}", entry.id)));
        }
    }
    wrong
}

/// Each replacing request was created once, by an operation that may have created it, and has its
/// mail. Each acknowledged one exists.
fn check_successors(history: &[HistoryEntry], record: &TokenRecord) -> Vec<Violation> {
    let made = |id: Option<u64>| {
        let by = |entry: &&HistoryEntry| {
            Some(entry.id) == id && entry.action == TokenAction::CreateAgain && entry.may_have_succeeded()
        };
        history.iter().any(|entry| by(&entry))
    };
    let wrong = record.successors.iter().filter(|successor| {
        !matches!(successor.created_by[..], [maker] if made(maker)) || successor.mails != 1
    });
    let mut wrong: Vec<Violation> =
        wrong.map(|successor| Violation::SuccessorMismatch(successor.request_id)).collect();
    for entry in history.iter().filter(|entry| entry.action == TokenAction::CreateAgain) {
        if let Outcome::Done(said) = &entry.outcome
            && !record.successors.iter().any(|successor| request_id_in(said) == Some(successor.request_id))
        {
            wrong.push(Violation::LostWrite(entry.id));
        }
    }
    wrong
}

/// The id at the end of a `resource_uri`, with which a response starts.
fn request_id_in(said: &str) -> Option<i64> {
    said.split_whitespace().next()?.trim_end_matches('/').rsplit('/').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const REQUEST_ID: i64 = 7;

    fn done_outcome() -> Outcome {
        Outcome::Done("/api/bundle_permission/7/".to_owned())
    }

    fn entry(
        id: u64,
        act: TokenAction,
        key: Option<&str>,
        (invoked, returned): (i64, i64),
        answer: Outcome,
    ) -> HistoryEntry {
        let key = key.map(str::to_owned);
        HistoryEntry {
            id,
            client: 0,
            replica: 0,
            action: act,
            terms: Terms::AsAsked,
            idempotency_key: key,
            invoked,
            returned,
            outcome: answer,
        }
    }

    fn redeemed_record(once: Option<&str>, by: u64) -> TokenRecord {
        TokenRecord {
            request_id: REQUEST_ID,
            end_reason: Some(EndReason::Redeemed),
            redeem_key: once.map(str::to_owned),
            decision: StoredDecision::of(TokenAction::Redeem, Terms::AsAsked).unwrap(),
            permissions: 1,
            audit_entries: vec![("request.approved".to_owned(), Some(by))],
            ..TokenRecord::default()
        }
    }

    fn open_record() -> TokenRecord {
        TokenRecord { request_id: REQUEST_ID, ..TokenRecord::default() }
    }

    fn revoked_record(by: u64) -> TokenRecord {
        let trail = vec![("export.revoked".to_owned(), Some(by))];
        TokenRecord { end_reason: Some(EndReason::Revoked), audit_entries: trail, ..TokenRecord::default() }
    }

    #[test]
    fn one_winner_and_many_rejections_are_accepted() {
        let history = [
            entry(1, TokenAction::View, None, (0, 10), done_outcome()),
            entry(2, TokenAction::Redeem, None, (0, 50), done_outcome()),
            entry(3, TokenAction::Redeem, Some("k"), (0, 60), Outcome::Rejected),
            entry(4, TokenAction::Decline, None, (40, 60), Outcome::Rejected),
            entry(5, TokenAction::CreateAgain, None, (55, 60), Outcome::Rejected),
            entry(6, TokenAction::RedeemAsStranger, None, (0, 5), Outcome::Rejected),
            entry(7, TokenAction::Redeem, None, (0, 60), Outcome::NotExecuted),
        ];
        assert_eq!(check(&history, &redeemed_record(None, 2)), []);
    }

    #[test]
    fn an_unknown_outcome_may_have_taken_effect_at_any_later_time() {
        let unknown = entry(1, TokenAction::Redeem, Some("k"), (0, 10), Outcome::Unknown);
        let seen_open = entry(2, TokenAction::View, None, (20, 30), done_outcome());
        let refused = entry(3, TokenAction::Redeem, Some("l"), (40, 50), Outcome::Rejected);
        assert_eq!(check(&[unknown.clone(), seen_open.clone(), refused], &redeemed_record(Some("k"), 1)), []);
        assert_eq!(check(&[unknown, seen_open], &open_record()), []);
    }

    #[test]
    fn a_replay_with_the_winning_key_must_return_the_same_result() {
        let lost = entry(1, TokenAction::Redeem, Some("k"), (0, 10), Outcome::Unknown);
        let again = entry(2, TokenAction::Redeem, Some("k"), (20, 30), done_outcome());
        assert_eq!(check(&[lost.clone(), again], &redeemed_record(Some("k"), 1)), []);
        let denied = entry(2, TokenAction::Redeem, Some("k"), (20, 30), Outcome::Rejected);
        assert_eq!(
            check(&[lost.clone(), denied], &redeemed_record(Some("k"), 1)),
            [Violation::NotLinearizable]
        );
        let other = Outcome::Done("/api/bundle_permission/8/".to_owned());
        let another = entry(2, TokenAction::Redeem, Some("k"), (20, 30), other);
        assert!(check(&[lost, another], &redeemed_record(Some("k"), 1)).len() == 1);
    }

    #[test]
    fn two_winners_are_detected() {
        let history = [
            entry(1, TokenAction::Redeem, None, (0, 10), done_outcome()),
            entry(2, TokenAction::Redeem, None, (0, 10), done_outcome()),
        ];
        let wrong = check(&history, &redeemed_record(None, 1));
        assert!(wrong.contains(&Violation::MultipleWinners(vec![1, 2])), "{wrong:?}");
        let history = [
            entry(1, TokenAction::Redeem, None, (0, 10), done_outcome()),
            entry(2, TokenAction::Decline, None, (0, 10), Outcome::Done(String::new())),
        ];
        let wrong = check(&history, &redeemed_record(None, 1));
        assert!(wrong.contains(&Violation::MultipleWinners(vec![1, 2])), "{wrong:?}");
    }

    #[test]
    fn a_missing_acknowledged_write_is_detected() {
        let redeemed = entry(1, TokenAction::Redeem, None, (0, 10), done_outcome());
        assert_eq!(check(&[redeemed], &open_record()), [Violation::LostWrite(1)]);
        let declined = entry(1, TokenAction::Decline, None, (0, 10), Outcome::Done(String::new()));
        assert_eq!(check(&[declined], &open_record()), [Violation::LostWrite(1)]);
        let asked = Outcome::Done("/api/bundle_permission_request/9/".to_owned());
        let asked = entry(1, TokenAction::CreateAgain, None, (0, 10), asked);
        assert!(check(&[asked], &open_record()).contains(&Violation::LostWrite(1)));
    }

    #[test]
    fn a_write_reported_as_not_executed_is_detected() {
        for answer in [Outcome::NotExecuted, Outcome::Rejected] {
            let history = [entry(1, TokenAction::Redeem, None, (0, 10), answer)];
            assert!(check(&history, &redeemed_record(None, 1)).contains(&Violation::NotLinearizable));
        }
    }

    #[test]
    fn a_rejection_before_the_token_closed_is_detected() {
        let history = [
            entry(1, TokenAction::Redeem, None, (0, 10), Outcome::Rejected),
            entry(2, TokenAction::Redeem, Some("k"), (20, 30), done_outcome()),
        ];
        assert_eq!(check(&history, &redeemed_record(Some("k"), 2)), [Violation::NotLinearizable]);
        assert_eq!(check(&history[..1], &open_record()), [Violation::NotLinearizable]);
    }

    #[test]
    fn a_token_seen_open_after_its_acknowledged_end_is_detected() {
        let history = [
            entry(1, TokenAction::Redeem, None, (0, 10), done_outcome()),
            entry(2, TokenAction::View, None, (20, 30), done_outcome()),
        ];
        assert_eq!(check(&history, &redeemed_record(None, 1)), [Violation::NotLinearizable]);
        let late = entry(2, TokenAction::Authorize, None, (20, 30), Outcome::Done(String::new()));
        let history = [entry(1, TokenAction::Revoke, None, (0, 10), Outcome::Done(String::new())), late];
        assert_eq!(check(&history, &revoked_record(1)), [Violation::NotLinearizable]);
    }

    #[test]
    fn a_use_that_overlaps_the_revocation_may_go_either_way() {
        for answer in [Outcome::Done(String::new()), Outcome::Rejected] {
            let history = [
                entry(1, TokenAction::Revoke, None, (0, 10), Outcome::Done(String::new())),
                entry(2, TokenAction::Authorize, None, (5, 30), answer),
                entry(3, TokenAction::Revoke, None, (20, 30), Outcome::Done(String::new())),
            ];
            assert_eq!(check(&history, &revoked_record(1)), []);
        }
    }

    #[test]
    fn a_token_expires_at_its_expiry_time() {
        let dies = 1_000_000;
        let expired = ("request.expired".to_owned(), None);
        let record = |end: Option<EndReason>| TokenRecord {
            end_reason: end,
            expires_at: Some(dies),
            read_at: 2 * dies,
            audit_entries: end.map(|_| expired.clone()).into_iter().collect(),
            ..open_record()
        };
        let twice = vec![expired.clone(), expired.clone()];
        for audit_entries in [vec![], twice, vec![("request.expired".to_owned(), Some(1))]] {
            let record = TokenRecord { audit_entries, ..record(Some(EndReason::Expired)) };
            assert!(matches!(check(&[], &record).as_slice(), [Violation::AuditMismatch(_)]));
        }
        let early = entry(1, TokenAction::View, None, (0, 10), done_outcome());
        let late = entry(2, TokenAction::Redeem, None, (dies + 10_000, dies + 20_000), Outcome::Rejected);
        for end in [None, Some(EndReason::Expired)] {
            assert_eq!(check(&[early.clone(), late.clone()], &record(end)), []);
        }
        let too_early = entry(3, TokenAction::Redeem, None, (10, 20), Outcome::Rejected);
        assert_eq!(check(&[too_early], &record(Some(EndReason::Expired))), [Violation::NotLinearizable]);
        let too_late = entry(3, TokenAction::View, None, (dies + 10_000, dies + 20_000), done_outcome());
        assert_eq!(check(&[too_late], &record(Some(EndReason::Expired))), [Violation::NotLinearizable]);
        let after = entry(3, TokenAction::Redeem, None, (dies + 10_000, dies + 20_000), done_outcome());
        let record = TokenRecord { expires_at: Some(dies), read_at: 2 * dies, ..redeemed_record(None, 3) };
        assert_eq!(check(&[after], &record), [Violation::NotLinearizable]);
    }

    #[test]
    fn a_decision_that_is_stored_otherwise_is_detected() {
        let redeemed =
            |terms| HistoryEntry { terms, ..entry(1, TokenAction::Redeem, None, (0, 10), done_outcome()) };
        for terms in [Terms::AsAsked, Terms::FewerRights, Terms::ShorterTime] {
            let wrong = check(&[redeemed(terms)], &redeemed_record(None, 1));
            let expected =
                if terms == Terms::AsAsked { vec![] } else { vec![Violation::DecisionMismatch(1)] };
            assert_eq!(wrong, expected, "{terms:?}");
            let decision = StoredDecision::of(TokenAction::Redeem, terms).unwrap();
            assert_eq!(check(&[redeemed(terms)], &TokenRecord { decision, ..redeemed_record(None, 1) }), []);
        }
        let declined = HistoryEntry {
            terms: Terms::FewerRights,
            ..entry(1, TokenAction::Decline, None, (0, 10), Outcome::Done(String::new()))
        };
        let record = TokenRecord {
            end_reason: Some(EndReason::Declined),
            audit_entries: vec![("request.declined".to_owned(), Some(1))],
            ..open_record()
        };
        assert_eq!(check(std::slice::from_ref(&declined), &record), [Violation::DecisionMismatch(1)]);
        let decision = StoredDecision { reason: Some(REASON.to_owned()), ..StoredDecision::default() };
        assert_eq!(check(&[declined], &TokenRecord { decision, ..record }), []);
    }

    #[test]
    fn a_redeemed_token_without_its_permission_is_detected() {
        let history = [entry(1, TokenAction::Redeem, None, (0, 10), done_outcome())];
        let without = TokenRecord { permissions: 0, ..redeemed_record(None, 1) };
        assert_eq!(check(&history, &without), [Violation::PermissionMismatch { permissions: 0 }]);
        let twice = TokenRecord { permissions: 2, ..redeemed_record(None, 1) };
        assert_eq!(check(&history, &twice), [Violation::PermissionMismatch { permissions: 2 }]);
        let unasked = TokenRecord { permissions: 1, ..open_record() };
        assert_eq!(check(&[], &unasked), [Violation::PermissionMismatch { permissions: 1 }]);
    }

    #[test]
    fn a_wrong_or_duplicate_audit_entry_is_detected() {
        let history = [
            entry(1, TokenAction::Redeem, None, (0, 10), done_outcome()),
            entry(2, TokenAction::Redeem, None, (0, 10), Outcome::NotExecuted),
        ];
        let trail = |by: &[u64]| TokenRecord {
            audit_entries: by.iter().map(|by| ("request.approved".to_owned(), Some(*by))).collect(),
            ..redeemed_record(None, 1)
        };
        assert_eq!(check(&history, &trail(&[1])), []);
        for by in [&[][..], &[1, 1], &[2], &[9]] {
            let wrong = check(&history, &trail(by));
            assert!(matches!(wrong[..], [Violation::AuditMismatch(_)]), "{by:?}: {wrong:?}");
        }
    }

    #[test]
    fn a_redemption_by_a_stranger_is_detected() {
        let history = [entry(1, TokenAction::RedeemAsStranger, None, (0, 10), done_outcome())];
        assert!(check(&history, &redeemed_record(None, 1)).contains(&Violation::RedeemedByStranger(1)));
    }

    #[test]
    fn a_replacement_is_created_once_and_mailed_once() {
        let answer = Outcome::Done("/api/bundle_permission_request/9/".to_owned());
        let history = [
            entry(1, TokenAction::CreateAgain, Some("k"), (0, 10), answer.clone()),
            entry(2, TokenAction::CreateAgain, Some("k"), (20, 30), answer),
            entry(3, TokenAction::Redeem, None, (20, 30), Outcome::Rejected),
        ];
        let record = |successors| TokenRecord {
            end_reason: Some(EndReason::Replaced),
            audit_entries: vec![("request.replaced".to_owned(), Some(1))],
            successors,
            ..open_record()
        };
        let good = Successor { request_id: 9, created_by: vec![Some(1)], mails: 1 };
        assert_eq!(check(&history, &record(vec![good.clone()])), []);
        for bad in [
            Successor { mails: 0, ..good.clone() },
            Successor { mails: 2, ..good.clone() },
            Successor { created_by: vec![Some(1), Some(1)], ..good.clone() },
            Successor { created_by: vec![Some(3)], ..good.clone() },
        ] {
            assert_eq!(check(&history, &record(vec![bad])), [Violation::SuccessorMismatch(9)]);
        }
        let second = Successor { request_id: 10, ..good.clone() };
        assert_eq!(check(&history, &record(vec![good, second])), []);
    }

    fn any_entry(act: impl Strategy<Value = TokenAction>) -> impl Strategy<Value = HistoryEntry> {
        let answer = prop_oneof![
            4 => Just(done_outcome()), 4 => Just(Outcome::Rejected), 1 => Just(Outcome::NotExecuted), 2 => Just(Outcome::Unknown),
        ];
        let key = prop_oneof![Just(None), Just(Some("k")), Just(Some("l"))];
        (act, key, 0..12_i64, 0..6_i64, answer).prop_map(|(act, key, invoked, takes, answer)| {
            let key = if matches!(act, TokenAction::Redeem | TokenAction::CreateAgain) { key } else { None };
            entry(0, act, key, (invoked, invoked + takes), answer)
        })
    }

    fn any_history() -> impl Strategy<Value = (Vec<HistoryEntry>, TokenRecord)> {
        let of_request = prop_oneof![
            4 => Just(TokenAction::Redeem), 1 => Just(TokenAction::RedeemAsStranger), 2 => Just(TokenAction::Decline), 1 => Just(TokenAction::Withdraw),
            1 => Just(TokenAction::CreateAgain), 2 => Just(TokenAction::View),
        ];
        let of_export = prop_oneof![3 => Just(TokenAction::Authorize), 2 => Just(TokenAction::Revoke)];
        let end = prop_oneof![
            2 => Just(None), 4 => Just(Some(EndReason::Redeemed)), 2 => Just(Some(EndReason::Declined)),
            1 => Just(Some(EndReason::Withdrawn)), 1 => Just(Some(EndReason::Replaced)),
        ];
        let request = (
            proptest::collection::vec(any_entry(of_request), 0..6),
            end,
            prop_oneof![Just(None), Just(Some("k".to_owned()))],
        );
        let export = (
            proptest::collection::vec(any_entry(of_export), 0..6),
            prop_oneof![1 => Just(None), 2 => Just(Some(EndReason::Revoked))],
            Just(None),
        );
        prop_oneof![3 => request.boxed(), 1 => export.boxed()].prop_map(|(mut history, end, once)| {
            for (entry, id) in history.iter_mut().zip(1..) {
                entry.id = id;
            }
            let once = if end == Some(EndReason::Redeemed) { once } else { None };
            (
                history,
                TokenRecord {
                    request_id: REQUEST_ID,
                    end_reason: end,
                    redeem_key: once,
                    ..TokenRecord::default()
                },
            )
        })
    }

    /// The specification of a token: applies the operations one at a time. Returns the new state
    /// if the response is possible, otherwise `None`.
    #[derive(Clone, PartialEq)]
    struct ModelRegister {
        end: Option<EndReason>,
        once: Option<String>,
    }

    impl ModelRegister {
        fn apply(&self, entry: &HistoryEntry) -> Option<Self> {
            let ends = |end| Self { end: Some(end), once: None };
            let redeemed = || Self { once: entry.idempotency_key.clone(), ..ends(EndReason::Redeemed) };
            let repeats = self.end == Some(EndReason::Redeemed)
                && entry.idempotency_key.is_some()
                && entry.idempotency_key == self.once;
            let (told, then) = match (entry.action, self.end) {
                (TokenAction::RedeemAsStranger, _) => (false, self.clone()),
                (TokenAction::Redeem, None) => (true, redeemed()),
                (TokenAction::Redeem, Some(_)) => (repeats, self.clone()),
                (TokenAction::Decline, None) => (true, ends(EndReason::Declined)),
                (TokenAction::Withdraw, None) => (true, ends(EndReason::Withdrawn)),
                (TokenAction::Decline | TokenAction::Withdraw, Some(_)) => (false, self.clone()),
                (TokenAction::CreateAgain, None) => (true, ends(EndReason::Replaced)),
                (TokenAction::CreateAgain, Some(end)) => (end != EndReason::Redeemed, self.clone()),
                (TokenAction::View | TokenAction::Authorize, end) => (end.is_none(), self.clone()),
                (TokenAction::Revoke, None) => (true, ends(EndReason::Revoked)),
                (TokenAction::Revoke, Some(_)) => (true, self.clone()),
            };
            match entry.outcome {
                Outcome::Done(_) if told => Some(then),
                Outcome::Rejected if !told => Some(then),
                Outcome::Unknown => Some(then),
                _ => None,
            }
        }

        /// Whether an order of the remaining operations leads to the state of the database. An
        /// operation that ended before another one started comes first.
        fn can_reach(&self, left: &[&HistoryEntry], record: &TokenRecord) -> bool {
            let answered = |entry: &&&HistoryEntry| entry.outcome != Outcome::Unknown;
            if !left.iter().any(|entry| answered(&entry))
                && (self.end, &self.once) == (record.end_reason, &record.redeem_key)
            {
                return true;
            }
            left.iter().enumerate().any(|(nth, next)| {
                let comes_first = left.iter().all(|other| other.latest_effect() >= next.invoked);
                let rest: Vec<&HistoryEntry> = [&left[..nth], &left[nth + 1..]].concat();
                comes_first && self.apply(next).is_some_and(|then| then.can_reach(&rest, record))
            })
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4_096, ..ProptestConfig::default() })]

        /// Operations that were not executed are not part of an order.
        #[test]
        fn the_checker_agrees_with_exhaustive_search((history, record) in any_history()) {
            let left: Vec<&HistoryEntry> =
                history.iter().filter(|entry| entry.outcome != Outcome::NotExecuted).collect();
            let tried = ModelRegister { end: None, once: None }.can_reach(&left, &record);
            prop_assert_eq!(is_linearizable(&history, &record), tried);
        }
    }
}
