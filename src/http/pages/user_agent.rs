//! Readable names of browsers.

use crate::i18n::Language;

/// A `User-Agent` header.
#[derive(Clone, Copy, Debug)]
pub struct UserAgent<'a>(pub &'a str);

/// Texts in the header, and the browsers that they stand for. Most browsers also name others:
/// the first match counts.
const BROWSERS: [(&str, &str); 9] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chromium/", "Chromium"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];
/// Texts in the header, and the systems that they stand for.
const SYSTEMS: [(&str, &str); 8] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
    ("BSD", "BSD"),
];
/// Characters of an unknown header that are shown.
const MAX_LENGTH: usize = 60;

impl UserAgent<'_> {
    /// The names of the browser and its system, or the header if both are unknown.
    pub fn describe(self, language: Language) -> String {
        let find = |known: &[(&str, &'static str)]| {
            known.iter().find(|(text, _)| self.0.contains(text)).map(|(_, name)| *name)
        };
        match (find(&BROWSERS), find(&SYSTEMS)) {
            (Some(browser), Some(system)) => {
                language.t_args("client-on-system", &[("client", browser), ("system", system)])
            }
            (Some(name), None) | (None, Some(name)) => name.to_owned(),
            (None, None) if self.0.trim().is_empty() => language.t("client-unknown"),
            (None, None) => self.0.chars().take(MAX_LENGTH).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_agents_are_shown_by_browser_and_system_name() {
        for (agent, description) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
                "Safari on iPhone",
            ),
            (
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36",
                "Chrome on Android",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15",
                "Safari on macOS",
            ),
            ("curl/8.14.1", "curl/8.14.1"),
            (" ", "Unknown browser"),
        ] {
            assert_eq!(UserAgent(agent).describe(Language::English), description, "{agent}");
        }
        assert_eq!(UserAgent(&"ä".repeat(200)).describe(Language::German).chars().count(), MAX_LENGTH);
    }
}
