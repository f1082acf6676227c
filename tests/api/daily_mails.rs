//! The daily mail, and the sweeps that schedule it: each mail once, whatever the number of replicas.

use std::thread;

use countersign::domain::bundle::Bundle;
use countersign::domain::bundle_permission::BundlePermissionId;
use countersign::domain::export_token::{ExpiryHours, ExportToken, ExportTokenRef, NewExportToken};
use countersign::domain::hub::{HubId, NodeId};
use countersign::domain::mail_kinds::{MailKind, MailKinds};
use countersign::domain::permission_request::{NewPermissionRequest, PermissionRequest};
use countersign::domain::rate_limit::RequestLimits;
use countersign::domain::rights::{Mask, Role};
use countersign::domain::terms::Terms;
use countersign::domain::user::Authority;
use countersign::i18n::Language;
use countersign::mail::transport::{SendError, SentMail};
use countersign::store::ledger::{
    CloseRequest, CreateExport, CreateRequest, GrantPermission, RevokeExport, RevokePermission,
};
use countersign::store::requests;
use countersign::store::sweeps::{self, LAG_SECONDS, Sweep};
use countersign::store::{mail_settings, users};
use serde_json::{Value, json};

use crate::helpers::{Backend, ByUser, TestApp, TestUser};
use crate::mailer::wait_for_count;
use crate::page_client::send_for_text;
use crate::pages::mail_settings::unsubscribe_path;
use crate::rate_limits::limits_toml;

pub const DAY: i64 = 86_400;
const DAILY: &str = "SELECT count(*) AS n FROM outbox WHERE notice = 'daily'";
const UNFINISHED: &str =
    "SELECT count(*) AS n FROM outbox WHERE finished_at IS NULL AND due_at <= created_at";

/// Runs all sweeps until they have nothing to do, as each server does every five seconds.
pub fn run_sweeps_with(app: &TestApp, limits: &RequestLimits) {
    for sweep in Sweep::ALL {
        while app.store.write_in_background(|conn| sweeps::step(conn, sweep, limits)).unwrap() > 0 {}
    }
}

pub fn run_sweeps(app: &TestApp) {
    run_sweeps_with(app, &RequestLimits::default());
}

/// Advances the clock, and runs the sweeps. They are [`LAG_SECONDS`] behind.
pub fn advance(app: &TestApp, seconds: i64) {
    app.advance(seconds);
    run_sweeps(app);
}

fn export(app: &TestApp, creator: &TestUser, node: &str, hours: i64) -> ExportToken {
    app.grant_role("hub", creator, Role::Admin);
    let new = NewExportToken {
        creator: creator.user.id,
        hub: HubId::new("hub").unwrap(),
        node: NodeId::new(node).unwrap(),
        mask: Mask::new(6).unwrap(),
        expiry: ExpiryHours::new(hours).unwrap(),
    };
    app.commit(CreateExport(new)).unwrap_or_else(|error| panic!("not created: {error}")).0
}

pub fn request(
    app: &TestApp,
    by: &TestUser,
    target: &TestUser,
    bundle: &Bundle,
    seconds: i64,
) -> PermissionRequest {
    let terms = Terms { target: target.user.id, grantee: by.user.id, bundle: bundle.id };
    let new = NewPermissionRequest::new(terms, by.user.id, bundle.permission, seconds);
    app.commit(CreateRequest(new)).unwrap_or_else(|error| panic!("not created: {error}")).request
}

/// Grants a permission that lasts this many seconds, as its target.
fn permission(
    app: &TestApp,
    grantee: &TestUser,
    target: &TestUser,
    bundle: &Bundle,
    seconds: Option<i64>,
) -> BundlePermissionId {
    let terms = Terms { target: target.user.id, grantee: grantee.user.id, bundle: bundle.id };
    let now = app.store.read(|conn| conn.now()).unwrap();
    let expires_at = seconds.map(|seconds| now.plus_seconds(seconds));
    let grant = GrantPermission { expires_at, ..GrantPermission::without_end(terms, bundle.permission) };
    app.commit(grant).unwrap_or_else(|error| panic!("not granted: {error}")).0.id
}

