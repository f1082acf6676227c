//! Failed sign-ins: their limits, and how they are counted.

use reqwest::{RequestBuilder, StatusCode};
use serde_json::Value;

use crate::helpers::{ByUser, PASSWORD, TestApp, TestUser, send_concurrently};
use crate::rate_limits::limits_toml;

const FROM_A_PROXY: &str = "trusted_proxies = ['127.0.0.1']\n";
const HOME_IP: &str = "198.51.100.1";
const OTHER_IP: &str = "203.0.113.9";

/// Starts a server behind a proxy with these limits and returns its URL.
fn spawn_behind_proxy(app: &mut TestApp, all: &[(&str, &str)]) -> String {
    app.spawn_replica_with(&format!("{FROM_A_PROXY}{}", limits_toml(all)))
}

/// A sign-in with a password. The proxy forwards the client's IP address.
fn sign_in(app: &TestApp, email: &str, password: &str, from: &str) -> RequestBuilder {
    app.get("/api/account/").basic_auth(email, Some(password)).header("x-forwarded-for", from)
}

async fn status(request: RequestBuilder) -> StatusCode {
    request.send().await.unwrap().status()
}

/// Sends wrong passwords until the limit is reached. Returns how many were allowed.
async fn guess_until_limited(app: &TestApp, email: &str, from: &str) -> usize {
    for nth in 0..50 {
        match status(sign_in(app, email, &format!("guess {nth}"), from)).await.as_u16() {
            401 => {}
            429 => return nth,
            other => panic!("{other}"),
        }
    }
    panic!("the limit is never reached")
}

