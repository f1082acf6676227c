//! Pictures of every place, for those who want to see how it looks: `make screenshots`
//! writes them to target/screenshots.

use std::path::{Path, PathBuf};

use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::json;

use crate::browser::{Browser, Wish, with};
use crate::places::{PLACES, Who};
use crate::scene::Scene;

/// What is looked at: a name, and the pixels' width and height.
const SCREENS: [(&str, u32, u32); 2] = [("phone", 390, 844), ("desktop", 1280, 900)];

impl Browser {
    async fn is_screen(&self, width: u32, height: u32) {
        let screen =
            json!({ "width": width, "height": height, "deviceScaleFactor": 2, "mobile": width < 500 });
        self.driver().cdp().send_raw("Emulation.setDeviceMetricsOverride", screen).await.unwrap();
    }

    /// All of the page, as far as it is scrolled down.
    async fn photographs(&self, file: &Path) {
        let whole = json!({ "format": "png", "captureBeyondViewport": true });
        let picture = self.driver().cdp().send_raw("Page.captureScreenshot", whole).await.unwrap();
        let picture = BASE64_STANDARD.decode(picture["data"].as_str().unwrap()).unwrap();
        std::fs::write(file, picture).unwrap();
    }
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("screenshots")
}

async fn photograph(language: &'static str) {
    with(Wish { language, ..Wish::default() }, async |app, browser| {
        let scene = Scene::set(app);
        let zone = json!({ "timezoneId": "Europe/Berlin" });
        browser.driver().cdp().send_raw("Emulation.setTimezoneOverride", zone).await.unwrap();
        for who in [Who::Nobody, Who::Asked, Who::Asks, Who::Staff] {
            browser.driver().delete_all_cookies().await.unwrap();
            if let Some(user) = scene.user(who) {
                browser.signs_in_at_home(user).await;
            }
            for place in PLACES.iter().filter(|place| place.who == who) {
                for (screen, width, height) in SCREENS {
                    for scheme in ["light", "dark"] {
                        browser.is_screen(width, height).await;
                        browser.likes(scheme).await;
                        browser.goes_to(&scene.path(place.path)).await;
                        let length = "return document.documentElement.scrollHeight";
                        let length = browser.driver().execute(length, []).await.unwrap();
                        let length = length.json().as_u64().and_then(|length| u32::try_from(length).ok());
                        browser.is_screen(width, height.max(length.unwrap())).await;
                        let (name, language) = (place.name, &language[..2]);
                        let file = format!("{name}.{language}.{screen}.{scheme}.png");
                        browser.photographs(&directory().join(file)).await;
                    }
                }
            }
        }
    })
    .await;
}

#[actix_web::test]
#[ignore = "a tool: make screenshots"]
async fn screenshots() {
    let _ = std::fs::remove_dir_all(directory());
    std::fs::create_dir_all(directory()).unwrap();
    photograph("en-GB").await;
    photograph("de-DE").await;
    println!("{}", directory().display());
}
