//! Mutants of the server, and fail points that change timeouts. Each must be detected by a check
//! of the other tests, with the expected message.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;

use crate::helpers::{Backend, TestApp};
use crate::load::LoadFixture;
use crate::server::Server;
use crate::{database, mail, overload, panics, standby};

/// Declares a test per mutant: the check must fail with this message.
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
    let panic = AssertUnwindSafe(check).catch_unwind().await.expect_err("not detected");
    let said = panic.downcast_ref::<String>().map(String::as_str);
    let said = said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or_default();
    assert!(said.contains(words), "{said}");
}

mutants! {
    /// Calls to the database have no deadline.
    a_missing_deadline_is_detected: "deadline.timeout=return(60)", database::check_frozen, "/readyz took";
    /// The readiness check always succeeds.
    a_readiness_check_that_always_passes_is_detected: "readiness.always_ok=return", database::check_frozen, "/readyz still succeeds";
    /// A closed pooled connection is not replaced.
    a_missing_retry_is_detected: "store.no_retry=return", database::check_restart, "after a restart";
    /// A transaction that writes nothing does not wait for the standby.
    an_outcome_that_no_standby_has_is_detected: "store.unconfirmed_reads=return",
        standby::check_terminated_commit, "before the standby confirmed";
    /// A failed lookup fails for all callers of its batch.
    a_lookup_failure_that_affects_others_is_detected: "lookup.no_split=return", panics::check_lookup_panic,
        "fails more than its own call";
    /// A mail gets a new Message-ID for each attempt.
    a_changed_message_id_is_detected: "delivery.new_message_id=return", mail::check_redelivery, "got two mails";
    /// A mail that the SMTP server deferred is recorded as sent.
    a_lost_mail_is_detected: "delivery.transient_error_as_sent=return", mail::check_redelivery, "every request has its mail";
    /// An idle connection is never closed.
    a_connection_that_is_never_closed_is_detected: "connection.idle_timeout=return(600)",
        overload::check_idle_connection, "the connection stays open";
    /// The request is closed without an active permission.
    a_half_applied_command_is_detected: "requests.half_written=return", check_consistency, "lost: ";
    /// Every audit entry is written twice.
    a_duplicate_audit_entry_is_detected: "batch.duplicate_audit_entry=return", check_consistency, "requests whose audit entries for";
    /// A request has no mail.
    a_missing_mail_is_detected: "outbox.skip_insert=return", check_consistency, "requests without their one mail";
    /// The counters of one party are not updated.
    a_missing_counter_update_is_detected: "user_counters.one_sided=return", check_consistency, "the counters of some users";
}

/// Runs clients without faults and compares their responses with the database.
async fn check_consistency(failpoints: &str) {
    let scene = LoadFixture::new(TestApp::without_server(Backend::Sqlite), 200);
    let server = Server::start(&scene.app.database_url, &[("FAILPOINTS", failpoints)]);
    let load = scene.start_load(&server);
    scene.wait_until_recovered(&server).await;
    let mut calls = load.stop().await;
    // On a busy machine, no request may have been redeemed yet.
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
