//! The settings of the export of traces. They are the standard variables of OpenTelemetry, and
//! have no keys in the file. The SDK ignores a wrong value; this refuses it.

use opentelemetry_sdk::trace::Sampler;
use percent_encoding::percent_decode_str;
use secrecy::SecretString;
use ureq::http::{HeaderName, HeaderValue, Uri};
use url::Url;

use super::ConfigError;

const DISABLED: &str = "OTEL_SDK_DISABLED";
const SERVICE_NAME: &str = "OTEL_SERVICE_NAME";
const RESOURCE_ATTRIBUTES: &str = "OTEL_RESOURCE_ATTRIBUTES";
const SAMPLER: &str = "OTEL_TRACES_SAMPLER";
const SAMPLER_ARG: &str = "OTEL_TRACES_SAMPLER_ARG";
/// The variable of traces, which takes precedence, and that of all signals.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
const HEADERS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"];
const PROTOCOLS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
const COMPRESSIONS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION"];

const INVALID_ENDPOINT: &str = "must be an `http://` or `https://` URL without user and password, for example http://127.0.0.1:4318; credentials belong into OTEL_EXPORTER_OTLP_HEADERS";
const INVALID_PAIRS: &str = "must be `name=value` pairs, percent-encoded, with commas between them";

/// Where traces are sent, and which.
#[derive(Clone, Debug)]
pub struct TracingConfig {
    /// The URL of the collector's traces. Its path or query may contain a key.
    pub endpoint: SecretString,
    /// The headers of each request to the collector.
    pub headers: Vec<(String, SecretString)>,
    /// What describes this server: its name, and the operator's own attributes.
    pub resource: Vec<(String, String)>,
    /// Decides which requests are recorded.
    pub sampler: Sampler,
}

