//! The staff pages.

use countersign::domain::bundle::BundleId;
use countersign::domain::rights::Role;
use countersign::domain::user::Authority;
use countersign::mail::transport::SendError;
use countersign::store::daily_stats::{self, DayStats};
use countersign::store::ledger::{CloseRequest, Decide};
use countersign::store::{bundles, requests};
use reqwest::Method;

use super::redirect_target;
use crate::helpers::{ByUser, PASSWORD, TestApp, TestUser};
use crate::mailer::wait_for_count;
use crate::page_client::PageClient;

const COUNT_SENT: &str = "SELECT count(*) AS n FROM outbox WHERE result = 'sent'";

/// A signed-in staff user.
fn signed_in_staff(app: &TestApp) -> (TestUser, PageClient) {
    let root = app.staff("root@example.org");
    let visitor = app.signed_in(&root);
    (root, visitor)
}

/// The number of audit entries with this action and actor.
fn count_audit_entries(app: &TestApp, action: &str, actor: &TestUser) -> i64 {
    app.count(&format!(
        "SELECT count(*) AS n FROM audit_log WHERE action = '{action}' AND actor = {} AND ip IS NOT NULL",
        actor.id()
    ))
}

on_both_databases! {
    async fn search_ignores_case_including_umlauts(app: TestApp) {
        let root = app.signed_in(&app.staff("root@example.org"));
        let anne = app.user_with_name("anne@example.org", ["Änne", "ÖSTERGÅRD"], false);
        let form = [("id", "hub"), ("name", "Übersicht"), ("owner", anne.email())];
        assert_eq!(root.post_form(&app, "/staff/hubs", &form).await.0, 303);
        for (place, words, found) in [
            ("/staff/users", ["Änne", "änne", "ÄNNE", "Östergård", "änne ÖSTER"], "anne@example.org"),
            ("/staff/hubs", ["Übersicht", "übersicht", "ÜBERSICHT", "übers", "HUB"], ">Übersicht<"),
        ] {
            for word in words {
                let query: String = form_urlencoded::byte_serialize(word.as_bytes()).collect();
                let (_, page) = root.get_page(&app, &format!("{place}?q={query}")).await;
                assert!(page.contains(found), "{word}: {page}");
            }
            assert!(!root.get_page(&app, &format!("{place}?q=%C3%9Cnne")).await.1.contains(found));
        }
    }

    async fn staff_pages_are_read_only_and_require_staff(app: TestApp) {
        let (_, root) = signed_in_staff(&app);
        let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
        app.grant_role("hub", &ada, Role::Owner);
        let bundle = app.bundle("Sleep", 6);
        app.create_request(&ada, &grace, &bundle);
        app.mails(1).await;
        let (eve, nobody) = (app.signed_in(&ada), app.signed_out());
        let before = app.rows();
        for path in [
            "/staff".to_owned(),
            "/staff/users".to_owned(),
            format!("/staff/users/{}", grace.id()),
            "/staff/hubs".to_owned(),
            "/staff/hub?id=hub".to_owned(),
            "/staff/bundles".to_owned(),
            format!("/staff/bundles/{}", bundle.id),
            "/staff/mail".to_owned(),
            "/staff/permissions".to_owned(),
        ] {
            for method in [Method::GET, Method::HEAD] {
                for _ in 0..3 {
                    assert_eq!(root.request(&app, method.clone(), &path).send().await.unwrap().status(), 200, "{path}");
                }
                assert_eq!(eve.request(&app, method.clone(), &path).send().await.unwrap().status(), 404, "{path}");
            }
            let (status, page) = root.get_page(&app, &path).await;
            assert_eq!(status, 200);
            assert!(!page.contains("style=") && !page.contains("<script>"), "{page}");
            assert!(page.contains("aria-current=\"page\"") || path.contains('?') || path.contains("s/"), "{path}");
            let german = root.get(&app, &path).header("accept-language", "de").send().await.unwrap();
            assert!(german.text().await.unwrap().contains("Pakete"));
            let back = redirect_target(nobody.get(&app, &path)).await;
            assert!(back.starts_with("/sign-in?next=%2Fstaff"), "{back}");
        }
        assert_eq!(app.rows(), before);
    }

    async fn the_overview_counts_request_outcomes(app: TestApp) {
        let (me, root) = signed_in_staff(&app);
        let (_, page) = root.get_page(&app, "/staff").await;
        assert!(page.contains("No requests yet"), "{page}");
        let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
        app.mailbox.refuse("dora@example.org", SendError::permanent("550 no such user"), 9);
        let dora = app.user("dora@example.org");
        let redeemed = app.create_request(&ada, &grace, &app.bundle("One", 2));
        app.commit(Decide::as_asked(redeemed.redeem_id, grace.user.id, None)).unwrap();
        let declined = app.create_request(&ada, &grace, &app.bundle("Two", 2));
        app.commit(CloseRequest { id: declined.id, by: Authority::User(grace.user.id) }).unwrap();
        app.create_request(&ada, &dora, &app.bundle("Three", 2));
        app.advance(2 * 86_400);
        app.store.write(|conn| {
            let now = conn.now()?;
            requests::expire_batch(conn, now)
        }).unwrap();
        let days = app.store.read(|conn| {
            let now = conn.now()?;
            daily_stats::load(conn, 30, 1_000, now)
        }).unwrap();
        assert_eq!((days.days.len(), days.sample_weight), (30, 1));
        let DayStats { created, approved, declined, expired, .. } = days.days[27];
        assert_eq!((created, approved, declined, expired), (3, 1, 1, 1), "{days:?}");
        assert!(days.days[..27].iter().chain(&days.days[28..]).all(|day| day.created == 0), "{days:?}");
        let (_, page) = app.signed_in(&me).get_page(&app, "/staff").await;
        let row = "<th scope=\"row\">1 January</th><td>3</td><td>1</td><td>1</td><td>1</td>";
        assert!(page.contains(row), "{page}");
        assert!(page.contains("<rect class=\"requested\"") && page.contains("<title id=\"chart-title\">"), "{page}");
        assert!(page.contains("Requests in the last 30 days") && page.contains("<dd>4</dd>"), "{page}");
        assert_eq!(page.matches("Working").count(), 3, "{page}");
    }

    async fn statistics_of_many_requests_are_sampled(app: TestApp) {
        let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
        let bundle = app.bundle("Sleep", 2);
        // One request a day for a year, and 4,000 since yesterday, half of them approved.
        let (micros, random, cast) = match app.database_url.starts_with("sqlite") {
            true => ("(1893456000000000 - %s * 86400000000)", "randomblob(16)", ""),
            false => ("to_timestamp(1893456000 - %s * 86400)", "gen_random_uuid()", "::text"),
        };
        let insert = |numbers: &str, days: &str, outcome: &str| {
            let at = micros.replace("%s", days);
            app.execute_raw(&format!(
                "INSERT INTO permission_requests (redeem_id, user_target, user_allowed, bundle_id, permission, asked_by, \
                 created_at, expires_at, closed_at, outcome) SELECT {random}, {}, {}, {}, 2, {}, {at}, {at}, {at}, \
                 {outcome} FROM (WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {numbers}) \
                 SELECT n FROM s) AS s ORDER BY n",
                grace.id(), ada.id(), bundle.id, ada.id(),
            ));
        };
        insert("365", "(366 - n)", "'declined'");
        insert("4000", "1", &format!("(CASE n % 2 WHEN 0 THEN 'approved' ELSE 'expired' END){cast}"));
        let read = |most| app.store.read(move |conn| {
            let now = conn.now()?;
            daily_stats::load(conn, 30, most, now)
        }).unwrap();
        let exact = read(100_000);
        assert_eq!(exact.sample_weight, 1);
        // The 4,000, and the last one of the year.
        let DayStats { created, approved, declined, expired, .. } = exact.days[28];
        assert_eq!((created, approved, declined, expired), (4_001, 2_000, 1, 2_000));
        assert!(exact.days[..28].iter().all(|day| (day.created, day.declined) == (1, 1)), "{exact:?}");
        assert_eq!(exact.days[29].created, 0);
        let near = read(500);
        assert_eq!(near.sample_weight, 9, "the 60 days have 4,060 of the 4,365");
        let DayStats { created, approved, .. } = near.days[28];
        assert!((3_980..=4_020).contains(&created), "{created}");
        assert!((1_900..=2_100).contains(&approved), "{approved}");
    }

    async fn users_can_be_added_searched_disabled_and_enabled(app: TestApp) {
        let (me, root) = signed_in_staff(&app);
        let form = [("email", "Ada@Example.org"), ("first_name", "Ada"), ("last_name", "100% Lovelace"), ("staff", "yes")];
        let there = redirect_target(root.post(&app, "/staff/users", &form)).await;
        assert_eq!(there, "/staff/users?flash=added&q=ada%40example.org");
        let (_, page) = root.get_page(&app, &there).await;
        assert!(page.contains("User added") && page.contains("Ada 100% Lovelace"), "{page}");
        assert_eq!(app.count("SELECT count(*) AS n FROM users WHERE email = 'ada@example.org' AND staff AND password IS NULL"), 1);
        let grace = app.user("grace@example.org");
        for (q, ada, others) in [
            ("LOVE", true, false), ("100%25", true, false), ("%25", true, false), ("_", false, false), ("\\", false, false),
            ("ada+lovelace", true, false), ("ada+grace", false, false), ("example", true, true), ("", true, true), ("%C3%A4", false, false),
        ] {
            let (status, page) = root.get_page(&app, &format!("/staff/users?q={q}")).await;
            assert_eq!(status, 200);
            assert_eq!(page.contains(">ada@example.org</a></th>"), ada, "{q}: {page}");
            assert_eq!(page.contains(">grace@example.org</a></th>"), others, "{q}: {page}");
            assert_eq!(page.contains("No users found"), !ada && !others, "{q}: {page}");
        }
        assert_eq!(app.get("/api/account/").by_user(&grace).send().await.unwrap().status(), 200);
        let path = format!("/staff/users/{}", grace.id());
        let there = redirect_target(root.post(&app, &format!("{path}/disable"), &[])).await;
        assert_eq!(there, "/staff/users?flash=disabled&sessions=0&keys=1&links=0&tokens=0&q=grace%40example.org");
        assert_eq!(app.get("/api/account/").by_user(&grace).send().await.unwrap().status(), 401, "at once");
        assert!(root.get_page(&app, &there).await.1.contains("Enable grace@example.org"));
        redirect_target(root.post(&app, &format!("{path}/disable"), &[])).await;
        redirect_target(root.post(&app, &format!("{path}/enable"), &[])).await;
        assert_eq!(app.get("/api/account/").by_user(&grace).send().await.unwrap().status(), 401, "for good");
        assert_eq!(app.get("/api/account/").basic_auth(grace.email(), Some(PASSWORD)).send().await.unwrap().status(), 200);
        for (action, times) in [("user.added", 1), ("user.disabled", 1), ("user.enabled", 1)] {
            assert_eq!(count_audit_entries(&app, action, &me), times, "{action}");
        }
        for path in ["/staff/users/999999/disable", "/staff/users/x/enable", "/staff/users/99999999999999999999/enable"] {
            assert_eq!(root.post_form(&app, path, &[]).await.0, 404, "{path}");
        }
    }

    async fn disabling_ends_credentials_for_good_and_mails_the_user(app: TestApp) {
        let (_, root) = signed_in_staff(&app);
        let grace = app.user("grace@example.org");
        app.grant_role("hub", &grace, Role::Owner);
        let (session, link, (_, token)) = (app.signed_in(&grace), app.password_link(&grace), app.export(&grace));
        let link = format!("/set-password?token={}", app.password_token(&link));
        app.mails(1).await;
        let authz = async || app.get("/authz?hub_id=hub&nid=n&right=read").bearer_auth(token.expose()).send().await.unwrap().status().as_u16();
        assert_eq!((session.get_page(&app, "/").await.0, app.signed_out().get_page(&app, &link).await.0, authz().await), (200, 200, 204));
        let path = format!("/staff/users/{}", grace.id());
        let there = redirect_target(root.post(&app, &format!("{path}/disable"), &[])).await;
        let (_, page) = root.get_page(&app, &there).await;
        assert!(page.contains("Ended: 1 sessions, 1 API keys, 1 password links, 0 export tokens."), "{page}");
        let mail = app.mails(2).await.remove(1);
        assert_eq!(mail.to, [grace.email()]);
        assert!(mail.text.contains("Your account was disabled"), "{}", mail.text);
        assert_eq!(authz().await, 401);
        redirect_target(root.post(&app, &format!("{path}/enable"), &[])).await;
        assert_eq!((session.get_page(&app, "/").await.0, app.signed_out().get_page(&app, &link).await.0), (303, 404));
        assert_eq!(app.get("/api/account/").by_user(&grace).send().await.unwrap().status(), 401);
        assert_eq!(authz().await, 204, "export tokens follow the rights of their creator");
        redirect_target(root.post(&app, &format!("{path}/disable"), &[("revoke_tokens", "yes")])).await;
        redirect_target(root.post(&app, &format!("{path}/enable"), &[])).await;
        assert_eq!(authz().await, 401, "revoked");
        for (action, times) in [("session.closed", 1), ("key.revoked", 1), ("export.revoked", 1), ("user.disabled", 2)] {
            let sql = format!("SELECT count(*) AS n FROM audit_log WHERE action = '{action}' AND affected_user_1 = {}", grace.id());
            assert_eq!(app.count(&sql), times, "{action}");
        }
    }

    async fn the_last_owner_of_a_hub_stays(app: TestApp) {
        let (_, root) = signed_in_staff(&app);
        let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
        app.grant_role("hub", &ada, Role::Owner);
        app.grant_role("hub", &grace, Role::Admin);
        let revoke = |who: &TestUser| root.post(&app, "/staff/hub/members/revoke", &[("hub", "hub"), ("email", who.email())]);
        let grant = |who: &TestUser, role: &str| root.post(&app, "/staff/hub/members/grant", &[("hub", "hub"), ("email", who.email()), ("role", role)]);
        let before = app.rows();
        assert!(redirect_target(revoke(&ada)).await.ends_with("&flash=last-owner"));
        assert_eq!(grant(&ada, "admin").send().await.unwrap().status(), 409);
        assert_eq!(app.rows(), before);
        redirect_target(grant(&grace, "owner")).await;
        redirect_target(revoke(&ada)).await;
        assert!(redirect_target(revoke(&grace)).await.ends_with("&flash=last-owner"));
    }

    async fn staff_cannot_disable_themself(app: TestApp) {
        let (me, root) = signed_in_staff(&app);
        let before = app.rows();
        let there = redirect_target(root.post(&app, &format!("/staff/users/{}/disable", me.id()), &[])).await;
        let (status, page) = root.get_page(&app, &there).await;
        assert_eq!(status, 200);
        assert!(page.contains("You cannot disable your own account"), "{page}");
        assert!(!page.contains("Disable root@example.org"), "{page}");
        assert_eq!(app.count("SELECT count(*) AS n FROM users WHERE active"), 1);
        assert_eq!(app.rows(), before);
    }

    async fn an_invalid_user_is_a_field_error(app: TestApp) {
        let (_, root) = signed_in_staff(&app);
        app.user("ada@example.org");
        let before = app.rows();
        let long = "x".repeat(151);
        for (email, first_name, status, field, words) in [
            ("nobody", "", 400, "email", "Enter an email address in the correct format"),
            ("", "", 400, "email", "Enter an email address in the correct format"),
            ("ADA@example.org", "", 409, "email", "A user with this email address already exists."),
            ("new@example.org", long.as_str(), 400, "first_name", "Enter a name on one line, with at most 150 characters"),
        ] {
            let form = [("email", email), ("first_name", first_name), ("last_name", "L<i>")];
            let (got, page) = root.post_form(&app, "/staff/users", &form).await;
            assert_eq!(got, status, "{email}");
            assert!(page.contains(&format!("id=\"{field}-error\">{words}")), "{page}");
            assert!(page.contains(&format!("aria-describedby=\"{field}-error\"")), "{page}");
            assert!(page.contains("value=\"L&lt;i&gt;\"") && page.contains("<details class=\"card\" open>"), "{page}");
        }
        for form in [vec![], vec![("email", "a@b.c")], vec![("email", "a@b.c"), ("first_name", "\0"), ("last_name", "")]] {
            assert_eq!(root.post_form(&app, "/staff/users", &form).await.0, 400);
        }
        assert_eq!(app.rows(), before);
    }

    async fn a_long_list_has_pages_and_no_parameter_causes_a_500(app: TestApp) {
        let (_, root) = signed_in_staff(&app);
        let (random, ada) = ("SELECT n FROM s", app.user("ada@example.org"));
        app.execute_raw(&format!(
            "INSERT INTO users (email, first_name, last_name, active, staff, created_at) SELECT \
             'u' || n || '@example.org', '', '', true, false, (SELECT created_at FROM users WHERE id = {}) FROM \
             (WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 60) {random}) AS s ORDER BY n",
            ada.id()
        ));
        let count = |page: &str| page.matches("<th scope=\"row\">").count();
        let (_, page) = root.get_page(&app, "/staff/users?q=example").await;
        assert_eq!(count(&page), 20);
        assert!(page.contains("?q=example&amp;offset=20") && !page.contains("rel=\"prev\""), "{page}");
        let (_, page) = root.get_page(&app, "/staff/users?q=example&offset=60").await;
        assert_eq!(count(&page), 62 - 60);
        assert!(page.contains("?q=example&amp;offset=40") && !page.contains("rel=\"next\""), "{page}");
        let long = "x".repeat(4_000);
        for room in ["users", "hubs", "bundles", "mail"] {
            for query in [
                "offset=0", "offset=-1", "offset=x", "offset=99999999999999999999", "offset=10000", "offset=1&offset=2", "q=%25%5C_'\"",
                "q=a+b+c+d+e+f", "state=nonsense", "state=failed&offset=7", "flash=nonsense", "flash=%3Cscript%3E", "&&==&",
                &format!("q={long}"), "q=%FF%FE", "offset=%F0%9F%92%A9", "q=%00", "state=%00", "flash=%00",
            ] {
                let (status, page) = root.get_page(&app, &format!("/staff/{room}?{query}")).await;
                assert_eq!(status, 200, "{room}?{query}");
                assert!(!page.contains("<script>"), "{page}");
                assert!(!query.contains("flash=nonsense") || !page.contains("nonsense"), "{page}");
            }
        }
        assert_eq!(root.get_page(&app, "/staff/hub").await.0, 404);
        assert_eq!(root.get_page(&app, "/staff/hub?id=none").await.0, 404);
        assert_eq!(root.get_page(&app, &format!("/staff/hub?id={long}")).await.0, 404);
        assert_eq!(root.get_page(&app, "/staff/hub?id=%00").await.0, 404);
    }

    async fn hubs_are_added_and_roles_granted_changed_and_revoked(app: TestApp) {
        let (me, root) = signed_in_staff(&app);
        let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
        let id = "a/b?c=1&d#é <i>";
        let there = redirect_target(root.post(&app, "/staff/hubs", &[("id", id), ("name", "Photos"), ("owner", ada.email())])).await;
        let (status, page) = root.get_page(&app, &there).await;
        assert_eq!(status, 200);
        assert!(page.contains("Hub added") && page.contains("Photos") && page.contains("ada@example.org"), "{page}");
        let (_, page) = root.get_page(&app, "/staff/hubs?q=PHOTO").await;
        assert!(page.contains("&lt;i&gt;</a>"), "{page}");
        let place = page.split("<a href=\"").find(|part| part.contains("hub?id=")).unwrap().split('"').next().unwrap();
        let place = place.replace("&#x2f;", "/");
        for (email, role) in [(grace.email(), "guest"), (grace.email(), "admin"), (ada.email(), "owner")] {
            let there = redirect_target(root.post(&app, "/staff/hub/members/grant", &[("hub", id), ("email", email), ("role", role)])).await;
            assert_eq!(there, format!("{place}&flash=granted"));
        }
        let (_, page) = root.get_page(&app, &place).await;
        assert!(page.contains(">Admin</td>") && page.contains("Remove the role of grace@example.org"), "{page}");
        for done in ["revoked", "no-role"] {
            let there = redirect_target(root.post(&app, "/staff/hub/members/revoke", &[("hub", id), ("email", grace.email())])).await;
            assert_eq!(there, format!("{place}&flash={done}"));
        }
        for (action, times) in [("hub.added", 1), ("hub.granted", 4), ("hub.revoked", 1)] {
            assert_eq!(count_audit_entries(&app, action, &me), times, "{action}");
        }
        let before = app.rows();
        let add = async |id: &str, owner: &str| root.post_form(&app, "/staff/hubs", &[("id", id), ("name", ""), ("owner", owner)]).await;
        let (status, page) = add("new", "nobody@example.org").await;
        assert_eq!(status, 409);
        assert!(page.contains("id=\"owner-error\">No user has this email address"), "{page}");
        let (status, page) = add(id, ada.email()).await;
        assert_eq!(status, 409);
        assert!(page.contains("id=\"id-error\">A hub with this ID already exists"), "{page}");
        assert_eq!(add("", ada.email()).await.0, 400);
        assert_eq!(add(&"x".repeat(65), ada.email()).await.0, 400);
        let give = async |hub: &str, email: &str, role: &str| {
            root.post_form(&app, "/staff/hub/members/grant", &[("hub", hub), ("email", email), ("role", role)]).await.0
        };
        assert_eq!(give(id, "nobody@example.org", "guest").await, 409);
        assert_eq!(give(id, "nobody", "guest").await, 400);
        assert_eq!(give(id, ada.email(), "king").await, 400);
        assert_eq!(give("none", ada.email(), "guest").await, 404);
        assert_eq!(root.post_form(&app, "/staff/hub/members/revoke", &[("hub", "none"), ("email", ada.email())]).await.0, 404);
        assert_eq!(root.post_form(&app, "/staff/hub/members/revoke", &[("hub", id), ("email", "nobody@example.org")]).await.0, 404);
        assert_eq!(app.rows(), before);
    }

    async fn unused_bundles_can_be_added_changed_and_deleted(app: TestApp) {
        let (me, root) = signed_in_staff(&app);
        let (_, page) = root.get_page(&app, "/staff/bundles").await;
        assert!(page.contains("No bundles yet"), "{page}");
        let form = [("name", "Sleep"), ("description", "At night"), ("right", "read"), ("right", "get")];
        redirect_target(root.post(&app, "/staff/bundles", &form)).await;
        let id = app.count("SELECT id AS n FROM bundles WHERE name = 'Sleep' AND description = 'At night' AND permission = 6");
        let place = format!("/staff/bundles/{id}");
        let (_, page) = root.get_page(&app, &place).await;
        assert!(page.contains("value=\"get\" checked") && !page.contains("value=\"write\" checked"), "{page}");
        let change = [("name", "Night"), ("description", ""), ("right", "write")];
        redirect_target(root.post(&app, &place, &change)).await;
        assert_eq!(app.count("SELECT CAST(permission AS bigint) AS n FROM bundles WHERE name = 'Night' AND description = ''"), 8);
        // In use: nothing of it can be changed.
        let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
        let bundle = app.store.read(|conn| bundles::by_ids(conn, &[BundleId(id)])).unwrap();
        let request = app.create_request(&ada, &grace, &bundle[0]);
        redirect_target(root.post(&app, &place, &[("name", "Night"), ("description", ""), ("right", "write")])).await;
        let before = app.rows();
        let (status, page) = root.post_form(&app, &place, &[("name", "N"), ("description", ""), ("right", "owner")]).await;
        assert_eq!(status, 409);
        assert!(page.contains("Nothing was changed. This bundle is part of") && page.contains("value=\"owner\" checked"), "{page}");
        let (status, page) = root.post_form(&app, &format!("{place}/delete"), &[]).await;
        assert_eq!(status, 409);
        assert!(page.contains("Nothing was deleted. This bundle is part of"), "{page}");
        for form in [
            vec![("name", ""), ("description", ""), ("right", "read")],
            vec![("name", "x"), ("description", "")],
            vec![("name", "x"), ("description", ""), ("right", "fly")],
            vec![("name", "x"), ("description", "a\nb"), ("right", "read")],
            vec![("name", "x")],
        ] {
            assert_eq!(root.post_form(&app, "/staff/bundles", &form).await.0, 400, "{form:?}");
            assert_eq!(root.post_form(&app, &place, &form).await.0, 400, "{form:?}");
        }
        for path in ["/staff/bundles/999999", "/staff/bundles/x", "/staff/bundles/999999/delete"] {
            assert_eq!(root.post_form(&app, path, &form).await.0, 404, "{path}");
        }
        assert_eq!(app.rows(), before);
        app.commit(CloseRequest { id: request.id, by: Authority::User(ada.user.id) }).unwrap();
        redirect_target(root.post(&app, &format!("{place}/delete"), &[])).await;
        assert_eq!(root.get_page(&app, &place).await.0, 404);
        for (action, times) in [("bundle.added", 1), ("bundle.changed", 1), ("bundle.deleted", 1)] {
            assert_eq!(count_audit_entries(&app, action, &me), times, "{action}");
        }
    }

    async fn a_rejected_mail_is_listed_and_can_be_resent(app: TestApp) {
        let (me, root) = signed_in_staff(&app);
        let (_, page) = root.get_page(&app, "/staff/mail").await;
        assert!(page.contains("No emails yet"), "{page}");
        let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
        app.mailbox.refuse(grace.email(), SendError::permanent("550 no <such> user"), 1);
        app.create_request(&ada, &grace, &app.bundle("Sleep", 2));
        app.create_request(&grace, &ada, &app.bundle("Steps", 2));
        app.mails(1).await;
        wait_for_count(&app, "SELECT count(*) AS n FROM outbox WHERE result = 'failed'", 1).await;
        wait_for_count(&app, COUNT_SENT, 1).await;
        let (_, page) = root.get_page(&app, "/staff/mail?state=failed").await;
        assert!(page.contains("550 no &lt;such&gt; user") && page.contains("grace@example.org"), "{page}");
        assert!(!page.contains("<th scope=\"row\">ada@example.org"), "{page}");
        let (_, page) = root.get_page(&app, "/staff/mail?state=sent").await;
        assert!(page.contains("<th scope=\"row\">ada@example.org") && !page.contains("/retry"), "{page}");
        let (_, page) = root.get_page(&app, "/staff").await;
        assert!(page.contains("View failed emails"), "{page}");
        let (_, page) = root.get_page(&app, "/staff/mail").await;
        let retry = page.split("action=\"").find(|part| part.contains("/retry") && !part.starts_with("/staff/mail/retry")).unwrap().split('"').next().unwrap();
        assert_eq!(redirect_target(root.post(&app, retry, &[])).await, "/staff/mail?flash=retried");
        assert_eq!(app.mails(2).await[1].to, ["grace@example.org"]);
        wait_for_count(&app, COUNT_SENT, 2).await;
        let again = redirect_target(root.post(&app, retry, &[])).await;
        assert_eq!(again, "/staff/mail?flash=not-retried");
        assert!(root.get_page(&app, &again).await.1.contains("This email cannot be sent now"));
        assert_eq!(count_audit_entries(&app, "mail.retried", &me), 1);
        assert_eq!(root.post_form(&app, "/staff/mail/x/retry", &[]).await.0, 404);
        app.mailbox.refuse(grace.email(), SendError::permanent("550 5.1.1 no such user"), 2);
        for name in ["Pulse", "Stride"] {
            app.create_request(&ada, &grace, &app.bundle(name, 2));
        }
        wait_for_count(&app, "SELECT count(*) AS n FROM outbox WHERE result = 'failed'", 2).await;
        let (_, page) = root.get_page(&app, "/staff/mail").await;
        assert!(page.contains("action=\"/staff/mail/retry\""), "{page}");
        let all = redirect_target(root.post(&app, "/staff/mail/retry", &[])).await;
        assert_eq!(all, "/staff/mail?flash=retried-all");
        wait_for_count(&app, COUNT_SENT, 4).await;
        let (_, page) = root.get_page(&app, &all).await;
        assert!(page.contains("All unsent emails are next") && !page.contains("action=\"/staff/mail/retry\""), "{page}");
        assert_eq!(count_audit_entries(&app, "mail.retried", &me), 2);
    }
}
