//! hexo: pages and sets, in the format of tastypie.

use serde_json::{Value, json};

use crate::helpers::ByUser;
use crate::hexo::{expect_error, expect_refusal, expect_response};

fn ids(list: &Value) -> Vec<i64> {
    list["objects"].as_array().unwrap().iter().map(|object| object["id"].as_i64().unwrap()).collect()
}

on_both_databases! {
    async fn an_empty_list_has_a_zero_total(app: TestApp) {
        let ada = app.user("ada@example.org");
        let empty = json!({
            "meta": { "limit": 20, "next": null, "offset": 0, "previous": null, "total_count": 0 },
            "objects": [],
        });
        for name in ["bundle", "bundle_permission", "bundle_permission_request"] {
            assert_eq!(expect_response(app.get(&format!("/api/{name}/")).by_user(&ada), 200).await, empty);
        }
    }

    async fn next_and_previous_links_cover_all_pages(app: TestApp) {
        let ada = app.user("ada@example.org");
        let all: Vec<i64> = (0..7).map(|nth| app.bundle(&format!("Bundle {nth}"), 2).id.0).collect();
        let (mut seen, mut at) = (Vec::new(), Some("/api/v1/bundle/?limit=3&x=%26&format=json".to_owned()));
        let mut pages = Vec::new();
        while let Some(path) = at {
            let page = expect_response(app.get(&path).by_user(&ada), 200).await;
            assert_eq!(page["meta"]["total_count"], 7);
            seen.extend(ids(&page));
            at = page["meta"]["next"].as_str().map(str::to_owned);
            pages.push(page);
        }
        assert_eq!(seen, all, "in the order of their ids");
        assert_eq!(pages[0]["meta"]["next"], "/api/v1/bundle/?x=%26&format=json&limit=3&offset=3");
        assert_eq!(pages[0]["meta"]["previous"], Value::Null);
        assert_eq!(pages[2]["meta"]["previous"], "/api/v1/bundle/?x=%26&format=json&limit=3&offset=3");
        let back = expect_response(app.get(pages[1]["meta"]["previous"].as_str().unwrap()).by_user(&ada), 200).await;
        assert_eq!(ids(&back), ids(&pages[0]));
    }

    async fn a_page_has_at_most_a_thousand_objects(app: TestApp) {
        let ada = app.user("ada@example.org");
        for (limit, taken) in
            [("0", 1_000), ("1000", 1_000), ("1001", 1_000), ("9223372036854775807", 1_000), ("7", 7)]
        {
            let list = expect_response(app.get(&format!("/api/bundle/?limit={limit}")).by_user(&ada), 200).await;
            assert_eq!(list["meta"]["limit"], taken, "{limit}");
        }
        let beyond = expect_response(app.get("/api/user/?offset=9223372036854775807").by_user(&ada), 200).await;
        assert_eq!((beyond["meta"]["total_count"].clone(), ids(&beyond)), (json!(1), Vec::new()));
        assert!(beyond["meta"]["next"].is_null());
    }

    async fn an_invalid_page_is_rejected_with_the_tastypie_error(app: TestApp) {
        let ada = app.user("ada@example.org");
        for name in ["account", "bundle", "bundle_permission", "bundle_permission_request", "user"] {
            for (parameter, value, shown) in [
                ("limit", "x", "x"),
                ("limit", "-1", "-1"),
                ("limit", "1.5", "1.5"),
                ("limit", "", ""),
                ("limit", "9223372036854775808", "9223372036854775808"),
                ("offset", "x", "x"),
                ("offset", "-1", "-1"),
                ("offset", "1e3", "1e3"),
            ] {
                let error =
                    format!("Invalid {parameter} '{shown}' provided. Please provide a positive integer.");
                let list = app.get(&format!("/api/{name}/?{parameter}={value}")).by_user(&ada);
                expect_error(&app, list, 400, &error).await;
            }
            expect_refusal(&app, app.get(&format!("/api/{name}/?limit=1&limit=2")).by_user(&ada), 400).await;
            expect_refusal(&app, app.get(&format!("/api/{name}/?x=%00")).by_user(&ada), 400).await;
        }
    }

    async fn unknown_parameters_are_ignored(app: TestApp) {
        let ada = app.user("ada@example.org");
        for query in ["order_by=-id", "limit__in=x", "%ff=%ff", "&&", "=", "email__regex=(", "a[]=1&a[]=2"] {
            let list = expect_response(app.get(&format!("/api/user/?{query}")).by_user(&ada), 200).await;
            assert_eq!(ids(&list), [ada.id()], "{query}");
        }
    }

    async fn a_set_lists_found_and_missing_ids(app: TestApp) {
        let ada = app.user("ada@example.org");
        let bundles: Vec<i64> = ["One", "Two"].map(|name| app.bundle(name, 2).id.0).to_vec();
        let [one, two] = bundles[..] else { panic!() };
        for separator in [";", "%3B"] {
            let path = format!(
                "/api/bundle/set/{}/",
                [two.to_string(), "77".into(), one.to_string()].join(separator)
            );
            let set = expect_response(app.get(&path).by_user(&ada), 200).await;
            assert_eq!(set["not_found"], json!(["77"]));
            assert_eq!(ids(&set), [two, one], "in the requested order");
        }
        let all = expect_response(app.get(&format!("/api/bundle/set/{one};{one};;{two}/")).by_user(&ada), 200).await;
        assert_eq!((all["not_found"].clone(), ids(&all)), (json!([]), vec![one, two]));
        let twice = expect_response(app.get(&format!("/api/bundle/set/0{one};{one};00{one}/")).by_user(&ada), 200).await;
        assert_eq!((twice["not_found"].clone(), ids(&twice)), (json!([]), vec![one]));
        let odd = expect_response(app.get("/api/bundle/set/x;-1;9223372036854775808;csr_x/").by_user(&ada), 200).await;
        assert_eq!(odd, json!({ "not_found": ["x", "-1", "9223372036854775808", "csr_x"], "objects": [] }));
        let many: Vec<String> = (1..=1_001).map(|id| id.to_string()).collect();
        expect_refusal(&app, app.get(&format!("/api/bundle/set/{}/", many.join(";"))).by_user(&ada), 400).await;
        expect_refusal(&app, app.get("/api/bundle/set/1;%00/").by_user(&ada), 400).await;
    }

    async fn a_set_contains_only_resources_visible_to_the_caller(app: TestApp) {
        let (ada, grace, eve) =
            (app.user("ada@example.org"), app.user("grace@example.org"), app.user("eve@example.org"));
        let request = app.create_request(&ada, &grace, &app.bundle("Sleep", 6));
        let path = format!("/api/user/set/{};{};{}/", ada.id(), grace.id(), eve.id());
        let set = expect_response(app.get(&path).by_user(&ada), 200).await;
        assert_eq!(
            (ids(&set), set["not_found"].clone()),
            (vec![ada.id(), grace.id()], json!([eve.id().to_string()]))
        );
        let path = format!("/api/bundle_permission_request/set/{}/", request.id);
        for (who, found) in [(&ada, 1), (&grace, 1), (&eve, 0)] {
            let set = expect_response(app.get(&path).by_user(who), 200).await;
            assert_eq!(set["objects"].as_array().unwrap().len(), found);
        }
        let token = app.redeem_token(&request);
        let set =
            expect_response(app.get(&format!("/api/bundle_permission_request/set/{token}/")).by_user(&grace), 200).await;
        assert_eq!(set, json!({ "not_found": [token], "objects": [] }), "a token is not an id");
        app.advance(3_600);
        let set = expect_response(app.get(&path).by_user(&grace), 200).await;
        assert_eq!((&set["objects"][0]["status"], &set["objects"][0]["ttl"]), (&json!("expired"), &json!(0)));
    }
}
