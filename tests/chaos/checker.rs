//! The checker: is there an order in which the tries of a history, each taking
//! effect at one moment between its start and its answer, come to what everybody was
//! told and to what the database holds?
//!
//! A token is a register that is closed once: by one try, or by time. So the search
//! is exhaustive without being exponential. For each try that can have closed it, the
//! moment `p` of closing must lie within that try; whoever saw the token open must
//! have begun by `p`, and whoever saw it closed must have had their answer after it.
//! All else orders itself, since each may take effect at any moment of its own on its
//! side of `p`. (A test holds this against trying every order.)

use crate::history::{Act, Answer, Entry};

/// How a token ended, as the database has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Redeemed,
    Declined,
    Withdrawn,
    Replaced,
    Expired,
    Revoked,
}

/// What the database holds of a token.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// The request's number; 0 for an export token.
    pub number: i64,
    pub end: Option<End>,
    /// The key under which it was redeemed.
    pub once: Option<String>,
    /// How many permissions stand on it.
    pub grants: i64,
    /// When it dies by itself, if it does.
    pub expires_at: Option<i64>,
    /// When this was read.
    pub read_at: i64,
    /// What the trail says was done to it, and by which try.
    pub trail: Vec<(String, Option<u64>)>,
    /// Requests that were made in its place.
    pub successors: Vec<Successor>,
}

/// A request of the same terms, made later.
#[derive(Clone, Debug, Default)]
pub struct Successor {
    pub number: i64,
    /// The tries that made it, by the trail.
    pub makers: Vec<Option<u64>>,
    /// How many mails are owed for it.
    pub mails: i64,
}

/// What must never be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// Somebody was told what nobody should be.
    OddAnswer(u64),
    /// Somebody who has no business with a token redeemed it.
    Stolen(u64),
    /// More than one was told that it was they who ended it.
    TwoWinners(Vec<u64>),
    /// What was acknowledged is not there.
    Lost(u64),
    /// No order explains what everybody was told.
    NoOrder,
    /// A token that is redeemed without its one permission, or one beside it.
    HalfDone { grants: i64 },
    /// The trail does not tell of what was done, tells of it twice, or says that who
    /// was told otherwise did it.
    WrongTrail(String),
    /// The same key, and another answer.
    AnotherAnswer(String),
    /// A request in its place that nobody made, or made twice, or without its mail.
    WrongSuccessor(i64),
}

/// The tolerance between the clients' clock and the database's, microseconds: they
/// are one clock, read a little apart.
const APART: i64 = 2_000;

/// All that is wrong with a token's history.
pub fn check(history: &[Entry], record: &Record) -> Vec<Violation> {
    let mut wrong = Vec::new();
    for entry in history {
        match (&entry.act, &entry.answer) {
            (_, Answer::Odd(..)) => wrong.push(Violation::OddAnswer(entry.id)),
            (Act::Steal, Answer::Done(_)) => wrong.push(Violation::Stolen(entry.id)),
            _ => {}
        }
    }
    wrong.extend(two_winners(history));
    wrong.extend(lost(history, record));
    if wrong.is_empty() && !has_an_order(history, record) {
        wrong.push(Violation::NoOrder);
    }
    if record.grants != i64::from(record.end == Some(End::Redeemed)) {
        wrong.push(Violation::HalfDone { grants: record.grants });
    }
    wrong.extend(wrong_trail(history, record));
    wrong.extend(other_answers(history, record));
    wrong.extend(wrong_successors(history, record));
    wrong
}

/// Those who were told that they ended the token, if they cannot all have been:
/// only the same key may hear it again.
fn two_winners(history: &[Entry]) -> Option<Violation> {
    let ends = |entry: &&Entry| matches!(entry.act, Act::Redeem | Act::Decline | Act::Withdraw);
    let done = |entry: &&Entry| matches!(entry.answer, Answer::Done(_));
    let winners: Vec<&Entry> = history.iter().filter(ends).filter(done).collect();
    let (first, rest) = winners.split_first()?;
    let again = |entry: &&Entry| {
        first.act == Act::Redeem && entry.act == Act::Redeem && first.key.is_some() && entry.key == first.key
    };
    let alike = rest.iter().all(again);
    (!alike).then(|| Violation::TwoWinners(winners.iter().map(|entry| entry.id).collect()))
}

