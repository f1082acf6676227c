//! The programs in `examples/`.

#[path = "../../examples/consent_client.rs"]
#[expect(dead_code, reason = "the example's `main` is not called")]
mod consent_client;
#[path = "../../examples/policy_enforcement.rs"]
mod policy_enforcement;
#[path = "../../examples/resource_server.rs"]
mod resource_server;

use actix_web::web::Data;
use actix_web::{App, HttpServer};
use consent_client::ConsentClient;
use countersign::domain::rights::Role;
use countersign::store::api_keys::Scope;
use policy_enforcement::DecisionPoint;
use reqwest::Client;
use resource_server::Countersign;
use serde_json::json;

use crate::authzen;
use crate::helpers::{Backend, ByUser, TestApp, token_in};

#[actix_web::test]
async fn the_example_resource_server_serves_only_what_a_token_allows() {
    let app = TestApp::spawn(Backend::Sqlite);
    let ada = app.user("ada@example.org");
    app.grant_role("hub", &ada, Role::Owner);
    let (_, token) = app.export(&ada);
    let countersign = Data::new(Countersign::new(&app.url));
    let server =
        HttpServer::new(move || App::new().app_data(countersign.clone()).configure(resource_server::routes));
    let server = server.workers(1).bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", server.addrs()[0]);
    let server = server.run();
    let handle = server.handle();
    actix_web::rt::spawn(server);

    let client = Client::new();
    let get = |path: &str| client.get(format!("{url}{path}"));
    let status = async |request: reqwest::RequestBuilder| request.send().await.unwrap().status().as_u16();
    let served = get("/hub/n/2030.jpg").bearer_auth(token.expose()).send().await.unwrap();
    assert_eq!(served.status(), 200);
    assert_eq!(served.text().await.unwrap(), "The content of 2030.jpg.\n");
    assert_eq!(status(get("/hub/n/2030.jpg")).await, 401);
    assert_eq!(status(get("/hub/n/2030.jpg").bearer_auth("nonsense")).await, 401);
    assert_eq!(status(get("/hub/other/2030.jpg").bearer_auth(token.expose())).await, 403);
    assert_eq!(status(get("/hub/other%26nid=n/2030.jpg").bearer_auth(token.expose())).await, 403);
    assert_eq!(status(get("/attic/n/2030.jpg").bearer_auth(token.expose())).await, 403);
    handle.stop(false).await;
}

#[actix_web::test]
async fn the_example_service_shows_only_data_with_a_consent() {
    let app = TestApp::spawn(Backend::Sqlite);
    let [ada, grace, eve] = ["ada", "grace", "eve"].map(|name| app.user(&format!("{name}@example.org")));
    authzen::grant(&app, &ada, &grace, &app.bundle("Sleep", 2));
    authzen::grant(&app, &eve, &grace, &app.bundle("Heart", 2));
    let service = app.user("service@example.org");
    for (key, expected) in [
        (app.key(&service.user, Scope::Check), [200, 403, 403, 403, 401]),
        (service.key, [503, 503, 503, 503, 401]),
    ] {
        let decision_point = Data::new(DecisionPoint::new(&app.url, &key));
        let server = HttpServer::new(move || {
            App::new().app_data(decision_point.clone()).configure(policy_enforcement::routes)
        });
        let server = server.workers(1).bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", server.addrs()[0]);
        let server = server.run();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        let client = Client::new();
        let get = |target: &str| client.get(format!("{url}/sleep/{target}"));
        let as_user = |user: &str, target: &str| get(target).header("x-user", user);
        let asked = [
            as_user(ada.email(), grace.email()),
            as_user(grace.email(), ada.email()),
            as_user(eve.email(), grace.email()),
            as_user("unknown", grace.email()),
            get(grace.email()),
        ];
        for (request, expected) in asked.into_iter().zip(expected) {
            assert_eq!(request.send().await.unwrap().status(), expected);
        }
        handle.stop(false).await;
    }
}

#[actix_web::test]
async fn the_example_client_learns_whether_the_target_has_approved() {
    ask_and_wait(&TestApp::spawn(Backend::Sqlite), "").await;
}

#[actix_web::test]
async fn the_example_client_works_below_a_path() {
    let toml = "public_url = 'https://host.test/consent'";
    ask_and_wait(&TestApp::spawn_with(Backend::Sqlite, toml), "/consent").await;
}

async fn ask_and_wait(app: &TestApp, path: &str) {
    let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
    let client = ConsentClient::new(&format!("{}{path}", app.url), &ada.key);

    let sleep = app.bundle("Sleep", 6).id.0;
    let request = client.ask(ada.email(), grace.email(), sleep, "sleep").await.unwrap();
    assert_eq!(client.ask(ada.email(), grace.email(), sleep, "sleep").await.unwrap(), request);
    let token = token_in(&app.mails(1).await[0]);
    let redeem = format!("/api/bundle_permission_request/{token}/");
    assert_eq!(app.put(&redeem).by_user(&grace).send().await.unwrap().status(), 200);
    let approved = client.wait(&request).await.unwrap();
    assert_eq!((&approved["status"], &approved["decision"]["permission"]), (&json!("approved"), &json!(6)));

    assert!(app.mails(2).await[1].text.contains("approved"));

    let steps = app.bundle("Steps", 2).id.0;
    let request = client.ask(ada.email(), grace.email(), steps, "steps").await.unwrap();
    // The mail of a request that is closed at once is not sent.
    assert_eq!(app.mails(3).await.len(), 3);
    assert_eq!(app.delete(request.as_str()).by_user(&grace).send().await.unwrap().status(), 204);
    assert_eq!(client.wait(&request).await.unwrap()["status"], "declined");
    // At most one mail an hour is about decisions.
    app.advance(3_600);
    assert!(app.mails(4).await[3].text.contains("declined"));
}
