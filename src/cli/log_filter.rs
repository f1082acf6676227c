//! The log filter.

use tracing_subscriber::EnvFilter;

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// The text is not a log filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "RUST_LOG must be off, error, warn, info, debug or trace, optionally followed by levels of modules, for example `info,countersign::mail=debug`"
)]
pub struct InvalidLogFilter;

/// Parses a filter. [`EnvFilter`] takes a word that is not a level for the name of a module and switches everything
/// else off, so this accepts levels and `module=level` only.
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
    let directives: Vec<&str> = text.split(',').map(str::trim).collect();
    if !directives.iter().all(|directive| is_directive(directive)) {
        return Err(InvalidLogFilter);
    }
    EnvFilter::builder().parse(directives.join(",")).map_err(|_| InvalidLogFilter)
}

#[cfg(test)]
mod tests {
    use super::*;

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