/// One who was told that it was done, when the database has it otherwise.
fn lost(history: &[Entry], record: &Record) -> Option<Violation> {
    let kept = |entry: &Entry| match entry.act {
        Act::Redeem => record.end == Some(End::Redeemed) && (entry.key.is_none() || entry.key == record.once),
        Act::Decline => record.end == Some(End::Declined),
        Act::Withdraw => record.end == Some(End::Withdrawn),
        Act::Revoke => record.end == Some(End::Revoked),
        // Which successor it is about is looked at there.
        Act::Ask | Act::Steal | Act::Look | Act::Use => true,
    };
    let done = |entry: &&Entry| matches!(entry.answer, Answer::Done(_));
    history.iter().filter(done).find(|entry| !kept(entry)).map(|entry| Violation::Lost(entry.id))
}

/// On which side of a token's end a try must have taken effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Before,
    After,
    Either,
    Neither,
}

/// What ended a token.
#[derive(Clone, Copy, Debug)]
enum Closer<'a> {
    Entry(&'a Entry),
    Time,
    Nothing,
}

impl Closer<'_> {
    fn is(&self, entry: &Entry) -> bool {
        matches!(self, Self::Entry(closer) if closer.id == entry.id)
    }

    /// Whether it redeemed the token, and under which key.
    fn redeemed_under(&self) -> Option<Option<&str>> {
        match self {
            Self::Entry(Entry { act: Act::Redeem, key, .. }) => Some(key.as_deref()),
            _ => None,
        }
    }

    /// On which side of this end another try was, by what it was told.
    fn side_of(&self, entry: &Entry) -> Side {
        let redeemed = self.redeemed_under();
        let same_key = redeemed.flatten().is_some_and(|key| entry.key.as_deref() == Some(key));
        match (entry.act, &entry.answer) {
            (_, Answer::NotDone | Answer::Unknown) => Side::Either,
            (_, Answer::Odd(..)) => Side::Neither,
            (Act::Steal, Answer::Refused) => Side::Either,
            (Act::Steal, Answer::Done(_)) => Side::Neither,
            // The winner's key is told again, always; nobody else's is.
            (Act::Redeem, Answer::Done(_)) if same_key => Side::After,
            (Act::Redeem, Answer::Refused) if same_key => Side::Neither,
            (Act::Redeem | Act::Decline | Act::Withdraw, Answer::Done(_)) => Side::Neither,
            (Act::Redeem | Act::Decline | Act::Withdraw, Answer::Refused) => Side::After,
            // Before, it would have made room; after a redemption, the permission stands.
            (Act::Ask, Answer::Done(_)) if redeemed.is_none() => Side::After,
            (Act::Ask, Answer::Refused) if redeemed.is_some() => Side::After,
            (Act::Ask, Answer::Done(_) | Answer::Refused) => Side::Neither,
            (Act::Look | Act::Use, Answer::Done(_)) => Side::Before,
            (Act::Look | Act::Use, Answer::Refused) => Side::After,
            // Again is no error.
            (Act::Revoke, Answer::Done(_)) => Side::After,
            (Act::Revoke, Answer::Refused) => Side::Neither,
        }
    }
}

/// Whether some end of the token, which is the one that the database has, explains
/// what everybody was told.
fn has_an_order(history: &[Entry], record: &Record) -> bool {
    closers(history, record).into_iter().any(|closer| explains(closer, history, record))
}

