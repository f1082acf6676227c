//! Limits: whoever asks too often is told so, by whichever replica.

use std::thread;

use countersign::domain::event::Origin;
use countersign::domain::grant::Terms;
use countersign::domain::limit::{AskLimits, Limit};
use countersign::domain::request::NewRequest;
use countersign::store::ledger::{Deed, Operation, Verdict, commit};
use countersign::store::meters;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use crate::helpers::{Backend, By, TestApp, TestUser, all_at_once};
use crate::hexo::{REQUESTS, Scene, answered, refused, refused_field};
use crate::mailer::until;

/// A `countersign.toml` with these limits and no others.
pub fn limits(limits: &[(&str, &str)]) -> String {
    const ALL: [&str; 8] = [
        "requests_per_pair",
        "requests_per_requester",
        "requests_per_target",
        "unknown_references",
        "failures_per_account",
        "failures_per_address",
        "password_mails_per_account",
        "password_mails_per_address",
    ];
    let limit =
        |name: &&str| limits.iter().find(|(other, _)| other == name).map_or("off", |(_, limit)| limit);
    ALL.iter().fold("[limits]\n".to_owned(), |toml, name| format!("{toml}{name} = '{}'\n", limit(name)))
}

/// Has the test talk to a server with these limits and no others.
fn set(app: &mut TestApp, all: &[(&str, &str)]) {
    app.url = app.replica_with(&limits(all));
}

/// Has somebody ask somebody for something, who are all there.
fn ask(app: &TestApp, allowed: &TestUser, target: &TestUser, bundle: i64) -> reqwest::RequestBuilder {
    let body = json!({ "user_allowed": allowed.uri(), "user_target": target.uri(), "bundle": bundle });
    app.post(REQUESTS).by(allowed).json(&body)
}

/// Sends what is too much: nothing has come of it. What its headers say of when to
/// come back, and of what there is no more.
async fn too_many(app: &TestApp, request: reqwest::RequestBuilder) -> (i64, String) {
    let again = request.try_clone().unwrap();
    let body = refused(app, request, 429).await;
    assert!(
        body["error"].as_str().unwrap().starts_with("Too many requests. Nothing was done. Try again in "),
        "{body}"
    );
    let headers = again.send().await.unwrap().headers().clone();
    let wait = headers["retry-after"].to_str().unwrap().parse().unwrap();
    let (left, policy) = told(&headers);
    assert!(left.ends_with(&format!(";r=0;t={wait}")), "{left}");
    assert_eq!(left.split(';').next(), policy.split(';').next(), "of the same limit");
    (wait, policy)
}

/// The `RateLimit` fields.
fn told(headers: &HeaderMap) -> (String, String) {
    ["ratelimit", "ratelimit-policy"].map(|name| headers[name].to_str().unwrap().to_owned()).into()
}

/// Lets time pass once all that was owed has been mailed: mails whose leases run out
/// meanwhile are sent twice.
async fn pass(app: &TestApp, seconds: i64) {
    until(app, "SELECT count(*) AS n FROM outbox WHERE finished_at IS NULL", 0).await;
    app.advance(seconds);
}

