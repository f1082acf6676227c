//! A public URL with a path: every path in a response starts with it, whether a proxy removes it
//! from requests or not. The tests look at whatever the server sends, so that they cover new links.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use countersign::domain::rights::Role;
use reqwest::header::{LOCATION, SET_COOKIE};
use reqwest::{Method, RequestBuilder, Url};
use serde_json::{Value, json};

use crate::authzen;
use crate::helpers::{Backend, ByUser, PASSWORD, TestApp, TestUser};
use crate::page_client::PageClient;
use crate::routes;

const BASE: &str = "/consent";
const ORIGIN: &str = "https://host.test";
const TOML: &str = "public_url = 'https://host.test/consent'\n";

/// A response with the status and the paths in it.
struct Seen {
    status: u16,
    html: String,
    /// The paths to which the page and `Location` lead, without the base path.
    links: Vec<String>,
}

/// Sends a request, and asserts that every path in the response starts with the base path.
async fn send(request: RequestBuilder) -> Seen {
    let (client, request) = request.build_split();
    let request = request.unwrap();
    let path = request.url().path().to_owned();
    let method = request.method().clone();
    let answer = client.execute(request).await.unwrap();
    let status = answer.status().as_u16();
    let what = format!("{method} {path}: {status}");
    let headers = answer.headers().clone();
    for cookie in headers.get_all(SET_COOKIE) {
        let cookie = cookie.to_str().unwrap();
        assert!(cookie.starts_with("__Secure-") && cookie.contains("; Path=/consent"), "{what}: {cookie}");
    }
    let mut links: Vec<String> = headers
        .get(LOCATION)
        .map(|location| below_base(&what, &path, location.to_str().unwrap()).expect("a path"))
        .into_iter()
        .collect();
    let kind = headers.get("content-type").map_or("", |kind| kind.to_str().unwrap()).to_owned();
    let body = answer.text().await.unwrap();
    if kind.starts_with("text/html") {
        for (name, value) in attributes(&body) {
            // The values of fields are for the server, which has no base path in its own paths.
            let is_link = matches!(name, "href" | "src" | "action" | "formaction");
            if is_link || (value.starts_with('/') && name != "value") {
                let link = below_base(&format!("{what}: {name}"), &path, &value);
                links.extend(link.filter(|_| name == "href" && !value.starts_with('#')));
            }
        }
    }
    if kind.starts_with("application/json")
        && method != Method::HEAD
        && path.trim_start_matches(BASE) != "/openapi.json"
    {
        for text in strings(&serde_json::from_str(&body).unwrap()) {
            assert!(!text.starts_with('/') || text.starts_with("/consent/"), "{what}: {text}");
        }
    }
    Seen { status, html: body, links }
}

/// The path and query of a link on a page, without the base path. `None` if it does not lead to this
/// host.
fn below_base(what: &str, page: &str, link: &str) -> Option<String> {
    let below = page.strip_prefix(BASE).unwrap_or(page);
    let page = Url::parse(&format!("{ORIGIN}{BASE}{below}")).unwrap();
    let url = page.join(link).unwrap_or_else(|error| panic!("{what}: {link}: {error}"));
    if url.origin().ascii_serialization() != ORIGIN {
        return None;
    }
    let rest = url.path().strip_prefix(BASE).unwrap_or_else(|| panic!("{what}: {link}"));
    assert!(rest.is_empty() || rest.starts_with('/') && !rest.starts_with(BASE), "{what}: {link}");
    let path = if rest.is_empty() { "/" } else { rest };
    Some(url.query().map_or(path.to_owned(), |query| format!("{path}?{query}")))
}

/// What a link has in common with those to other rows of a list.
fn kind(link: &str) -> String {
    let (path, query) = link.split_once('?').unwrap_or((link, ""));
    let is_name = |segment: &&str| !segment.contains(|c: char| c.is_ascii_digit());
    let names = query.split('&').filter_map(|pair| pair.split('=').next());
    path.split('/').filter(is_name).chain(names).collect::<Vec<_>>().join(" ")
}

/// The attributes of a page.
fn attributes(html: &str) -> Vec<(&str, String)> {
    let pieces: Vec<&str> = html.split("=\"").collect();
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let pairs = pieces.windows(2).map(|pair| {
        let start = pair[0].rfind(|c| !is_name(c)).map_or(0, |at| at + 1);
        (&pair[0][start..], unescape(pair[1].split('"').next().unwrap()))
    });
    pairs.collect()
}