/// Waits until this number of daily mails has been sent, and returns them.
pub async fn daily_mails(app: &TestApp, wanted: i64) -> Vec<SentMail> {
    wait_for_count(app, &format!("{DAILY} AND result = 'sent'"), wanted).await;
    app.mailbox.sent().into_iter().filter(|mail| mail.text.contains("\r\nList-Unsubscribe: ")).collect()
}

/// Waits until no mail is to be sent now.
pub async fn wait_until_quiet(app: &TestApp) {
    wait_for_count(app, UNFINISHED, 0).await;
}

/// The text without the line breaks.
pub fn unwrapped(mail: &SentMail) -> String {
    mail.text.split_whitespace().collect::<Vec<_>>().join(" ")
}

on_both_databases! {
    async fn the_creator_of_an_export_token_is_mailed_a_week_and_a_day_before_its_end(app: TestApp) {
        run_sweeps(&app);
        let ada = app.user("ada@example.org");
        export(&app, &ada, "night-17", 30 * 24);
        // Neither of these lasts longer than a day.
        export(&app, &ada, "short", 24);
        export(&app, &ada, "endless", 0);
        advance(&app, 22 * DAY);
        assert_eq!(app.count(DAILY), 0);
        advance(&app, DAY + LAG_SECONDS);
        let mail = daily_mails(&app, 1).await.remove(0);
        assert_eq!(mail.to, [ada.email()]);
        assert!(mail.text.contains("Subject: Your export token for night-17 ends soon\r\n"), "{}", mail.text);
        let text = unwrapped(&mail);
        assert!(text.contains("- night-17 in hub hub, ends on Thursday, 31 January 2030, 00:00 UTC"), "{text}");
        assert!(!text.contains("short") && !text.contains("endless"), "{text}");
        for _ in 0..2 {
            advance(&app, 5 * DAY / 2);
            assert_eq!(app.count(DAILY), 1);
        }
        advance(&app, DAY);
        daily_mails(&app, 2).await;
        advance(&app, 10 * DAY);
        assert_eq!(app.count(DAILY), 2);
        wait_until_quiet(&app).await;
    }

    async fn the_target_of_a_request_is_reminded_once(app: TestApp) {
        run_sweeps(&app);
        let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
        app.store.write(|conn| users::set_language(conn, grace.user.id, Language::German)).unwrap();
        let open = request(&app, &ada, &grace, &app.bundle("Sleep", 6), 7 * DAY);
        request(&app, &ada, &grace, &app.bundle("Short", 6), 2 * DAY - 1);
        advance(&app, 6 * DAY + LAG_SECONDS - 1);
        assert_eq!(app.count(DAILY), 0);
        advance(&app, 1);
        let mail = daily_mails(&app, 1).await.remove(0);
        assert_eq!(mail.to, [grace.email()]);
        assert!(mail.text.contains("Subject: Erinnerung: ada Test bittet Sie um eine Berechtigung: Sleep\r\n"), "{}", mail.text);
        // Encoded, because the text is German.
        assert!(mail.text.replace("=\r\n", "").contains(&format!("token=3D{}", app.redeem_token(&open))), "{}", mail.text);
        assert!(!mail.text.contains("Short"), "{}", mail.text);
        advance(&app, 7 * DAY);
        assert_eq!(app.count(&format!("{DAILY} AND user_id = {}", grace.id())), 1);
    }

    async fn what_falls_on_one_day_is_one_mail(app: TestApp) {
        run_sweeps(&app);
        let [ada, grace, eve] = ["ada", "grace", "eve"].map(|name| app.user(&format!("{name}@example.org")));
        for (by, name) in [(&ada, "Sleep"), (&eve, "Steps")] {
            request(&app, by, &grace, &app.bundle(name, 6), 8 * DAY);
            app.advance(3_600);
        }
        export(&app, &grace, "night-17", 8 * 24);
        export(&app, &grace, "night-18", 14 * 24);
        app.mails(2).await;
        advance(&app, 7 * DAY - 7_200 + LAG_SECONDS);
        let mail = daily_mails(&app, 1).await.remove(0);
        assert!(mail.text.contains("Subject: 4 reminders from https://countersign.test\r\n"), "{}", mail.text);
        let text = unwrapped(&mail);
        for part in [
            "These requests wait for your decision: - ada Test (ada@example.org) asks for your permission: \"Sleep\".",
            "eve Test (eve@example.org) asks for your permission: \"Steps\".",
            "night-17 in hub hub, ends on Wednesday, 9 January 2030, 02:00 UTC",
            "night-18 in hub hub, ends on Tuesday, 15 January 2030, 02:00 UTC",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert_eq!(text.matches("https://countersign.test/redeem?token=csr_").count(), 4, "in the text and in the HTML");
        // The marks of the same day that follow.
        advance(&app, 86_000);
        assert_eq!(app.count(&format!("{DAILY} AND user_id = {}", grace.id())), 1);
        wait_until_quiet(&app).await;
    }

    async fn a_token_that_is_created_after_the_mail_of_the_day_is_in_the_next_one(app: TestApp) {
        run_sweeps(&app);
        let ada = app.user("ada@example.org");
        export(&app, &ada, "first", 8 * 24);
        advance(&app, 7 * DAY + LAG_SECONDS);
        daily_mails(&app, 1).await;
        export(&app, &ada, "later", 30);
        advance(&app, 7 * 3_600);
        assert_eq!(app.count(&format!("{DAILY} AND result IS NULL")), 1, "scheduled for tomorrow");
        let ready: Value = app.get("/readyz").send().await.unwrap().json().await.unwrap();
        assert_eq!(ready["mail"]["oldest_unsent_seconds"], 0, "{ready}");
        advance(&app, 17 * 3_600);
        let mail = daily_mails(&app, 2).await.remove(1);
        assert!(mail.text.contains("Subject: Your export token for later ends soon\r\n"), "{}", mail.text);
    }

    async fn a_server_that_was_stopped_sends_one_mail_for_the_days_that_it_missed(mut app: TestApp) {
        run_sweeps(&app);
        let ada = app.user("ada@example.org");
        for (node, days) in [("monday", 14), ("tuesday", 15), ("friday", 18)] {
            export(&app, &ada, node, days * 24);
        }
        app.stop();
        app.advance(13 * DAY + 7_200);
        app.restart();
        run_sweeps(&app);
        let text = unwrapped(&daily_mails(&app, 1).await[0]);
        for node in ["monday", "tuesday", "friday"] {
            assert_eq!(text.matches(&format!("- {node} in hub")).count(), 1, "{text}");
        }
        advance(&app, DAY);
        let text = unwrapped(&daily_mails(&app, 2).await[1]);
        assert!(text.contains("- tuesday in hub") && !text.contains("monday") && !text.contains("friday"), "{text}");
    }

    async fn both_parties_are_mailed_a_week_and_a_day_before_a_permission_ends(app: TestApp) {
        run_sweeps(&app);
        let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
        let sleep = permission(&app, &ada, &grace, &app.bundle("Sleep", 6), Some(30 * DAY));
        permission(&app, &ada, &grace, &app.bundle("Short", 6), Some(DAY));
        permission(&app, &ada, &grace, &app.bundle("Endless", 6), None);
        let revoked = permission(&app, &ada, &grace, &app.bundle("Revoked", 6), Some(30 * DAY));
        app.commit(RevokePermission { id: revoked, by: Authority::Operator });
        advance(&app, 23 * DAY - 1);
        assert_eq!(app.count(DAILY), 0);
        advance(&app, LAG_SECONDS + 1);
        let mails = daily_mails(&app, 2).await;
        for (user, subject, heading, other) in [
            (&ada, "Your permission from grace Test ends soon: Sleep", "These permissions that you have end soon.", &grace),
            (&grace, "Your permission for ada Test ends soon: Sleep", "These permissions that you gave end soon.", &ada),
        ] {
            let mail = mails.iter().find(|mail| mail.to == [user.email()]).unwrap();
            assert!(mail.text.contains(&format!("Subject: {subject}\r\n")), "{}", mail.text);
            let item = format!("- \"Sleep\", {} Test ({}), ends on Thursday, 31 January 2030, 00:00 UTC", other.user.first_name.as_str(), other.email());
            let text = unwrapped(mail);
            assert!(text.contains(heading) && text.contains(&item), "{text}");
            for name in ["Short", "Endless", "Revoked"] {
                assert!(!text.contains(name), "{text}");
            }
        }
        // It is revoked after the sweep of the second mail, and before that mail is sent.
        for user in [&ada, &grace] {
            app.mailbox.refuse(user.email(), SendError::transient("451 try again"), 1);
        }
        advance(&app, 6 * DAY);
        wait_for_count(&app, &format!("{DAILY} AND attempts = 1 AND lease IS NULL AND result IS NULL"), 2).await;
        app.commit(RevokePermission { id: sleep, by: Authority::Operator });
        app.advance(60);
        wait_for_count(&app, &format!("{DAILY} AND result = 'cancelled'"), 2).await;
    }

    async fn requests_that_expired_on_one_day_are_one_mail_on_the_next(mut app: TestApp) {
        let [ada, grace, eve] = ["ada", "grace", "eve"].map(|name| app.user(&format!("{name}@example.org")));
        app.spawn_replica();
        for (target, name, hours) in [(&grace, "Sleep", 1), (&eve, "Sleep", 20), (&grace, "Steps", 30)] {
            request(&app, &ada, target, &app.bundle(&format!("{name} {hours}"), 6), hours * 3_600);
        }
        let expire = |seconds: i64| {
            app.advance(seconds);
            let expire = |_| drop(app.store.write(|conn| { let now = conn.now()?; requests::expire_batch(conn, now) }));
            (0..2).for_each(expire);
        };
        expire(3_601);
        assert_eq!(app.count(&format!("{DAILY} AND result IS NULL")), 1, "scheduled for tomorrow");
        expire(18 * 3_600);
        // The second one has expired, but is not closed yet.
        app.advance(5 * 3_600 + 60);
        let text = unwrapped(&daily_mails(&app, 1).await[0]);
        assert!(text.contains("Subject: 2 reminders from https://countersign.test"), "{text}");
        assert!(text.contains("- \"Sleep 1\" of grace Test (grace@example.org), expired on Tuesday, 1 January 2030, 01:00 UTC"), "{text}");
        assert!(text.contains("- \"Sleep 20\" of eve Test (eve@example.org), expired on") && !text.contains("Steps"), "{text}");
        expire(DAY);
        let mail = daily_mails(&app, 2).await.remove(1);
        assert!(mail.text.contains("Subject: Your request to grace Test has expired: Steps 30\r\n"), "{}", mail.text);
        expire(3 * DAY);
        assert_eq!(app.count(DAILY), 2);
    }

    async fn nothing_is_mailed_about_what_has_ended(app: TestApp) {
        run_sweeps(&app);
        let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
        let token = export(&app, &grace, "night-17", 8 * 24);
        let open = request(&app, &ada, &grace, &app.bundle("Sleep", 6), 8 * DAY);
        app.mails(1).await;
        // The mail waits while its subjects end.
        app.mailbox.refuse(grace.email(), SendError::transient("451 try again"), 1);
        advance(&app, 7 * DAY + LAG_SECONDS);
        wait_for_count(&app, &format!("{DAILY} AND attempts = 1 AND lease IS NULL AND result IS NULL"), 1).await;
        let revoke = RevokeExport { which: ExportTokenRef { id: token.id, digest: None }, by: Authority::Operator, as_admin_of: None };
        app.commit(revoke).unwrap();
        app.commit(CloseRequest { id: open.id, by: Authority::User(grace.user.id) }).unwrap();
        app.advance(60);
        wait_for_count(&app, &format!("{DAILY} AND result = 'cancelled'"), 1).await;
        let to_grace = app.mailbox.sent().into_iter().filter(|mail| mail.to == [grace.email()]);
        assert_eq!(to_grace.count(), 1, "the mail of the request");
    }

    async fn a_kind_that_is_turned_off_is_left_out(app: TestApp) {
        run_sweeps(&app);
        let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
        for user in [&ada, &grace] {
            export(&app, user, "night-17", 8 * 24);
        }
        request(&app, &ada, &grace, &app.bundle("Sleep", 6), 8 * DAY);
        let endings = MailKinds::from_iter([MailKind::Endings]);
        for user in [&ada, &grace] {
            app.store.write(|conn| mail_settings::set_muted(conn, user.user.id, endings)).unwrap();
        }
        advance(&app, 7 * DAY + LAG_SECONDS);
        let mail = daily_mails(&app, 1).await.remove(0);
        assert_eq!(mail.to, [grace.email()]);
        assert!(mail.text.contains("Subject: Reminder: ada Test asks for your permission: Sleep\r\n"), "{}", mail.text);
        assert!(!mail.text.contains("night-17"), "{}", mail.text);
        wait_for_count(&app, &format!("{DAILY} AND result = 'cancelled' AND user_id = {}", ada.id()), 1).await;
        // The headers of RFC 8058, with the kinds that the mail has.
        let link = format!("<https://countersign.test{}>", unsubscribe_path(&grace, &[MailKind::Reminders]));
        assert!(mail.text.contains(&format!("\r\nList-Unsubscribe: {link}\r\n")), "{}", mail.text);
        assert!(mail.text.contains("\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"), "{}", mail.text);
        let path = link.trim_start_matches("<https://countersign.test").trim_end_matches('>');
        assert_eq!(send_for_text(app.post(path).body("List-Unsubscribe=One-Click")).await.0, 200);
        request(&app, &ada, &grace, &app.bundle("Steps", 6), 8 * DAY);
        advance(&app, 7 * DAY + LAG_SECONDS);
        wait_for_count(&app, &format!("{DAILY} AND result = 'cancelled' AND user_id = {}", grace.id()), 1).await;
    }

    async fn a_reminder_counts_as_a_mail_to_its_target(mut app: TestApp) {
        app.stop();
        app.url = app.spawn_replica_with(&limits_toml(&[("requests_per_target", "2/31d")]));
        let limits = RequestLimits { target: "2/31d".parse().ok(), ..RequestLimits::default() };
        run_sweeps_with(&app, &limits);
        let [ada, grace, eve] = ["ada", "grace", "eve"].map(|name| app.user(&format!("{name}@example.org")));
        let ask = async |target: &TestUser, name: &str| {
            let bundle = app.bundle(name, 6).id.0;
            let body = json!({ "user_target": target.email(), "user_allowed": ada.uri(), "bundle": bundle });
            app.post("/api/bundle_permission_request/").by_user(&ada).json(&body).send().await.unwrap().status().as_u16()
        };
        assert_eq!([ask(&grace, "Sleep").await, ask(&eve, "Sleep").await, ask(&eve, "Steps").await], [201; 3]);
        app.advance(6 * DAY + LAG_SECONDS);
        run_sweeps_with(&app, &limits);
        assert_eq!(daily_mails(&app, 1).await[0].to, [grace.email()], "the limit of the other target is used up");
        assert_eq!(app.count(DAILY), 1);
        assert_eq!(ask(&grace, "Steps").await, 429, "the reminder has used the limit");
    }
}

#[actix_web::test]
async fn replicas_record_and_mail_everything_once() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let mut app = TestApp::spawn(backend);
        app.spawn_replica();
        app.spawn_replica();
        run_sweeps(&app);
        let users: Vec<TestUser> = (0..3).map(|nth| app.user(&format!("user{nth}@example.org"))).collect();
        // Several steps, and many rows that end at the same time.
        for nth in 0..1_210 {
            export(&app, &users[nth % 3], &format!("node-{nth}"), 48);
        }
        let race = |seconds: i64| {
            app.advance(seconds);
            thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(|| run_sweeps(&app)))));
        };
        race(DAY + LAG_SECONDS);
        assert_eq!(app.count(DAILY), 3);
        for mail in daily_mails(&app, 3).await {
            let text = unwrapped(&mail);
            assert!(text.contains(" reminders from ") && text.contains("- node-"), "{text}");
            assert!(text.contains(" more. They are on the pages of the server."), "{text}");
        }
        race(DAY);
        let expired = "FROM audit_log WHERE action = 'export.expired'";
        assert_eq!(app.count(&format!("SELECT count(*) AS n {expired}")), 1_210);
        assert_eq!(app.count(&format!("SELECT count(DISTINCT subject) AS n {expired}")), 1_210);
        assert_eq!((app.count(DAILY), daily_mails(&app, 3).await.len()), (3, 3));
    }
}