on_both_databases! {
    async fn one_user_asks_another_so_often_and_no_more(mut app: TestApp) {
        set(&mut app, &[("requests_per_pair", "3/h")]);
        let scene = Scene::set(&app);
        let Scene { ada, grace, eve, bundle } = &scene;
        let bundle = bundle.id.0;
        for left in ["r=2;t=1200", "r=1;t=1200", "r=0;t=1200"] {
            let response = ask(&app, ada, grace, bundle).send().await.unwrap();
            assert_eq!(response.status(), 201);
            let fields = (format!("\"pair\";{left}"), "\"pair\";q=3;w=3600".to_owned());
            assert_eq!(told(response.headers()), fields);
        }
        let refusal = (1_200, "\"pair\";q=3;w=3600".to_owned());
        assert_eq!(too_many(&app, ask(&app, ada, grace, bundle)).await, refusal);
        answered(ask(&app, ada, eve, bundle), 201).await;
        answered(ask(&app, eve, grace, bundle), 201).await;
        answered(ask(&app, grace, ada, bundle), 201).await;
        pass(&app, 1_199).await;
        assert_eq!(too_many(&app, ask(&app, ada, grace, bundle)).await.0, 1);
        pass(&app, 1).await;
        answered(ask(&app, ada, grace, bundle), 201).await;
        assert_eq!(too_many(&app, ask(&app, ada, grace, bundle)).await.0, 1_200);
        pass(&app, 3_600).await;
        for _ in 0..3 {
            answered(ask(&app, ada, grace, bundle), 201).await;
        }
        assert_eq!(too_many(&app, ask(&app, ada, grace, bundle)).await.0, 1_200);
    }

    async fn one_user_asks_so_many_others(mut app: TestApp) {
        set(&mut app, &[("requests_per_requester", "2/h")]);
        let Scene { ada, grace, eve, bundle } = &Scene::set(&app);
        answered(ask(&app, ada, grace, bundle.id.0), 201).await;
        answered(ask(&app, ada, eve, bundle.id.0), 201).await;
        let refusal = (1_800, "\"requester\";q=2;w=3600".to_owned());
        assert_eq!(too_many(&app, ask(&app, ada, grace, bundle.id.0)).await, refusal);
        answered(ask(&app, eve, grace, bundle.id.0), 201).await;
        // What staff asks on somebody's behalf is neither's own.
        let root = app.staff("root@example.org");
        for _ in 0..3 {
            let body = json!({ "user_allowed": ada.uri(), "user_target": grace.uri(), "bundle": bundle.id.0 });
            answered(app.post(REQUESTS).by(&root).json(&body), 201).await;
        }
        answered(ask(&app, &root, grace, bundle.id.0), 201).await;
        answered(ask(&app, &root, eve, bundle.id.0), 201).await;
        too_many(&app, ask(&app, &root, ada, bundle.id.0)).await;
    }

    async fn nobody_is_mailed_more_than_so_often_by_however_many(mut app: TestApp) {
        set(&mut app, &[("requests_per_target", "4/h"), ("requests_per_pair", "2/h")]);
        let Scene { ada, grace, eve, bundle } = &Scene::set(&app);
        let root = app.staff("root@example.org");
        for who in [ada, eve, ada] {
            let response = ask(&app, who, grace, bundle.id.0).send().await.unwrap();
            assert_eq!(response.status(), 201);
            assert!(!told(response.headers()).0.contains("target"), "others' requests are none of their business");
        }
        let of_staff = json!({ "user_allowed": eve.uri(), "user_target": grace.uri(), "bundle": bundle.id.0 });
        answered(app.post(REQUESTS).by(&root).json(&of_staff), 201).await;
        for who in [ada, eve, &root] {
            too_many(&app, ask(&app, who, grace, bundle.id.0)).await;
        }
        let refusal = (900, "\"target\";q=4;w=3600".to_owned());
        assert_eq!(too_many(&app, ask(&app, &root, grace, bundle.id.0)).await, refusal);
        assert_eq!(too_many(&app, ask(&app, ada, grace, bundle.id.0)).await.0, 1_800, "the one that takes longest");
        answered(ask(&app, &root, eve, bundle.id.0), 201).await;
        pass(&app, 900).await;
        answered(ask(&app, &root, grace, bundle.id.0), 201).await;
        too_many(&app, ask(&app, &root, grace, bundle.id.0)).await;
    }

    async fn whoever_looks_for_people_is_told_of_nobody_before_long(mut app: TestApp) {
        set(&mut app, &[("unknown_references", "3/h")]);
        let scene = Scene::set(&app);
        let Scene { ada, grace, .. } = &scene;
        let guess = |who: &str| app.post(REQUESTS).by(ada).json(&scene.wish_but("user_target", who));
        let give = |who: &str| {
            let body = json!({ "user_target": ada.uri(), "user_allowed": who, "bundle": scene.bundle_uri() });
            app.post("/api/bundle_permission/").by(ada).json(&body)
        };
        let block = |who: &str| app.post("/api/block/").by(ada).json(&json!({ "user": who }));
        answered(guess(grace.email()), 201).await;
        for guess in [guess("a@example.org"), give("b@example.org"), block("4711")] {
            refused(&app, guess, 400).await;
        }
        let refusal = (1_200, "\"references\";q=3;w=3600".to_owned());
        for who in ["nobody@example.org", "grace@example.org", "4711", &grace.uri(), "nonsense"] {
            for guess in [guess(who), give(who), block(who)] {
                assert_eq!(too_many(&app, guess).await, refusal, "{who}");
            }
        }
        // Nor is it told by what else is wrong.
        for who in ["nobody@example.org", "grace@example.org", "ada@example.org"] {
            let mut wish = scene.wish_but("user_target", who);
            wish["bundle"] = json!(4_711);
            too_many(&app, app.post(REQUESTS).by(ada).json(&wish)).await;
        }
        answered(ask(&app, grace, ada, scene.bundle.id.0), 201).await;
        pass(&app, 1_200).await;
        answered(guess(grace.email()), 201).await;
        refused(&app, guess("nobody@example.org"), 400).await;
        too_many(&app, guess(grace.email())).await;
        let root = app.staff("root@example.org");
        for _ in 0..5 {
            let wish = scene.wish_but("user_target", "nobody@example.org");
            refused(&app, app.post(REQUESTS).by(&root).json(&wish), 400).await;
        }
    }

    async fn a_repetition_under_the_same_key_costs_nothing_and_is_never_refused(mut app: TestApp) {
        set(&mut app, &[("requests_per_pair", "1/h"), ("requests_per_target", "1/h")]);
        let scene = Scene::set(&app);
        let under = |key: &str| app.post(REQUESTS).by(&scene.ada).header("idempotency-key", key).json(&scene.wish());
        let first = answered(under("a"), 201).await;
        for _ in 0..3 {
            assert_eq!(answered(under("a"), 201).await["resource_uri"], first["resource_uri"]);
        }
        too_many(&app, under("b")).await;
        assert_eq!(answered(under("a"), 201).await["resource_uri"], first["resource_uri"]);
        pass(&app, 3_600).await;
        assert_ne!(answered(under("b"), 201).await["resource_uri"], first["resource_uri"], "the key was not used up");
    }

    async fn what_is_refused_for_other_reasons_costs_nothing(mut app: TestApp) {
        set(&mut app, &[("requests_per_pair", "1/h"), ("requests_per_requester", "1/h"), ("requests_per_target", "1/h")]);
        let scene = Scene::set(&app);
        let post = |body: Value| app.post(REQUESTS).by(&scene.ada).json(&body);
        let stands = app.bundle("Heart", 6);
        let given = json!({ "user_allowed": scene.ada.uri(), "user_target": scene.grace.uri(), "bundle": stands.id.0 });
        answered(app.post("/api/bundle_permission/").by(&scene.grace).json(&given), 201).await;
        for _ in 0..3 {
            refused_field(&app, post(given.clone()), "bundle_permission_request", "bundle").await;
            refused(&app, post(scene.wish_but("ttl", 1)), 400).await;
            refused(&app, post(scene.wish_but("user_target", "nobody@example.org")), 400).await;
            refused(&app, post(scene.wish_but("user_target", json!([scene.grace.uri()]))), 400).await;
            refused(&app, post(scene.wish_but("bundle", 4_711)), 400).await;
            refused(&app, app.post(REQUESTS).by(&scene.eve).json(&scene.wish()), 403).await;
            refused(&app, app.post(REQUESTS).json(&scene.wish()), 401).await;
        }
        answered(post(scene.wish()), 201).await;
        too_many(&app, post(scene.wish())).await;
    }

    async fn however_many_ask_at_once_at_two_replicas_as_many_are_let_in_as_may(mut app: TestApp) {
        let bundles: Vec<_> = (0..65).map(|nth| app.bundle(&format!("Bundle {nth}"), 6)).collect();
        let mut asked = 0;
        for limit in ["requests_per_pair", "requests_per_requester", "requests_per_target"] {
            let urls = [(); 2].map(|()| app.replica_with(&limits(&[(limit, "41/d")])));
            let (ada, grace) = (app.user(&format!("a-{limit}@example.org")), app.user(&format!("g-{limit}@example.org")));
            let mut posts = bundles.iter().enumerate().map(|(nth, bundle)| {
                let body = json!({ "user_allowed": ada.uri(), "user_target": grace.uri(), "bundle": bundle.id.0 });
                let post = app.post(&format!("{}{REQUESTS}", urls[nth % 2])).by(&ada);
                post.header("idempotency-key", format!("{limit}-{nth}")).json(&body)
            });
            answered(posts.next().unwrap(), 201).await;
            let statuses = all_at_once(posts).await;
            let count = |wanted| statuses.iter().filter(|status| **status == wanted).count();
            assert_eq!((count(201), count(429)), (40, 24), "{limit}: {statuses:?}");
            asked += 41;
            assert_eq!(app.count("SELECT count(*) AS n FROM permission_requests"), asked);
            assert_eq!(app.count("SELECT count(*) AS n FROM outbox"), asked);
            assert_eq!(app.mails(asked as usize).await.len() as i64, asked);
        }
    }

    async fn batches_at_once_let_in_as_many_as_may(app: TestApp) {
        let limit = Limit::new(10, 86_400).ok();
        let limits = AskLimits { pair: limit, requester: limit, target: limit, astray: None };
        let bundles: Vec<_> = (0..16).map(|nth| app.bundle(&format!("Bundle {nth}"), 6)).collect();
        for round in 0..6 {
            let (ada, grace) = (app.user(&format!("a{round}@example.org")), app.user(&format!("g{round}@example.org")));
            let batch: Vec<Operation> = bundles.iter().map(|bundle| {
                let terms = Terms { target: grace.user.id, allowed: ada.user.id, bundle: bundle.id };
                let new = NewRequest { terms, asked_by: ada.user.id, lifetime: 3_600, redeem_page: None, once: None };
                Operation::new(Deed::Ask(new), Origin::default()).within(limits)
            }).collect();
            // Meters that nobody has used before, and those that somebody has.
            let before = round % 2;
            let made = |verdicts: Vec<_>| {
                verdicts.into_iter().filter(|verdict| matches!(verdict, Ok(Verdict::Asked(Ok(_))))).count()
            };
            assert_eq!(made(commit(&app.store, &batch[..before])), before);
            let let_in: usize = thread::scope(|scope| {
                let racers: Vec<_> = (0..4).map(|nth| {
                    let own = &batch[4 * nth..4 * nth + 4];
                    scope.spawn(|| made(commit(&app.store, own)))
                }).collect();
                racers.into_iter().map(|racer| racer.join().unwrap()).sum()
            });
            assert_eq!(let_in + before, 10, "round {round}");
        }
    }

    async fn without_limits_nothing_is_counted(app: TestApp) {
        let scene = Scene::set(&app);
        for _ in 0..12 {
            let response = ask(&app, &scene.ada, &scene.grace, scene.bundle.id.0).send().await.unwrap();
            assert_eq!(response.status(), 201);
            assert!(!response.headers().keys().any(|name| name.as_str().starts_with("ratelimit")));
        }
        assert_eq!(app.count("SELECT count(*) AS n FROM meters"), 0);
    }

    async fn meters_that_have_run_down_are_swept(mut app: TestApp) {
        set(&mut app, &[("requests_per_pair", "3/h"), ("requests_per_target", "1/h")]);
        let scene = Scene::set(&app);
        answered(ask(&app, &scene.ada, &scene.grace, scene.bundle.id.0), 201).await;
        let sweep = || app.store.write(|conn| {
            let now = conn.now()?;
            meters::sweep(conn, now)
        });
        assert_eq!(sweep().unwrap(), 0);
        pass(&app, 1_200).await;
        assert_eq!((sweep().unwrap(), sweep().unwrap()), (1, 0), "the pair's");
        pass(&app, 2_400).await;
        assert_eq!((sweep().unwrap(), app.count("SELECT count(*) AS n FROM meters")), (1, 0));
    }
}

#[actix_web::test]
async fn the_usual_limits_bear_with_people_and_not_with_bombers() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let app = TestApp::spawn_with(backend, "[limits]");
        let scene = Scene::set(&app);
        for _ in 0..10 {
            answered(ask(&app, &scene.ada, &scene.grace, scene.bundle.id.0), 201).await;
        }
        too_many(&app, ask(&app, &scene.ada, &scene.grace, scene.bundle.id.0)).await;
        for other in 1..=4 {
            let other = app.user(&format!("other{other}@example.org"));
            for _ in 0..10 {
                answered(ask(&app, &other, &scene.grace, scene.bundle.id.0), 201).await;
            }
        }
        let refused = too_many(&app, ask(&app, &scene.eve, &scene.grace, scene.bundle.id.0)).await;
        assert_eq!(refused, (1_728, "\"target\";q=50;w=86400".to_owned()));
    }
}
