//! What must hold whatever breaks. The long form of each is as long as
//! `COUNTERSIGN_TEST_CHAOS` says: so many redemptions in all.

use std::time::Duration;

use crate::campaign::{Campaign, Report, Storm};
use crate::wire::Weather;

/// How many redemptions: in the long form, or the short one.
fn redemptions(short: usize, share: usize) -> usize {
    match std::env::var("COUNTERSIGN_TEST_CHAOS") {
        Ok(long) => long.parse::<usize>().expect("COUNTERSIGN_TEST_CHAOS is a number") / share,
        Err(_) => short,
    }
}

/// Runs a campaign in which nothing may be wrong.
fn holds(campaign: Campaign) -> Report {
    let report = campaign.run();
    report.keep();
    assert!(report.is_clean(), "{report}");
    // What is promised is two seconds; this machine is busy with the clients as well.
    assert!(report.slowest < Duration::from_secs(5), "{report}");
    report
}

/// 64 racers for a token on three replicas, while replicas are killed, the
/// database's back ends ended, and acknowledgements lost.
#[test]
fn under_fire_a_token_is_redeemed_once_or_not_at_all() {
    let report = holds(Campaign {
        name: "fire",
        redemptions: redemptions(20_000, 1),
        storm: Storm::Fire,
        weather: Weather { loses_each: 20, holds_up_each: 500 },
        hang_ups: 4,
        ..Campaign::PLAIN
    });
    assert!(report.crashes > 1 && report.terminations > 5 && report.lost_answers > 5, "{report}");
}

/// Clients that hang up, and ask again elsewhere.
#[test]
fn who_has_lost_the_answer_hears_it_again_from_another_replica() {
    let report = holds(Campaign {
        name: "lost-answers",
        redemptions: redemptions(5_000, 10),
        weather: Weather { loses_each: 7, holds_up_each: 0 },
        hang_ups: 70,
        seed: 2,
        ..Campaign::PLAIN
    });
    assert!(report.told_again > 50 && report.unknown > 1_000, "{report}");
}

/// One replica's clock is an hour ahead, another's an hour behind.
#[test]
fn a_replica_whose_clock_is_wrong_goes_by_the_databases() {
    holds(Campaign {
        name: "skew",
        redemptions: redemptions(2_500, 10),
        skew: true,
        seed: 3,
        ..Campaign::PLAIN
    });
}

/// Every request that is sent is answered in full, while one replica after the other
/// is restarted: as long as the load balancer sees in time that one is leaving, for
/// which a machine may be too busy.
#[test]
fn rolling_restarts_drop_no_request() {
    for seed in 4..8 {
        let report = holds(Campaign {
            name: "restarts",
            redemptions: redemptions(10_000, 10),
            storm: Storm::Restarts,
            seed,
            ..Campaign::PLAIN
        });
        assert!(report.restarts >= 3, "{report}");
        if report.unknown == 0 {
            return;
        }
        assert!(report.slowest_look >= Duration::from_millis(1_500), "{report}");
        println!("the load balancer looked away for {:?}: {} dropped", report.slowest_look, report.unknown);
    }
    panic!("this machine is too busy to tell");
}

/// As when the next version has migrated, and replicas of this one still run.
#[test]
fn a_schema_that_has_grown_is_no_trouble() {
    let report = holds(Campaign {
        name: "growth",
        redemptions: redemptions(5_000, 10),
        // Long enough for all of it.
        rounds: 48,
        storm: Storm::Growth,
        seed: 5,
        ..Campaign::PLAIN
    });
    assert!(report.crashes > 0, "{report}");
}