fn unescape(text: &str) -> String {
    [("&#x2f;", "/"), ("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#x27;", "'"), ("&amp;", "&")]
        .iter()
        .fold(text.to_owned(), |text, (entity, c)| text.replace(entity, c))
}

fn strings(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(values) => values.iter().flat_map(strings).collect(),
        Value::Object(fields) => fields.values().flat_map(strings).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

/// A form on a page: its target, and what its hidden fields, its other inputs and its buttons send.
fn forms(html: &str) -> Vec<(String, Vec<(String, String)>)> {
    let forms = html.split("<form ").skip(1).map(|rest| rest.split("</form>").next().unwrap());
    let posts = forms.filter(|form| form.contains("method=\"post\""));
    posts
        .map(|form| {
            let tags = form.split('<').map(attributes);
            let value = |tag: &[(&str, String)], name: &str| {
                tag.iter().find(|(other, _)| *other == name).map(|(_, value)| value.clone())
            };
            let target = value(&attributes(form.split('>').next().unwrap()), "action").unwrap();
            let fields = tags.skip(1).filter_map(|tag| {
                Some((value(&tag, "name")?, value(&tag, "value").filter(|value| !value.is_empty())?))
            });
            (target, fields.collect())
        })
        .collect()
}

/// A server with some of everything that the pages show, and a staff user.
struct Fixture {
    app: TestApp,
    root: TestUser,
    visitor: PageClient,
}

impl Fixture {
    async fn new() -> Self {
        let app = TestApp::spawn_with(Backend::Sqlite, TOML);
        let (root, ada) = (app.staff("root@example.org"), app.user("ada@example.org"));
        for hub in ["hub", "hub-2"] {
            app.grant_role(hub, &root, Role::Owner);
        }
        app.export(&root);
        let bundles: Vec<_> = (0..30).map(|n| app.bundle(&format!("Sleep {n}"), 6)).collect();
        for bundle in &bundles[..25] {
            app.create_request(&ada, &root, bundle);
            app.create_request(&root, &ada, bundle);
        }
        let granted = app.create_request(&root, &ada, &bundles[26]);
        let received = app.create_request(&ada, &root, &bundles[27]);
        for (request, target) in [(&granted, &ada), (&received, &root)] {
            let path = format!("/api/bundle_permission_request/{}/", app.redeem_token(request));
            assert_eq!(app.put(&path).by_user(target).send().await.unwrap().status(), 200);
        }
        for n in 0..3 {
            let eve = app.user(&format!("eve-{n}@example.org"));
            let block = app.post("/api/block/").by_user(&root).json(&json!({ "user": eve.uri() }));
            assert_eq!(block.send().await.unwrap().status(), 201);
        }
        app.signed_in(&root);
        let mut visitor = app.signed_in(&root);
        visitor.cookie = visitor.cookie.replace("__Host-", "__Secure-");
        Self { app, root, visitor }
    }

    /// Every page that can be reached by links from the home page, each requested with and without
    /// the base path: the paths and the HTML.
    async fn crawl(&self) -> Vec<(String, String)> {
        let mut queue = VecDeque::from(["/".to_owned(), "/docs".to_owned()]);
        let mut known: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut pages = Vec::new();
        while let Some(path) = queue.pop_front() {
            let seen = send(self.visitor.get(&self.app, &format!("{BASE}{path}"))).await;
            assert!(seen.status < 400, "{path}: {}", seen.status);
            let without = send(self.visitor.get(&self.app, &path)).await;
            assert_eq!((without.status, &without.links), (seen.status, &seen.links), "{path}");
            for link in &seen.links {
                let known = known.entry(kind(link)).or_default();
                if known.len() < 3 && known.insert(link.clone()) {
                    queue.push_back(link.clone());
                }
            }
            pages.push((path, seen.html));
        }
        pages
    }
}

#[actix_web::test]
async fn every_link_and_every_redirect_of_every_page_has_the_base_path() {
    let fixture = Fixture::new().await;
    let pages = fixture.crawl().await;
    for page in
        ["/requests", "/access", "/tokens/new", "/keys", "/account/activity", "/staff/mail", "/staff/audit"]
    {
        assert!(pages.iter().any(|(path, _)| path.starts_with(page)), "{page} is not linked");
    }
    let mut sent = BTreeSet::new();
    let mut redirects = 0;
    for (path, html) in &pages {
        for (target, fields) in forms(html) {
            // A form that signs out would end the test.
            if target.ends_with("/sign-out") || !sent.insert(target.clone()) {
                continue;
            }
            let target = below_base(path, path, &target).unwrap();
            let request = fixture.visitor.request(&fixture.app, Method::POST, &format!("{BASE}{target}"));
            redirects += usize::from(send(request.form(&fields)).await.status == 303);
        }
    }
    assert!(redirects > 20, "{redirects}");
}

/// Most of these requests are refused: what is refused has links too.
#[actix_web::test]
async fn every_path_in_the_response_of_every_route_has_the_base_path() {
    let Fixture { app, root, visitor } = Fixture::new().await;
    let mut redirects = 0;
    for (method, pattern) in routes::registered_routes().await {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let pattern = pattern.replace("{}", "1");
        for path in [pattern.clone(), format!("{BASE}{pattern}"), format!("{BASE}{pattern}/")] {
            let request = || app.request(method.clone(), &path).header("accept", "text/html");
            for request in [
                request(),
                request().by_user(&root),
                request().by_user(&root).json(&json!({})),
                request().header("cookie", &visitor.cookie),
                request().header("cookie", &visitor.cookie).form(&[("csrf", &visitor.csrf_token)]),
            ] {
                let seen = send(request).await;
                redirects += usize::from((300..400).contains(&seen.status));
            }
        }
    }
    assert!(redirects > 100, "{redirects}");
}

#[actix_web::test]
async fn uris_in_json_have_the_base_path_and_are_accepted_with_and_without_it() {
    let Fixture { app, root, .. } = Fixture::new().await;
    let request = |method, path: &str| app.request(method, path).by_user(&root);
    let bundle = app.bundle("New", 6);
    let grace = app.user("grace@example.org");
    for (base, prefix) in [
        ("", "/api/"),
        (BASE, "/api/v1/"),
        ("https://host.test/consent", "/api/"),
        ("https://host.test", "/api/"),
    ] {
        let uri = |path: &str| format!("{base}{prefix}{path}");
        let place = format!("{}{prefix}", base.trim_start_matches("https://host.test"));
        let body = json!({
            "user_target": uri(&format!("user/{}/", grace.id())),
            "user_allowed": uri(&format!("user/{}/", root.id())),
            "bundle": uri(&format!("bundle/{}/", bundle.id)),
        });
        let answer = request(Method::POST, &format!("{place}bundle_permission_request/"))
            .json(&body)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 201, "{base}");
        let location = answer.headers()["location"].to_str().unwrap().to_owned();
        let created: Value = answer.json().await.unwrap();
        assert_eq!(created["resource_uri"], location);
        assert!(location.starts_with(&format!("/consent{prefix}bundle_permission_request/")), "{location}");
        assert_eq!(send(request(Method::GET, &location)).await.status, 200);
        let user = created["user_target"]["resource_uri"].as_str().unwrap();
        let filter = format!("{place}bundle_permission/?user_target={user}");
        assert_eq!(send(request(Method::GET, &filter)).await.status, 200, "{filter}");
        let own = created["user_allowed"]["resource_uri"].as_str().unwrap();
        let put = request(Method::PUT, own).json(&json!({ "resource_uri": own, "first_name": "Root" }));
        assert_eq!(send(put).await.status, 200, "{base}");
    }
    let page = request(Method::GET, "/consent/api/user/?limit=1&offset=1").send().await.unwrap();
    let page: Value = page.json().await.unwrap();
    for (name, offset) in [("previous", 0), ("next", 2)] {
        assert_eq!(page["meta"][name], format!("/consent/api/user/?limit=1&offset={offset}"));
    }
    let (_, token) = app.export(&root);
    let form = [("token", token.expose())];
    let active = request(Method::POST, "/consent/oauth2/introspect").form(&form).send().await.unwrap();
    assert_eq!(active.json::<Value>().await.unwrap()["sub"], format!("/consent/api/user/{}/", root.id()));

    authzen::grant(&app, &root, &grace, &bundle);
    for subject in ["https://host.test/consent/api/user/", "/consent/api/v1/user/", "/api/user/"] {
        let subject = format!("{subject}{}/", root.id());
        for path in ["/consent/access/v1/search/resource", "/access/v1/search/resource/"] {
            let asked = request(Method::POST, path).json(&authzen::question(&subject, "read", "2"));
            let (status, found) = authzen::send(asked).await;
            assert_eq!(status, 200);
            assert!(
                authzen::results(&found).contains(&format!("/consent/api/user/{}/", grace.id())),
                "{found}"
            );
        }
    }
    for path in ["", "/consent"] {
        let (_, configuration) =
            authzen::send(app.get(&format!("{path}/.well-known/authzen-configuration"))).await;
        assert_eq!(configuration["policy_decision_point"], "https://host.test/consent");
        assert_eq!(
            configuration["access_evaluation_endpoint"],
            "https://host.test/consent/access/v1/evaluation"
        );
    }
}

