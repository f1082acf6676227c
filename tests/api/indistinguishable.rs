//! Responses that a caller must not be able to distinguish, by content or by response time:
//! unknown, used, expired, withdrawn and foreign tokens; unknown addresses and wrong passwords;
//! unlinked and nonexistent users.
//!
//! The response times are compared with the dudect method (Reparaz, Balasch, Verbauwhede 2017):
//! requests of all variants are sent in random order, and Welch's t-test compares their times,
//! with and without the slowest ones. `COUNTERSIGN_CHAOS=long` takes 100,000 samples per variant,
//! which takes hours. `TIMING_SAMPLES` sets the number of samples, and `TIMING_OF='authz,PUT
//! <token>'` selects groups (`tests/run --test api indistinguishable_responses_take_the_same_time
//! -- --ignored`).

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use countersign::domain::export_token::{ExpiryHours, NewExportToken};
use countersign::domain::hub::{HubId, NodeId};
use countersign::domain::rights::{Mask, Role};
use countersign::domain::user::Authority;
use countersign::store::api_keys::Scope;
use countersign::store::ledger::{CloseRequest, CreateExport, Decide};

use serde_json::json;

use crate::helpers::{Backend, PASSWORD, TestApp, TestUser};
use crate::page_client::PageClient;
use crate::processes::Server;

/// A larger t has a probability of 1 in 150,000 if the distributions are equal.
const T_THRESHOLD: f64 = 4.5;
/// Responses that must be indistinguishable are delayed to a multiple of this duration.
const QUANTUM: Duration = Duration::from_millis(100);

/// The number of connections that measure concurrently. Most time is spent waiting for the
/// response delay, except for passwords, because the server hashes two at a time.
fn parallel_connections(what: &str, each: usize) -> usize {
    match what {
        "signing in" if each > 10_000 => 6,
        "signing in" => 2,
        // All of them lock the same row.
        "a forgotten password" => 8,
        _ if each > 10_000 => 128,
        _ => 32,
    }
}

