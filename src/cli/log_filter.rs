//! The log filter.

use tracing_subscriber::EnvFilter;

/// actix-http reports each malformed request as an ERROR. It is the client's error.
const CLIENT_ERRORS: &str = "actix_http";

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// The text is not a log filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "RUST_LOG must be off, error, warn, info, debug or trace, optionally followed by levels of modules, for example `info,countersign::mail=debug`"
)]
pub struct InvalidLogFilter;

/// Parses a filter. [`EnvFilter`] takes a word that is not a level for the name of a module and
/// switches everything else off, so this accepts levels and `module=level` only. Malformed requests
/// are logged only if the filter names their module.
pub(super) fn parse(text: &str) -> Result<EnvFilter, InvalidLogFilter> {
    let is_level = |text: &str| LEVELS.iter().any(|level| text.eq_ignore_ascii_case(level));
    let is_module = |text: &str| {
        !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'-'))
    };
    let is_directive = |text: &str| match text.split_once('=') {
        Some((module, level)) => is_module(module) && is_level(level),
        None => is_level(text),
    };
    let mut directives: Vec<String> = text.split(',').map(|directive| directive.trim().to_owned()).collect();
    if !directives.iter().all(|directive| is_directive(directive)) {
        return Err(InvalidLogFilter);
    }
    if !directives.iter().any(|directive| directive.starts_with(CLIENT_ERRORS)) {
        directives.push(format!("{CLIENT_ERRORS}=off"));
    }
    EnvFilter::builder().parse(directives.join(",")).map_err(|_| InvalidLogFilter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_requests_are_logged_only_by_name() {
        for (text, shown) in [
            ("info", "actix_http=off,info"),
            ("trace,r2d2=off", "actix_http=off,r2d2=off,trace"),
            ("info,actix_http=debug", "actix_http=debug,info"),
            ("actix_http::h1=error", "actix_http::h1=error"),
        ] {
            let filter = parse(text).unwrap().to_string();
            let mut directives: Vec<&str> = filter.split(',').collect();
            directives.sort_unstable();
            assert_eq!(directives.join(","), shown);
        }
    }

    #[test]
    fn a_log_filter_has_levels_and_modules_with_levels() {
        for text in ["info", "WARN", "off", "warn,r2d2=off", "info, countersign::mail=debug"] {
            assert!(parse(text).is_ok(), "{text}");
        }
        for text in ["warning", "loud", "error;info", "countersign", "info,", "=info", "info,r2d2=quiet", "2"]
        {
            assert_eq!(parse(text).unwrap_err(), InvalidLogFilter, "{text}");
        }
    }
}