#[actix_web::test]
async fn sign_in_leads_back_to_the_page_with_one_base_path() {
    let app = TestApp::spawn_with(Backend::Sqlite, TOML);
    let ada = app.user("ada@example.org");
    for base in ["", BASE] {
        let asked = app.get(&format!("{base}/requests?x=1")).send().await.unwrap();
        let sign_in = asked.headers()["location"].to_str().unwrap().to_owned();
        assert_eq!(sign_in, "/consent/sign-in?next=%2Frequests%3Fx%3D1");
        let page = app.get(&sign_in).send().await.unwrap();
        let cookie = page.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
        let (target, mut fields) = forms(&page.text().await.unwrap()).remove(0);
        fields.extend([
            ("email".to_owned(), ada.email().to_owned()),
            ("password".to_owned(), PASSWORD.to_owned()),
        ]);
        let signed_in = app.post(&target).header("cookie", cookie).form(&fields).send().await.unwrap();
        assert_eq!(signed_in.headers()["location"], "/consent/requests?x=1");
        let cookie = signed_in.headers()["set-cookie"].to_str().unwrap();
        assert!(cookie.starts_with("__Secure-countersign_session=cs"), "{cookie}");
        assert!(cookie.contains("; Secure; Path=/consent;"), "{cookie}");
    }
}

