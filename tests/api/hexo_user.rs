//! hexo: users, and the account that a caller is.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::helpers::{By, PASSWORD, TestApp, TestUser};
use crate::hexo::{Scene, answered, number, refused, refused_field, refused_so};

fn emails(list: &Value) -> Vec<&str> {
    list["objects"].as_array().unwrap().iter().map(|user| user["email"].as_str().unwrap()).collect()
}

fn patch(app: &TestApp, user: &TestUser) -> RequestBuilder {
    app.request(Method::PATCH, &user.uri())
}

on_both_databases! {
    async fn an_account_is_its_caller(app: TestApp) {
        let ada = app.user("ada@example.org");
        app.user("grace@example.org");
        let account = answered(app.get("/api/account/").by(&ada), 200).await;
        assert_eq!(
            account,
            json!({
                "meta": { "limit": 20, "next": null, "offset": 0, "previous": null, "total_count": 1 },
                "objects": [{
                    "id": ada.id(),
                    "email": "ada@example.org",
                    "username": "ada@example.org",
                    "first_name": "ada",
                    "last_name": "Test",
                    "resource_uri": ada.uri(),
                }],
            })
        );
        let beyond = answered(app.get("/api/account/?offset=1").by(&ada), 200).await;
        assert_eq!((&beyond["objects"], &beyond["meta"]["total_count"]), (&json!([]), &json!(1)));
    }

    async fn every_kind_of_credentials_says_who_one_is(app: TestApp) {
        let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
        let account = || app.get("/api/account/");
        for request in [
            account().basic_auth("Ada@Example.org", Some(PASSWORD)),
            account().bearer_auth(&ada.key),
            account().header("authorization", format!("ApiKey ada@example.org:{}", ada.key)),
        ] {
            assert_eq!(answered(request, 200).await["objects"][0]["id"], ada.id());
        }
        for request in [
            account().basic_auth("ada@example.org", Some("wrong")),
            account().basic_auth("nobody@example.org", Some(PASSWORD)),
            account().bearer_auth(ada.key.replace("csk_", "cse_")),
            account().header("authorization", format!("ApiKey {}:{}", grace.email(), ada.key)),
            account().header("authorization", "ApiKey"),
            account().header("authorization", "Negotiate x"),
            account().header("authorization", [255_u8, 254].as_slice()),
            account().bearer_auth(&ada.key).header("authorization", format!("Bearer {}", grace.key)),
        ] {
            refused(&app, request, 401).await;
        }
    }

    async fn users_are_seen_by_those_who_are_linked_to_them(app: TestApp) {
        let Scene { ada, grace, eve, bundle } = Scene::set(&app);
        let root = app.staff("root@example.org");
        let seen = |who: TestUser| {
            let list = app.get("/api/user/").by(&who);
            async move {
                emails(&answered(list, 200).await)
                    .into_iter()
                    .map(|it| it.split('@').next().unwrap().to_owned())
                    .collect::<Vec<_>>()
                    .join(" ")
            }
        };
        assert_eq!(seen(ada.clone()).await, "ada");
        assert_eq!(seen(root.clone()).await, "ada grace eve root");
        let request = app.ask(&ada, &grace, &bundle);
        assert_eq!(seen(ada.clone()).await, "ada grace");
        assert_eq!(seen(grace.clone()).await, "ada grace");
        assert_eq!(seen(eve.clone()).await, "eve");
        let redeem = app.put(&Scene::at(&app.redeem_token(&request))).by(&grace);
        let grant = answered(redeem, 200).await;
        app.advance(10 * 365 * 86_400);
        assert_eq!(seen(ada.clone()).await, "ada grace", "a permission stands");
        answered(app.delete(grant["resource_uri"].as_str().unwrap()).by(&ada), 204).await;
        assert_eq!(seen(ada.clone()).await, "ada");
        app.ask(&eve, &ada, &bundle);
        assert_eq!(seen(ada.clone()).await, "ada eve");
        app.advance(3_600);
        assert_eq!(seen(ada).await, "ada", "a request that is over links nobody");
    }

    async fn a_user_is_seen_in_detail_by_the_same(app: TestApp) {
        let Scene { ada, grace, eve, bundle } = Scene::set(&app);
        app.ask(&ada, &grace, &bundle);
        let root = app.staff("root@example.org");
        for who in [&ada, &grace, &root] {
            assert_eq!(answered(app.get(&grace.uri()).by(who), 200).await["email"], grace.email());
        }
        refused_so(&app, app.get(&grace.uri()).by(&eve), 404, "Not found.").await;
        for path in [
            "/api/user/0/",
            "/api/user/-1/",
            "/api/user/x/",
            "/api/user/9223372036854775808/",
            "/api/user/ada@example.org/",
            "/api/user/%00/",
            "/api/user/%ff/",
            "/api/user/1.0/",
        ] {
            refused_so(&app, app.get(path).by(&root), 404, "Not found.").await;
        }
    }

    async fn users_are_filtered_by_address_and_id(app: TestApp) {
        let root = app.staff("root@example.org");
        let (ada, adam) = (app.user("ada@example.org"), app.user("adam@example.org"));
        let odd = app.user("a_%@example.org");
        for (query, found) in [
            ("email=ada@example.org".to_owned(), vec![&ada]),
            ("email=ADA@Example.org".to_owned(), vec![&ada]),
            ("email__exact=ada@example.org".to_owned(), vec![&ada]),
            ("username=ada%40example.org".to_owned(), vec![&ada]),
            ("email__in=ada@example.org,adam@example.org,nobody@example.org".to_owned(), vec![&ada, &adam]),
            ("email__in=ada@example.org&email__in=adam@example.org".to_owned(), vec![&ada, &adam]),
            ("email__startswith=ADA".to_owned(), vec![&ada, &adam]),
            ("email__startswith=a_".to_owned(), vec![&odd]),
            ("email__startswith=a_%25".to_owned(), vec![&odd]),
            ("email__startswith=%25".to_owned(), vec![]),
            ("email__startswith=%5C".to_owned(), vec![]),
            ("username__startswith=ada&email__startswith=adam".to_owned(), vec![&adam]),
            ("email=ada@example.org&username=adam@example.org".to_owned(), vec![]),
            (format!("id={}", ada.id()), vec![&ada]),
            (format!("id__in={},{}", adam.id(), ada.id()), vec![&ada, &adam]),
            (format!("id__in={}&email__startswith=adam", adam.id()), vec![&adam]),
            (format!("id__exact={}&id={}", adam.id(), ada.id()), vec![]),
            ("id__in=".to_owned(), vec![]),
            ("email=nonsense".to_owned(), vec![]),
            ("email=%F0%9F%A6%80".to_owned(), vec![]),
        ] {
            let list = answered(app.get(&format!("/api/user/?{query}")).by(&root), 200).await;
            let wanted: Vec<&str> = found.iter().map(|user| user.email()).collect();
            assert_eq!(emails(&list), wanted, "{query}");
            assert_eq!(list["meta"]["total_count"], wanted.len(), "{query}");
        }
        let list = answered(app.get("/api/user/?email=adam@example.org").by(&ada), 200).await;
        assert_eq!(emails(&list), [""; 0], "a filter shows nobody whom the list does not");
    }

    async fn a_filter_that_cannot_be_what_the_field_holds_is_refused(app: TestApp) {
        let ada = app.user("ada@example.org");
        for query in ["id=x", "id=-1", "id=", "id=1.5", "id=9223372036854775808", "id__in=1,x"] {
            let list = app.get(&format!("/api/user/?{query}")).by(&ada);
            refused_so(&app, list, 400, "Invalid resource lookup data provided (mismatched type).").await;
        }
        let many: Vec<String> = (1..=1_001).map(|id| id.to_string()).collect();
        for query in
            [&format!("id__in={}", many.join(",")), "email=a&email=b", "email=%00", "email__startswith=%00"]
        {
            refused(&app, app.get(&format!("/api/user/?{query}")).by(&ada), 400).await;
        }
    }

    async fn users_change_their_names_and_nothing_else(app: TestApp) {
        let ada = app.user("ada@example.org");
        let body = json!({
            "first_name": "Ada", "email": "eve@example.org", "username": "eve", "id": 99,
            "is_staff": true, "resource_uri": "/api/user/99/", "unknown": [1],
        });
        let put = answered(app.put(&ada.uri()).by(&ada).json(&body), 200).await;
        let wanted = json!({
            "id": ada.id(), "email": "ada@example.org", "username": "ada@example.org",
            "first_name": "Ada", "last_name": "Test", "resource_uri": ada.uri(),
        });
        assert_eq!(put, wanted, "what a PUT does not name stays");
        let patched = answered(patch(&app, &ada).by(&ada).json(&json!({ "last_name": "" })), 202).await;
        assert_eq!((&patched["first_name"], &patched["last_name"]), (&json!("Ada"), &json!("")));
        assert_eq!(answered(app.get("/api/account/").by(&ada), 200).await["objects"][0], patched, "at once");
        assert_eq!(app.count("SELECT count(*) AS n FROM events WHERE action = 'user.renamed'"), 2);
        for (body, status) in [("{}", 200), ("", 200), ("{\"first_name\":null}", 200)] {
            let same = app.put(&ada.uri()).by(&ada).header("content-type", "application/json").body(body);
            assert_eq!(answered(same, status).await, patched);
        }
        assert_eq!(
            app.count("SELECT count(*) AS n FROM events WHERE action = 'user.renamed'"),
            2,
            "nothing to tell of"
        );
    }

    async fn staff_changes_anybodys_names_and_nobody_else_does(app: TestApp) {
        let Scene { ada, grace, eve, bundle } = Scene::set(&app);
        let root = app.staff("root@example.org");
        app.ask(&ada, &grace, &bundle);
        let names = json!({ "first_name": "Mallory" });
        assert_eq!(answered(app.put(&eve.uri()).by(&root).json(&names), 200).await["first_name"], "Mallory");
        for request in [app.put(&grace.uri()), patch(&app, &grace)] {
            refused(&app, request.by(&ada).json(&names), 403).await;
        }
        refused_so(&app, app.put(&grace.uri()).by(&eve).json(&names), 404, "Not found.").await;
        refused_so(&app, app.put("/api/user/4711/").by(&root).json(&names), 404, "Not found.").await;
        assert_eq!(answered(app.get(&grace.uri()).by(&grace), 200).await["first_name"], "grace");
    }

    async fn a_name_that_cannot_be_taken_is_refused(app: TestApp) {
        let ada = app.user("ada@example.org");
        for name in [json!(1), json!(true), json!(["Ada"]), json!({}), json!("A\nda"), json!("x".repeat(151))]
        {
            for field in ["first_name", "last_name"] {
                refused_field(
                    &app,
                    app.put(&ada.uri()).by(&ada).json(&json!({ field: name })),
                    "user",
                    field,
                )
                .await;
                refused_field(&app, patch(&app, &ada).by(&ada).json(&json!({ field: name })), "user", field)
                    .await;
            }
        }
        let longest = "ä".repeat(150);
        let put = answered(app.put(&ada.uri()).by(&ada).json(&json!({ "first_name": longest })), 200).await;
        assert_eq!(put["first_name"], longest);
    }

    async fn staff_adds_users_who_have_no_password_yet(app: TestApp) {
        let root = app.staff("root@example.org");
        let body = json!({ "email": "Ada@Example.org", "first_name": "Ada", "password": "x", "staff": true });
        let response = app.post("/api/v1/user/").by(&root).json(&body).send().await.unwrap();
        assert_eq!(response.status(), 201);
        let location = response.headers()["location"].to_str().unwrap().to_owned();
        let added: Value = response.json().await.unwrap();
        assert_eq!(added["resource_uri"], location);
        assert_eq!(location, format!("/api/v1/user/{}/", number(&added)));
        assert_eq!(
            (&added["email"], &added["first_name"], &added["last_name"]),
            (&json!("ada@example.org"), &json!("Ada"), &json!(""))
        );
        assert_eq!(
            app.count("SELECT count(*) AS n FROM users WHERE password IS NULL AND NOT staff AND active"),
            1
        );
        assert_eq!(app.count("SELECT count(*) AS n FROM events WHERE action = 'user.added'"), 1);
        refused(&app, app.get("/api/account/").basic_auth("ada@example.org", Some("x")), 401).await;
        refused(&app, app.get("/api/account/").basic_auth("ada@example.org", Some("")), 401).await;
    }

    async fn a_user_who_cannot_be_added_is_not(app: TestApp) {
        let (root, ada) = (app.staff("root@example.org"), app.user("ada@example.org"));
        let post = |body: Value| app.post("/api/user/").by(&root).json(&body);
        for email in [
            json!("ADA@example.org"),
            json!("ada"),
            json!("a b@example.org"),
            json!(1),
            json!(["a@b.org"]),
            json!("a@b.org\r\nBcc: c@d.org"),
        ] {
            refused_field(&app, post(json!({ "email": email })), "user", "email").await;
        }
        refused_field(&app, post(json!({ "email": "x@example.org", "first_name": 1 })), "user", "first_name")
            .await;
        let missing = "The 'email' field has no data and doesn't allow a default or null value.";
        for body in [
            json!({}),
            json!({ "email": null }),
            json!({ "email": "" }),
            json!({ "username": "x@example.org" }),
        ] {
            refused_so(&app, post(body), 400, missing).await;
        }
        refused_so(&app, app.post("/api/user/").by(&root), 400, missing).await;
        refused(&app, app.post("/api/user/").by(&ada).json(&json!({ "email": "x@example.org" })), 403).await;
        refused(&app, app.post("/api/user/").by(&ada).json(&json!({})), 403).await;
    }
}
