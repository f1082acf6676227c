//! The timeline of a request.

use countersign::domain::audit::AuditContext;
use countersign::domain::block::Block;
use countersign::domain::bundle_permission::BundlePermissionId;
use countersign::domain::permission_request::NewPermissionRequest;
use countersign::domain::rights::Mask;
use countersign::domain::user::{Authority, UserId};
use countersign::mail::transport::SendError;
use countersign::store::ledger::{
    self, CloseRequest, Command, CreateBlock, CreateRequest, Decide, GrantPermission, Operation,
    RevokePermission,
};

use super::without_isolates;
use crate::helpers::{TestApp, TestUser};
use crate::hexo::HexoFixture;
use crate::mailer::wait_for_count;

const COUNT_LINK_VIEWS: &str = "SELECT count(*) AS n FROM link_views";

/// Does something as a user, with an address and a client that others must not see.
fn execute_as<C: Command<Reply: Succeeds>>(app: &TestApp, who: &TestUser, command: C) {
    let (address, client) = (Some([192, 0, 2, 99].into()), Some("a telltale client".to_owned()));
    execute(app, command, AuditContext { actor: Some(who.user.id), ip: address, user_agent: client });
}

/// Commits a command, which must succeed.
fn execute<C: Command<Reply: Succeeds>>(app: &TestApp, command: C, context: AuditContext) {
    let reply = ledger::commit_one(&app.store, Operation::new(command, context)).unwrap();
    assert!(reply.succeeds(), "{reply:?}");
}

/// A reply that says whether the command succeeded.
trait Succeeds {
    fn succeeds(&self) -> bool;
}

impl<T, E> Succeeds for Result<T, E> {
    fn succeeds(&self) -> bool {
        self.is_ok()
    }
}

impl<T> Succeeds for Option<T> {
    fn succeeds(&self) -> bool {
        self.is_some()
    }
}

impl Succeeds for bool {
    fn succeeds(&self) -> bool {
        *self
    }
}

fn close_command(id: countersign::domain::permission_request::RequestId, by: UserId) -> CloseRequest {
    CloseRequest { id, by: Authority::User(by) }
}

/// The page of a request as this user sees it.
async fn request_page(app: &TestApp, who: &TestUser, id: impl std::fmt::Display) -> String {
    let (status, page) = app.signed_in(who).get_page(app, &format!("/requests/{id}")).await;
    assert_eq!(status, 200, "{page}");
    assert!(!page.contains("192.0.2.99") && !page.contains("telltale"), "{page}");
    without_isolates(&page)
}

