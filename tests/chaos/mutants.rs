//! Mistakes that are planted in the servers, to see that the checker would see them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::fault_proxy::NetworkFaults;
use crate::scenario::{FaultSchedule, Scenario};

/// The mutants in `tests/mutants` that other tests use.
const TESTED_ELSEWHERE: [&str; 7] = [
    "auth.skip_hash",
    "delivery.new_message_id",
    "delivery.transient_error_as_sent",
    "lookup.no_split",
    "readiness.always_ok",
    "response_delay.off",
    "store.no_retry",
];

/// The fail points in `src` that `tests/faults` uses.
const FAIL_POINTS: [&str; 7] = [
    "async_store.panic",
    "delivery.panic",
    "handler.panic",
    "ledger.panic",
    "lookup.panic",
    "mailer.panic",
    "registry.panic",
];

/// Declares a test for each mistake; and which there are.
macro_rules! mutants {
    ($($(#[doc = $doc:literal])+ $test:ident: $mutation:literal, $scenario:expr;)+) => {
        const MUTATIONS: &[&str] = &[$($mutation),+];

        $($(#[doc = $doc])+
        #[test]
        fn $test() {
            assert_detected(Scenario { name: $mutation, mutation: Some($mutation), ..$scenario });
        })+
    };
}

/// The checker has nothing against a server without a mistake in this campaign, and
/// something against one with it.
fn assert_detected(scenario: Scenario) {
    let report = scenario.run();
    assert!(!report.is_clean(), "nobody has seen it: {report}");
}

/// As much as it takes for a mistake that shows by itself.
const RACE: Scenario = Scenario { redemptions: 8_000, rounds: 8, seed: 11, ..Scenario::DEFAULT };
/// For one that shows when the database's acknowledgement is lost.
const LOST_ACKS: Scenario =
    Scenario { network_faults: NetworkFaults { drop_ack_every: 5, delay_response_every: 0 }, ..RACE };
/// For one that shows when the clocks differ.
const SKEW: Scenario = Scenario { clock_skew: true, ..RACE };

mutants! {
    /// The one statement does not look whether all that it decided on is still so.
    an_update_without_recheck_is_detected: "redeem_statement.unguarded", RACE;
    /// Who waits is told what was decided, whether or not it was written.
    an_acknowledgement_before_the_commit_is_detected: "ledger.ack_before_commit", RACE;
    /// What may have been done is done again, as if it had not been.
    a_retry_after_an_unknown_outcome_is_detected: "ledger.retry_after_unknown", LOST_ACKS;
    /// A lost answer to COMMIT is told as "nothing was done".
    an_unknown_outcome_reported_as_a_failure_is_detected: "ledger.unknown_reported_as_failure", LOST_ACKS;
    /// A token is used up, and no permission stands.
    a_token_without_its_permission_is_detected: "requests.half_written", RACE;
    /// A token that was revoked is remembered as it was for two seconds.
    a_stale_read_of_a_revoked_token_is_detected: "export_tokens.stale", RACE;
    /// The winner's key is not kept.
    a_missing_idempotency_key_is_detected: "batch.ignore_idempotency_key", RACE;
    /// Expiry goes by the replica's own clock.
    expiry_by_the_replicas_own_clock_is_detected: "clock.local", SKEW;
    /// Whoever has the token redeems it.
    a_redemption_by_a_stranger_is_detected: "batch.skip_target_check", RACE;
    /// The trail tells of each deed twice.
    a_duplicate_audit_entry_is_detected: "batch.duplicate_audit_entry", RACE;
    /// The totals of one side are forgotten.
    a_missing_counter_update_is_detected: "user_counters.one_sided", RACE;
    /// Who declines is told that it is done, and the token lives on.
    a_decline_that_does_not_close_is_detected: "batch.skip_decline_write", RACE;
    /// A request without its mail.
    a_missing_mail_is_detected: "outbox.skip_insert", RACE;
}

#[test]
fn an_unmodified_server_has_no_violations() {
    for (name, scenario) in [("race", RACE), ("losses", LOST_ACKS)] {
        let report =
            Scenario { name, redemptions: 2_000, fault_schedule: FaultSchedule::NoFaults, ..scenario }.run();
        assert!(report.is_clean(), "{report}");
    }
}

/// The files below `directory`.
fn files_in(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_in(&path) } else { vec![path] }).collect()
}

/// The names that follow `call` in the files below `directory`, e.g. after `fail_point("`.
fn names_in(directory: &str, call: &str) -> BTreeSet<String> {
    let files = files_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join(directory));
    let names = files.iter().flat_map(|path| {
        let text = std::fs::read_to_string(path).unwrap();
        let names = text.split(call).skip(1).filter_map(|rest| rest.split('"').next());
        names.map(str::to_owned).collect::<Vec<_>>()
    });
    names.collect()
}

#[test]
fn every_fail_point_and_every_mutant_is_tested() {
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(names_in("src", "fail_point(\""), set(&FAIL_POINTS));
    assert_eq!(names_in("src", "mutant(\""), set(&[]));
    let patches = files_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mutants"));
    let patches =
        patches.iter().filter(|path| path.extension().is_some_and(|extension| extension == "patch"));
    let patches = patches.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned());
    assert_eq!(patches.collect::<BTreeSet<_>>(), &set(MUTATIONS) | &set(&TESTED_ELSEWHERE));
}