on_both_databases! {
    async fn guesses_per_account_are_limited_whether_or_not_it_exists(mut app: TestApp) {
        app.url = spawn_behind_proxy(&mut app, &[("failed_sign_ins_per_account", "3/h")]);
        let grace = app.user("grace@example.org");
        let gone = app.user("gone@example.org");
        app.disable(&gone);
        for email in [grace.email(), gone.email(), "nobody@example.org"] {
            assert_eq!(guess_until_limited(&app, email, OTHER_IP).await, 3, "{email}");
            let refused = sign_in(&app, email, PASSWORD, OTHER_IP).send().await.unwrap();
            assert_eq!(refused.status(), 429, "the right password is limited too");
            assert_eq!(refused.headers()["retry-after"], "1200");
            assert_eq!(refused.headers()["ratelimit"], "\"account\";r=0;t=1200");
            assert_eq!(refused.headers()["ratelimit-policy"], "\"account\";q=3;w=3600");
            assert!(!refused.headers().contains_key("www-authenticate"));
        }
        assert_eq!(status(app.get("/api/account/").by_user(&grace)).await, 200, "API keys are not limited");
        app.advance(1_199);
        assert_eq!(status(sign_in(&app, grace.email(), PASSWORD, OTHER_IP)).await, 429);
        app.advance(1);
        assert_eq!(status(sign_in(&app, grace.email(), PASSWORD, HOME_IP)).await, 200);
        assert_eq!(guess_until_limited(&app, grace.email(), OTHER_IP).await, 1, "successful sign-ins do not count");
    }

    async fn each_api_reports_the_limit_in_its_own_format(mut app: TestApp) {
        app.url = app.spawn_replica_with(&limits_toml(&[("failed_sign_ins_per_account", "1/h")]));
        app.user("grace@example.org");
        let by = |request: RequestBuilder| request.basic_auth("grace@example.org", Some("wrong"));
        assert_eq!(status(by(app.get("/api/account/"))).await, 401);
        let words = "Too many requests. Nothing was done. Try again in 3600 seconds.";
        let hexo: Value = by(app.get("/api/account/")).send().await.unwrap().json().await.unwrap();
        assert_eq!(hexo, serde_json::json!({ "error": words }));
        let mfs = by(app.get("/-/svc/mfs_api.list")).send().await.unwrap();
        assert_eq!((mfs.status().as_u16(), &mfs.headers()["retry-after"]), (429, &"3600".parse().unwrap()));
        let mfs: Value = mfs.json().await.unwrap();
        assert_eq!((&mfs["data"]["error"], &mfs["data"]["message"]), (&"too_many_requests".into(), &words.into()));
        let oauth = by(app.post("/oauth2/introspect")).form(&[("token", "x")]).send().await.unwrap();
        assert_eq!(oauth.status(), 429);
        assert_eq!(oauth.json::<Value>().await.unwrap()["error_description"], words);
        let form = [("email", "grace@example.org"), ("password", PASSWORD)];
        let page = app.signed_out().post(&app, "/sign-in", &form).send().await.unwrap();
        assert_eq!((page.status().as_u16(), &page.headers()["ratelimit"]), (429, &"\"account\";r=0;t=3600".parse().unwrap()));
        assert!(page.text().await.unwrap().contains("Too many attempts. Wait 1 hour and try again."));
    }

    async fn the_form_and_the_apis_share_the_limit(mut app: TestApp) {
        app.url = app.spawn_replica_with(&limits_toml(&[("failed_sign_ins_per_account", "4/h")]));
        app.user("grace@example.org");
        let form = |password: &str| {
            app.signed_out().post(&app, "/sign-in", &[("email", "Grace@Example.org"), ("password", password)])
        };
        for nth in 0..2 {
            assert_eq!(status(form(&format!("guess {nth}"))).await, 403);
            assert_eq!(status(sign_in(&app, "grace@example.org", "guess", HOME_IP)).await, 401);
        }
        assert_eq!(status(form(PASSWORD)).await, 429);
        assert_eq!(status(sign_in(&app, "GRACE@example.org", PASSWORD, HOME_IP)).await, 429);
    }

    async fn attackers_cannot_lock_out_a_known_address(mut app: TestApp) {
        let all = [("failed_sign_ins_per_account", "2/d"), ("failed_sign_ins_per_address", "5/d")];
        app.url = spawn_behind_proxy(&mut app, &all);
        let grace = app.user("grace@example.org");
        assert_eq!(status(sign_in(&app, grace.email(), PASSWORD, HOME_IP)).await, 200);
        assert_eq!(guess_until_limited(&app, grace.email(), OTHER_IP).await, 2);
        // A replica that she has not signed in to.
        app.url = spawn_behind_proxy(&mut app, &all);
        assert_eq!(status(sign_in(&app, grace.email(), PASSWORD, OTHER_IP)).await, 429);
        assert_eq!(status(sign_in(&app, grace.email(), PASSWORD, "198.51.100.2")).await, 200, "a new place");
        assert_eq!(status(sign_in(&app, grace.email(), PASSWORD, HOME_IP)).await, 200);
        // Guesses from her IP address for other accounts do not affect her.
        for nth in 0..5 {
            let other = sign_in(&app, &format!("other{nth}@example.org"), "guess", HOME_IP);
            assert_eq!(status(other).await, 401);
        }
        assert_eq!(status(sign_in(&app, "other@example.org", "guess", HOME_IP)).await, 429);
        app.url = spawn_behind_proxy(&mut app, &all);
        assert_eq!(status(sign_in(&app, grace.email(), PASSWORD, HOME_IP)).await, 200);
        // Another user of her IP address who guesses her password is limited. She is not, because
        // the server remembers her password.
        assert_eq!(guess_until_limited(&app, grace.email(), HOME_IP).await, 2);
        assert_eq!(status(sign_in(&app, grace.email(), PASSWORD, HOME_IP)).await, 200);
        app.advance(30 * 86_400);
        app.url = spawn_behind_proxy(&mut app, &all);
        assert_eq!(guess_until_limited(&app, grace.email(), OTHER_IP).await, 2);
        assert_eq!(guess_until_limited(&app, grace.email(), HOME_IP).await, 2, "known before");
    }

    async fn guesses_per_ip_are_limited(mut app: TestApp) {
        app.url = spawn_behind_proxy(&mut app, &[("failed_sign_ins_per_address", "4/h")]);
        let grace = app.user("grace@example.org");
        for (nth, from) in ["2001:db8:1:2::1", "2001:db8:1:2::2", "2001:db8:1:2:ffff::3", "2001:db8:1:2:3:4:5:6"].iter().enumerate() {
            assert_eq!(status(sign_in(&app, &format!("nobody{nth}@example.org"), "guess", from)).await, 401);
        }
        let refused = sign_in(&app, grace.email(), PASSWORD, "2001:db8:1:2:9::").send().await.unwrap();
        assert_eq!((refused.status().as_u16(), &refused.headers()["ratelimit"]), (429, &"\"address\";r=0;t=900".parse().unwrap()));
        assert_eq!(status(sign_in(&app, grace.email(), PASSWORD, "2001:db8:1:3::1")).await, 200, "a neighbouring address");
        assert_eq!(status(sign_in(&app, grace.email(), PASSWORD, HOME_IP)).await, 200);
        for from in [HOME_IP, "::ffff:198.51.100.1", "198.51.100.1:4711"] {
            assert_eq!(status(sign_in(&app, "nobody@example.org", from, from)).await, 401);
        }
        assert_eq!(guess_until_limited(&app, "nobody@example.org", HOME_IP).await, 1, "in any notation");
    }

    async fn guesses_from_many_networks_slow_sign_ins_down_and_are_mailed(mut app: TestApp) {
        app.url = spawn_behind_proxy(&mut app, &[("failed_sign_ins_per_account", "2/h")]);
        let grace = app.user("grace@example.org");
        // Two by each network, twenty in all.
        for nth in 0..10 {
            assert_eq!(guess_until_limited(&app, grace.email(), &format!("203.0.113.{nth}")).await, 2, "{nth}");
        }
        let mails = app.mails(1).await;
        assert_eq!((mails.len(), mails[0].to.as_slice()), (1, [grace.email().to_owned()].as_slice()));
        assert!(mails[0].text.contains("Failed sign-ins"), "{}", mails[0].text);
        // From then on one by each network; the right password still works in a new place.
        assert_eq!(guess_until_limited(&app, grace.email(), "203.0.113.100").await, 1);
        assert_eq!(status(sign_in(&app, grace.email(), PASSWORD, HOME_IP)).await, 200);
        assert_eq!(app.mailbox.sent().len(), 1, "one mail a day");
    }

    async fn all_networks_of_an_ipv6_customer_count_together(mut app: TestApp) {
        let all = [("failed_sign_ins_per_account", "3/h"), ("failed_sign_ins_per_address", "2/h")];
        app.url = spawn_behind_proxy(&mut app, &all);
        let grace = app.user("grace@example.org");
        let guess = |nth: u16, email: &str, subnet: u16| sign_in(&app, email, &format!("guess {nth}"), &format!("2001:db8:1:{subnet:x}::1"));
        // The /48 network has three guesses at an account.
        for (nth, wanted) in [401, 401, 401, 429, 429].into_iter().enumerate() {
            assert_eq!(status(guess(nth as u16, grace.email(), nth as u16 * 256)).await, wanted, "{nth}");
        }
        // And eight in all, of which a /56 network has four.
        for (nth, wanted) in [401, 429].into_iter().enumerate() {
            let email = format!("nobody{nth}@example.org");
            assert_eq!(status(guess(0, &email, 0)).await, wanted, "of a /64 network: {nth}");
        }
        for (nth, wanted) in [401, 401, 429].into_iter().enumerate() {
            let email = format!("somebody{nth}@example.org");
            assert_eq!(status(guess(0, &email, 1 + nth as u16)).await, wanted, "of a /56 network: {nth}");
        }
        for (nth, wanted) in [401, 401, 429].into_iter().enumerate() {
            let email = format!("anybody{nth}@example.org");
            assert_eq!(status(guess(0, &email, 0x1000 + 256 * nth as u16)).await, wanted, "of a /48 network: {nth}");
        }
    }

    async fn missing_and_malformed_credentials_do_not_count(mut app: TestApp) {
        app.url = app.spawn_replica_with(&limits_toml(&[("failed_sign_ins_per_account", "1/h"), ("failed_sign_ins_per_address", "1/h")]));
        let grace = app.user("grace@example.org");
        for _ in 0..5 {
            assert_eq!(status(app.get("/api/account/")).await, 401);
            for header in ["Basic", "Basic x", "Basic Og==", "Bearer x", "Bearer csk_x", "Digest x"] {
                assert_eq!(status(app.get("/api/account/").header("authorization", header)).await, 401);
            }
            let forged = format!("{}{}", &grace.key[..grace.key.len() - 1], if grace.key.ends_with('A') { 'E' } else { 'A' });
            assert_eq!(status(app.get("/api/account/").bearer_auth(forged)).await, 401);
        }
        assert_eq!(app.count("SELECT count(*) AS n FROM rate_limits"), 0);
        assert_eq!(status(sign_in(&app, grace.email(), PASSWORD, HOME_IP)).await, 200);
    }

    async fn concurrent_guesses_on_two_replicas_respect_the_limit(mut app: TestApp) {
        let all = [("failed_sign_ins_per_account", "5/d")];
        let urls = [(); 2].map(|()| app.spawn_replica_with(&limits_toml(&all)));
        let grace = app.user("grace@example.org");
        let statuses = send_concurrently((0..32).map(|nth| {
            let guess = app.get(&format!("{}/api/account/", urls[nth % 2]));
            guess.basic_auth(grace.email(), Some(format!("guess {nth}")))
        }))
        .await;
        let count = |wanted| statuses.iter().filter(|status| **status == wanted).count();
        assert_eq!((count(401), count(429)), (5, 27), "{statuses:?}");
    }

    async fn concurrent_correct_sign_ins_are_not_limited(mut app: TestApp) {
        let urls = [(); 2].map(|()| spawn_behind_proxy(&mut app, &[("failed_sign_ins_per_account", "5/d")]));
        let grace = app.user("grace@example.org");
        let statuses = send_concurrently((0..32).map(|nth| {
            app.get(&format!("{}/api/account/", urls[nth % 2])).basic_auth(grace.email(), Some(PASSWORD))
        }))
        .await;
        assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
        app.url = urls[0].clone();
        assert_eq!(guess_until_limited(&app, grace.email(), OTHER_IP).await, 5, "all attempts were refunded");
    }

    async fn the_client_ip_is_the_peer_unless_a_trusted_proxy_forwards_it(mut app: TestApp) {
        let root = app.staff("root@example.org");
        let add = async |app: &TestApp, who: &TestUser, nth: usize| {
            let post = app.post("/api/user/").by_user(who).header("x-real-ip", "192.0.2.66");
            let post = post.header("forwarded", "for=192.0.2.66").header("x-forwarded-for", "192.0.2.66, 198.51.100.7");
            let body = serde_json::json!({ "email": format!("new{nth}@example.org") });
            assert_eq!(post.json(&body).send().await.unwrap().status(), 201);
        };
        let seen = |app: &TestApp, address: &str| {
            let added = format!("action = 'user.added' AND ip = '{address}'");
            app.count(&format!("SELECT count(*) AS n FROM audit_log WHERE {added}"))
        };
        add(&app, &root, 1).await;
        assert_eq!((seen(&app, "127.0.0.1"), seen(&app, "198.51.100.7")), (1, 0));
        app.url = app.spawn_replica_with("trusted_proxies = ['10.0.0.0/8', '::1']");
        add(&app, &root, 2).await;
        assert_eq!((seen(&app, "127.0.0.1"), seen(&app, "198.51.100.7")), (2, 0), "an untrusted proxy");
        app.url = app.spawn_replica_with("trusted_proxies = ['127.0.0.0/8']");
        add(&app, &root, 3).await;
        assert_eq!((seen(&app, "127.0.0.1"), seen(&app, "198.51.100.7")), (2, 1));
        app.url = app.spawn_replica_with("trusted_proxies = ['127.0.0.1', '198.51.100.0/24']");
        add(&app, &root, 4).await;
        assert_eq!(seen(&app, "192.0.2.66"), 1, "through two proxies");
    }
}
