//! hexo: pages and sets, as tastypie has them.

use serde_json::{Value, json};

use crate::helpers::By;
use crate::hexo::{answered, refused, refused_so};

/// The ids of a page's objects.
fn ids(list: &Value) -> Vec<i64> {
    list["objects"].as_array().unwrap().iter().map(|object| object["id"].as_i64().unwrap()).collect()
}

on_both_databases! {
    async fn an_empty_list_says_so(app: TestApp) {
        let ada = app.user("ada@example.org");
        let empty = json!({
            "meta": { "limit": 20, "next": null, "offset": 0, "previous": null, "total_count": 0 },
            "objects": [],
        });
        for name in ["bundle", "bundle_permission", "bundle_permission_request"] {
            assert_eq!(answered(app.get(&format!("/api/{name}/")).by(&ada), 200).await, empty);
        }
    }

    async fn pages_follow_each_other_to_the_end_and_back(app: TestApp) {
        let ada = app.user("ada@example.org");
        let all: Vec<i64> = (0..7).map(|nth| app.bundle(&format!("Bundle {nth}"), 2).id.0).collect();
        let (mut seen, mut at) = (Vec::new(), Some("/api/v1/bundle/?limit=3&x=%26&format=json".to_owned()));
        let mut pages = Vec::new();
        while let Some(path) = at {
            let page = answered(app.get(&path).by(&ada), 200).await;
            assert_eq!(page["meta"]["total_count"], 7);
            seen.extend(ids(&page));
            at = page["meta"]["next"].as_str().map(str::to_owned);
            pages.push(page);
        }
        assert_eq!(seen, all, "in the order of their ids");
        assert_eq!(pages[0]["meta"]["next"], "/api/v1/bundle/?x=%26&format=json&limit=3&offset=3");
        assert_eq!(pages[0]["meta"]["previous"], Value::Null);
        assert_eq!(pages[2]["meta"]["previous"], "/api/v1/bundle/?x=%26&format=json&limit=3&offset=3");
        let back = answered(app.get(pages[1]["meta"]["previous"].as_str().unwrap()).by(&ada), 200).await;
        assert_eq!(ids(&back), ids(&pages[0]));
    }

    async fn a_page_has_a_thousand_objects_at_most(app: TestApp) {
        let ada = app.user("ada@example.org");
        for (limit, taken) in
            [("0", 1_000), ("1000", 1_000), ("1001", 1_000), ("9223372036854775807", 1_000), ("7", 7)]
        {
            let list = answered(app.get(&format!("/api/bundle/?limit={limit}")).by(&ada), 200).await;
            assert_eq!(list["meta"]["limit"], taken, "{limit}");
        }
        let beyond = answered(app.get("/api/user/?offset=9223372036854775807").by(&ada), 200).await;
        assert_eq!((beyond["meta"]["total_count"].clone(), ids(&beyond)), (json!(1), Vec::new()));
        assert!(beyond["meta"]["next"].is_null());
    }

    async fn what_is_no_page_is_refused_in_tastypies_words(app: TestApp) {
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
                let list = app.get(&format!("/api/{name}/?{parameter}={value}")).by(&ada);
                refused_so(&app, list, 400, &error).await;
            }
            refused(&app, app.get(&format!("/api/{name}/?limit=1&limit=2")).by(&ada), 400).await;
            refused(&app, app.get(&format!("/api/{name}/?x=%00")).by(&ada), 400).await;
        }
    }

    async fn unknown_parameters_are_ignored(app: TestApp) {
        let ada = app.user("ada@example.org");
        for query in ["order_by=-id", "limit__in=x", "%ff=%ff", "&&", "=", "email__regex=(", "a[]=1&a[]=2"] {
            let list = answered(app.get(&format!("/api/user/?{query}")).by(&ada), 200).await;
            assert_eq!(ids(&list), [ada.id()], "{query}");
        }
    }

    async fn a_set_tells_what_it_found_and_what_not(app: TestApp) {
        let ada = app.user("ada@example.org");
        let bundles: Vec<i64> = ["One", "Two"].map(|name| app.bundle(name, 2).id.0).to_vec();
        let [one, two] = bundles[..] else { panic!() };
        for separator in [";", "%3B"] {
            let path = format!(
                "/api/bundle/set/{}/",
                [two.to_string(), "77".into(), one.to_string()].join(separator)
            );
            let set = answered(app.get(&path).by(&ada), 200).await;
            assert_eq!(set["not_found"], json!(["77"]));
            assert_eq!(ids(&set), [two, one], "in the order that they were asked for");
        }
        let all = answered(app.get(&format!("/api/bundle/set/{one};{one};;{two}/")).by(&ada), 200).await;
        assert_eq!((all["not_found"].clone(), ids(&all)), (json!([]), vec![one, two]));
        let odd = answered(app.get("/api/bundle/set/x;-1;9223372036854775808;csr_x/").by(&ada), 200).await;
        assert_eq!(odd, json!({ "not_found": ["x", "-1", "9223372036854775808", "csr_x"], "objects": [] }));
        let many: Vec<String> = (1..=1_001).map(|id| id.to_string()).collect();
        refused(&app, app.get(&format!("/api/bundle/set/{}/", many.join(";"))).by(&ada), 400).await;
        refused(&app, app.get("/api/bundle/set/1;%00/").by(&ada), 400).await;
    }

    async fn a_set_holds_only_what_the_caller_may_see(app: TestApp) {
        let (ada, grace, eve) =
            (app.user("ada@example.org"), app.user("grace@example.org"), app.user("eve@example.org"));
        let request = app.ask(&ada, &grace, &app.bundle("Sleep", 6));
        let path = format!("/api/user/set/{};{};{}/", ada.id(), grace.id(), eve.id());
        let set = answered(app.get(&path).by(&ada), 200).await;
        assert_eq!(
            (ids(&set), set["not_found"].clone()),
            (vec![ada.id(), grace.id()], json!([eve.id().to_string()]))
        );
        let path = format!("/api/bundle_permission_request/set/{}/", request.id);
        for (who, found) in [(&ada, 1), (&grace, 1), (&eve, 0)] {
            let set = answered(app.get(&path).by(who), 200).await;
            assert_eq!(set["objects"].as_array().unwrap().len(), found);
        }
        let token = app.redeem_token(&request);
        let set =
            answered(app.get(&format!("/api/bundle_permission_request/set/{token}/")).by(&grace), 200).await;
        assert_eq!(set, json!({ "not_found": [token], "objects": [] }), "a token is no number");
        app.advance(3_600);
        assert_eq!(answered(app.get(&path).by(&grace), 200).await["objects"], json!([]), "it is over");
    }
}
