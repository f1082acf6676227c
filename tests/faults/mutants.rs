//! Mistakes that are planted in the server, to see that each check would see one. The
//! checks are those of the tests that are named here, down to their words.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;

use crate::helpers::{Backend, TestApp};
use crate::load::LoadFixture;
use crate::server::Server;
use crate::{database, mail, overload, panics};

/// Declares a test for each mistake: what is checked fails on it, in these words.
macro_rules! mutants {
    ($($(#[doc = $doc:literal])+ $test:ident: $plant:literal, $check:path, $words:literal;)+) => {
        $($(#[doc = $doc])+
        #[tokio::test]
        async fn $test() {
            assert_detected($check($plant), $words).await;
        })+
    };
}

async fn assert_detected(check: impl Future<Output = ()>, words: &str) {
    let panic = AssertUnwindSafe(check).catch_unwind().await.expect_err("nobody has seen it");
    let said = panic.downcast_ref::<String>().map(String::as_str);
    let said = said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or_default();
    assert!(said.contains(words), "{said}");
}

mutants! {
    /// Whoever waits for the database waits for as long as it likes.
    a_missing_deadline_is_detected: "deadline.timeout=return(60)", database::check_frozen, "/readyz took";
    /// The probe looks at nothing.
    a_readiness_check_that_always_passes_is_detected: "readiness.always_ok=return", database::check_frozen, "stays green";
    /// What the database refused is said to have been done.
    a_missing_acknowledged_row_is_detected: "ledger.ack_before_commit=return", database::check_read_only, "lost: ";
    /// A dead connection is not replaced by another.
    a_missing_retry_is_detected: "store.no_retry=return", database::check_restart, "after a restart";
    /// What is asked together fails together.
    a_lookup_failure_that_affects_others_is_detected: "lookup.no_split=return", panics::check_lookup_panic,
        "fails more than its own call";
    /// A mail that comes twice is another one each time.
    a_changed_message_id_is_detected: "delivery.new_message_id=return", mail::check_redelivery, "got two mails";
    /// What the relay puts off is forgotten.
    a_lost_mail_is_detected: "delivery.transient_error_as_sent=return", mail::check_redelivery, "each has its mail";
    /// A connection is kept whatever becomes of its requests.
    a_connection_that_is_never_closed_is_detected: "connection.idle_timeout=return(600)",
        overload::check_idle_connection, "it is kept";
    /// A token is used up, and no permission stands.
    a_half_applied_command_is_detected: "requests.half_written=return", check_consistency, "lost: ";
    /// The trail tells of each deed twice.
    a_duplicate_audit_entry_is_detected: "batch.duplicate_audit_entry=return", check_consistency, "trail does not say once";
    /// A request without its mail.
    a_missing_mail_is_detected: "outbox.skip_insert=return", check_consistency, "requests without their one mail";
    /// The totals of one side are forgotten.
    a_missing_counter_update_is_detected: "user_counters.one_sided=return", check_consistency, "the counters of some users";
}

/// Nothing at all goes wrong but what is planted.
async fn check_consistency(failpoints: &str) {
    let scene = LoadFixture::new(TestApp::without_server(Backend::Sqlite), 200);
    let server = Server::start(&scene.app.database_url, &[("FAILPOINTS", failpoints)]);
    let load = scene.start_load(&server);
    scene.wait_until_recovered(&server).await;
    let mut calls = load.stop().await;
    // A machine that is busy may not have come so far as to redeem.
    while !calls.iter().any(|call| call.is_redeemed()) {
        let load = scene.start_load(&server);
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        calls.extend(load.stop().await);
    }
    scene.assert_matches_database(&calls);
}

#[tokio::test]
async fn an_unmodified_server_has_no_violations() {
    check_consistency("").await;
}
