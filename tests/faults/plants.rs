//! Mistakes that are planted in the server, to see that each check would see one. The
//! checks are those of the tests that are named here, down to their words.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;

use crate::crowd::Scene;
use crate::helpers::{Backend, TestApp};
use crate::server::Server;
use crate::{database, mail, overload, panics};

/// Declares a test for each mistake: what is checked fails on it, in these words.
macro_rules! plants {
    ($($(#[doc = $doc:literal])+ $test:ident: $plant:literal, $check:path, $words:literal;)+) => {
        $($(#[doc = $doc])+
        #[tokio::test]
        async fn $test() {
            is_seen($check($plant), $words).await;
        })+
    };
}

async fn is_seen(check: impl Future<Output = ()>, words: &str) {
    let panic = AssertUnwindSafe(check).catch_unwind().await.expect_err("nobody has seen it");
    let said = panic.downcast_ref::<String>().map(String::as_str);
    let said = said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or_default();
    assert!(said.contains(words), "{said}");
}

plants! {
    /// Whoever waits for the database waits for as long as it likes.
    a_missing_deadline_is_seen: "deadline.patience=return(60)", database::stands_still, "/readyz took";
    /// The probe looks at nothing.
    a_probe_that_is_always_green_is_seen: "probe.hopeful=return", database::stands_still, "stays green";
    /// What the database refused is said to have been done.
    an_acknowledged_row_that_is_not_there_is_seen: "ledger.early=return", database::may_only_be_read, "lost: ";
    /// A dead connection is not replaced by another.
    a_missing_retry_is_seen: "store.once=return", database::is_restarted, "after a restart";
    /// What is asked together fails together.
    a_look_up_that_takes_others_along_is_seen: "lookup.together=return", panics::a_look_up_panics,
        "fails more than its own call";
    /// A mail that comes twice is another one each time.
    a_mail_of_another_name_is_seen: "delivery.renamed=return", mail::is_sent_again, "got two mails";
    /// What the relay puts off is forgotten.
    a_lost_mail_is_seen: "delivery.forgetful=return", mail::is_sent_again, "each has its mail";
    /// A connection is kept whatever becomes of its requests.
    a_client_that_is_never_hung_up_on_is_seen: "line.patience=return(600)",
        overload::a_second_request_does_not_come, "it is kept";
    /// A token is used up, and no permission stands.
    half_a_deed_is_seen: "requests.halfway=return", works, "lost: ";
    /// The trail tells of each deed twice.
    a_trail_that_tells_of_it_twice_is_seen: "book.doubled=return", works, "trail does not say once";
    /// A request without its mail.
    a_mail_that_is_not_owed_is_seen: "outbox.unowed=return", works, "requests without their one mail";
    /// The totals of one side are forgotten.
    a_forgotten_total_is_seen: "tallies.one_sided=return", works, "the tallies of some users";
}

/// Nothing at all goes wrong but what is planted.
async fn works(planted: &str) {
    let scene = Scene::set(TestApp::without_server(Backend::Sqlite), 200);
    let server = Server::start(&scene.app.database_url, &[("FAILPOINTS", planted)]);
    let crowd = scene.crowd(&server);
    scene.recover(&server).await;
    let mut calls = crowd.go_home().await;
    // A machine that is busy may not have come so far as to redeem.
    while !calls.iter().any(|call| call.is_redeemed()) {
        let crowd = scene.crowd(&server);
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        calls.extend(crowd.go_home().await);
    }
    scene.hold_against(&calls);
}

#[tokio::test]
async fn without_a_mistake_nothing_is_seen() {
    works("").await;
}
