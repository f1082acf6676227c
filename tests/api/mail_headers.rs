//! A mail has one recipient and only the headers that the server sets, whatever the names and
//! addresses in a request contain.

use serde_json::{Value, json};

use crate::helpers::{ByUser, TestApp, TestUser};
use crate::hexo::{HexoFixture, REQUESTS, expect_field_error, expect_refusal, expect_response};

/// Values that are not exactly one address, or that resemble the address of another user.
const INVALID_ADDRESSES: [&str; 26] = [
    "grace@example.org\r\nBcc: eve@example.org",
    "grace@example.org\nBcc: eve@example.org",
    "grace@example.org\r",
    "grace@example.org%0d%0aBcc:eve@example.org",
    "grace@example.org,eve@example.org",
    "grace@example.org, eve@example.org",
    "grace@example.org;eve@example.org",
    "grace@example.org eve@example.org",
    "grace@eve@example.org",
    "grace@example.org@eve.example",
    "\"grace\"@example.org",
    "\"grace\r\nBcc: eve@example.org\"@example.org",
    "\"grace@example.org\"@eve.example",
    "Grace <grace@example.org>",
    "<grace@example.org>",
    "<eve@example.org>grace@example.org",
    "grace@example.org.",
    "grace@example..org",
    "grace@[127.0.0.1]",
    " grace@example.org",
    "grace@example.org\u{200b}",
    // Cyrillic, fullwidth, a dotless i, an IDN.
    "gr\u{430}ce@example.org",
    "grace@ex\u{430}mple.org",
    "grace\u{ff20}example.org",
    "gr\u{e0}ce@example.org",
    "grace@ex\u{e4}mple.org",
];

/// Names with header syntax, control characters and similar.
const HOSTILE_NAMES: [&str; 8] = [
    "Eve\", \"Grace",
    "Eve <eve@example.org>,",
    "eve@example.org, grace@example.org",
    "=?utf-8?b?DQpCY2M6IGV2ZUBleGFtcGxlLm9yZw==?=",
    "\u{2028}Bcc: eve@example.org\u{2029}",
    "\u{202e}gro.elpmaxe@eve",
    "(comment) \\\" ; : group: eve@example.org;",
    "%0d%0aBcc: eve@example.org",
];

/// The header names and values of a raw message.
fn headers(raw: &str) -> Vec<(String, String)> {
    assert!(!raw.replace("\r\n", "").contains(['\r', '\n']), "lines end in CRLF");
    let (head, _) = raw.split_once("\r\n\r\n").unwrap();
    let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ");
    let header =
        |line: &str| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned())).unwrap();
    unfolded.split("\r\n").map(header).collect()
}

/// Asserts that the newest of this number of mails is addressed only to this user.
async fn assert_one_recipient(app: &TestApp, mails: usize, to: &TestUser) {
    const OURS: [&str; 8] =
        ["Message-ID", "From", "To", "Subject", "Auto-Submitted", "MIME-Version", "Date", "Content-Type"];
    let mail = app.mails(mails).await.pop().unwrap();
    assert_eq!(mail.to, [to.email()]);
    let headers = headers(&mail.text);
    assert_eq!(headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), OURS, "{}", mail.text);
    let (_, shown) = headers.iter().find(|(name, _)| name == "To").unwrap();
    assert!(shown == to.email() || shown.ends_with(&format!(" <{}>", to.email())), "{shown}");
    let name = shown.trim_end_matches(&format!("<{}>", to.email())).trim();
    let quoted = name.starts_with('"')
        && name.ends_with('"')
        && !name[1..name.len().max(2) - 1].replace("\\\\", "").replace("\\\"", "").contains('"');
    let plain = !name.contains([',', ';', '<', '>', '@', ':', '"', '(', ')']) || name == to.email();
    assert!(quoted || plain, "no second address in a name: {shown}");
}

on_both_databases! {
    async fn an_invalid_address_matches_no_user(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let root = app.staff("root@example.org");
        for text in INVALID_ADDRESSES {
            let asked = app.post(REQUESTS).by_user(&scene.ada).json(&scene.request_body_with("user_target", text));
            expect_refusal(&app, asked, 400).await;
            let added = app.post("/api/user/").by_user(&root).json(&json!({ "email": text }));
            expect_field_error(&app, added, "user", "email").await;
        }
        let several: [Value; 4] = [
            json!(["grace@example.org", "eve@example.org"]),
            json!([scene.grace.uri()]),
            json!({ "email": "grace@example.org" }),
            json!([["grace@example.org"]]),
        ];
        for value in several {
            expect_refusal(&app, app.post(REQUESTS).by_user(&scene.ada).json(&scene.request_body_with("user_target", value)), 400).await;
        }
        // Of two fields with the same name, only the last one counts.
        let (eve, bundle) = (scene.eve.uri(), scene.bundle_uri());
        let twice = format!(
            "{{\"user_target\":\"{}\",\"user_allowed\":\"{}\",\"bundle\":\"{bundle}\",\"user_target\":\"{eve}\"}}",
            scene.grace.uri(), scene.ada.uri(),
        );
        expect_response(app.post(REQUESTS).by_user(&scene.ada).header("content-type", "application/json").body(twice), 201).await;
        assert_one_recipient(&app, 1, &scene.eve).await;
        assert_eq!(app.count("SELECT count(*) AS n FROM outbox"), 1);
    }

    async fn addresses_that_differ_are_different_people(app: TestApp) {
        let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
        let bundle = app.bundle("Sleep", 6);
        let alike = ["grace+x@example.org", "grace.@example.org", "grace@example.org.example", "g.race@example.org", "grace@xn--exmple-cua.org", "o'hara!#$%&*=?^_`{|}~@example.org"];
        let mut mails = 0;
        for email in alike {
            let Ok(_) = countersign::domain::user::Email::new(email) else { continue };
            let other = app.user(email);
            let body = json!({ "user_target": email.to_uppercase(), "user_allowed": ada.uri(), "bundle": bundle.id.0 });
            let asked = expect_response(app.post(REQUESTS).by_user(&ada).json(&body), 201).await;
            assert_eq!(asked["user_target"]["id"], other.id());
            mails += 1;
            assert_one_recipient(&app, mails, &other).await;
        }
        assert_eq!(mails, alike.len() - 1, "all valid addresses");
        assert!(app.mailbox.sent().iter().all(|mail| mail.to != [grace.email()]));
    }

    async fn names_add_neither_headers_nor_recipients(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let root = app.staff("root@example.org");
        let mut mails = 0;
        for (nth, name) in HOSTILE_NAMES.iter().enumerate() {
            let names = json!({ "first_name": name, "last_name": name });
            for user in [&scene.ada, &scene.grace] {
                expect_response(app.put(&user.uri()).by_user(user).json(&names), 200).await;
            }
            let bundle = json!({ "name": format!("{nth} {name}"), "description": name });
            let bundle = expect_response(app.post("/api/bundle/").by_user(&root).json(&bundle), 201).await;
            expect_response(app.post(REQUESTS).by_user(&scene.ada).json(&scene.request_body_with("bundle", bundle["id"].clone())), 201).await;
            mails += 1;
            assert_one_recipient(&app, mails, &scene.grace).await;
        }
        for name in ["Eve\r\nBcc: eve@example.org", "Eve\nX: y", "Eve\r", "Eve\u{85}X: y", "\0"] {
            expect_refusal(&app, app.put(&scene.ada.uri()).by_user(&scene.ada).json(&json!({ "first_name": name })), 400).await;
            expect_refusal(&app, app.post("/api/bundle/").by_user(&root).json(&json!({ "name": name })), 400).await;
        }
    }
}
