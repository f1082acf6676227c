//! hexo: users and the caller's own account.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::helpers::{ByUser, PASSWORD, TestApp, TestUser};
use crate::hexo::{
    HexoFixture, expect_error, expect_field_error, expect_refusal, expect_response, resource_id,
};

fn emails(list: &Value) -> Vec<&str> {
    list["objects"].as_array().unwrap().iter().map(|user| user["email"].as_str().unwrap()).collect()
}

fn patch_user(app: &TestApp, user: &TestUser) -> RequestBuilder {
    app.request(Method::PATCH, &user.uri())
}

on_both_databases! {
    async fn the_account_is_the_caller(app: TestApp) {
        let ada = app.user("ada@example.org");
        app.user("grace@example.org");
        let account = expect_response(app.get("/api/account/").by_user(&ada), 200).await;
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
        let beyond = expect_response(app.get("/api/account/?offset=1").by_user(&ada), 200).await;
        assert_eq!((&beyond["objects"], &beyond["meta"]["total_count"]), (&json!([]), &json!(1)));
    }

    async fn every_kind_of_credentials_authenticates(app: TestApp) {
        let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
        let account = || app.get("/api/account/");
        for request in [
            account().basic_auth("Ada@Example.org", Some(PASSWORD)),
            account().bearer_auth(&ada.key),
            account().header("authorization", format!("ApiKey ada@example.org:{}", ada.key)),
        ] {
            assert_eq!(expect_response(request, 200).await["objects"][0]["id"], ada.id());
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
            expect_refusal(&app, request, 401).await;
        }
    }

    async fn users_see_only_linked_users(app: TestApp) {
        let HexoFixture { ada, grace, eve, bundle } = HexoFixture::new(&app);
        let root = app.staff("root@example.org");
        let seen = |who: TestUser| {
            let list = app.get("/api/user/").by_user(&who);
            async move {
                emails(&expect_response(list, 200).await)
                    .into_iter()
                    .map(|it| it.split('@').next().unwrap().to_owned())
                    .collect::<Vec<_>>()
                    .join(" ")
            }
        };
        assert_eq!(seen(ada.clone()).await, "ada");
        assert_eq!(seen(root.clone()).await, "ada grace eve root");
        let request = app.create_request(&ada, &grace, &bundle);
        assert_eq!(seen(ada.clone()).await, "ada grace");
        assert_eq!(seen(grace.clone()).await, "ada grace");
        assert_eq!(seen(eve.clone()).await, "eve");
        let redeem = app.put(&HexoFixture::token_path(&app.redeem_token(&request))).by_user(&grace);
        let grant = expect_response(redeem, 200).await;
        app.advance(10 * 365 * 86_400);
        assert_eq!(seen(ada.clone()).await, "ada grace", "a permission is active");
        expect_response(app.delete(grant["resource_uri"].as_str().unwrap()).by_user(&ada), 204).await;
        assert_eq!(seen(ada.clone()).await, "ada");
        app.create_request(&eve, &ada, &bundle);
        assert_eq!(seen(ada.clone()).await, "ada eve");
        app.advance(3_600);
        assert_eq!(seen(ada).await, "ada", "a closed request does not link users");
    }

    async fn a_user_detail_is_visible_to_linked_users(app: TestApp) {
        let HexoFixture { ada, grace, eve, bundle } = HexoFixture::new(&app);
        app.create_request(&ada, &grace, &bundle);
        let root = app.staff("root@example.org");
        for who in [&ada, &grace, &root] {
            assert_eq!(expect_response(app.get(&grace.uri()).by_user(who), 200).await["email"], grace.email());
        }
        expect_error(&app, app.get(&grace.uri()).by_user(&eve), 404, "Not found.").await;
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
            expect_error(&app, app.get(path).by_user(&root), 404, "Not found.").await;
        }
    }

    async fn users_are_filtered_by_email_and_id(app: TestApp) {
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
            let list = expect_response(app.get(&format!("/api/user/?{query}")).by_user(&root), 200).await;
            let wanted: Vec<&str> = found.iter().map(|user| user.email()).collect();
            assert_eq!(emails(&list), wanted, "{query}");
            assert_eq!(list["meta"]["total_count"], wanted.len(), "{query}");
        }
        let list = expect_response(app.get("/api/user/?email=adam@example.org").by_user(&ada), 200).await;
        assert_eq!(emails(&list), [""; 0], "a filter adds no users to the list");
    }

    async fn a_filter_value_of_the_wrong_type_is_rejected(app: TestApp) {
        let ada = app.user("ada@example.org");
        for query in ["id=x", "id=-1", "id=", "id=1.5", "id=9223372036854775808", "id__in=1,x"] {
            let list = app.get(&format!("/api/user/?{query}")).by_user(&ada);
            expect_error(&app, list, 400, "Invalid resource lookup data provided (mismatched type).").await;
        }
        let many: Vec<String> = (1..=1_001).map(|id| id.to_string()).collect();
        for query in
            [&format!("id__in={}", many.join(",")), "email=a&email=b", "email=%00", "email__startswith=%00"]
        {
            expect_refusal(&app, app.get(&format!("/api/user/?{query}")).by_user(&ada), 400).await;
        }
    }

    async fn users_can_change_only_their_names(app: TestApp) {
        let ada = app.user("ada@example.org");
        let body = json!({
            "first_name": "Ada", "email": "ADA@example.org", "username": "ada@example.org", "id": ada.id(),
            "is_staff": false, "is_active": true, "resource_uri": format!("/api/v1/user/{}/", ada.id()), "unknown": [1],
        });
        for (field, value) in [
            ("email", json!("eve@example.org")), ("username", json!("eve")), ("id", json!(99)), ("is_staff", json!(true)),
            ("is_active", json!(false)), ("resource_uri", json!("/api/user/99/")),
        ] {
            let changed = json!({ "first_name": "Ada", field: value });
            expect_field_error(&app, app.put(&ada.uri()).by_user(&ada).json(&changed), "user", field).await;
            expect_field_error(&app, patch_user(&app, &ada).by_user(&ada).json(&changed), "user", field).await;
        }
        let put = expect_response(app.put(&ada.uri()).by_user(&ada).json(&body), 200).await;
        let wanted = json!({
            "id": ada.id(), "email": "ada@example.org", "username": "ada@example.org",
            "first_name": "Ada", "last_name": "Test", "resource_uri": ada.uri(),
        });
        assert_eq!(put, wanted, "fields that a PUT omits are unchanged");
        let patched = expect_response(patch_user(&app, &ada).by_user(&ada).json(&json!({ "last_name": "" })), 202).await;
        assert_eq!((&patched["first_name"], &patched["last_name"]), (&json!("Ada"), &json!("")));
        assert_eq!(expect_response(app.get("/api/account/").by_user(&ada), 200).await["objects"][0], patched, "at once");
        assert_eq!(app.count("SELECT count(*) AS n FROM audit_log WHERE action = 'user.renamed'"), 2);
        for (body, status) in [("{}", 200), ("", 200), ("{\"first_name\":null}", 200)] {
            let same = app.put(&ada.uri()).by_user(&ada).header("content-type", "application/json").body(body);
            assert_eq!(expect_response(same, status).await, patched);
        }
        assert_eq!(
            app.count("SELECT count(*) AS n FROM audit_log WHERE action = 'user.renamed'"),
            2,
            "nothing to tell of"
        );
    }

    async fn only_staff_can_change_the_names_of_others(app: TestApp) {
        let HexoFixture { ada, grace, eve, bundle } = HexoFixture::new(&app);
        let root = app.staff("root@example.org");
        app.create_request(&ada, &grace, &bundle);
        let names = json!({ "first_name": "Mallory" });
        assert_eq!(expect_response(app.put(&eve.uri()).by_user(&root).json(&names), 200).await["first_name"], "Mallory");
        for request in [app.put(&grace.uri()), patch_user(&app, &grace)] {
            expect_refusal(&app, request.by_user(&ada).json(&names), 403).await;
        }
        expect_error(&app, app.put(&grace.uri()).by_user(&eve).json(&names), 404, "Not found.").await;
        expect_error(&app, app.put("/api/user/4711/").by_user(&root).json(&names), 404, "Not found.").await;
        assert_eq!(expect_response(app.get(&grace.uri()).by_user(&grace), 200).await["first_name"], "grace");
    }

    async fn an_invalid_name_is_rejected(app: TestApp) {
        let ada = app.user("ada@example.org");
        for name in [json!(1), json!(true), json!(["Ada"]), json!({}), json!("A\nda"), json!("x".repeat(151))]
        {
            for field in ["first_name", "last_name"] {
                expect_field_error(
                    &app,
                    app.put(&ada.uri()).by_user(&ada).json(&json!({ field: name })),
                    "user",
                    field,
                )
                .await;
                expect_field_error(&app, patch_user(&app, &ada).by_user(&ada).json(&json!({ field: name })), "user", field)
                    .await;
            }
        }
        let longest = "ä".repeat(150);
        let put = expect_response(app.put(&ada.uri()).by_user(&ada).json(&json!({ "first_name": longest })), 200).await;
        assert_eq!(put["first_name"], longest);
    }

    async fn staff_can_add_users_without_a_password(app: TestApp) {
        let root = app.staff("root@example.org");
        let body = json!({ "email": "Ada@Example.org", "first_name": "Ada", "password": "x", "staff": true });
        let response = app.post("/api/v1/user/").by_user(&root).json(&body).send().await.unwrap();
        assert_eq!(response.status(), 201);
        let location = response.headers()["location"].to_str().unwrap().to_owned();
        let added: Value = response.json().await.unwrap();
        assert_eq!(added["resource_uri"], location);
        assert_eq!(location, format!("/api/v1/user/{}/", resource_id(&added)));
        assert_eq!(
            (&added["email"], &added["first_name"], &added["last_name"]),
            (&json!("ada@example.org"), &json!("Ada"), &json!(""))
        );
        assert_eq!(
            app.count("SELECT count(*) AS n FROM users WHERE password IS NULL AND NOT staff AND active"),
            1
        );
        assert_eq!(app.count("SELECT count(*) AS n FROM audit_log WHERE action = 'user.added'"), 1);
        expect_refusal(&app, app.get("/api/account/").basic_auth("ada@example.org", Some("x")), 401).await;
        expect_refusal(&app, app.get("/api/account/").basic_auth("ada@example.org", Some("")), 401).await;
    }

    async fn an_invalid_user_is_rejected(app: TestApp) {
        let (root, ada) = (app.staff("root@example.org"), app.user("ada@example.org"));
        let post = |body: Value| app.post("/api/user/").by_user(&root).json(&body);
        for email in [
            json!("ADA@example.org"),
            json!("ada"),
            json!("a b@example.org"),
            json!(1),
            json!(["a@b.org"]),
            json!("a@b.org\r\nBcc: c@d.org"),
        ] {
            expect_field_error(&app, post(json!({ "email": email })), "user", "email").await;
        }
        expect_field_error(&app, post(json!({ "email": "x@example.org", "first_name": 1 })), "user", "first_name")
            .await;
        let missing = "The 'email' field has no data and doesn't allow a default or null value.";
        for body in [
            json!({}),
            json!({ "email": null }),
            json!({ "email": "" }),
            json!({ "username": "x@example.org" }),
        ] {
            expect_error(&app, post(body), 400, missing).await;
        }
        expect_error(&app, app.post("/api/user/").by_user(&root), 400, missing).await;
        expect_refusal(&app, app.post("/api/user/").by_user(&ada).json(&json!({ "email": "x@example.org" })), 403).await;
        expect_refusal(&app, app.post("/api/user/").by_user(&ada).json(&json!({})), 403).await;
    }
}