/// What can have ended it, going by what the database has.
fn closers<'a>(history: &'a [Entry], record: &Record) -> Vec<Closer<'a>> {
    let by = |act: Act| {
        let entries = history.iter().filter(move |entry| entry.act == act && entry.may_be_done());
        entries.map(Closer::Entry)
    };
    let has_expired = record.expires_at.is_some_and(|at| at <= record.read_at + APART);
    let time = || has_expired.then_some(Closer::Time);
    match record.end {
        None => [Closer::Nothing].into_iter().chain(time()).collect(),
        Some(End::Expired) => time().into_iter().collect(),
        Some(End::Redeemed) => {
            by(Act::Redeem).filter(|closer| closer.redeemed_under() == Some(record.once.as_deref())).collect()
        }
        Some(End::Declined) => by(Act::Decline).collect(),
        Some(End::Withdrawn) => by(Act::Withdraw).collect(),
        // What had died already is told to have made room, or to be revoked, as well.
        Some(End::Replaced) => by(Act::Ask).chain(time()).collect(),
        Some(End::Revoked) => by(Act::Revoke).chain(time()).collect(),
    }
}

/// Whether there is a moment at which this closed it.
fn explains(closer: Closer, history: &[Entry], record: &Record) -> bool {
    let dies = record.expires_at.map_or(i64::MAX, |at| at.saturating_add(APART));
    let (mut earliest, mut latest) = match closer {
        Closer::Entry(entry) => (entry.invoked, entry.latest().min(dies)),
        Closer::Time => (dies - 2 * APART, dies),
        Closer::Nothing => (i64::MAX, i64::MAX),
    };
    for entry in history.iter().filter(|entry| !closer.is(entry)) {
        match closer.side_of(entry) {
            Side::Before => earliest = earliest.max(entry.invoked),
            Side::After => latest = latest.min(entry.latest()),
            Side::Either => {}
            Side::Neither => return false,
        }
    }
    earliest <= latest
}

/// What the trail must say: one entry for the end, by one who was not told otherwise.
fn wrong_trail(history: &[Entry], record: &Record) -> Vec<Violation> {
    let wanted = match record.end {
        Some(End::Redeemed) => Some(("request.redeemed", Act::Redeem)),
        Some(End::Declined) => Some(("request.declined", Act::Decline)),
        Some(End::Withdrawn) => Some(("request.withdrawn", Act::Withdraw)),
        Some(End::Replaced) => Some(("request.replaced", Act::Ask)),
        Some(End::Revoked) => Some(("export.revoked", Act::Revoke)),
        Some(End::Expired) | None => None,
    };
    let mut wrong = Vec::new();
    if record.trail.len() != usize::from(wanted.is_some()) {
        wrong.push(Violation::WrongTrail(format!("{:?} has {:?}", record.end, record.trail)));
    }
    for (action, by) in &record.trail {
        let did = |entry: &&Entry| {
            Some(entry.id) == *by
                && entry.may_be_done()
                && wanted.is_some_and(|(name, act)| name == action && act == entry.act)
        };
        if !history.iter().any(|entry| did(&entry)) {
            let told = history.iter().find(|entry| Some(entry.id) == *by).map(|entry| &entry.answer);
            wrong.push(Violation::WrongTrail(format!("{action} by {by:?}, who was told {told:?}")));
        }
    }
    wrong
}

/// Keys under which not everybody was told the same; and redemptions that were told
/// of another permission than the one that stands.
fn other_answers(history: &[Entry], record: &Record) -> Vec<Violation> {
    let mut wrong = Vec::new();
    let done = history.iter().filter_map(|entry| match &entry.answer {
        Answer::Done(said) if matches!(entry.act, Act::Redeem | Act::Ask) => Some((entry, said)),
        _ => None,
    });
    let done: Vec<(&Entry, &String)> = done.collect();
    for (nth, (entry, said)) in done.iter().enumerate() {
        let same = |other: &Entry| other.act == entry.act && other.key.is_some() && other.key == entry.key;
        if done[..nth].iter().any(|(other, told)| same(other) && told != said) {
            wrong.push(Violation::AnotherAnswer(entry.key.clone().unwrap_or_default()));
        }
        if entry.act == Act::Redeem && numbers(said) != Some(record.number) {
            wrong.push(Violation::AnotherAnswer(format!("{} {said}", entry.id)));
        }
    }
    wrong
}

