//! A real nginx that serves files with the configuration in `docs/nginx.conf`.

use std::path::Path;

use countersign::store::api_keys::Scope;
use reqwest::Method;
use serde_json::json;

use crate::helpers::{ByUser, TestApp, TestUser};
use crate::mfs::{REVOKE, create, send_for_data};
use crate::nginx_process::Nginx;
use crate::pages::dev_mail::{self, spawn_with_mail_directory};

const EXAMPLE_CONFIG: &str = include_str!("../../docs/nginx.conf");

/// nginx in front of this server, with the files of the example.
async fn start_example(app: &TestApp) -> Nginx {
    Nginx::start(|directory, port| {
        write_served_files(directory);
        adapted_example(directory, &app.url, port)
    })
    .await
}

/// The status and body of the response to a request with this token.
async fn fetch(
    nginx: &Nginx,
    app: &TestApp,
    method: Method,
    path: &str,
    token: Option<&str>,
) -> (u16, String) {
    let mut request = app.request(method, &format!("{}{path}", nginx.url));
    if let Some(token) = token {
        request = request.header("x-param-mfs-token", token);
    }
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// The files that the example serves.
fn write_served_files(directory: &Path) {
    let files = directory.join("files");
    for (path, content) in
        [("hub-1/report.txt", "the report"), ("hub-1/readme.txt", "read me"), ("out", "no")]
    {
        std::fs::create_dir_all(files.join(path).parent().unwrap()).unwrap();
        std::fs::write(files.join(path), content).unwrap();
    }
}

/// The example with the addresses and paths of the test.
fn adapted_example(directory: &Path, countersign: &str, port: u16) -> String {
    let files = directory.join("files");
    let mut example = EXAMPLE_CONFIG.to_owned();
    for (theirs, ours) in [
        ("server 127.0.0.1:8080", format!("server {}", countersign.trim_start_matches("http://"))),
        ("listen 127.0.0.1:8081", format!("listen 127.0.0.1:{port}")),
        ("root /srv/files", format!("root {}", files.display())),
    ] {
        assert!(example.contains(theirs), "docs/nginx.conf has changed: {theirs}");
        example = example.replace(theirs, &ours);
    }
    example
}

fn hub_owner(app: &TestApp) -> TestUser {
    let owner = app.user("ada@example.org");
    app.grant_role("hub-1", &owner, countersign::domain::rights::Role::Owner);
    owner
}

async fn create_token(app: &TestApp, creator: &TestUser, nid: &str, permission: i64) -> String {
    let body = json!({ "hub_id": "hub-1", "nid": nid, "permission": permission });
    create(app, creator, body).await["token"].as_str().unwrap().to_owned()
}

on_both_databases! {
    async fn a_token_gives_no_access_to_another_file_with_any_dav_method(app: TestApp) {
        let ada = hub_owner(&app);
        let nginx = Nginx::start(|directory, port| {
            write_served_files(directory);
            let example = adapted_example(directory, &app.url, port);
            let dav = "dav_methods PUT DELETE MKCOL COPY MOVE; create_full_put_path on; root ";
            example.replacen("root ", dav, 1)
        })
        .await;
        let secret = create_token(&app, &ada, "report.txt", 15).await;
        let token = Some(secret.as_str());
        let destination = format!("{}/hub-1/readme.txt", nginx.url);
        for method in ["COPY", "MOVE", "PROPFIND", "LOCK"] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            for path in ["/hub-1/report.txt", "/hub-1/readme.txt"] {
                let request = app.request(method.clone(), &format!("{}{path}", nginx.url));
                let request = request.header("x-param-mfs-token", &secret).header("destination", &destination);
                assert_eq!(request.send().await.unwrap().status(), 405, "{method} {path}");
            }
        }
        assert_eq!(fetch(&nginx, &app, Method::GET, "/hub-1/readme.txt", None).await.0, 401);
        for method in ["GET", "HEAD", "PUT", "DELETE", "MKCOL"] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            assert_eq!(fetch(&nginx, &app, method.clone(), "/hub-1/readme.txt", token).await.0, 403, "{method}");
            for path in ["/hub-1/report.txt%0a", "/hub-1/report.txt%0a%0a", "/hub-1%0a/report.txt", "/hub-1/report.txt/"] {
                assert_eq!(fetch(&nginx, &app, method.clone(), path, token).await.0, 404, "{method} {path}");
            }
        }
        assert_eq!(fetch(&nginx, &app, Method::GET, "/hub-1/report.txt", token).await, (200, "the report".to_owned()));
        let put = app.put(&format!("{}/hub-1/report.txt", nginx.url)).header("x-param-mfs-token", &secret);
        assert_eq!(put.body("new").send().await.unwrap().status(), 204);
        assert_eq!(fetch(&nginx, &app, Method::GET, "/hub-1/report.txt", token).await, (200, "new".to_owned()));
        assert_eq!(fetch(&nginx, &app, Method::DELETE, "/hub-1/report.txt", token).await.0, 204);
        assert_eq!(fetch(&nginx, &app, Method::GET, "/hub-1/report.txt", token).await.0, 404);
    }

    async fn a_file_is_served_with_a_token_until_it_is_revoked(app: TestApp) {
        let ada = hub_owner(&app);
        let nginx = start_example(&app).await;
        let secret = create_token(&app, &ada, "report.txt", 4).await;
        let get = async |token| fetch(&nginx, &app, Method::GET, "/hub-1/report.txt", token).await;
        assert_eq!(get(Some(&secret)).await, (200, "the report".to_owned()));
        let bearer = app.get(&format!("{}/hub-1/report.txt", nginx.url)).bearer_auth(&secret).send().await.unwrap();
        assert_eq!(bearer.status(), 200);
        let head = fetch(&nginx, &app, Method::HEAD, "/hub-1/report.txt", Some(&secret)).await;
        assert_eq!(head, (200, String::new()));
        assert_eq!(send_for_data(app.post(REVOKE).by_user(&ada).json(&json!({ "token": secret }))).await.0, 200);
        assert_eq!(get(Some(&secret)).await.0, 401);
    }

    async fn the_dev_mail_pages_are_hidden_behind_a_proxy(mut app: TestApp) {
        let directory = tempfile::tempdir().unwrap();
        let url = spawn_with_mail_directory(&mut app, directory.path(), "");
        let status = async |url: &str| dev_mail::get(&app, url).send().await.unwrap().status().as_u16();
        assert_eq!(status(&format!("{url}/mailbox")).await, 200);
        for more in ["", "proxy_http_version 1.1; proxy_set_header X-Forwarded-For $remote_addr;", "proxy_set_header Host $host;"] {
            let nginx = Nginx::start_proxy("/", &format!("proxy_pass {url}; {more}")).await;
            assert_eq!(status(&format!("{}/healthz", nginx.url)).await, 200, "{more}");
            assert_eq!(status(&format!("{}/mailbox", nginx.url)).await, 404, "{more}");
        }
    }

    async fn a_request_without_a_token_gets_a_challenge(app: TestApp) {
        hub_owner(&app);
        let nginx = start_example(&app).await;
        let answer = app.get(&format!("{}/hub-1/report.txt", nginx.url)).send().await.unwrap();
        assert_eq!(answer.status(), 401);
        assert!(answer.headers()["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
        assert_eq!(fetch(&nginx, &app, Method::GET, "/hub-1/report.txt", Some("cse_nonsense")).await.0, 401);
    }

    async fn the_wrong_right_node_or_hub_is_rejected(app: TestApp) {
        let ada = hub_owner(&app);
        let nginx = start_example(&app).await;
        let reads = create_token(&app, &ada, "report.txt", 2).await;
        let gets = create_token(&app, &ada, "report.txt", 4).await;
        for (method, path, token) in [
            (Method::GET, "/hub-1/report.txt", &reads),
            (Method::PUT, "/hub-1/report.txt", &gets),
            (Method::DELETE, "/hub-1/report.txt", &gets),
            (Method::GET, "/hub-1/readme.txt", &gets),
            (Method::GET, "/hub-1/none.txt", &gets),
            (Method::GET, "/hub-2/report.txt", &gets),
        ] {
            assert_eq!(fetch(&nginx, &app, method.clone(), path, Some(token)).await.0, 403, "{method} {path}");
        }
    }

    async fn a_folder_token_serves_the_files_in_it(app: TestApp) {
        let ada = hub_owner(&app);
        let nginx = start_example(&app).await;
        let (reports, root) = (create_token(&app, &ada, "reports", 6).await, create_token(&app, &ada, "root", 6).await);
        let get = async |path, token| fetch(&nginx, &app, Method::GET, path, Some(token)).await.0;
        assert_eq!(get("/hub-1/report.txt", &reports).await, 200);
        assert_eq!(get("/hub-1/report.txt", &root).await, 200);
        assert_eq!(get("/hub-1/readme.txt", &root).await, 200);
        assert_eq!(get("/hub-1/readme.txt", &reports).await, 403);
    }

    async fn a_client_cannot_choose_the_node(app: TestApp) {
        let ada = hub_owner(&app);
        let nginx = start_example(&app).await;
        let secret = create_token(&app, &ada, "public", 63).await;
        for path in [
            "/hub-1/report.txt%26nid=public",
            "/hub-1/report.txt&nid=public",
            "/hub-1/report.txt%3Fnid=public",
            "/hub-1/public/../../out",
            "/hub-1%2Fpublic",
        ] {
            let (status, body) = fetch(&nginx, &app, Method::GET, path, Some(&secret)).await;
            assert!((400..500).contains(&status) && !body.contains("the report"), "{path}: {status}");
        }
        let query = fetch(&nginx, &app, Method::GET, "/hub-1/report.txt?nid=public&right=anyone", Some(&secret)).await;
        assert_eq!(query.0, 403);
        let inside = fetch(&nginx, &app, Method::GET, "/authz?hub_id=hub-1&nid=public&right=read", Some(&secret)).await;
        assert_eq!(inside.0, 404);
    }

    async fn nginx_does_not_forward_bodies_to_authz(app: TestApp) {
        let ada = hub_owner(&app);
        let nginx = start_example(&app).await;
        let secret = create_token(&app, &ada, "report.txt", 8).await;
        let put = app.put(&format!("{}/hub-1/report.txt", nginx.url)).header("x-param-mfs-token", &secret);
        let answer = put.body(vec![b'x'; 512 * 1024]).send().await.unwrap();
        assert_eq!(answer.status(), 405, "authorized; nginx itself does not accept uploads");
    }

    async fn requests_are_denied_while_the_server_is_down(mut app: TestApp) {
        let ada = hub_owner(&app);
        let nginx = start_example(&app).await;
        let secret = create_token(&app, &ada, "report.txt", 4).await;
        app.stop();
        let ask = app.get(&format!("{}/hub-1/report.txt", nginx.url)).header("x-param-mfs-token", &secret);
        let answer = ask.send().await.unwrap();
        assert_eq!((answer.status().as_u16(), &answer.headers()["retry-after"]), (503, &"1".parse().unwrap()));
    }

    async fn a_gateway_must_read_the_decision_of_authzen(app: TestApp) {
        let ada = hub_owner(&app);
        let key = app.key(&app.staff("root@example.org").user, Scope::Check);
        let token = create_token(&app, &ada, "report.txt", 4).await;
        let body = r#"{"subject":{"type":"export_token","id":"$arg_token"},"action":{"name":"get"},"resource":{"type":"node","id":"$arg_nid","properties":{"hub_id":"hub-1"}}}"#;
        let nginx = Nginx::start(|directory, port| {
            write_served_files(directory);
            let ask = format!(
                "proxy_pass {}/access/v1/evaluation; proxy_method POST; proxy_pass_request_headers off; \
                 proxy_set_header Authorization 'Bearer {key}'; proxy_set_header Content-Type application/json; \
                 proxy_set_body '{body}';",
                app.url
            );
            let files = format!("auth_request /decide; root {};", directory.join("files").display());
            format!(
                "server {{ listen 127.0.0.1:{port}; location = /decide {{ {ask} }} location /hub-1/ {{ {files} }} }}"
            )
        })
        .await;
        let get = async |path: String| fetch(&nginx, &app, Method::GET, &path, None).await;
        for (token, nid, decision) in [(token.as_str(), "report.txt", true), (&token, "readme.txt", false), ("x", "report.txt", false)] {
            let query = format!("token={token}&nid={nid}");
            assert_eq!(get(format!("/decide?{query}")).await, (200, json!({ "decision": decision }).to_string()));
            let by_status = get(format!("/hub-1/report.txt?{query}")).await;
            assert_eq!(by_status.0, 200, "`docs/reference/authzen.md` warns of this");
        }
    }
}