/// Requests that must get the same response, each with the name of its variant.
type RequestVariants = Vec<(&'static str, Vec<u8>)>;

/// The bytes of a request.
fn raw_request(method: &str, path: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("{method} {path} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
        .into_bytes()
}

/// A form of the pages, as a browser sends it.
fn raw_form_post(visitor: &PageClient, path: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(fields).append_pair("csrf", &visitor.csrf_token);
    let headers = "Content-Type: application/x-www-form-urlencoded\r\n";
    raw_request("POST", path, &format!("{headers}Cookie: {}\r\n", visitor.cookie), &form.finish())
}

/// A well-formed token that the server has not issued.
fn forged_token(token: &str) -> String {
    let last = if token.ends_with("AAAA") { "BBBB" } else { "AAAA" };
    format!("{}{last}", &token[..token.len() - 4])
}

fn bearer(key: &str) -> String {
    format!("Authorization: Bearer {key}\r\n")
}

fn basic(email: &str, password: &str) -> String {
    format!("Authorization: Basic {}\r\n", STANDARD.encode(format!("{email}:{password}")))
}

/// A past time as an SQL literal.
fn past_timestamp(app: &TestApp) -> &'static str {
    if app.database_url.starts_with("sqlite") { "1577836800000000" } else { "'2020-01-01T00:00:00Z'" }
}

/// The users and tokens of the requests.
struct IndistinguishableFixture {
    grace: TestUser,
    /// Grace, signed in to the pages.
    signed_in: PageClient,
    /// A signed-out client of the pages.
    signed_out: PageClient,
    /// Redeem tokens that Grace cannot redeem, each with the reason.
    tokens: Vec<(&'static str, String)>,
    /// Inactive export tokens, each with the reason.
    exports: Vec<(&'static str, String)>,
    /// An active export token that does not allow the access.
    of_another_node: (&'static str, String),
    /// Inactive password links, each with the reason.
    links: Vec<(&'static str, String)>,
    stranger: i64,
    /// A webhook of another user.
    webhook: i64,
    inspector: String,
    checker: String,
}

impl IndistinguishableFixture {
    fn new(app: &TestApp) -> Self {
        let [ada, grace, eve] = ["ada", "grace", "eve"].map(|name| app.user(&format!("{name}@example.org")));
        let [used, expired, withdrawn, replaced, others] =
            ["Used", "Expired", "Withdrawn", "Replaced", "Other's"].map(|name| app.bundle(name, 6));
        let mut tokens = Vec::new();
        let mut keep = |why, request: &_| tokens.push((why, app.redeem_token(request)));
        let request = app.create_request(&ada, &grace, &used);
        keep("used", &request);
        app.commit(Decide::as_asked(request.redeem_id, grace.user.id, None)).unwrap();
        let request = app.create_request(&ada, &grace, &withdrawn);
        keep("withdrawn", &request);
        app.commit(CloseRequest { id: request.id, by: Authority::User(ada.user.id) }).unwrap();
        keep("replaced", &app.create_request(&ada, &grace, &replaced));
        app.create_request(&ada, &grace, &replaced);
        keep("another user's", &app.create_request(&ada, &eve, &others));
        let request = app.create_request(&ada, &grace, &expired);
        keep("expired", &request);
        app.execute_raw(&format!(
            "UPDATE permission_requests SET created_at = {0}, expires_at = {0} WHERE id = {1}",
            past_timestamp(app),
            request.id
        ));
        tokens.push(("unknown", forged_token(&tokens[0].1)));
        tokens.push(("nonsense", "csr_".to_owned() + &"x".repeat(44)));

        app.grant_role("observatory", &ada, Role::Admin);
        let root = app.staff("root@example.org");
        let [inspector, checker] = [Scope::Introspect, Scope::Check].map(|scope| app.key(&root.user, scope));
        let mut exports = Vec::new();
        let export = |node: &str| {
            let new = NewExportToken {
                creator: ada.user.id,
                hub: HubId::new("observatory").unwrap(),
                node: NodeId::new(node).unwrap(),
                mask: Mask::READ,
                expiry: ExpiryHours::new(24).unwrap(),
            };
            match app.commit(CreateExport(new)) {
                Ok((_, token)) => token.expose(),
                Err(error) => panic!("not created: {error}"),
            }
        };
        let of_another_node = ("of another node", export("music"));
        for (why, column) in [("revoked", "revoked_at"), ("expired", "expires_at")] {
            exports.push((why, export(why)));
            app.execute_raw(&format!(
                "UPDATE export_tokens SET {column} = {} WHERE node_id = '{why}'",
                past_timestamp(app)
            ));
        }
        exports.push(("unknown", forged_token(&exports[0].1)));
        exports.push(("nonsense", "cse_".to_owned() + &"x".repeat(44)));

        let mut links = Vec::new();
        for why in ["used", "expired", "replaced", "of a disabled user"] {
            let user = app.user(&format!("{}@example.org", why.replace(' ', "-")));
            let link = app.password_link(&user);
            links.push((why, app.password_token(&link)));
            match why {
                "replaced" => drop(app.password_link(&user)),
                "of a disabled user" => app.disable(&user),
                _ => app.execute_raw(&format!(
                    "UPDATE password_links SET created_at = {0}, {why}_at = {0} WHERE user_id = {1}",
                    past_timestamp(app),
                    user.id(),
                    why = if why == "used" { "used" } else { "expires" },
                )),
            }
        }
        links.push(("unknown", forged_token(&links[0].1)));
        links.push(("nonsense", "csp_".to_owned() + &"x".repeat(44)));

        let nameless = app.user("nameless@example.org");
        app.execute_raw(&format!("UPDATE users SET password = NULL WHERE id = {}", nameless.id()));
        app.disable(&app.user("gone@example.org"));
        let stranger = app.user("stranger@example.org").id();
        let (signed_in, signed_out) = (app.signed_in(&grace), app.signed_out());
        let webhook = app.webhook(&ada);
        Self {
            grace,
            signed_in,
            signed_out,
            tokens,
            exports,
            of_another_node,
            links,
            stranger,
            webhook,
            inspector,
            checker,
        }
    }

    /// A request per password link.
    fn link_variants(&self, asked: impl Fn(&str) -> Vec<u8>) -> RequestVariants {
        self.links.iter().map(|(why, token)| (*why, asked(token))).collect()
    }

    /// Requests for a password mail, which send a mail for some variants.
    fn forgot_password_variants(&self) -> (&'static str, RequestVariants) {
        let whose = [
            ("nobody's address", "nobody@example.org"),
            ("a user's", "grace@example.org"),
            ("a disabled user's", "gone@example.org"),
            ("no address", "nobody"),
        ];
        let asked = |email| raw_form_post(&self.signed_out, "/forgot-password", &[("email", email)]);
        ("a forgotten password", whose.map(|(why, email)| (why, asked(email))).into())
    }

    /// Questions of a service about tokens that it denies for every reason.
    fn evaluation_variants(&self, path: &str) -> RequestVariants {
        let headers = format!("Content-Type: application/json\r\n{}", bearer(&self.checker));
        let resource = json!({ "type": "node", "id": "photos", "properties": { "hub_id": "observatory" } });
        let asked = |(why, token): &(&'static str, String)| {
            let evaluation = json!({
                "subject": { "type": "export_token", "id": token },
                "action": { "name": "read" },
                "resource": resource,
            });
            let body = if path.ends_with('s') { json!({ "evaluations": [evaluation] }) } else { evaluation };
            (*why, raw_request("POST", path, &headers, &body.to_string()))
        };
        self.exports.iter().chain(&self.tokens).chain([&self.of_another_node]).map(asked).collect()
    }

    /// Groups whose responses are identical, but not delayed: the callers, who are trusted, name the
    /// users. None of the requests changes anything.
    fn undelayed_groups(&self) -> Vec<(&'static str, RequestVariants)> {
        let headers = format!("Content-Type: application/json\r\n{}", bearer(&self.checker));
        let action = json!({ "name": "read" });
        let of_users = |path: &str| -> RequestVariants {
            let users = [
                ("a stranger", self.stranger.to_string()),
                ("an unknown number", "999999".to_owned()),
                ("an unknown address", "unknown@example.org".to_owned()),
                ("a disabled user", "gone@example.org".to_owned()),
                ("not a user", "/api/bundle/1/".to_owned()),
            ];
            let asked = |(why, user): (&'static str, String)| {
                let named = json!({ "type": "user", "id": user });
                let grace = json!({ "type": "user", "id": self.grace.email() });
                let (subject, resource) =
                    if path.ends_with("resource") { (named, grace) } else { (grace, named) };
                let body = json!({ "subject": subject, "action": action, "resource": resource });
                (why, raw_request("POST", path, &headers, &body.to_string()))
            };
            users.map(asked).into()
        };
        vec![
            ("evaluating users", of_users("/access/v1/evaluation")),
            ("searching subjects", of_users("/access/v1/search/subject")),
            ("searching resources", of_users("/access/v1/search/resource")),
            ("searching actions", of_users("/access/v1/search/action")),
        ]
    }

    /// All other groups of variants. None of their requests changes anything.
    fn variant_groups(&self) -> Vec<(&'static str, RequestVariants)> {
        let by_grace = bearer(&self.grace.key);
        let one_at = |method, subpath, body| {
            let asked = |(why, token): &(&'static str, String)| {
                let path = format!("/api/bundle_permission_request/{token}/{subpath}");
                (*why, raw_request(method, &path, &by_grace, body))
            };
            self.tokens.iter().map(asked).collect::<RequestVariants>()
        };
        let one = |method| one_at(method, "", "");
        // Two groups: the page for a closed request offers the target to request a new one.
        let of =
            |why: &'static [&'static str]| self.tokens.iter().filter(move |(other, _)| why.contains(other));
        let look = |why| {
            let cookie = format!("Cookie: {}\r\n", self.signed_in.cookie);
            of(why)
                .map(|(why, token)| {
                    (*why, raw_request("GET", &format!("/redeem?token={token}"), &cookie, ""))
                })
                .collect()
        };
        let decide = |why| {
            let form = |token| [("token", token), ("decision", "approve"), ("right", "read")];
            of(why)
                .map(|(why, token)| (*why, raw_form_post(&self.signed_in, "/redeem", &form(token))))
                .collect()
        };

        const UNDECIDED: &[&str] = &["withdrawn", "replaced", "expired"];
        const NONEXISTENT: &[&str] = &["unknown", "nonsense"];
        let sign_in = [
            ("nobody's address", "nobody@example.org", "a wrong password"),
            ("a wrong password", "grace@example.org", "a wrong password"),
            ("a disabled user", "gone@example.org", PASSWORD),
            ("a user without a password", "nameless@example.org", "a wrong password"),
        ];
        let users = [("a stranger", self.stranger), ("nobody", 999_999), ("no number", i64::MAX)];
        let exports = |asked: &dyn Fn(&str) -> Vec<u8>| -> RequestVariants {
            self.exports.iter().map(|(why, token)| (*why, asked(token))).collect()
        };
        vec![
            ("GET <token>", one("GET")),
            ("PUT <token>", one("PUT")),
            ("DELETE <token>", one("DELETE")),
            (
                "approve <token>",
                one_at("POST", "approve/", r#"{"permission": ["get"], "permission_ttl": 60}"#),
            ),
            ("decline <token>", one_at("POST", "decline/", r#"{"reason": "no"}"#)),
            // The target who approved a request sees that they did.
            ("the page of what is over", look(UNDECIDED)),
            ("the page of what never was", look(NONEXISTENT)),
            ("approving what is over", decide(UNDECIDED)),
            ("approving what never was", decide(NONEXISTENT)),
            (
                "the page of a dead link",
                self.link_variants(|token| {
                    let cookie = format!("Cookie: {}\r\n", self.signed_out.cookie);
                    raw_request("GET", &format!("/set-password?token={token}"), &cookie, "")
                }),
            ),
            (
                "setting a password by a dead link",
                self.link_variants(|token| {
                    let form = [("token", token), ("new", PASSWORD), ("confirm", PASSWORD)];
                    raw_form_post(&self.signed_out, "/set-password", &form)
                }),
            ),
            (
                "signing in",
                sign_in
                    .map(|(why, email, password)| {
                        (why, raw_request("GET", "/api/account/", &basic(email, password), ""))
                    })
                    .into(),
            ),
            (
                "GET <user>",
                users
                    .map(|(why, id)| (why, raw_request("GET", &format!("/api/user/{id}/"), &by_grace, "")))
                    .into(),
            ),
            (
                "GET <webhook>",
                [("another user's", self.webhook), ("nobody's", 999_999), ("no number", i64::MAX)]
                    .map(|(why, id)| (why, raw_request("GET", &format!("/api/webhook/{id}/"), &by_grace, "")))
                    .into(),
            ),
            (
                "authz",
                exports(&|token| {
                    raw_request("GET", "/authz?hub_id=observatory&nid=photos&right=read", &bearer(token), "")
                }),
            ),
            (
                "revocation",
                exports(&|token| {
                    let form = "Content-Type: application/x-www-form-urlencoded\r\n".to_owned();
                    raw_request("POST", "/oauth2/revoke", &(form + &by_grace), &format!("token={token}"))
                }),
            ),
            (
                "introspection",
                exports(&|token| {
                    let form = "Content-Type: application/x-www-form-urlencoded\r\n".to_owned();
                    raw_request(
                        "POST",
                        "/oauth2/introspect",
                        &(form + &bearer(&self.inspector)),
                        &format!("token={token}"),
                    )
                }),
            ),
            ("evaluation", self.evaluation_variants("/access/v1/evaluation")),
            ("evaluations", self.evaluation_variants("/access/v1/evaluations")),
        ]
    }
}

/// A connection that is reused.
struct KeptConnection {
    reader: BufReader<TcpStream>,
}

impl KeptConnection {
    fn open(url: &str) -> Self {
        let stream = TcpStream::connect(url.trim_start_matches("http://")).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { reader: BufReader::new(stream) }
    }

    /// The response: its header lines, without those that differ per response, and its body.
    fn send(&mut self, request: &[u8]) -> (Vec<String>, Vec<u8>) {
        self.reader.get_mut().write_all(request).unwrap();
        let (mut head, mut length) = (Vec::new(), 0);
        loop {
            let mut line = String::new();
            self.reader.read_line(&mut line).unwrap();
            let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
            if name == "content-length" {
                length = line[name.len() + 1..].trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
            if name != "date" && name != "x-request-id" {
                head.push(line);
            }
        }
        // The order of header lines is not defined.
        head.sort();
        let mut body = vec![0; length];
        self.reader.read_exact(&mut body).unwrap();
        (head, body)
    }
}

/// The page without the token that is unique to each form.
fn without_form_tokens(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body).into_owned();
    match text.split_once("name=\"once\" value=\"") {
        Some((before, after)) => format!("{before}{}", after.split_once('"').unwrap().1),
        None => text,
    }
}

fn assert_identical_responses(backend: Backend) {
    let app = TestApp::without_server(backend);
    let scene = IndistinguishableFixture::new(&app);
    let server = Server::start(&[("DATABASE_URL", &app.database_url)]);
    let alike = |what: &str, kinds: &RequestVariants, done: bool| {
        let mut answers = Vec::new();
        for (why, request) in kinds {
            let (head, body) = KeptConnection::open(&server.url).send(request);
            answers.push((why, head, without_form_tokens(&body)));
        }
        let (first, head, body) = &answers[0];
        assert_eq!(head.concat().contains("HTTP/1.1 2"), done, "{what}, {first}: {head:?} {body}");
        for (why, other_head, other_body) in &answers[1..] {
            assert_eq!((other_head, other_body), (head, body), "{what}: {why}, {first}");
        }
    };
    let before = app.rows();
    for (what, kinds) in scene.variant_groups() {
        alike(what, &kinds, ["introspection", "revocation", "evaluation", "evaluations"].contains(&what));
    }
    for (what, kinds) in scene.undelayed_groups() {
        alike(what, &kinds, true);
    }
    assert_eq!(app.rows(), before);
    let (what, kinds) = scene.forgot_password_variants();
    alike(what, &kinds, true);
}

#[test]
fn indistinguishable_responses_are_identical_on_sqlite() {
    assert_identical_responses(Backend::Sqlite);
}

#[test]
fn indistinguishable_responses_are_identical_on_postgresql() {
    assert_identical_responses(Backend::Postgres);
}

/// The response times in nanoseconds per variant, in random order with this number of samples
/// each.
fn measure_times(url: &str, kinds: &RequestVariants, each: usize, connections: usize) -> Vec<Vec<f64>> {
    let samples: Vec<Vec<(usize, f64)>> = std::thread::scope(|scope| {
        let measuring = (0..connections).map(|_| {
            scope.spawn(|| {
                let mut connection = KeptConnection::open(url);
                // Spreads the connections over the delay interval.
                std::thread::sleep(
                    QUANTUM.mul_f64(f64::from(getrandom::u32().unwrap()) / f64::from(u32::MAX)),
                );
                let mut samples = Vec::new();
                for _ in 0..each.div_ceil(connections) {
                    for kind in shuffled(kinds.len()) {
                        let started = Instant::now();
                        connection.send(&kinds[kind].1);
                        samples.push((kind, started.elapsed().as_nanos() as f64));
                    }
                }
                samples
            })
        });
        let measuring: Vec<_> = measuring.collect();
        measuring.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut times = vec![Vec::new(); kinds.len()];
    for (kind, time) in samples.into_iter().flatten() {
        times[kind].push(time);
    }
    times
}

/// The numbers below `n` in random order.
fn shuffled(n: usize) -> Vec<usize> {
    let mut order: Vec<(u64, usize)> = (0..n).map(|number| (getrandom::u64().unwrap(), number)).collect();
    order.sort_unstable();
    order.into_iter().map(|(_, number)| number).collect()
}

/// The largest of Welch's t values with all samples and without the slowest ones.
fn largest_t(a: &[f64], b: &[f64]) -> f64 {
    let mut all = [a, b].concat();
    all.sort_unstable_by(f64::total_cmp);
    let kept = [1.0, 0.99, 0.95, 0.9, 0.75, 0.5].map(|share| {
        let limit = all[((all.len() as f64 * share) as usize).clamp(1, all.len()) - 1];
        let below =
            |samples: &[f64]| samples.iter().copied().filter(|time| *time <= limit).collect::<Vec<_>>();
        welch_t(&below(a), &below(b))
    });
    kept.into_iter().max_by(|a, b| a.abs().total_cmp(&b.abs())).unwrap_or(0.0)
}

fn welch_t(a: &[f64], b: &[f64]) -> f64 {
    let moments = |samples: &[f64]| {
        let n = samples.len() as f64;
        let mean = samples.iter().sum::<f64>() / n;
        let variance = samples.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / (n - 1.0);
        (mean, variance / n)
    };
    if a.len() < 10 || b.len() < 10 {
        return 0.0;
    }
    let ((mean_a, error_a), (mean_b, error_b)) = (moments(a), moments(b));
    (mean_a - mean_b) / (error_a + error_b).sqrt().max(f64::MIN_POSITIVE)
}

/// Prints the two variants with the largest t, and returns it.
fn max_pairwise_t(url: &str, what: &str, kinds: &RequestVariants, each: usize) -> f64 {
    let times = measure_times(url, kinds, each, parallel_connections(what, each));
    let pairs = (0..kinds.len()).flat_map(|a| (a + 1..kinds.len()).map(move |b| (a, b)));
    let compared = pairs.map(|(a, b)| (largest_t(&times[a], &times[b]), a, b));
    let (t, a, b) = compared.max_by(|one, other| one.0.abs().total_cmp(&other.0.abs())).unwrap();
    let mean = |kind: usize| times[kind].iter().sum::<f64>() / times[kind].len() as f64 / 1e6;
    println!(
        "{what}: |t| = {:.2} between {} ({:.3} ms) and {} ({:.3} ms), {} of each",
        t.abs(),
        kinds[a].0,
        mean(a),
        kinds[b].0,
        mean(b),
        times[a].len()
    );
    t.abs()
}

/// The number of samples per variant. Fewer for argon2, which is slow.
fn samples_per_variant(what: &str) -> usize {
    let long = std::env::var("COUNTERSIGN_CHAOS").is_ok_and(|form| form == "long");
    let given = std::env::var("TIMING_SAMPLES").ok().and_then(|number| number.parse().ok());
    let most = given.unwrap_or(if long { 100_000 } else { 240 });
    if what == "signing in" { most / 4 } else { most }
}

/// Limits that are enabled but never reached.
const WIDE_LIMITS: &str =
    "[limits]\nfailed_sign_ins_per_account = '1000000/s'\nfailed_sign_ins_per_address = '1000000/s'
password_mails_per_account = '1000000/s'\npassword_mails_per_address = '1000000/s'";

/// Needs the machine to itself: on a busy machine, responses miss their interval, and the
/// difference becomes visible.
#[test]
#[ignore = "wants the machine to itself, which `tests/run` gives it"]
fn indistinguishable_responses_take_the_same_time() {
    let app = TestApp::without_server(Backend::Postgres);
    let scene = IndistinguishableFixture::new(&app);
    let server = Server::start_with(WIDE_LIMITS, &[("DATABASE_URL", &app.database_url)]);
    let unlike =
        |what, kinds: &RequestVariants| max_pairwise_t(&server.url, what, kinds, samples_per_variant(what));
    let only = std::env::var("TIMING_OF").ok();
    let wanted = |what| only.as_deref().is_none_or(|only| only.split(',').any(|name| name == what));
    let mut leaks = Vec::new();
    let groups = scene.variant_groups().into_iter().chain([scene.forgot_password_variants()]);
    for (what, kinds) in groups.filter(|(what, _)| wanted(*what)) {
        let t = unlike(what, &kinds);
        // Measures again: a real difference is reproducible, a pause of the machine is not.
        if t >= T_THRESHOLD {
            leaks.push((what, t, unlike(what, &kinds)));
        }
    }
    leaks.retain(|(_, _, again)| *again >= T_THRESHOLD);
    assert!(leaks.is_empty(), "{leaks:?}");
}

/// Mutants without the response delay: one that answers faster if no mail is due, and one that
/// hashes no password for an unknown address.
#[test]
#[ignore = "needs the mutants, and the machine to itself: `tests/run` runs it"]
fn timing_leak_in_a_mutant_is_detected() {
    let app = TestApp::without_server(Backend::Postgres);
    let scene = IndistinguishableFixture::new(&app);
    for (faults, group) in [
        ("response_delay.off=return", "a forgotten password"),
        ("response_delay.off=return;auth.skip_hash=return", "signing in"),
    ] {
        let server =
            Server::start_with(WIDE_LIMITS, &[("DATABASE_URL", &app.database_url), ("FAILPOINTS", faults)]);
        let mut groups = scene.variant_groups().into_iter().chain([scene.forgot_password_variants()]);
        let (what, kinds) = groups.find(|(what, _)| *what == group).unwrap();
        // Noise of the machine can hide a difference: tries again with more samples.
        let found =
            (0..4).any(|doubled| max_pairwise_t(&server.url, what, &kinds, 240 << doubled) > T_THRESHOLD);
        assert!(found, "{what} with {faults}");
    }
}

#[test]
fn timing_test_detects_a_difference_and_reports_no_false_one() {
    let noise = |shift: f64| -> Vec<f64> {
        (0..2_000)
            .map(|_| shift + 1_000.0 * (getrandom::u32().unwrap() as f64 / f64::from(u32::MAX)))
            .collect()
    };
    assert!(largest_t(&noise(0.0), &noise(100.0)).abs() > T_THRESHOLD);
    assert!(largest_t(&noise(0.0), &noise(0.0)).abs() < T_THRESHOLD);
}
