//! Screenshots of the pages: `make screenshots`.

use std::path::{Path, PathBuf};

use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::json;

use crate::browser::{Browser, BrowserOptions, with_browser};
use crate::page_list::visit_all;

/// The windows: name, width and height in pixels.
const WINDOWS: [(&str, u32, u32); 2] = [("phone", 390, 844), ("desktop", 1280, 900)];

/// The screenshots in docs/images: their name, the name of the page, colour scheme, width and
/// height.
const DOC_IMAGES: [(&str, &str, &str, u32, u32); 3] = [
    ("redeem", "redeem", "light", 390, 750),
    ("home", "home", "light", 1040, 655),
    ("staff", "staff", "dark", 1040, 625),
];

impl Browser {
    /// Emulates a window of this size with a device pixel ratio of 1.
    async fn set_window(&self, width: u32, height: u32) {
        let is_phone = width < 500;
        let scale = if is_phone { 2.0 } else { 1.5 };
        let window =
            json!({ "width": width, "height": height, "deviceScaleFactor": scale, "mobile": is_phone });
        self.driver().cdp().send_raw("Emulation.setDeviceMetricsOverride", window).await.unwrap();
    }

    /// The height of the page.
    async fn page_height(&self) -> u32 {
        let length = self.driver().execute("return document.documentElement.scrollHeight", []).await.unwrap();
        length.json().as_u64().and_then(|length| u32::try_from(length).ok()).unwrap()
    }

    /// Saves a screenshot of the window.
    async fn capture(&self, file: &Path) {
        let how = match file.extension().and_then(|extension| extension.to_str()) {
            Some("webp") => json!({ "format": "webp", "quality": 70 }),
            _ => json!({ "format": "png" }),
        };
        let picture = self.driver().cdp().send_raw("Page.captureScreenshot", how).await.unwrap();
        std::fs::write(file, BASE64_STANDARD.decode(picture["data"].as_str().unwrap()).unwrap()).unwrap();
    }
}

/// Creates an empty directory.
fn empty_directory(directory: PathBuf) -> PathBuf {
    let _ = std::fs::remove_dir_all(&directory);
    std::fs::create_dir_all(&directory).unwrap();
    directory
}

#[actix_web::test]
#[ignore = "a tool: make screenshots"]
async fn all_pages() {
    let directory = empty_directory(Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("screenshots"));
    for language in ["en-GB", "de-DE"] {
        with_browser(BrowserOptions { language, ..BrowserOptions::default() }, async |app, browser| {
            visit_all(app, browser, async |page| {
                for (window, width, height) in WINDOWS {
                    for colours in ["light", "dark"] {
                        browser.set_window(width, height).await;
                        browser.set_colour_scheme(colours).await;
                        browser.set_window(width, height.max(browser.page_height().await)).await;
                        let name = format!("{}.{}.{window}.{colours}.png", page.name, &language[..2]);
                        browser.capture(&directory.join(name)).await;
                    }
                }
            })
            .await;
        })
        .await;
    }
    println!("{}", directory.display());
}

#[actix_web::test]
#[ignore = "a tool: make screenshots ARGS=docs"]
async fn docs() {
    let directory = empty_directory(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/images"));
    with_browser(BrowserOptions::default(), async |app, browser| {
        visit_all(app, browser, async |page| {
            for (name, _, colours, width, height) in
                DOC_IMAGES.iter().filter(|picture| picture.1 == page.name)
            {
                browser.set_colour_scheme(colours).await;
                browser.set_window(*width, *height).await;
                browser.capture(&directory.join(name).with_extension("webp")).await;
            }
        })
        .await;
    })
    .await;
    println!("{}", directory.display());
}
