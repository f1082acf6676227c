//! Whether all can use the pages, however they see, hear and type: axe-core's judgement of
//! every place, and what it cannot see.

use serde_json::{Value, json};

use crate::browser::{Browser, Wish, with};
use crate::places::PLACES;
use crate::scene::Scene;

impl Browser {
    /// Has the pages think that their reader likes it dark, or light.
    pub async fn likes(&self, scheme: &str) {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.driver().cdp().send_raw("Emulation.setEmulatedMedia", features).await.unwrap();
    }

    /// What axe-core finds wrong with the page: each rule and where it is broken.
    async fn barriers(&self) -> Vec<String> {
        let axe = std::env::var("COUNTERSIGN_TEST_AXE").expect("COUNTERSIGN_TEST_AXE is axe-core's script");
        let script = std::fs::read_to_string(axe).unwrap();
        // Not bound by the page's policy, as a script that stands in the page is.
        self.driver().execute(script, []).await.unwrap();
        let run = "const done = arguments[0];
            axe.run(document, { resultTypes: ['violations'] }).then(
                (found) => done(found.violations.map((rule) => ({
                    rule: rule.id, impact: rule.impact, nodes: rule.nodes.map((node) => node.html + ' ' + node.failureSummary),
                }))),
                (error) => done(String(error)));";
        let found = self.driver().execute_async(run, []).await.unwrap();
        let found = found.json().as_array().cloned().unwrap_or_else(|| panic!("{}", found.json()));
        found.iter().map(Value::to_string).collect()
    }
}

/// Looks at every place in a language, in the light and in the dark.
async fn look(language: &'static str) {
    with(Wish { language, ..Wish::default() }, async |app, browser| {
        let scene = Scene::set(app);
        let mut found = Vec::new();
        let mut who = None;
        for place in PLACES {
            if who != Some(place.who) {
                browser.driver().delete_all_cookies().await.unwrap();
                if let Some(user) = scene.user(place.who) {
                    browser.signs_in_at_home(user).await;
                }
                who = Some(place.who);
            }
            browser.goes_to(&scene.path(place.path)).await;
            for scheme in ["light", "dark"] {
                browser.likes(scheme).await;
                let barriers = browser.barriers().await;
                found.extend(
                    barriers.into_iter().map(|barrier| format!("{}, {scheme}: {barrier}", place.name)),
                );
            }
        }
        assert!(found.is_empty(), "{}", found.join("\n"));
    })
    .await;
}

#[actix_web::test]
async fn no_page_has_a_barrier_in_english() {
    look("en-GB").await;
}

#[actix_web::test]
async fn no_page_has_a_barrier_in_german() {
    look("de-DE").await;
}

#[actix_web::test]
async fn a_barrier_is_seen() {
    with(Wish::default(), async |_, browser| {
        browser.goes_to("/sign-in").await;
        assert_eq!(browser.barriers().await, [""; 0]);
        let spoil =
            "document.querySelector('label').remove(); document.querySelector('h1').style.color = '#ddd';";
        browser.driver().execute(spoil, []).await.unwrap();
        let barriers = browser.barriers().await.join("\n");
        assert!(barriers.contains("\"label\"") && barriers.contains("\"color-contrast\""), "{barriers}");
    })
    .await;
}