/// Each request in its place was made by one who may have made it, once, and has its
/// mail; and whoever was told of one finds it.
fn wrong_successors(history: &[Entry], record: &Record) -> Vec<Violation> {
    let made = |id: Option<u64>| {
        let by = |entry: &&Entry| Some(entry.id) == id && entry.act == Act::Ask && entry.may_be_done();
        history.iter().any(|entry| by(&entry))
    };
    let wrong = record
        .successors
        .iter()
        .filter(|successor| !matches!(successor.makers[..], [maker] if made(maker)) || successor.mails != 1);
    let mut wrong: Vec<Violation> =
        wrong.map(|successor| Violation::WrongSuccessor(successor.number)).collect();
    for entry in history.iter().filter(|entry| entry.act == Act::Ask) {
        if let Answer::Done(said) = &entry.answer
            && !record.successors.iter().any(|successor| numbers(said) == Some(successor.number))
        {
            wrong.push(Violation::Lost(entry.id));
        }
    }
    wrong
}

/// The number at the end of a `resource_uri`, which is what an answer begins with.
fn numbers(said: &str) -> Option<i64> {
    said.split_whitespace().next()?.trim_end_matches('/').rsplit('/').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NUMBER: i64 = 7;

    fn said() -> Answer {
        Answer::Done("/api/bundle_permission/7/".to_owned())
    }

    fn entry(id: u64, act: Act, key: Option<&str>, (invoked, returned): (i64, i64), answer: Answer) -> Entry {
        let key = key.map(str::to_owned);
        Entry { id, racer: 0, replica: 0, act, key, invoked, returned, answer }
    }

    fn redeemed(once: Option<&str>, by: u64) -> Record {
        Record {
            number: NUMBER,
            end: Some(End::Redeemed),
            once: once.map(str::to_owned),
            grants: 1,
            trail: vec![("request.redeemed".to_owned(), Some(by))],
            ..Record::default()
        }
    }

    fn open() -> Record {
        Record { number: NUMBER, ..Record::default() }
    }

    fn revoked(by: u64) -> Record {
        let trail = vec![("export.revoked".to_owned(), Some(by))];
        Record { end: Some(End::Revoked), trail, ..Record::default() }
    }

    #[test]
    fn one_winner_and_many_who_came_too_late_are_fine() {
        let history = [
            entry(1, Act::Look, None, (0, 10), said()),
            entry(2, Act::Redeem, None, (0, 50), said()),
            entry(3, Act::Redeem, Some("k"), (0, 60), Answer::Refused),
            entry(4, Act::Decline, None, (40, 60), Answer::Refused),
            entry(5, Act::Ask, None, (55, 60), Answer::Refused),
            entry(6, Act::Steal, None, (0, 5), Answer::Refused),
            entry(7, Act::Redeem, None, (0, 60), Answer::NotDone),
        ];
        assert_eq!(check(&history, &redeemed(None, 2)), []);
    }

    #[test]
    fn who_got_no_answer_may_have_won_or_not_even_later() {
        let unknown = entry(1, Act::Redeem, Some("k"), (0, 10), Answer::Unknown);
        let seen_open = entry(2, Act::Look, None, (20, 30), said());
        let refused = entry(3, Act::Redeem, Some("l"), (40, 50), Answer::Refused);
        assert_eq!(check(&[unknown.clone(), seen_open.clone(), refused], &redeemed(Some("k"), 1)), []);
        assert_eq!(check(&[unknown, seen_open], &open()), []);
    }

    #[test]
    fn the_winners_key_is_told_again_and_must_be() {
        let lost = entry(1, Act::Redeem, Some("k"), (0, 10), Answer::Unknown);
        let again = entry(2, Act::Redeem, Some("k"), (20, 30), said());
        assert_eq!(check(&[lost.clone(), again], &redeemed(Some("k"), 1)), []);
        let denied = entry(2, Act::Redeem, Some("k"), (20, 30), Answer::Refused);
        assert_eq!(check(&[lost.clone(), denied], &redeemed(Some("k"), 1)), [Violation::NoOrder]);
        let other = Answer::Done("/api/bundle_permission/8/".to_owned());
        let another = entry(2, Act::Redeem, Some("k"), (20, 30), other);
        assert!(check(&[lost, another], &redeemed(Some("k"), 1)).len() == 1);
    }

    #[test]
    fn two_winners_are_seen() {
        let history =
            [entry(1, Act::Redeem, None, (0, 10), said()), entry(2, Act::Redeem, None, (0, 10), said())];
        let wrong = check(&history, &redeemed(None, 1));
        assert!(wrong.contains(&Violation::TwoWinners(vec![1, 2])), "{wrong:?}");
        let history = [
            entry(1, Act::Redeem, None, (0, 10), said()),
            entry(2, Act::Decline, None, (0, 10), Answer::Done(String::new())),
        ];
        let wrong = check(&history, &redeemed(None, 1));
        assert!(wrong.contains(&Violation::TwoWinners(vec![1, 2])), "{wrong:?}");
    }

    #[test]
    fn what_was_acknowledged_and_is_not_there_is_lost() {
        let redeemed = entry(1, Act::Redeem, None, (0, 10), said());
        assert_eq!(check(&[redeemed], &open()), [Violation::Lost(1)]);
        let declined = entry(1, Act::Decline, None, (0, 10), Answer::Done(String::new()));
        assert_eq!(check(&[declined], &open()), [Violation::Lost(1)]);
        let asked = Answer::Done("/api/bundle_permission_request/9/".to_owned());
        let asked = entry(1, Act::Ask, None, (0, 10), asked);
        assert!(check(&[asked], &open()).contains(&Violation::Lost(1)));
    }

    #[test]
    fn what_was_told_not_to_be_done_and_is_there_is_seen() {
        for answer in [Answer::NotDone, Answer::Refused] {
            let history = [entry(1, Act::Redeem, None, (0, 10), answer)];
            assert!(check(&history, &redeemed(None, 1)).contains(&Violation::NoOrder));
        }
    }

    #[test]
    fn who_is_refused_before_anybody_closed_it_is_wronged() {
        let history = [
            entry(1, Act::Redeem, None, (0, 10), Answer::Refused),
            entry(2, Act::Redeem, Some("k"), (20, 30), said()),
        ];
        assert_eq!(check(&history, &redeemed(Some("k"), 2)), [Violation::NoOrder]);
        assert_eq!(check(&history[..1], &open()), [Violation::NoOrder]);
    }

    #[test]
    fn a_token_is_not_open_after_its_end_was_told() {
        let history =
            [entry(1, Act::Redeem, None, (0, 10), said()), entry(2, Act::Look, None, (20, 30), said())];
        assert_eq!(check(&history, &redeemed(None, 1)), [Violation::NoOrder]);
        let late = entry(2, Act::Use, None, (20, 30), Answer::Done(String::new()));
        let history = [entry(1, Act::Revoke, None, (0, 10), Answer::Done(String::new())), late];
        assert_eq!(check(&history, &revoked(1)), [Violation::NoOrder]);
    }

    #[test]
    fn a_use_that_overlaps_the_revocation_may_go_either_way() {
        for answer in [Answer::Done(String::new()), Answer::Refused] {
            let history = [
                entry(1, Act::Revoke, None, (0, 10), Answer::Done(String::new())),
                entry(2, Act::Use, None, (5, 30), answer),
                entry(3, Act::Revoke, None, (20, 30), Answer::Done(String::new())),
            ];
            assert_eq!(check(&history, &revoked(1)), []);
        }
    }

    #[test]
    fn time_ends_a_token_at_its_moment() {
        let dies = 1_000_000;
        let record = |end| Record { end, expires_at: Some(dies), read_at: 2 * dies, ..open() };
        let early = entry(1, Act::Look, None, (0, 10), said());
        let late = entry(2, Act::Redeem, None, (dies + 10_000, dies + 20_000), Answer::Refused);
        for end in [None, Some(End::Expired)] {
            assert_eq!(check(&[early.clone(), late.clone()], &record(end)), []);
        }
        let too_early = entry(3, Act::Redeem, None, (10, 20), Answer::Refused);
        assert_eq!(check(&[too_early], &record(Some(End::Expired))), [Violation::NoOrder]);
        let too_late = entry(3, Act::Look, None, (dies + 10_000, dies + 20_000), said());
        assert_eq!(check(&[too_late], &record(Some(End::Expired))), [Violation::NoOrder]);
        let after = entry(3, Act::Redeem, None, (dies + 10_000, dies + 20_000), said());
        let record = Record { expires_at: Some(dies), read_at: 2 * dies, ..redeemed(None, 3) };
        assert_eq!(check(&[after], &record), [Violation::NoOrder]);
    }

    #[test]
    fn a_token_and_its_permission_are_there_together_or_not_at_all() {
        let history = [entry(1, Act::Redeem, None, (0, 10), said())];
        let without = Record { grants: 0, ..redeemed(None, 1) };
        assert_eq!(check(&history, &without), [Violation::HalfDone { grants: 0 }]);
        let twice = Record { grants: 2, ..redeemed(None, 1) };
        assert_eq!(check(&history, &twice), [Violation::HalfDone { grants: 2 }]);
        let unasked = Record { grants: 1, ..open() };
        assert_eq!(check(&[], &unasked), [Violation::HalfDone { grants: 1 }]);
    }

    #[test]
    fn the_trail_tells_of_each_end_once_and_of_who_did_it() {
        let history = [
            entry(1, Act::Redeem, None, (0, 10), said()),
            entry(2, Act::Redeem, None, (0, 10), Answer::NotDone),
        ];
        let trail = |by: &[u64]| Record {
            trail: by.iter().map(|by| ("request.redeemed".to_owned(), Some(*by))).collect(),
            ..redeemed(None, 1)
        };
        assert_eq!(check(&history, &trail(&[1])), []);
        for by in [&[][..], &[1, 1], &[2], &[9]] {
            let wrong = check(&history, &trail(by));
            assert!(matches!(wrong[..], [Violation::WrongTrail(_)]), "{by:?}: {wrong:?}");
        }
    }

    #[test]
    fn a_thief_is_seen() {
        let history = [entry(1, Act::Steal, None, (0, 10), said())];
        assert!(check(&history, &redeemed(None, 1)).contains(&Violation::Stolen(1)));
    }

    #[test]
    fn a_request_that_makes_room_is_made_once_and_mailed_once() {
        let answer = Answer::Done("/api/bundle_permission_request/9/".to_owned());
        let history = [
            entry(1, Act::Ask, Some("k"), (0, 10), answer.clone()),
            entry(2, Act::Ask, Some("k"), (20, 30), answer),
            entry(3, Act::Redeem, None, (20, 30), Answer::Refused),
        ];
        let record = |successors| Record {
            end: Some(End::Replaced),
            trail: vec![("request.replaced".to_owned(), Some(1))],
            successors,
            ..open()
        };
        let good = Successor { number: 9, makers: vec![Some(1)], mails: 1 };
        assert_eq!(check(&history, &record(vec![good.clone()])), []);
        for bad in [
            Successor { mails: 0, ..good.clone() },
            Successor { mails: 2, ..good.clone() },
            Successor { makers: vec![Some(1), Some(1)], ..good.clone() },
            Successor { makers: vec![Some(3)], ..good.clone() },
        ] {
            assert_eq!(check(&history, &record(vec![bad])), [Violation::WrongSuccessor(9)]);
        }
        let second = Successor { number: 10, ..good.clone() };
        assert_eq!(check(&history, &record(vec![good, second])), []);
    }

    fn any_entry(act: impl Strategy<Value = Act>) -> impl Strategy<Value = Entry> {
        let answer = prop_oneof![
            4 => Just(said()), 4 => Just(Answer::Refused), 1 => Just(Answer::NotDone), 2 => Just(Answer::Unknown),
        ];
        let key = prop_oneof![Just(None), Just(Some("k")), Just(Some("l"))];
        (act, key, 0..12_i64, 0..6_i64, answer).prop_map(|(act, key, invoked, takes, answer)| {
            let key = if matches!(act, Act::Redeem | Act::Ask) { key } else { None };
            entry(0, act, key, (invoked, invoked + takes), answer)
        })
    }

    fn any_history() -> impl Strategy<Value = (Vec<Entry>, Record)> {
        let of_request = prop_oneof![
            4 => Just(Act::Redeem), 1 => Just(Act::Steal), 2 => Just(Act::Decline), 1 => Just(Act::Withdraw),
            1 => Just(Act::Ask), 2 => Just(Act::Look),
        ];
        let of_export = prop_oneof![3 => Just(Act::Use), 2 => Just(Act::Revoke)];
        let end = prop_oneof![
            2 => Just(None), 4 => Just(Some(End::Redeemed)), 2 => Just(Some(End::Declined)),
            1 => Just(Some(End::Withdrawn)), 1 => Just(Some(End::Replaced)),
        ];
        let request = (
            proptest::collection::vec(any_entry(of_request), 0..6),
            end,
            prop_oneof![Just(None), Just(Some("k".to_owned()))],
        );
        let export = (
            proptest::collection::vec(any_entry(of_export), 0..6),
            prop_oneof![1 => Just(None), 2 => Just(Some(End::Revoked))],
            Just(None),
        );
        prop_oneof![3 => request.boxed(), 1 => export.boxed()].prop_map(|(mut history, end, once)| {
            for (entry, id) in history.iter_mut().zip(1..) {
                entry.id = id;
            }
            let once = if end == Some(End::Redeemed) { once } else { None };
            (history, Record { number: NUMBER, end, once, ..Record::default() })
        })
    }

    /// The token as the servers should have it, one try after the other: whether it
    /// may be told what this try was told, and what it is then.
    #[derive(Clone, PartialEq)]
    struct Register {
        end: Option<End>,
        once: Option<String>,
    }

    impl Register {
        fn takes(&self, entry: &Entry) -> Option<Self> {
            let ends = |end| Self { end: Some(end), once: None };
            let redeemed = || Self { once: entry.key.clone(), ..ends(End::Redeemed) };
            let repeats = self.end == Some(End::Redeemed) && entry.key.is_some() && entry.key == self.once;
            let (told, then) = match (entry.act, self.end) {
                (Act::Steal, _) => (false, self.clone()),
                (Act::Redeem, None) => (true, redeemed()),
                (Act::Redeem, Some(_)) => (repeats, self.clone()),
                (Act::Decline, None) => (true, ends(End::Declined)),
                (Act::Withdraw, None) => (true, ends(End::Withdrawn)),
                (Act::Decline | Act::Withdraw, Some(_)) => (false, self.clone()),
                (Act::Ask, None) => (true, ends(End::Replaced)),
                (Act::Ask, Some(end)) => (end != End::Redeemed, self.clone()),
                (Act::Look | Act::Use, end) => (end.is_none(), self.clone()),
                (Act::Revoke, None) => (true, ends(End::Revoked)),
                (Act::Revoke, Some(_)) => (true, self.clone()),
            };
            match entry.answer {
                Answer::Done(_) if told => Some(then),
                Answer::Refused if !told => Some(then),
                Answer::Unknown => Some(then),
                _ => None,
            }
        }

        /// Whether some order of what is left, in which nothing comes before what had
        /// ended when it began, leads to what the database has.
        fn leads_to(&self, left: &[&Entry], record: &Record) -> bool {
            let answered = |entry: &&&Entry| entry.answer != Answer::Unknown;
            if !left.iter().any(|entry| answered(&entry))
                && (self.end, &self.once) == (record.end, &record.once)
            {
                return true;
            }
            left.iter().enumerate().any(|(nth, next)| {
                let comes_first = left.iter().all(|other| other.latest() >= next.invoked);
                let rest: Vec<&Entry> = [&left[..nth], &left[nth + 1..]].concat();
                comes_first && self.takes(next).is_some_and(|then| then.leads_to(&rest, record))
            })
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4_096, ..ProptestConfig::default() })]

        /// (Keys that were told nothing are no part of an order.)
        #[test]
        fn it_finds_an_order_exactly_when_trying_all_does((history, record) in any_history()) {
            let left: Vec<&Entry> =
                history.iter().filter(|entry| entry.answer != Answer::NotDone).collect();
            let tried = Register { end: None, once: None }.leads_to(&left, &record);
            prop_assert_eq!(has_an_order(&history, &record), tried);
        }
    }
}
