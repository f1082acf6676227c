//! The metrics, and the files in `deploy` that use them.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::helpers::{Backend, ByUser, TestApp};

fn project_file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(project_file(name)).unwrap()
}

/// The metrics of a server that has a feature of each kind on.
async fn scrape() -> String {
    let mut app = TestApp::spawn(Backend::Sqlite);
    let directory = tempfile::tempdir().unwrap();
    app.stop();
    let path = directory.path().join("audit.jsonl");
    app.url = app.spawn_replica_with(&format!("[audit.stream]\nto = 'file:{}'\n", path.display()));
    let scrape = async {
        loop {
            let text = app.get("/metrics").send().await.unwrap().text().await.unwrap();
            if !text.contains("countersign_audit_stream_lines_total 0\n") && text.contains("_count{") {
                return text;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), scrape).await.unwrap()
}

fn promtool(arguments: &[&str], input: &str) {
    let program = std::env::var("COUNTERSIGN_TEST_PROMTOOL").expect("run the tests by `make test`");
    let mut command = Command::new(program);
    let command = command.args(arguments).current_dir(project_file("")).stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It may not read it.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{arguments:?}: {text}");
}

/// The metrics in a query, each with the rest of the query after it.
fn metrics_in(query: &str) -> Vec<(&str, &str)> {
    let is_part = |c: char| c.is_ascii_lowercase() || c == '_';
    let starts = query.match_indices("countersign_").map(|(at, _)| &query[at..]);
    starts.map(|rest| rest.split_at(rest.find(|c| !is_part(c)).unwrap_or(rest.len()))).collect()
}

/// All queries of the dashboard and of the alerts.
fn queries() -> Vec<String> {
    fn expressions(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    match value {
                        Value::String(text) if name == "expr" || name == "query" => found.push(text.clone()),
                        value => expressions(value, found),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| expressions(item, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    expressions(&serde_json::from_str(&read("deploy/grafana.json")).unwrap(), &mut found);
    assert!(found.len() > 20, "{found:?}");
    let alerts = read("deploy/alerts.yml");
    found
        .extend(alerts.split("expr: ").skip(1).map(|rest| rest.split("labels: ").next().unwrap().to_owned()));
    found
}

#[actix_web::test]
async fn dashboard_and_alerts_use_metrics_that_exist() {
    let scraped = scrape().await;
    let samples: Vec<&str> = scraped.lines().filter(|line| !line.starts_with('#')).collect();
    let mut used = 0;
    for query in queries() {
        for (name, rest) in metrics_in(&query) {
            let of_metric = || samples.iter().filter_map(|line| line.strip_prefix(name));
            assert!(of_metric().any(|rest| rest.starts_with(['{', ' '])), "{name} in {query}");
            let selector = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
            for label in selector.map_or("", |(labels, _)| labels).split(',') {
                if label.contains("=\"") && !label.contains(['!', '~']) {
                    assert!(of_metric().any(|rest| rest.contains(label)), "{name} with {label} in {query}");
                }
            }
            used += 1;
        }
    }
    assert!(used > 30, "{used}");
    // promtool reads the older format, in which the name of a counter has its suffix everywhere.
    let counters: Vec<&str> =
        scraped.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter")).collect();
    let mut text = String::new();
    for line in scraped.lines().filter(|line| !line.starts_with("# UNIT") && *line != "# EOF") {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next()) {
            (Some("#"), Some(kind), Some(name)) if counters.contains(&name) => {
                text += &format!("# {kind} {name}_total {}\n", words.next().unwrap());
            }
            _ => text += &format!("{line}\n"),
        }
    }
    promtool(&["check", "metrics"], &text);
    // Every metric is in the reference, and no other.
    let families = scraped.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let exported: BTreeSet<String> = families
        .map(|line| match line.split_once(' ').unwrap() {
            (name, "counter") => format!("{name}_total"),
            (name, _) => name.to_owned(),
        })
        .collect();
    let page = read("docs/reference/metrics.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `countersign_"));
    let documented: BTreeSet<String> = rows
        .filter_map(|row| row.split_once("` | "))
        .filter(|(_, rest)| ["gauge", "counter", "histogram"].iter().any(|kind| rest.starts_with(kind)))
        .map(|(name, _)| format!("countersign_{name}"))
        .collect();
    assert_eq!(exported, documented);
}

#[test]
fn alerts_fire_when_they_should_and_not_otherwise() {
    promtool(&["check", "rules", "deploy/alerts.yml"], "");
    promtool(&["test", "rules", "tests/support/prometheus/alerts.test.yml"], "");
    let (alerts, tests) = (read("deploy/alerts.yml"), read("tests/support/prometheus/alerts.test.yml"));
    for name in alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        assert!(tests.contains(&format!("alertname=\"{name}\"")), "{name} has no test");
    }
}

#[actix_web::test]
async fn decisions_sign_ins_and_refusals_are_counted() {
    let toml = "[limits]\nfailed_sign_ins_per_account = '1/h'\nwrites_per_user = '1/h'\n";
    let app = TestApp::spawn_with(Backend::Sqlite, toml);
    let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
    let bundle = app.bundle("Sleep", 6);
    let request = app.create_request(&ada, &grace, &bundle);
    let path = format!("/api/bundle_permission_request/{}/", app.redeem_token(&request));
    assert_eq!(app.put(&path).by_user(&grace).send().await.unwrap().status(), 200);
    for expected in [401, 429] {
        let refused = app.get("/api/user/").basic_auth(ada.email(), Some("wrong")).send().await.unwrap();
        assert_eq!(refused.status(), expected);
    }
    let text = app.get("/metrics").send().await.unwrap().text().await.unwrap();
    for line in [
        "countersign_request_decisions_total{outcome=\"approved\"} 1",
        "countersign_request_decisions_total{outcome=\"declined\"} 0",
        "countersign_sign_ins_total{method=\"password\",outcome=\"rejected\"} 1",
        "countersign_sign_ins_total{method=\"password\",outcome=\"rate_limited\"} 1",
        "countersign_sign_ins_total{method=\"api_key\",outcome=\"accepted\"} 1",
        "countersign_rate_limit_refusals_total{limit=\"account\"} 1",
        "countersign_rate_limit_refusals_total{limit=\"writes\"} 0",
        "countersign_access_decisions_total{decision=\"allowed\"} 0",
        "countersign_webhook_in_flight 0",
        "countersign_webhook_disabled 0",
    ] {
        assert!(text.contains(&format!("{line}\n")), "{line}: {text}");
    }
}