on_both_databases! {
    async fn only_the_parties_see_the_history_of_a_request(app: TestApp) {
        let HexoFixture { ada, grace, eve, bundle } = &HexoFixture::new(&app);
        let root = app.staff("root@example.org");
        let asked = app.create_request(ada, grace, bundle);
        wait_for_count(&app, "SELECT count(*) AS n FROM outbox WHERE result = 'sent'", 1).await;
        let page = request_page(&app, ada, asked.id).await;
        for told in ["ada Test created the request.", "An email with the link was queued.", "The email was sent.", "The request expires at this time unless grace Test decides before."] {
            assert!(page.contains(told), "{told}: {page}");
        }
        assert!(!page.contains("opened"), "{page}");
        execute_as(&app, grace, Decide::as_asked(asked.redeem_id, grace.user.id, None));
        app.advance(60);
        for who in [ada, grace, &root] {
            let page = request_page(&app, who, asked.id).await;
            assert!(page.contains("grace Test approved the request."), "{page}");
            assert!(!page.contains("expires at this time"), "{page}");
            assert_eq!(page.contains("/staff/audit"), who.user.staff);
        }
        execute_as(&app, grace, RevokePermission { id: BundlePermissionId(asked.id.0), by: Authority::User(grace.user.id) });
        assert!(request_page(&app, ada, asked.id).await.contains("grace Test revoked the permission."));
        // Viewing changes no row, except for the sessions of the viewers.
        let before = app.rows_except("sessions");
        for path in [asked.id.to_string(), "4711".into(), "x".into(), "9223372036854775808".into(), "-1".into(), "%00".into()] {
            assert_eq!(app.signed_in(eve).get_page(&app, &format!("/requests/{path}")).await.0, 404, "{path}");
        }
        assert_eq!(app.signed_out().get_page(&app, &format!("/requests/{}", asked.id)).await.0, 303);
        assert_eq!(app.rows_except("sessions"), before);
    }

    async fn every_outcome_is_shown(app: TestApp) {
        let HexoFixture { ada, grace, .. } = &HexoFixture::new(&app);
        let asked: Vec<_> = (0..7).map(|nth| app.create_request(ada, grace, &app.bundle(&format!("Bundle {nth}"), 6))).collect();
        execute_as(&app, grace, close_command(asked[0].id, grace.user.id));
        execute_as(&app, ada, close_command(asked[1].id, ada.user.id));
        let withdrawn = CloseRequest { id: asked[2].id, by: Authority::Operator };
        execute(&app, withdrawn, AuditContext::OPERATOR);
        execute_as(&app, ada, CreateRequest(NewPermissionRequest::new(asked[3].terms, ada.user.id, Mask::READ, 3_600)));
        execute_as(&app, grace, Decide::as_asked(asked[4].redeem_id, grace.user.id, None));
        execute_as(&app, ada, RevokePermission { id: BundlePermissionId(asked[4].id.0), by: Authority::User(ada.user.id) });
        execute_as(&app, grace, GrantPermission::without_end(asked[5].terms, Mask::READ));
        for (nth, words) in [
            (0, "grace Test declined the request."),
            (1, "ada Test withdrew the request."),
            (2, "The server operator withdrew the request."),
            (3, "A newer request for the same permission replaced this one."),
            (4, "ada Test gave up the permission."),
            (5, "The request expires at this time unless grace Test decides before."),
        ] {
            let page = request_page(&app, ada, asked[nth].id).await;
            assert!(page.contains(words), "{words}: {page}");
        }
        let given = app.query_i64s("SELECT id AS n FROM permission_requests WHERE outcome = 'granted'")[0];
        let page = request_page(&app, ada, given).await;
        assert!(page.contains("grace Test gave this permission directly, without a request."), "{page}");
        assert!(page.contains("grace Test gave ada Test this permission.") && !page.contains(" asks "), "{page}");
        assert!(!page.contains("mail"), "{page}");
        app.advance(3_600);
        assert!(request_page(&app, ada, asked[6].id).await.contains("expired before grace Test decided."));
        execute_as(&app, grace, CreateBlock(Block { target: grace.user.id, blocked: ada.user.id }));
        assert!(!request_page(&app, ada, asked[0].id).await.contains("block"));
        app.execute_raw("DELETE FROM audit_log");
        for (nth, words) in [(0, "grace Test declined the request."), (1, "ada Test withdrew"), (4, "has since been revoked.")] {
            assert!(request_page(&app, grace, asked[nth].id).await.contains(words), "without audit entries: {words}");
        }
    }

    async fn staff_see_the_smtp_error_and_others_a_summary(app: TestApp) {
        let HexoFixture { ada, grace, bundle, .. } = &HexoFixture::new(&app);
        let root = app.staff("root@example.org");
        let error = "RCPT TO: transient error (451): 4.7.1 greylisted by mx7.internal";
        app.mailbox.refuse(grace.email(), SendError::transient(error), 1);
        let asked = app.create_request(ada, grace, bundle);
        wait_for_count(&app, "SELECT count(*) AS n FROM outbox WHERE lease IS NULL AND attempts = 1", 1).await;
        for who in [ada, grace] {
            let page = request_page(&app, who, asked.id).await;
            assert!(page.contains("The next attempt is at this time."), "{page}");
            assert!(page.contains("The mail server did not accept it or could not be reached. 1 attempt so far."), "{page}");
            assert!(!page.contains("mx7"), "{page}");
        }
        assert!(request_page(&app, &root, asked.id).await.contains("greylisted by mx7.internal"));
        app.mailbox.refuse(grace.email(), SendError::permanent("RCPT TO: permanent error (550)"), 1);
        app.advance(60);
        wait_for_count(&app, "SELECT count(*) AS n FROM outbox WHERE result = 'failed'", 1).await;
        let page = request_page(&app, ada, asked.id).await;
        assert!(page.contains("The email could not be delivered and will not be sent again.") && !page.contains("next attempt"), "{page}");
    }

    async fn fetching_a_link_only_increments_its_view_count(mut app: TestApp) {
        let HexoFixture { ada, grace, eve, bundle } = &HexoFixture::new(&app);
        let asked = app.create_request(ada, grace, bundle);
        wait_for_count(&app, "SELECT count(*) AS n FROM outbox WHERE result = 'sent'", 1).await;
        let link = format!("/redeem?token={}", app.redeem_token(&asked));
        let (known, stranger) = (app.signed_in(grace), app.signed_in(eve));
        let rows = app.rows();
        let token = app.redeem_token(&asked);
        let forged = format!("/redeem?token={}{}", &token[..47], if token.ends_with('A') { "E" } else { "A" });
        for path in [link.as_str(), &forged, "/redeem?token=csr_x", "/redeem"] {
            app.get(path).send().await.unwrap();
            app.request(reqwest::Method::HEAD, path).send().await.unwrap();
        }
        for _ in 0..2 {
            assert_eq!(known.get_page(&app, &link).await.0, 200);
        }
        assert_eq!(stranger.get_page(&app, &link).await.0, 404);
        app.restart();
        assert_eq!(app.rows(), rows, "viewing changes nothing");
        assert_eq!(app.count(COUNT_LINK_VIEWS), 1);
        let counted = "SELECT fetches AS n FROM link_views UNION ALL SELECT target_views FROM link_views";
        assert_eq!(app.query_i64s(counted), [5, 2], "views with a forged token do not count");
        let page = request_page(&app, ada, asked.id).await;
        assert!(page.contains("The link was opened 5 times"), "{page}");
        assert!(page.contains("grace Test viewed the request 2 times"), "{page}");
        app.get(&link).send().await.unwrap();
        app.restart();
        assert_eq!(app.query_i64s("SELECT fetches AS n FROM link_views"), [6], "views are summed");
        app.execute_raw("DELETE FROM outbox; DELETE FROM permission_requests");
        app.get(&link).send().await.unwrap();
        app.restart();
        assert_eq!(app.query_i64s("SELECT fetches AS n FROM link_views"), [6], "the request does not exist");
        app.advance(86_400);
        app.store.write(|conn| {
            let now = conn.now()?;
            countersign::store::purge::purge_batch(conn, now, 10)
        }).unwrap();
        assert_eq!(app.count(COUNT_LINK_VIEWS), 0, "view counts are deleted with their request");
    }
}
