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

#[test]
fn racers_on_two_replicas_one_of_which_is_killed() {
    for rival in [Redeem, RedeemOnce, Decline, Withdraw, Replace] {
        let protocol = Protocol { crashes: 1, losses: 1, ..Protocol::new(2, &[RedeemOnce, rival]) };
        holds(&format!("once and {rival:?}, a crash and a lost answer"), protocol);
    }
}

#[test]
fn racers_who_run_out_of_time() {
    for rival in [Redeem, Withdraw] {
        let protocol = Protocol { losses: 1, hurried: true, ..Protocol::new(2, &[Redeem, rival]) };
        holds(&format!("once and {rival:?}, in a hurry"), protocol);
    }
}

#[test]
fn three_racers_in_one_batch_or_several() {
    let protocol = Protocol { losses: 1, ..Protocol::new(2, &[Redeem, Decline, Withdraw]) };
    holds("redeem, decline and withdraw", protocol);
}

#[test]
fn larger_ones() {
    if long() {
        let protocol =
            Protocol { crashes: 1, losses: 2, hurried: true, ..Protocol::new(2, &[RedeemOnce, RedeemOnce]) };
        holds("two keys, two lost answers, a crash, in a hurry", protocol);
        let protocol =
            Protocol { crashes: 1, losses: 1, ..Protocol::new(3, &[RedeemOnce, Redeem, Withdraw]) };
        holds("three racers on three replicas", protocol);
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