impl TracingConfig {
    /// Loads the variables; `None` if traces are off. `variable` returns a value that is not blank.
    pub(super) fn load(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, ConfigError> {
        let first = |names: [&'static str; 2]| {
            names.into_iter().find_map(|name| variable(name).map(|value| (name, value)))
        };
        let Some((name, endpoint)) = first(ENDPOINTS) else { return Ok(None) };
        match variable(DISABLED).map(|value| value.to_ascii_lowercase()).as_deref() {
            Some("true") => return Ok(None),
            None | Some("false") => {}
            Some(_) => return Err(invalid(DISABLED, "must be `true` or `false`")),
        }
        let [of_traces, _] = ENDPOINTS;
        let endpoint =
            parse_endpoint(&endpoint, name == of_traces).ok_or_else(|| invalid(name, INVALID_ENDPOINT))?;
        for (names, supported, reason) in [
            (PROTOCOLS, "http/protobuf", "must be `http/protobuf`"),
            (COMPRESSIONS, "none", "must be `none`"),
        ] {
            if let Some((name, _)) = first(names).filter(|(_, value)| value != supported) {
                return Err(invalid(name, reason));
            }
        }
        let headers = match first(HEADERS) {
            Some((name, text)) => parse_headers(&text).ok_or_else(|| invalid(name, INVALID_PAIRS))?,
            None => Vec::new(),
        };
        let own = variable(RESOURCE_ATTRIBUTES).unwrap_or_default();
        let own = parse_pairs(&own).ok_or_else(|| invalid(RESOURCE_ATTRIBUTES, INVALID_PAIRS))?;
        let mut resource = vec![("service.name".to_owned(), env!("CARGO_PKG_NAME").to_owned())];
        resource.extend(own);
        resource.extend(variable(SERVICE_NAME).map(|name| ("service.name".to_owned(), name)));
        let sampler = load_sampler(variable(SAMPLER).as_deref(), variable(SAMPLER_ARG).as_deref())?;
        Ok(Some(Self { endpoint, headers, resource, sampler }))
    }
}

fn invalid(name: &'static str, reason: &'static str) -> ConfigError {
    ConfigError::InvalidVariable { name, reason }
}

/// The URL for traces. That for all signals is a base, to which the path is appended.
fn parse_endpoint(text: &str, is_complete: bool) -> Option<SecretString> {
    let mut url = Url::parse(text).ok()?;
    let has_credentials = !url.username().is_empty() || url.password().is_some();
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() || has_credentials {
        return None;
    }
    if !is_complete {
        url.path_segments_mut().ok()?.pop_if_empty().extend(["v1", "traces"]);
    }
    // The exporter parses it once more.
    url.as_str().parse::<Uri>().ok()?;
    Some(url.to_string().into())
}

fn parse_headers(text: &str) -> Option<Vec<(String, SecretString)>> {
    let is_header = |(name, value): &(String, String)| {
        name.parse::<HeaderName>().is_ok() && value.parse::<HeaderValue>().is_ok()
    };
    let pairs = parse_pairs(text)?;
    let valid = pairs.iter().all(is_header);
    valid.then(|| pairs.into_iter().map(|(name, value)| (name, value.into())).collect())
}

/// Parses `name=value,name=value`, with percent-encoded values.
fn parse_pairs(text: &str) -> Option<Vec<(String, String)>> {
    let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
    let parse = |pair: &str| {
        let (name, value) = pair.split_once('=')?;
        let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
        let name = name.trim();
        (!name.is_empty() && !value.contains(char::REPLACEMENT_CHARACTER))
            .then(|| (name.to_owned(), value.into_owned()))
    };
    pairs.map(parse).collect()
}

fn load_sampler(name: Option<&str>, argument: Option<&str>) -> Result<Sampler, ConfigError> {
    let name = name.unwrap_or("parentbased_always_on");
    let (is_parent_based, root) = match name.strip_prefix("parentbased_") {
        Some(root) => (true, root),
        None => (false, name),
    };
    let root = match root {
        "always_on" => Sampler::AlwaysOn,
        "always_off" => Sampler::AlwaysOff,
        "traceidratio" => {
            let ratio = argument.unwrap_or("1").parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
            let ratio = ratio.ok_or_else(|| invalid(SAMPLER_ARG, "must be a number from 0 to 1"))?;
            Sampler::TraceIdRatioBased(ratio)
        }
        _ => {
            let reason =
                "must be `always_on`, `always_off` or `traceidratio`, or one of them after `parentbased_`";
            return Err(invalid(SAMPLER, reason));
        }
    };
    Ok(if is_parent_based { Sampler::ParentBased(Box::new(root)) } else { root })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use secrecy::ExposeSecret;

    use super::*;

    fn load(variables: &[(&str, &str)]) -> Result<Option<TracingConfig>, ConfigError> {
        let variables: HashMap<&str, &str> = variables.iter().copied().collect();
        TracingConfig::load(|name| variables.get(name).map(|value| (*value).to_owned()))
    }

    fn with_endpoint(name: &str, value: &str) -> Result<Option<TracingConfig>, ConfigError> {
        load(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318"), (name, value)])
    }

    #[test]
    fn traces_are_off_without_an_endpoint_whatever_the_other_variables_are() {
        let wrong = [("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"), ("OTEL_TRACES_SAMPLER", "x")];
        assert!(load(&wrong).unwrap().is_none());
        assert!(with_endpoint("OTEL_SDK_DISABLED", "True").unwrap().is_none());
        assert!(with_endpoint("OTEL_SDK_DISABLED", "false").unwrap().is_some());
    }

    #[test]
    fn the_endpoint_of_traces_is_complete_and_the_other_one_is_a_base() {
        for (variables, url) in [
            (vec![("OTEL_EXPORTER_OTLP_ENDPOINT", "http://[::1]:4318")], "http://[::1]:4318/v1/traces"),
            (
                vec![("OTEL_EXPORTER_OTLP_ENDPOINT", "https://o.example/otlp/")],
                "https://o.example/otlp/v1/traces",
            ),
            (
                vec![("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://o.example/in?k=1")],
                "https://o.example/in?k=1",
            ),
            (
                vec![
                    ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://traces.example/"),
                    ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://all.example"),
                ],
                "http://traces.example/",
            ),
        ] {
            let config = load(&variables).unwrap().unwrap();
            assert_eq!(config.endpoint.expose_secret(), url);
            assert!(!format!("{config:?}").contains("example"), "{config:?}");
        }
    }

    #[test]
    fn headers_and_resource_attributes_are_decoded_pairs() {
        let config = with_endpoint("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20b, x = ,").unwrap().unwrap();
        let headers: Vec<_> =
            config.headers.iter().map(|(name, value)| (name.as_str(), value.expose_secret())).collect();
        assert_eq!(headers, [("api-key", "a b"), ("x", "")]);
        assert!(!format!("{config:?}").contains("a b"));
        let variables = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318"),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=one,deployment.environment.name=a%2Cb"),
            ("OTEL_SERVICE_NAME", "two"),
        ];
        let resource = load(&variables).unwrap().unwrap().resource;
        let pairs = [
            ("service.name", "countersign"),
            ("service.name", "one"),
            ("deployment.environment.name", "a,b"),
            ("service.name", "two"),
        ];
        assert_eq!(resource, pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn samplers_have_their_standard_names() {
        for (name, argument, shown) in [
            ("always_on", "", "AlwaysOn"),
            ("always_off", "x", "AlwaysOff"),
            ("traceidratio", "0.25", "TraceIdRatioBased(0.25)"),
            ("parentbased_traceidratio", "0", "ParentBased(TraceIdRatioBased(0.0))"),
            ("parentbased_always_off", "", "ParentBased(AlwaysOff)"),
        ] {
            assert_eq!(format!("{:?}", load_sampler(Some(name), Some(argument)).unwrap()), shown);
        }
        assert_eq!(format!("{:?}", load_sampler(None, None).unwrap()), "ParentBased(AlwaysOn)");
        let all = load_sampler(Some("traceidratio"), None).unwrap();
        assert_eq!(format!("{all:?}"), "TraceIdRatioBased(1.0)");
    }

    #[test]
    fn an_error_names_the_variable_and_never_quotes_its_value() {
        for (name, value, reason) in [
            ("OTEL_SDK_DISABLED", "hunter2", "must be `true` or `false`"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "must be `http/protobuf`"),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json", "must be `http/protobuf`"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip", "must be `none`"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "hunter2", INVALID_PAIRS),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a b=hunter2", INVALID_PAIRS),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=hunter2%0a", INVALID_PAIRS),
            ("OTEL_RESOURCE_ATTRIBUTES", "hunter2", INVALID_PAIRS),
            ("OTEL_RESOURCE_ATTRIBUTES", "=hunter2", INVALID_PAIRS),
            ("OTEL_RESOURCE_ATTRIBUTES", "a=%ff", INVALID_PAIRS),
            ("OTEL_TRACES_SAMPLER", "jaeger_remote", "must be `always_on`"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "collector:4318", INVALID_ENDPOINT),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://u:hunter2@o.example", INVALID_ENDPOINT),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://", INVALID_ENDPOINT),
        ] {
            let error = with_endpoint(name, value).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{name}: {reason}")), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
        for argument in ["2", "-0.1", "NaN", "x"] {
            let error = load_sampler(Some("traceidratio"), Some(argument)).unwrap_err().to_string();
            assert_eq!(error, "OTEL_TRACES_SAMPLER_ARG: must be a number from 0 to 1");
        }
    }
}
