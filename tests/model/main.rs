//! A model of the protocol that redeems a token at most once. stateright explores all
//! interleavings of clients, replicas, crashes and lost responses, for small numbers of each. The
//! model is also checked with each mistake that the protocol avoids, which it must detect.
//!
//! With `COUNTERSIGN_CHAOS=long`, it explores larger models for minutes.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod protocol;

use std::collections::BTreeSet;
use std::time::Instant;

use ClientRequest::{ApprovePart, Decline, Redeem, RedeemWithKey, Replace, Withdraw};
use protocol::{ClientRequest, Mutation, Protocol};
use stateright::{Checker, HasDiscoveries, Model};

/// Explores the whole model: no safety property may be violated, and each reachability property
/// must hold.
fn assert_holds(name: &str, protocol: Protocol) {
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

/// Explores the model with a mistake, which must violate this property.
fn assert_mutation_detected(protocol: Protocol, mistake: Mutation, property: &'static str) {
    let checker = Protocol { mutation: Some(mistake), ..protocol }
        .checker()
        .finish_when(HasDiscoveries::AllOf(BTreeSet::from([property])))
        .spawn_bfs()
        .join();
    let path = checker.discovery(property);
    let path = path.unwrap_or_else(|| panic!("{mistake:?} goes unnoticed"));
    println!("{mistake:?} breaks “{property}”: {:?}", path.into_actions());
}

fn is_long_form() -> bool {
    std::env::var("COUNTERSIGN_CHAOS").is_ok_and(|form| form == "long")
}

const REQUESTS: [ClientRequest; 6] = [Redeem, RedeemWithKey, ApprovePart, Decline, Withdraw, Replace];

#[test]
fn any_two_clients_on_two_replicas_with_a_crash_a_lost_response_and_short_deadlines() {
    for (nth, one) in REQUESTS.into_iter().enumerate() {
        for other in REQUESTS.into_iter().skip(nth) {
            // Only clients that redeem can reach a redemption.
            if matches!(one, Redeem | RedeemWithKey | ApprovePart) {
                let losses = if is_long_form() { 2 } else { 1 };
                let pair = Protocol::new(2, &[one, other]);
                assert_holds(
                    &format!("{one:?}, {other:?}"),
                    Protocol { max_crashes: 1, max_lost_responses: losses, short_deadlines: true, ..pair },
                );
            }
        }
    }
}

#[test]
fn three_clients_on_two_replicas_with_a_crash_and_a_lost_response() {
    for wishes in [[RedeemWithKey, ApprovePart, Withdraw], [RedeemWithKey, Decline, Replace]] {
        let three = Protocol::new(2, &wishes);
        assert_holds(&format!("{wishes:?}"), Protocol { max_crashes: 1, max_lost_responses: 1, ..three });
    }
}

#[test]
fn three_clients_on_three_replicas_with_every_fault() {
    if is_long_form() {
        for wishes in [[RedeemWithKey, Redeem, Withdraw], [RedeemWithKey, RedeemWithKey, Decline]] {
            let three = Protocol::new(3, &wishes);
            assert_holds(
                &format!("{wishes:?}"),
                Protocol { max_crashes: 1, max_lost_responses: 1, short_deadlines: true, ..three },
            );
        }
    }
}

#[test]
fn every_mutation_is_detected() {
    let race = Protocol::new(2, &[Redeem, Redeem]);
    assert_mutation_detected(race.clone(), Mutation::NoRecheck, "a token creates at most one permission");
    assert_mutation_detected(race.clone(), Mutation::SeparateGrant, "a used token has its permission");

    let end = Protocol::new(2, &[Redeem, Withdraw]);
    assert_mutation_detected(end.clone(), Mutation::NoLock, "acknowledged operations are executed");

    let crash = Protocol { max_crashes: 1, ..race.clone() };
    assert_mutation_detected(crash, Mutation::EarlyResponse, "acknowledged operations are executed");

    let lost = Protocol { max_lost_responses: 1, ..race.clone() };
    assert_mutation_detected(
        lost.clone(),
        Mutation::RetryAfterUnknown,
        "rejected operations are not executed",
    );
    assert_mutation_detected(lost.clone(), Mutation::ReadBackByRow, "exactly one wins");
    assert_mutation_detected(lost.clone(), Mutation::NoFence, "rejected operations are not executed");

    assert_mutation_detected(lost.clone(), Mutation::UnconfirmedRead, "the standby has what is acknowledged");

    let hurried = Protocol { short_deadlines: true, ..lost };
    assert_mutation_detected(hurried.clone(), Mutation::NoFence, "unexecuted operations have no effect");
    assert_mutation_detected(hurried, Mutation::EarlyNotExecuted, "unexecuted operations have no effect");

    let twice = Protocol::new(2, &[RedeemWithKey]);
    assert_mutation_detected(twice, Mutation::KeyNotStored, "the same key gets the same response");
}
