//! Mistakes that are planted in the servers, to see that the checker would see them.

use std::collections::BTreeSet;
use std::path::Path;

use crate::campaign::{Campaign, Storm};
use crate::wire::Weather;

/// The places in `src` that somebody else's tests plant mistakes in.
const OTHERS: [&str; 14] = [
    "auth.early",
    "delivery.forgetful",
    "delivery.panic",
    "delivery.renamed",
    "directory.panic",
    "handler.panic",
    "http.hasty",
    "ledger.panic",
    "lookup.panic",
    "lookup.together",
    "mailer.panic",
    "probe.hopeful",
    "registry.panic",
    "store.once",
];

/// Declares a test for each mistake; and which there are.
macro_rules! plants {
    ($($(#[doc = $doc:literal])+ $test:ident: $plant:literal, $campaign:expr;)+) => {
        const PLANTS: &[&str] = &[$($plant),+];

        $($(#[doc = $doc])+
        #[test]
        fn $test() {
            is_seen(Campaign { name: $plant, plant: Some($plant), ..$campaign });
        })+
    };
}

/// The checker has nothing against a server without a mistake in this campaign, and
/// something against one with it.
fn is_seen(campaign: Campaign) {
    let report = campaign.run();
    assert!(!report.is_clean(), "nobody has seen it: {report}");
}

/// As much as it takes for a mistake that shows by itself.
const RACE: Campaign = Campaign { redemptions: 8_000, rounds: 8, seed: 11, ..Campaign::PLAIN };
/// For one that shows when the database's acknowledgement is lost.
const LOSSES: Campaign = Campaign { weather: Weather { loses_each: 5, holds_up_each: 0 }, ..RACE };
/// For one that shows when the clocks differ.
const SKEW: Campaign = Campaign { skew: true, ..RACE };

plants! {
    /// The one statement does not look whether all that it decided on is still so.
    an_unguarded_update_is_seen: "stroke.unguarded", RACE;
    /// Who waits is told what was decided, whether or not it was written.
    an_acknowledgement_before_the_commit_is_seen: "ledger.early", RACE;
    /// What may have been done is done again, as if it had not been.
    a_retry_after_an_unknown_outcome_is_seen: "ledger.retried", LOSSES;
    /// A lost answer to COMMIT is told as "nothing was done".
    an_unknown_outcome_told_as_a_failure_is_seen: "ledger.denied", LOSSES;
    /// A token is used up, and no permission stands.
    a_token_without_its_permission_is_seen: "requests.halfway", RACE;
    /// A token that was revoked is remembered as it was for two seconds.
    a_stale_read_of_a_revoked_token_is_seen: "exports.stale", RACE;
    /// The winner's key is not kept.
    a_forgotten_idempotency_key_is_seen: "book.keyless", RACE;
    /// Expiry goes by the replica's own clock.
    expiry_by_the_replicas_own_clock_is_seen: "clock.own", SKEW;
    /// Whoever has the token redeems it.
    a_redemption_by_a_stranger_is_seen: "book.anybody", RACE;
    /// The trail tells of each deed twice.
    a_doubled_entry_of_the_trail_is_seen: "book.doubled", RACE;
    /// The totals of one side are forgotten.
    a_forgotten_tally_is_seen: "tallies.one_sided", RACE;
    /// Who declines is told that it is done, and the token lives on.
    a_decline_that_does_not_close_is_seen: "book.undeclined", RACE;
    /// A request without its mail.
    a_mail_that_is_not_owed_is_seen: "outbox.unowed", RACE;
}

#[test]
fn without_a_mistake_nothing_is_seen() {
    for (name, campaign) in [("race", RACE), ("losses", LOSSES)] {
        let report = Campaign { name, redemptions: 2_000, storm: Storm::Calm, ..campaign }.run();
        assert!(report.is_clean(), "{report}");
    }
}

/// What `faults::planted` is asked for in the sources.
fn planted_in(directory: &Path) -> BTreeSet<String> {
    let mut planted = BTreeSet::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            planted.extend(planted_in(&path));
        } else {
            let source = std::fs::read_to_string(&path).unwrap();
            let names = source.split("planted(\"").skip(1).filter_map(|rest| rest.split('"').next());
            planted.extend(names.map(str::to_owned));
        }
    }
    planted
}

#[test]
fn every_mistake_that_can_be_planted_is() {
    let planted = planted_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let tried = PLANTS.iter().chain(&OTHERS).map(|plant| (*plant).to_owned()).collect();
    assert_eq!(planted, tried);
}
