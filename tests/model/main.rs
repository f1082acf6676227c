//! The protocol by which a token is redeemed once or not at all, as a model: every
//! order in which clients, replicas, crashes and lost answers can meet, at small size,
//! gone through to the end (stateright). A model that finds nothing may be blind, so
//! each mistake that the protocol avoids is made in turn, and has to be found.
//!
//! `COUNTERSIGN_CHAOS=long` goes through larger ones, for minutes.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

mod protocol;

use std::collections::BTreeSet;
use std::time::Instant;

use Wish::{Decline, Redeem, RedeemOnce, Replace, Withdraw};
use protocol::{Mistake, Protocol, Wish};
use stateright::{Checker, HasDiscoveries, Model};

/// Goes through all of it; nothing may be wrong, and something right must happen.
fn holds(name: &str, protocol: Protocol) {
    let started = Instant::now();
    let checker = protocol.checker().threads(2).spawn_bfs().join();
    println!(
        "{name}: {} states, {} steps deep, {:.1} s",
        checker.unique_state_count(),
        checker.max_depth(),
        started.elapsed().as_secs_f64()
    );
    assert!(checker.is_done());
    checker.assert_properties();
}

/// Makes the mistake; this property must be seen to break.
fn breaks(protocol: Protocol, mistake: Mistake, property: &'static str) {
    let checker = Protocol { mistake: Some(mistake), ..protocol }
        .checker()
        .finish_when(HasDiscoveries::AllOf(BTreeSet::from([property])))
        .spawn_bfs()
        .join();
    let path = checker.discovery(property);
    let path = path.unwrap_or_else(|| panic!("{mistake:?} goes unnoticed"));
    println!("{mistake:?} breaks “{property}”: {:?}", path.into_actions());
}

fn long() -> bool {
    std::env::var("COUNTERSIGN_CHAOS").is_ok_and(|form| form == "long")
}

const WISHES: [Wish; 5] = [Redeem, RedeemOnce, Decline, Withdraw, Replace];

#[test]
fn any_two_on_two_replicas_with_a_crash_a_lost_answer_and_little_time() {
    for (nth, one) in WISHES.into_iter().enumerate() {
        for other in WISHES.into_iter().skip(nth) {
            // That somebody redeems is wanted of those who wish to.
            if matches!(one, Redeem | RedeemOnce) {
                let losses = if long() { 2 } else { 1 };
                let pair = Protocol::new(2, &[one, other]);
                holds(&format!("{one:?}, {other:?}"), Protocol { crashes: 1, losses, hurried: true, ..pair });
            }
        }
    }
}

#[test]
fn three_on_two_replicas_with_a_crash_and_a_lost_answer() {
    for wishes in [[RedeemOnce, Redeem, Withdraw], [RedeemOnce, Decline, Replace]] {
        let three = Protocol::new(2, &wishes);
        holds(&format!("{wishes:?}"), Protocol { crashes: 1, losses: 1, ..three });
    }
}

#[test]
fn three_on_three_replicas_with_all_that_can_go_wrong() {
    if long() {
        for wishes in [[RedeemOnce, Redeem, Withdraw], [RedeemOnce, RedeemOnce, Decline]] {
            let three = Protocol::new(3, &wishes);
            holds(&format!("{wishes:?}"), Protocol { crashes: 1, losses: 1, hurried: true, ..three });
        }
    }
}

#[test]
fn each_mistake_is_found() {
    let race = Protocol::new(2, &[Redeem, Redeem]);
    breaks(race.clone(), Mistake::Unguarded, "a token makes one permission at most");
    breaks(race.clone(), Mistake::GrantApart, "a used token and its permission are there together");

    let end = Protocol::new(2, &[Redeem, Withdraw]);
    breaks(end.clone(), Mistake::Unlocked, "what was acknowledged is so");

    let crash = Protocol { crashes: 1, ..race.clone() };
    breaks(crash, Mistake::EarlyAnswer, "what was acknowledged is so");

    let lost = Protocol { losses: 1, ..race.clone() };
    breaks(lost.clone(), Mistake::RetriedUnknown, "who is refused has done nothing");
    breaks(lost.clone(), Mistake::ReadBackByRow, "one wins");
    breaks(lost.clone(), Mistake::Unfenced, "who is refused has done nothing");

    let hurried = Protocol { hurried: true, ..lost };
    breaks(hurried.clone(), Mistake::Unfenced, "of what is said not to have been done nothing is");
    breaks(hurried, Mistake::HastyNotDone, "of what is said not to have been done nothing is");

    let twice = Protocol::new(2, &[RedeemOnce]);
    breaks(twice, Mistake::ForgottenKey, "the same key has the same answer");
}
