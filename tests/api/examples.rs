//! The programs in `examples/`.

#[path = "../../examples/consent_client.rs"]
#[expect(dead_code, reason = "the example's `main` is not called")]
mod consent_client;
#[path = "../../examples/resource_server.rs"]
mod resource_server;

use actix_web::web::Data;
use actix_web::{App, HttpServer};
use consent_client::ConsentClient;
use countersign::domain::rights::Role;
use reqwest::Client;
use resource_server::Countersign;
use serde_json::json;

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

    let steps = app.bundle("Steps", 2).id.0;
    let request = client.ask(ada.email(), grace.email(), steps, "steps").await.unwrap();
    // The mail of a request that is closed at once is not sent.
    assert_eq!(app.mails(2).await.len(), 2);
    assert_eq!(app.delete(request.as_str()).by_user(&grace).send().await.unwrap().status(), 204);
    assert_eq!(client.wait(&request).await.unwrap()["status"], "declined");
    assert_eq!(app.mailbox.sent().len(), 2);
}
