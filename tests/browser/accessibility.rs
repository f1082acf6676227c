//! Accessibility: the axe-core checks on every page, and checks that axe-core lacks.

use serde_json::{Value, json};

use crate::browser::{Browser, BrowserOptions, with_browser};
use crate::page_list::visit_all;

impl Browser {
    /// Emulates the colour scheme `dark` or `light`.
    pub async fn set_colour_scheme(&self, colours: &str) {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": colours }] });
        self.driver().cdp().send_raw("Emulation.setEmulatedMedia", features).await.unwrap();
    }

    /// The violations that axe-core finds on the page: each rule and the elements.
    async fn axe_violations(&self) -> Vec<String> {
        let axe = std::env::var("COUNTERSIGN_TEST_AXE").expect("COUNTERSIGN_TEST_AXE is axe-core's script");
        let script = std::fs::read_to_string(axe).unwrap();
        // Executed by WebDriver, because the content security policy forbids inline scripts.
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

    /// The window widths at which the page overflows: 320 pixels, which is equivalent to 400 %
    /// zoom (WCAG 2.2, 1.4.10), and the smallest widths at which tables are displayed as tables.
    async fn overflowing_widths(&self) -> Vec<i64> {
        let mut found = Vec::new();
        let devices = self.driver().cdp();
        for width in [320, 900, 1_100] {
            let window = json!({ "width": width, "height": 640, "deviceScaleFactor": 1, "mobile": true });
            devices.send_raw("Emulation.setDeviceMetricsOverride", window).await.unwrap();
            // A table may be wider than its column if the window has room.
            let edge = format!(
                "const main = document.querySelector('main');
                const right = (part) => part.getBoundingClientRect().right;
                return Math.max(document.documentElement.scrollWidth - {width},
                    ...[...main.children].map((part) => right(part) - right(main)));"
            );
            let edge = self.driver().execute(edge, []).await.unwrap();
            found.extend((edge.json().as_f64().unwrap() > 0.5).then_some(width));
        }
        devices.send_raw("Emulation.clearDeviceMetricsOverride", json!({})).await.unwrap();
        found
    }
}

/// Checks every page in a language, with both colour schemes.
async fn check_all_pages(language: &'static str) {
    with_browser(BrowserOptions { language, ..BrowserOptions::default() }, async |app, browser| {
        let mut found = Vec::new();
        visit_all(app, browser, async |page| {
            for colours in ["light", "dark"] {
                browser.set_colour_scheme(colours).await;
                let barriers = browser.axe_violations().await;
                found.extend(
                    barriers.into_iter().map(|barrier| format!("{}, {colours}: {barrier}", page.name)),
                );
            }
            let wide = browser.overflowing_widths().await;
            found.extend(wide.into_iter().map(|width| format!("{}: too wide for {width} pixels", page.name)));
        })
        .await;
        assert!(found.is_empty(), "{}", found.join("\n"));
    })
    .await;
}

#[actix_web::test]
async fn every_page_is_accessible_in_english() {
    check_all_pages("en-GB").await;
}

#[actix_web::test]
async fn every_page_is_accessible_in_german() {
    check_all_pages("de-DE").await;
}

#[actix_web::test]
async fn an_accessibility_violation_is_detected() {
    with_browser(BrowserOptions::default(), async |_, browser| {
        browser.go_to("/sign-in").await;
        assert_eq!(browser.axe_violations().await, [""; 0]);
        let spoil =
            "document.querySelector('label').remove(); document.querySelector('h1').style.color = '#ddd';";
        browser.driver().execute(spoil, []).await.unwrap();
        let barriers = browser.axe_violations().await.join("\n");
        assert!(barriers.contains("\"label\"") && barriers.contains("\"color-contrast\""), "{barriers}");
    })
    .await;
}