#[actix_web::test]
async fn the_openapi_document_names_the_base_path_as_its_server() {
    let mut app = TestApp::spawn(Backend::Sqlite);
    let below = app.spawn_replica_with(TOML);
    let document = async |url: &str| app.get(url).send().await.unwrap().json::<Value>().await.unwrap();
    let plain = document("/openapi.json").await;
    assert_eq!(plain.get("servers"), None);
    for base in ["", BASE] {
        let mut found = document(&format!("{below}{base}/openapi.json")).await;
        assert_eq!(found.as_object_mut().unwrap().remove("servers"), Some(json!([{ "url": "/consent" }])));
        assert_eq!(found, plain);
    }
}

/// A proxy that removes the base path, and denies `/consent/metrics`, passes
/// `/consent/consent/metrics` on as `/consent/metrics`.
#[actix_web::test]
async fn the_endpoints_of_the_operator_exist_only_without_the_base_path() {
    let app = TestApp::spawn_with(Backend::Sqlite, TOML);
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(app.get(path).send().await.unwrap().status(), 200, "{path}");
        for other in [format!("{BASE}{path}"), format!("{BASE}{BASE}{path}"), format!("/%63onsent{path}")] {
            assert_eq!(app.get(&other).send().await.unwrap().status(), 404, "{other}");
        }
    }
}

#[actix_web::test]
async fn other_paths_with_the_same_start_do_not_exist() {
    let app = TestApp::spawn_with(Backend::Sqlite, TOML);
    for path in [
        "/consents/sign-in",
        "/consentsign-in",
        "/consent/consent/sign-in",
        "/Consent/sign-in",
        "//consent/sign-in",
    ] {
        assert_eq!(app.get(path).send().await.unwrap().status(), 404, "{path}");
    }
    for path in ["/consent/sign-in", "/sign-in"] {
        assert_eq!(app.get(path).send().await.unwrap().status(), 200, "{path}");
    }
    assert_eq!(app.get("/consent").send().await.unwrap().headers()["location"], "/consent/sign-in?next=%2F");
}
