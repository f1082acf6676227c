//! Mutants of the server, each of which the checker must detect.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::fault_proxy::NetworkFaults;
use crate::scenario::{FaultSchedule, Scenario};

/// The mutants in `tests/mutants` that other tests use.
const TESTED_ELSEWHERE: [&str; 8] = [
    "auth.skip_hash",
    "delivery.new_message_id",
    "delivery.transient_error_as_sent",
    "lookup.no_split",
    "readiness.always_ok",
    "response_delay.off",
    "store.no_retry",
    "store.unconfirmed_reads",
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

/// Declares a test per mutant, and the list of their names.
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

/// Asserts that the checker reports violations in this scenario.
fn assert_detected(scenario: Scenario) {
    let report = scenario.run();
    assert!(!report.is_clean(), "not detected: {report}");
}

/// Enough operations to detect a mutant that needs no fault.
const RACE: Scenario = Scenario { redemptions: 8_000, rounds: 8, seed: 11, ..Scenario::DEFAULT };
/// For mutants that need a lost acknowledgement.
const LOST_ACKS: Scenario =
    Scenario { network_faults: NetworkFaults { drop_ack_every: 5, delay_response_every: 0 }, ..RACE };
/// For mutants of webhooks.
const HOOKS: Scenario = Scenario { redemptions: 200, rounds: 2, webhooks: true, ..RACE };
/// For mutants that need attempts that fail: those of about one event in 40.
const RETRIES: Scenario = Scenario { redemptions: 1_400, rounds: 8, ..HOOKS };
/// For mutants that need different clocks.
const SKEW: Scenario = Scenario { clock_skew: true, ..RACE };

mutants! {
    /// The redeem statement does not check that the rows it depends on are unchanged.
    an_update_without_recheck_is_detected: "single_statement.unguarded", RACE;
    /// The server responds before the commit.
    an_acknowledgement_before_the_commit_is_detected: "ledger.ack_before_commit", RACE;
    /// A batch with an unknown outcome is executed again.
    a_retry_after_an_unknown_outcome_is_detected: "ledger.retry_after_unknown", LOST_ACKS;
    /// A batch with an unknown outcome is reported as not executed.
    an_unknown_outcome_reported_as_a_failure_is_detected: "ledger.unknown_reported_as_failure", LOST_ACKS;
    /// The request is closed without an active permission.
    a_token_without_its_permission_is_detected: "requests.half_written", RACE;
    /// A revoked export token stays active for two seconds.
    a_stale_read_of_a_revoked_token_is_detected: "export_tokens.stale", RACE;
    /// The idempotency key of the redemption is not stored.
    a_missing_idempotency_key_is_detected: "batch.ignore_idempotency_key", RACE;
    /// A replica uses its own clock for expiry.
    expiry_by_the_replicas_own_clock_is_detected: "clock.local", SKEW;
    /// Every user with the token can redeem it.
    a_redemption_by_a_stranger_is_detected: "batch.skip_target_check", RACE;
    /// Every audit entry is written twice.
    a_duplicate_audit_entry_is_detected: "batch.duplicate_audit_entry", RACE;
    /// The counters of one party are not updated.
    a_missing_counter_update_is_detected: "user_counters.one_sided", RACE;
    /// An approval of fewer rights grants all that were asked for.
    an_approval_that_grants_more_is_detected: "approval.grants_all", RACE;
    /// A decline is acknowledged, but the request stays open.
    a_decline_that_does_not_close_is_detected: "batch.skip_decline_write", RACE;
    /// A request has no mail.
    a_missing_mail_is_detected: "outbox.skip_insert", RACE;
    /// The cursor of webhooks moves, and no delivery is queued.
    an_event_that_is_not_queued_is_detected: "webhooks.skip_insert", HOOKS;
    /// An attempt that failed is recorded as a success.
    a_failed_attempt_that_is_not_repeated_is_detected: "webhooks.failed_as_delivered", RETRIES;
    /// Each attempt has an id of its own.
    a_changed_webhook_id_is_detected: "webhooks.new_id", HOOKS;
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
