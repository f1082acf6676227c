//! The log of the real program: what tools such as fail2ban read.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::helpers::{Backend, TestApp};
use crate::processes::Server;

/// Compiles the `failregex` of a filter with `<HOST>` as fail2ban does, and prints the address in
/// each line of stdin that it matches, or `-`.
const FAIL2BAN: &str = r#"
import configparser, re, sys
filter = configparser.RawConfigParser()
filter.read(sys.argv[1])
host = r"(?:::f{4,6}:)?(?P<ip4>(?:\d{1,3}\.){3}\d{1,3})|(?P<ip6>[0-9a-fA-F:]{3,})"
pattern = re.compile(filter["Definition"]["failregex"].replace("<HOST>", f"(?:{host})"))
for line in sys.stdin:
    found = pattern.search(line.rstrip("\n"))
    print((found["ip4"] or found["ip6"]) if found else "-")
"#;

#[test]
fn the_guide_shows_the_filter() {
    let guide = include_str!("../../docs/guides/operate.md");
    assert!(guide.contains(include_str!("../../docs/fail2ban.conf")));
}

/// What the filter in `docs` finds in each of these lines.
fn fail2ban(lines: &[String]) -> Vec<String> {
    let python = std::env::var("COUNTERSIGN_TEST_PYTHON").expect("run the tests by `make test`");
    let filter = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/fail2ban.conf");
    let mut command = Command::new(python);
    command.args(["-c", FAIL2BAN, filter]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all((lines.join("\n") + "\n").as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

impl Server {
    /// The log up to the first line with this text.
    fn log_until(&self, text: &str) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let line = self.log.recv_timeout(Duration::from_secs(20)).expect("the server logs the line");
            lines.push(line);
            if lines.last().is_some_and(|line| line.contains(text)) {
                return lines;
            }
        }
    }
}

#[actix_web::test]
async fn failed_sign_ins_are_logged_so_that_fail2ban_finds_the_address() {
    let app = TestApp::without_server(Backend::Sqlite);
    let ada = app.user("ada@example.org");
    let environment = [("DATABASE_URL", app.database_url.as_str())];
    let toml = "trusted_proxies = ['127.0.0.1']\n[limits]\nfailed_sign_ins_per_address = '3/h'";
    let server = Server::start_with(toml, &environment);
    let account = format!("{}/api/account/", server.url);
    let get = |client: &str| app.get(&account).header("x-forwarded-for", client);
    assert_eq!(get("192.0.2.1").bearer_auth(&ada.key).send().await.unwrap().status(), 200);
    // The user agent and the address of the account are the client's choice.
    let forged = "sign-in failed address=198.51.100.9 method=\"password\" reason=\"rejected\"";
    for (email, client, status) in [
        ("Ada@example.org", "192.0.2.7", 401),
        ("nobody@example.org", "2001:db8::7", 401),
        (forged, "192.0.2.9", 401),
        ("ada@example.org", "192.0.2.7", 401),
        ("nobody@example.org", "192.0.2.7", 401),
        ("nobody@example.org", "192.0.2.7", 429),
    ] {
        let wrong = get(client).basic_auth(email, Some("wrong password")).header("user-agent", forged);
        assert_eq!(wrong.send().await.unwrap().status(), status, "{email} {client}");
    }
    let other_end = if ada.key.ends_with('A') { 'E' } else { 'A' };
    let other_key = format!("{}{other_end}", &ada.key[..ada.key.len() - 1]);
    assert_eq!(get("192.0.2.8").bearer_auth(&other_key).send().await.unwrap().status(), 401);
    assert_eq!(get("192.0.2.8").header("authorization", "Bearer csk_x").send().await.unwrap().status(), 401);

    let lines = server.log_until("method=\"api_key\"");
    let failures: Vec<&String> = lines.iter().filter(|line| line.contains("sign-in failed")).collect();
    for line in &failures {
        assert!(!line.contains("example.org") && !line.contains("wrong password"), "{line}");
        assert!(!line.contains(&other_key) && !line.contains("198.51.100.9"), "{line}");
    }
    // The first half of `printf %s ada@example.org | sha256sum`, whatever the case of the address.
    let of_ada = failures.iter().filter(|line| line.contains("account=\"cfe00dde46ef9426\"")).count();
    assert_eq!(of_ada, 2, "{failures:?}");
    assert_eq!(failures.iter().filter(|line| line.contains("reason=\"rate_limited\"")).count(), 1);

    let found: Vec<String> = fail2ban(&lines).into_iter().filter(|address| address != "-").collect();
    let expected = ["192.0.2.7", "2001:db8::7", "192.0.2.7", "192.0.2.7", "192.0.2.7", "192.0.2.8"];
    assert_eq!(found, expected, "{lines:?}");
    // As the journal shows it.
    let journal = format!("host countersign[7]: {}", failures[0]);
    let traced = format!("{} trace_id=\"4bf92f3577b34da6a3ce929d0e0e4736\"", failures[0]);
    assert!(failures[0].contains(" request_id=\""), "{}", failures[0]);
    assert_eq!(fail2ban(&[traced]), ["192.0.2.7"]);
    assert_eq!(fail2ban(&[journal, "WARN sign-in failed address=192.0.2.7".to_owned()]), ["192.0.2.7", "-"]);
}

#[actix_web::test]
async fn malformed_requests_are_logged_at_info_at_most() {
    let app = TestApp::without_server(Backend::Sqlite);
    let server = Server::start(&[("DATABASE_URL", &app.database_url)]);
    let host = "Host: x\r\n";
    for text in [
        "nonsense\r\n\r\n".to_owned(),
        "\u{16}\u{3}\u{1}\u{2}".to_owned(),
        format!("GET / HTTP/9.9\r\n{host}\r\n"),
        "GET / HTTP/1.1\r\nno header\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\n\r\n".to_owned(),
        format!("GET /{} HTTP/1.1\r\n{host}\r\n", "x".repeat(200_000)),
        format!("GET /%zz%00\u{7f} HTTP/1.1\r\n{host}\r\n"),
        format!("POST /sign-in HTTP/1.1\r\n{host}Content-Length: x\r\n\r\n"),
        format!("POST /sign-in HTTP/1.1\r\n{host}Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n"),
        format!("POST /sign-in HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\n\r\nzz"),
        format!("POST /sign-in HTTP/1.1\r\n{host}Content-Length: 99\r\n\r\nemail"),
        format!(
            "POST /api/user/ HTTP/1.1\r\n{host}Content-Type: application/json\r\nContent-Length: 1\r\n\r\n{{"
        ),
        format!("GET / HTTP/1.1\r\n{host}Cookie: session=\u{ff}\r\n\r\n"),
    ] {
        let mut stream = TcpStream::connect(server.url.trim_start_matches("http://")).unwrap();
        // The server may close the connection before it has read everything, and without a response.
        let _ = stream.write_all(text.as_bytes()).and_then(|()| stream.shutdown(Shutdown::Write));
        let _ = stream.read_to_end(&mut Vec::new());
    }
    let wrong = app.get(&format!("{}/api/account/", server.url)).basic_auth("ada@example.org", Some("wrong"));
    assert_eq!(wrong.send().await.unwrap().status(), 401);
    let mut lines = server.log_until("sign-in failed");
    lines.pop();
    let severe: Vec<_> =
        lines.iter().filter(|line| line.contains("WARN") || line.contains("ERROR")).collect();
    assert!(severe.is_empty(), "{severe:?}");
}
