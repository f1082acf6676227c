//! The audit log page.

use countersign::domain::audit::{AuditAction, AuditContext};
use countersign::i18n::Language;
use countersign::store::audit_log;

use super::without_isolates;
use crate::helpers::TestApp;
use crate::hexo::HexoFixture;

const STAFF_AUDIT: &str = "/staff/audit";
const OWN_ACTIVITY: &str = "/account/activity";

/// Inserts entries of the operator.
fn insert_entries(app: &TestApp, entries: usize) {
    app.store
        .write(|conn| {
            let now = conn.now()?;
            for nth in 0..entries {
                audit_log::record(
                    conn,
                    &AuditContext::OPERATOR,
                    AuditAction::HubAdded,
                    format!("hub:nr{nth}."),
                    now,
                )?;
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn every_action_has_a_translation() {
    for action in AuditAction::ALL {
        let key = format!("audit-action-{}", action.name().replace(['.', '_'], "-"));
        assert!(Language::ALL.into_iter().all(|language| language.contains(&key)), "{key}");
    }
}

on_both_databases! {
    async fn users_read_their_own_entries_and_staff_all(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let HexoFixture { ada, grace, eve, .. } = &scene;
        let root = app.staff("root@example.org");
        let (asked, token) = scene.create_request(&app).await;
        let number = crate::hexo::resource_id(&asked);
        let form = [("token", token.as_str()), ("decision", "approve"), ("right", "read")];
        let answer = app.signed_in(grace).post(&app, "/redeem", &form).header("user-agent", "a telltale").send().await;
        assert_eq!(answer.unwrap().status(), 200);
        let (status, own) = app.signed_in(grace).get_page(&app, OWN_ACTIVITY).await;
        assert_eq!(status, 200);
        let own = without_isolates(&own).replace("&#x2f;", "/");
        for told in ["Request approved", "Request created", "You ·", "ada Test ·", "127.0.0.1", "a telltale"] {
            assert!(own.contains(told), "{told}: {own}");
        }
        assert!(own.contains(&format!("<a href=\"/requests/{number}\">request:{number}</a>")), "{own}");
        let (_, others) = app.signed_in(ada).get_page(&app, OWN_ACTIVITY).await;
        assert!(others.contains("Request approved") && others.contains("<bdi>grace Test</bdi> ·"), "{others}");
        assert!(!others.contains("a telltale"), "{others}");
        assert!(!others.contains("User (email or number)"), "{others}");
        let (_, none) = app.signed_in(eve).get_page(&app, OWN_ACTIVITY).await;
        assert!(none.contains("No entries found."), "{none}");
        assert_eq!(app.signed_in(ada).get_page(&app, STAFF_AUDIT).await.0, 404);
        assert_eq!(app.signed_out().get_page(&app, STAFF_AUDIT).await.0, 303);
        assert_eq!(app.signed_out().get_page(&app, OWN_ACTIVITY).await.0, 303);
        let (status, all) = app.signed_in(&root).get_page(&app, STAFF_AUDIT).await;
        assert_eq!(status, 200);
        for told in ["a telltale", "grace Test (grace@example.org)", "User (email or number)"] {
            assert!(all.contains(told), "{told}: {all}");
        }
    }

    async fn what_has_expired_was_not_done_by_the_operator(app: TestApp) {
        let root = app.staff("root@example.org");
        app.store
            .write(|conn| {
                let now = conn.now()?;
                let (action, subject) = (AuditAction::ExportExpired, "export:x".to_owned());
                audit_log::record(conn, &AuditContext::OPERATOR, action, subject, now)
            })
            .unwrap();
        let (_, page) = app.signed_in(&root).get_page(&app, STAFF_AUDIT).await;
        let page = without_isolates(&page);
        assert!(page.contains("<strong>Export token expired</strong>") && page.contains("Automatic ·"), "{page}");
        assert!(!page.contains("The server operator ·"), "{page}");
    }

    async fn a_reset_mail_has_no_actor_and_does_not_reveal_accounts(app: TestApp) {
        let (ada, bob) = (app.user("ada@example.org"), app.user("bob@example.org"));
        let root = app.staff("root@example.org");
        let linked = "Password link emailed";
        // The filter form contains the names of the actions too.
        let told = |page: &str| without_isolates(page).matches(&format!("<strong>{linked}</strong>")).count();
        for (nth, visitor) in [app.signed_out(), app.signed_in(&bob), app.signed_in(&root)].iter().enumerate() {
            assert_eq!(visitor.post_form(&app, "/forgot-password", &[("email", ada.email())]).await.0, 200);
            let (_, page) = app.signed_in(&ada).get_page(&app, OWN_ACTIVITY).await;
            assert_eq!(told(&page), nth + 1, "{page}");
            assert_eq!(without_isolates(&page).matches("Someone who was not signed in ·").count(), nth + 1, "{page}");
            assert!(!page.contains("The server operator") && !page.contains("An administrator"), "{page}");
            assert!(!page.contains("127.0.0.1"), "only staff see the IP address: {page}");
        }
        for other in [&bob, &root] {
            assert_eq!(told(&app.signed_in(other).get_page(&app, OWN_ACTIVITY).await.1), 0);
        }
        let (_, all) = app.signed_in(&root).get_page(&app, STAFF_AUDIT).await;
        assert!(told(&all) == 3 && all.contains("127.0.0.1"), "{all}");
        insert_entries(&app, 1);
        let (_, all) = app.signed_in(&root).get_page(&app, STAFF_AUDIT).await;
        assert!(all.contains("The server operator"), "an entry without an IP address is of the operator: {all}");
    }

    async fn the_audit_log_has_a_filter_form(app: TestApp) {
        let HexoFixture { ada, grace, bundle, .. } = &HexoFixture::new(&app);
        // It must not expire during the test, which would be recorded.
        crate::daily_mails::request(&app, ada, grace, bundle, 30 * 86_400);
        app.store.write(|conn| {
            let (now, by) = (conn.now()?, AuditContext { actor: Some(grace.user.id), ..AuditContext::default() });
            audit_log::record(conn, &by, AuditAction::BundleAdded, "bundle:12".to_owned(), now)
        }).unwrap();
        app.advance(86_400);
        insert_entries(&app, 1);
        let root = app.signed_in(&app.staff("root@example.org"));
        // Counts the entries in the list, not the options of the form.
        let finds = |query: &str| {
            let (path, app, root) = (format!("{STAFF_AUDIT}?{query}"), &app, &root);
            async move {
                let (status, page) = root.get_page(app, &path).await;
                assert_eq!(status, 200, "{path}: {page}");
                page.matches("<li class=\"card\">").count()
            }
        };
        for (query, wanted) in [
            ("", 3),
            ("action=&person=&subject=&from=&to=&before=", 3),
            ("action=bundle.added", 1),
            ("person=Grace%40example.org", 1),
            ("subject=bundle%3A12", 1),
            ("from=2030-01-02", 1),
            ("to=2030-01-01", 2),
            ("from=2030-01-01&to=2030-01-02", 3),
            ("from=2031-01-01", 0),
            ("action=hub.added&person=grace%40example.org", 0),
            ("utm=x", 3),
        ] {
            assert_eq!(finds(query).await, wanted, "{query}");
        }
        assert_eq!(finds(&format!("person={}", grace.id())).await, 1);
        for (query, field) in [
            ("from=yesterday", "from"), ("to=2030-02-30", "to"), ("action=x", "action"),
            ("person=nobody%40example.org", "person"), ("person=x", "person"), ("from=%3Cb%3E", "from"),
        ] {
            let (status, page) = root.get_page(&app, &format!("{STAFF_AUDIT}?{query}")).await;
            assert_eq!(status, 400, "{query}");
            let tied = format!("aria-invalid=\"true\" aria-describedby=\"{field}-error\"");
            assert!(page.contains(&tied) && page.contains(&format!("id=\"{field}-error\"")), "{query}: {page}");
            assert!(!page.contains("<b>"), "{page}");
        }
        for query in ["before=x", "subject=%00", "from=%00"] {
            assert_eq!(root.get_page(&app, &format!("{STAFF_AUDIT}?{query}")).await.0, 400, "{query}");
        }
    }

    async fn the_audit_log_has_pages(app: TestApp) {
        let root = app.signed_in(&app.staff("root@example.org"));
        insert_entries(&app, 120);
        let (mut at, mut seen) = (Some(format!("{STAFF_AUDIT}?action=hub.added")), Vec::new());
        while let Some(path) = at {
            let (status, page) = root.get_page(&app, &path).await;
            assert_eq!(status, 200);
            let page = page.replace("&#x2f;", "/");
            seen.push(page.matches("<li class=\"card\">").count());
            let older = page.split("href=\"").find(|rest| rest.contains("rel=\"next\"") && rest.starts_with(STAFF_AUDIT));
            at = older.map(|rest| rest.split('"').next().unwrap().replace("&amp;", "&"));
        }
        assert_eq!(seen, [50, 50, 20]);
    }
}
