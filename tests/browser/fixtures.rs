//! The data of a server after a few weeks of use: a sleep laboratory and its participants. The
//! pages of [`crate::page_list`] show it.

use std::path::Path;
use std::time::Duration;

use countersign::domain::audit::AuditContext;
use countersign::domain::bundle::{Bundle, BundleName, Description};
use countersign::domain::export_token::{ExpiryHours, NewExportToken};
use countersign::domain::hub::{HubId, NodeId};
use countersign::domain::mail_kinds::{MailKinds, Unsubscription};
use countersign::domain::permission_request::{PermissionRequest, RequestId};
use countersign::domain::rights::{Mask, Role};
use countersign::domain::token::{CsrfBinding, Keyring};
use countersign::domain::user::Authority;
use countersign::domain::webhook::WebhookId;
use countersign::entropy;
use countersign::mail::transport::SendError;
use countersign::store::bundles::{self, NewBundle};
use countersign::store::ledger::{self, CloseRequest, Command, CreateExport, Decide, Operation};
use countersign::store::{requests, webhook_deliveries};
use serde_json::{Value, json};

use crate::helpers::{ByUser, SECRET, START_MICROS, TestApp, TestUser};
use crate::page_list::PageViewer;

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
/// The start: 2026-05-04T08:00:00Z. The pages are opened two weeks later.
const FIRST_DAY: i64 = 1_777_881_600;
/// Targets of requests, in addition to the users who open pages.
const OTHER_TARGETS: [(&str, &str, &str); 8] = [
    ("amara.diallo@mail.example", "Amara", "Diallo"),
    ("ben.fischer@mail.example", "Ben", "Fischer"),
    ("chiara.romano@mail.example", "Chiara", "Romano"),
    ("daan.devries@mail.example", "Daan", "de Vries"),
    ("elif.kaya@mail.example", "Elif", "Kaya"),
    ("farah.nasser@mail.example", "Farah", "Nasser"),
    ("goran.petrovic@mail.example", "Goran", "Petrović"),
    ("hanna.lehtinen@mail.example", "Hanna", "Lehtinen"),
];

