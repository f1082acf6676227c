//! Plain HTTP on a name that is not a loopback name: browsers send no `Sec-Fetch-Site` there, and
//! share cookies between the ports of a name.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use countersign::domain::rights::Role;
use serde_json::json;

use crate::browser::{BrowserOptions, NAME, with_browser};
use crate::helpers::PASSWORD;

/// A website on another port: each path is an empty page. Returns the port, and the heads of the
/// requests that it gets.
fn other_site() -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let heads = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&heads);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
                head.push(byte[0]);
            }
            seen.lock().unwrap().push(String::from_utf8_lossy(&head).to_ascii_lowercase());
            let page = "<!DOCTYPE html><title>Other</title><link rel=icon href=data:,><h1>Other</h1>";
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{page}",
                page.len()
            );
        }
    });
    (port, heads)
}

/// Sends requests in turn, and returns the type of each response.
const SEND: &str = "const [requests, done] = arguments;
    (async () => {
        const types = [];
        for (const [method, url, type, body] of requests) {
            const init = { method, mode: 'no-cors', credentials: 'include' };
            if (method === 'POST') init.body = type === null ? new Blob([body]) : new Blob([body], { type });
            types.push(await fetch(url, init).then((response) => response.type, String));
        }
        done(types);
    })();";

#[actix_web::test]
async fn another_port_of_the_name_cannot_act_for_the_user() {
    with_browser(BrowserOptions { name: NAME, ..BrowserOptions::default() }, async |app, browser| {
        let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
        app.grant_role("hub", &grace, Role::Owner);
        let bundle = app.bundle("Sleep", 6);
        // The server's own forms work.
        browser.go_to("/keys/new").await;
        browser.sign_in(&grace).await;
        browser.submit_form(&[("label", "laptop")]).await;
        browser.wait_for_title("API key created").await;
        assert_eq!(app.count("SELECT count(*) AS n FROM api_keys WHERE label = 'laptop'"), 1);
        // The browser remembers the Basic credentials for these paths.
        let server = browser.base_url().to_owned();
        let with_password = server.replace(
            "http://",
            &format!("http://{}:{}@", grace.email().replace('@', "%40"), PASSWORD.replace(' ', "%20")),
        );
        let create = "/-/svc/mfs_api.create_token?hub_id=hub&nid=n";
        let paths = ["/api/bundle_permission/", "/api/bundle_permission_request/", "/api/block/", create];
        for path in paths {
            browser.go_to(&format!("{with_password}{path}")).await;
        }

        let before = app.rows();
        let (port, heads) = other_site();
        browser.go_to(&format!("http://{NAME}:{port}/")).await;
        assert!(
            heads.lock().unwrap().iter().any(|head| head.contains("countersign_session=")),
            "the browser sends the session to every port"
        );
        assert!(heads.lock().unwrap().iter().all(|head| !head.contains("sec-fetch-site")));
        let body = json!({
            "user_allowed": ada.uri(), "user_target": grace.uri(), "user": ada.uri(),
            "bundle": bundle.id.0, "hub_id": "hub", "nid": "n",
        });
        let mut requests = Vec::new();
        for path in paths {
            for content_type in [json!(null), json!(""), json!("text/plain")] {
                requests.push(json!(["POST", format!("{server}{path}"), content_type, body.to_string()]));
            }
        }
        requests.push(json!(["GET", format!("{server}{create}"), null, null]));
        let form = "application/x-www-form-urlencoded";
        for (path, body) in
            [("/keys/new", "label=x&scope=all"), ("/sign-out", ""), ("/account/sessions/end", "")]
        {
            requests.push(json!(["POST", format!("{server}{path}"), form, body]));
        }
        let sent = browser.driver().execute_async(SEND, vec![json!(requests)]).await.unwrap();
        assert_eq!(*sent.json(), json!(vec!["opaque"; requests.len()]), "each request is answered");
        assert_eq!(app.rows(), before);

        // A form of the other site, which is a navigation.
        let post = format!(
            "const form = document.createElement('form');
             form.method = 'post'; form.action = '{server}/sign-out';
             document.body.append(form); form.submit();"
        );
        browser.driver().execute(post, []).await.unwrap();
        browser.wait_for_title("Something went wrong").await;
        assert_eq!(app.rows(), before);

        // The user is signed in as before, and the forms still work.
        browser.go_to("/account").await;
        assert_eq!(browser.text_of(".current-user span").await, grace.email());
        browser.click_and_navigate(".current-user button").await;
        browser.wait_for_title("Sign in").await;
    })
    .await;
}
