//! `/.well-known/security.txt`.

use crate::helpers::{Backend, TestApp};

#[actix_web::test]
async fn the_file_names_the_configured_contact_and_expires_in_thirty_days() {
    let app = TestApp::spawn_with(Backend::Sqlite, "security_contact = 'mailto:security@example.org'");
    let answer = app.get("/.well-known/security.txt").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "text/plain; charset=utf-8");
    let text = answer.text().await.unwrap();
    let lines: Vec<(&str, &str)> =
        text.split_terminator("\r\n").map(|line| line.split_once(": ").unwrap()).collect();
    let value = |name: &str| {
        let found: Vec<&str> = lines.iter().filter(|line| line.0 == name).map(|line| line.1).collect();
        assert_eq!(found.len(), 1, "{name}: {text}");
        found[0]
    };
    assert_eq!(value("Contact"), "mailto:security@example.org");
    assert_eq!(value("Canonical"), "https://countersign.test/.well-known/security.txt");
    assert_eq!(value("Expires"), "2030-01-31T00:00:00Z");
    value("Preferred-Languages");
}

#[actix_web::test]
async fn without_a_contact_there_is_no_file() {
    let app = TestApp::spawn(Backend::Sqlite);
    let answer = app.get("/.well-known/security.txt").send().await.unwrap();
    assert_eq!(answer.status(), 404);
    assert!(answer.text().await.unwrap().starts_with("{\"error\":"));
}