/// The users and their links.
pub struct Fixtures {
    jonas: TestUser,
    mara: TestUser,
    ines: TestUser,
    /// Placeholders in page paths, and their values.
    placeholders: Vec<(&'static str, String)>,
}

impl Fixtures {
    /// Creates the data. The mails are files in a directory.
    pub async fn create(app: &TestApp, mails: &Path) -> Self {
        app.advance(FIRST_DAY - START_MICROS / 1_000_000);
        let mara = app.user_with_name("mara.lindqvist@sleeplab.example", ["Mara", "Lindqvist"], false);
        let tomas = app.user_with_name("tomas.okafor@heartcohort.example", ["Tomás", "Okafor"], false);
        let jonas = app.user_with_name("jonas.weber@mail.example", ["Jonas", "Weber"], false);
        let leila = app.user_with_name("leila.haddad@mail.example", ["Leila", "Haddad"], false);
        let ines = app.user_with_name("ines.moreau@sleeplab.example", ["Inês", "Moreau"], true);
        let others =
            OTHER_TARGETS.map(|(email, first, last)| app.user_with_name(email, [first, last], false));
        let sleep = bundle(app, "Sleep and heart rate", "What a watch measures at night, from 2024 on.", 6);
        let steps = bundle(app, "Daily steps", "One number a day.", 2);
        let blood =
            bundle(app, "Laboratory results", "Blood counts and lipids, with the dates of the visits.", 6);
        let diary = bundle(app, "Sleep diary", "What is written in the mornings; entries are added.", 14);
        for (hub, admin) in [("sleeplab", &mara), ("sleeplab", &jonas), ("heartcohort", &tomas)] {
            app.grant_role(hub, admin, Role::Admin);
        }
        let refusal = "550 5.1.1 <goran.petrovic@mail.example>: there is no such mailbox";
        app.mailbox.refuse(others[6].email(), SendError::Permanent(refusal.to_owned()), 1);

        for day in 0..14 {
            // Two of three targets decide, one day after the request.
            let mut asked = Vec::new();
            for nth in (0..2 + day * 5 % 3).map(|nth| day * 4 + nth) {
                let by = if nth % 16 < 8 { &mara } else { &tomas };
                let what = [&sleep, &steps, &blood, &diary][nth / 16];
                asked.push((nth, create_request(app, by, &others[nth % 8], what, 5 * DAY).await));
            }
            match day {
                2 => redeem_request(app, &create_request(app, &mara, &jonas, &steps, 7 * DAY).await, &jonas),
                4 => {
                    redeem_request(app, &create_request(app, &tomas, &jonas, &blood, 7 * DAY).await, &jonas);
                    close_request(app, &create_request(app, &tomas, &jonas, &diary, 7 * DAY).await, &jonas);
                    redeem_request(app, &create_request(app, &jonas, &leila, &steps, 7 * DAY).await, &leila);
                }
                7 => {
                    close_request(app, &create_request(app, &mara, &jonas, &blood, 7 * DAY).await, &mara);
                    create_request(app, &mara, &leila, &sleep, 2 * DAY).await;
                }
                3 => create_export(app, &[&jonas, &mara], "night-2026-02", 6, 24),
                6 => create_export(app, &[&jonas], "cohort-a", 2, 30 * 24),
                9 => create_export(app, &[&mara, &jonas], "watch-17", 6, 14 * 24),
                12 => create_export(app, &[&jonas, &mara], "diary", 14, 48),
                _ => {}
            }
            wait_for_mails(app).await;
            app.advance(DAY);
            for (nth, request) in asked {
                match nth % 6 {
                    0 | 1 | 3 => redeem_request(app, &request, &others[nth % 8]),
                    4 => close_request(app, &request, &others[nth % 8]),
                    _ => {}
                }
            }
        }

        // Open requests.
        create_request(app, &tomas, &jonas, &steps, 10 * DAY).await;
        app.advance(HOUR);
        create_request(app, &mara, &leila, &diary, 7 * DAY).await;
        create_request(app, &jonas, &leila, &sleep, 3 * DAY).await;
        let open = create_request(app, &mara, &jonas, &sleep, 7 * DAY).await;
        wait_for_mails(app).await;
        app.advance(4 * HOUR + HOUR / 3);
        let (webhook, disabled) = create_webhooks(app, &jonas);
        let mut letter = String::new();
        for mail in app.mailbox.sent().iter().rev().take(12).rev() {
            let id = entropy::uuid();
            std::fs::write(mails.join(format!("{id}.eml")), &mail.text).unwrap();
            letter = id.to_string();
        }
        let names = vec![
            ("{letter}", letter),
            ("{mailbox}", mailbox_token()),
            ("{token}", app.redeem_token(&open)),
            ("{link}", app.password_token(&app.password_link(&leila))),
            ("{unsubscribe}", unsubscribe_token(&leila)),
            ("{request}", open.id.to_string()),
            ("{bundle}", sleep.id.to_string()),
            ("{user}", jonas.id().to_string()),
            ("{webhook}", webhook.to_string()),
            ("{disabled}", disabled.to_string()),
        ];
        Self { jonas, mara, ines, placeholders: names }
    }

    /// The path of a page with its placeholders replaced.
    pub fn path(&self, path: &str) -> String {
        self.placeholders.iter().fold(path.to_owned(), |path, (name, value)| path.replace(name, value))
    }

    /// The user who opens a page, if the viewer is signed in.
    pub fn user(&self, who: PageViewer) -> Option<&TestUser> {
        match who {
            PageViewer::SignedOut => None,
            PageViewer::Target => Some(&self.jonas),
            PageViewer::Requester => Some(&self.mara),
            PageViewer::Staff => Some(&self.ines),
        }
    }
}

fn bundle(app: &TestApp, name: &str, description: &str, mask: i64) -> Bundle {
    let new = NewBundle {
        name: BundleName::new(name).unwrap(),
        description: Description::new(description).unwrap(),
        permission: Mask::new(mask).unwrap(),
    };
    app.store.write(|conn| bundles::insert(conn, &new)).unwrap()
}

/// Creates a request over the API, so that its mail is sent.
async fn create_request(
    app: &TestApp,
    by: &TestUser,
    of: &TestUser,
    bundle: &Bundle,
    seconds: i64,
) -> PermissionRequest {
    let body = json!({
        "bundle": format!("/api/bundle/{}/", bundle.id),
        "user_target": of.uri(),
        "user_allowed": by.uri(),
        "ttl": seconds,
    });
    let asked = app.post("/api/bundle_permission_request/").by_user(by).json(&body).send().await.unwrap();
    let asked: Value = asked.json().await.unwrap();
    let uri = asked["resource_uri"].as_str().unwrap_or_else(|| panic!("request not created: {asked}"));
    let id = RequestId(uri.trim_end_matches('/').rsplit('/').next().unwrap().parse().unwrap());
    app.store.read(|conn| requests::by_ids(conn, &[id])).unwrap().remove(0)
}

/// Waits until no mail is pending that is due: a second one about decisions within an hour is due later.
async fn wait_for_mails(app: &TestApp) {
    let now = app.store.read(|conn| conn.now()).unwrap().micros();
    let pending =
        format!("SELECT count(*) AS n FROM outbox WHERE finished_at IS NULL AND created_at <= {now}");
    let left = async {
        while app.count(&pending) > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), left).await.expect("all mails are sent");
}

