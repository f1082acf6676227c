//! Invariants that hold under all faults. In the long version of each test,
//! `COUNTERSIGN_TEST_CHAOS` is the total number of redemptions.

use std::time::Duration;

use crate::fault_proxy::NetworkFaults;
use crate::scenario::{FaultSchedule, Report, Scenario};

/// The number of redemptions in the short or the long version.
fn redemptions(short: usize, share: usize) -> usize {
    match std::env::var("COUNTERSIGN_TEST_CHAOS") {
        Ok(long) => long.parse::<usize>().expect("COUNTERSIGN_TEST_CHAOS is a number") / share,
        Err(_) => short,
    }
}

/// Runs a scenario that must not violate an invariant.
fn run_clean(scenario: Scenario) -> Report {
    let report = scenario.run();
    report.save();
    assert!(report.is_clean(), "{report}");
    // The server promises two seconds, but the clients run on the same machine.
    assert!(report.slowest_response < Duration::from_secs(5), "{report}");
    report
}

/// 64 clients per token on three replicas, while replicas are killed, database connections are
/// terminated and acknowledgements are dropped.
#[test]
fn a_token_is_redeemed_at_most_once_under_crashes() {
    let report = run_clean(Scenario {
        name: "fire",
        redemptions: redemptions(20_000, 1),
        fault_schedule: FaultSchedule::Crashes,
        network_faults: NetworkFaults { drop_ack_every: 20, delay_response_every: 500 },
        disconnect_percent: 4,
        ..Scenario::DEFAULT
    });
    assert!(report.crashes > 1 && report.terminations > 5 && report.dropped_acks > 5, "{report}");
}

/// Clients that disconnect, and try again at another replica.
#[test]
fn a_lost_response_is_replayed_by_another_replica() {
    let report = run_clean(Scenario {
        name: "lost-answers",
        // About 50 replays.
        redemptions: redemptions(8_000, 10),
        network_faults: NetworkFaults { drop_ack_every: 7, delay_response_every: 0 },
        disconnect_percent: 70,
        seed: 2,
        ..Scenario::DEFAULT
    });
    assert!(report.replays > 20 && report.unknown_outcomes > 1_000, "{report}");
}

/// The clock of one replica is an hour ahead, the clock of another an hour behind.
#[test]
fn a_replica_with_clock_skew_uses_the_database_clock() {
    run_clean(Scenario {
        name: "skew",
        redemptions: redemptions(2_500, 10),
        clock_skew: true,
        seed: 3,
        ..Scenario::DEFAULT
    });
}

/// Every request gets a complete response during a rolling restart, provided that the load
/// balancer notices in time that a replica is draining. On a busy machine it may not.
#[test]
fn rolling_restarts_drop_no_request() {
    for seed in 4..8 {
        let report = run_clean(Scenario {
            name: "restarts",
            redemptions: redemptions(10_000, 10),
            fault_schedule: FaultSchedule::RollingRestarts,
            seed,
            ..Scenario::DEFAULT
        });
        assert!(report.restarts >= 3, "{report}");
        if report.unknown_outcomes == 0 {
            return;
        }
        assert!(report.longest_health_check_gap >= Duration::from_millis(1_500), "{report}");
        println!(
            "the load balancer looked away for {:?}: {} dropped",
            report.longest_health_check_gap, report.unknown_outcomes
        );
    }
    panic!("this machine is too busy for this test");
}

/// Replicas of this version run while the next version changes the schema.
#[test]
fn replicas_tolerate_a_newer_schema() {
    let report = run_clean(Scenario {
        name: "growth",
        redemptions: redemptions(5_000, 10),
        // Long enough for all migrations.
        rounds: 48,
        fault_schedule: FaultSchedule::SchemaMigration,
        seed: 5,
        ..Scenario::DEFAULT
    });
    assert!(report.crashes > 0, "{report}");
}

/// Every event is sent to every webhook with the same id and body, or is shown as failed, while replicas are killed,
/// and the database and the receivers go away.
#[test]
fn every_event_reaches_every_webhook_under_crashes() {
    let report = run_clean(Scenario {
        name: "webhooks",
        // The long version has more than 100,000 deliveries.
        redemptions: redemptions(2_000, 3),
        rounds: 12,
        fault_schedule: FaultSchedule::Outages,
        network_faults: NetworkFaults { drop_ack_every: 20, delay_response_every: 500 },
        webhooks: true,
        seed: 6,
        ..Scenario::DEFAULT
    });
    assert!(report.crashes > 0 && report.outages > 0, "{report}");
    assert!(report.deliveries > report.delivered_events && report.delivered_events > 100, "{report}");
    // One of 256 events fails always for one of the two receivers.
    assert!(report.failed_deliveries > 0 || report.delivered_events < 10_000, "{report}");
}