/// Commits a command as this user.
fn commit<C: Command>(app: &TestApp, command: C, by: &TestUser) -> C::Reply {
    let context = AuditContext { actor: Some(by.user.id), ..AuditContext::default() };
    ledger::commit_one(&app.store, Operation::new(command, context)).unwrap()
}

fn redeem_request(app: &TestApp, request: &PermissionRequest, by: &TestUser) {
    let reply = commit(app, Decide::as_asked(request.redeem_id, by.user.id, None), by);
    assert!(reply.is_ok(), "{reply:?}");
}

fn close_request(app: &TestApp, request: &PermissionRequest, by: &TestUser) {
    let authority = Authority::User(by.user.id);
    let reply = commit(app, CloseRequest { id: request.id, by: authority }, by);
    assert!(reply.is_ok(), "{reply:?}");
}

fn create_export(app: &TestApp, creators: &[&TestUser], node: &str, mask: i64, hours: i64) {
    for creator in creators {
        let new = NewExportToken {
            creator: creator.user.id,
            hub: HubId::new("sleeplab").unwrap(),
            node: NodeId::new(node).unwrap(),
            mask: Mask::new(mask).unwrap(),
            expiry: ExpiryHours::new(hours).unwrap(),
        };
        let reply = commit(app, CreateExport(new), creator);
        assert!(reply.is_ok(), "{reply:?}");
    }
}

/// Creates a webhook with deliveries, and one that the server has disabled. Nothing is sent.
fn create_webhooks(app: &TestApp, owner: &TestUser) -> (i64, i64) {
    let [webhook, disabled] = [(); 2].map(|()| app.webhook(owner));
    app.execute_raw(&format!(
        "UPDATE webhooks SET url = 'https://hooks.sleeplab.example/countersign', description = 'Study database', \
         events = 'request.* permission.* export.revoked', disabled_at = created_at, disabled_reason = 'owner' \
         WHERE id = {webhook}"
    ));
    app.execute_raw(&format!(
        "UPDATE webhooks SET url = 'https://old.sleeplab.example/hook', failures = 14, failing_since = created_at, \
         disabled_at = created_at, disabled_reason = 'failing' WHERE id = {disabled}"
    ));
    for (event, state) in [
        ("request.created", "attempts = 1, result = 'delivered', http_status = 204, duration_ms = 41"),
        (
            "request.approved",
            "attempts = 10, result = 'failed', reason = 'error_status', http_status = 503, duration_ms = 87",
        ),
        ("webhook.test", "attempts = 1, result = 'delivered', http_status = 200, duration_ms = 36"),
        (
            "permission.revoked",
            "attempts = 3, result = NULL, finished_at = NULL, reason = 'timeout', duration_ms = 15000",
        ),
    ] {
        app.advance(60);
        app.store
            .write(|conn| {
                let now = conn.now()?;
                webhook_deliveries::queue_test(conn, WebhookId(webhook), now)
            })
            .unwrap();
        app.execute_raw(&format!(
            "UPDATE webhook_deliveries SET lease = NULL, finished_at = created_at, event_type = '{event}', {state} \
             WHERE id = (SELECT id FROM webhook_deliveries ORDER BY id DESC LIMIT 1)"
        ));
    }
    // The next attempt is in half an hour. The database is SQLite.
    app.execute_raw("UPDATE webhook_deliveries SET due_at = due_at + 1800000000 WHERE finished_at IS NULL");
    app.execute_raw(&format!(
        "UPDATE webhooks SET disabled_at = NULL, disabled_reason = NULL WHERE id = {webhook}"
    ));
    (webhook, disabled)
}

/// The token of a link that turns off all mails of a user.
fn unsubscribe_token(user: &TestUser) -> String {
    let link = Unsubscription { user: user.user.id, kinds: MailKinds::ALL };
    Keyring::new(SECRET.as_bytes(), None).unwrap().unsubscribe_token(link).expose()
}

/// The token of the link to the mails, which the server prints at its start.
fn mailbox_token() -> String {
    Keyring::new(SECRET.as_bytes(), None).unwrap().csrf_token(CsrfBinding::DevMail)
}
