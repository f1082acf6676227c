//! The form of log lines. Each line of a request has the request's ids.

use std::fmt;
use std::io::IsTerminal;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::{DefaultFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::correlation;
use crate::config::LogFormat;

/// Logs to stderr from now on.
pub fn init(filter: EnvFilter, format: LogFormat) {
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => log.with_ansi(std::io::stderr().is_terminal()).fmt_fields(FieldsWithIds).init(),
        LogFormat::Json => log.event_format(JsonLine).init(),
    }
}

/// The fields of a text line, and the ids of its request.
struct FieldsWithIds;

impl<'writer> FormatFields<'writer> for FieldsWithIds {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'writer>, fields: R) -> fmt::Result {
        DefaultFields::new().format_fields(writer.by_ref(), fields)?;
        correlation::try_for_each_id(|name, id| write!(writer, " {name}=\"{id}\""))
    }
}

/// A line that is a JSON object: the fields, then `timestamp`, `level`, `target` and the ids, all
/// at the same depth.
struct JsonLine;

impl<S, N> FormatEvent<S, N> for JsonLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = JsonFields(Map::new());
        event.record(&mut line);
        let JsonFields(mut line) = line;
        let metadata = event.metadata();
        // A record of the crate `log` has its own target in a field.
        let target = line.remove("log.target").unwrap_or_else(|| metadata.target().into());
        line.retain(|name, _| !name.starts_with("log."));
        let mut timestamp = String::new();
        SystemTime.format_time(&mut Writer::new(&mut timestamp))?;
        line.insert("timestamp".to_owned(), timestamp.into());
        line.insert("level".to_owned(), metadata.level().as_str().into());
        line.insert("target".to_owned(), target);
        correlation::try_for_each_id(|name, id| {
            line.insert(name.to_owned(), id.to_string().into());
            Ok(())
        })?;
        writeln!(writer, "{}", Value::Object(line))
    }
}

struct JsonFields(Map<String, Value>);

impl JsonFields {
    fn insert(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for JsonFields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.insert(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.insert(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.insert(field, value);
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

    use super::*;
    use crate::telemetry::{Correlation, scope_blocking};

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Lines {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    fn correlation() -> Correlation {
        let (trace, span) = (TraceId::from(0xab), SpanId::from(0xcd));
        let span = SpanContext::new(trace, span, TraceFlags::SAMPLED, false, TraceState::default());
        Correlation { request_id: Some("r-1".into()), span: Some(span) }
    }

    #[test]
    fn a_json_line_has_typed_fields_and_the_ids_at_one_depth() {
        let lines = Lines::default();
        let writer = lines.clone();
        let log = tracing_subscriber::fmt().with_writer(move || writer.clone()).event_format(JsonLine);
        tracing::subscriber::with_default(log.finish(), || {
            scope_blocking(correlation(), || {
                tracing::warn!(status = 404_u16, at = -1, ok = true, ratio = 0.5, error = %"a\n\"b\"", "not\nfound");
            });
            tracing::info!(timestamp = "forged", "outside");
        });
        let text = lines.text();
        let parsed: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let [inside, outside] = parsed.as_slice() else { panic!("{text}") };
        let expected = serde_json::json!({
            "timestamp": inside["timestamp"], "level": "WARN", "target": module_path!(), "message": "not\nfound",
            "status": 404, "at": -1, "ok": true, "ratio": 0.5, "error": "a\n\"b\"",
            "request_id": "r-1", "trace_id": "000000000000000000000000000000ab",
        });
        assert_eq!(*inside, expected);
        assert!(outside["timestamp"].as_str().unwrap().ends_with('Z'), "{outside}");
        assert!(outside.get("request_id").is_none() && outside.get("trace_id").is_none(), "{outside}");
    }

    #[test]
    fn a_text_line_ends_with_the_ids() {
        let lines = Lines::default();
        let writer = lines.clone();
        let log = tracing_subscriber::fmt().with_writer(move || writer.clone()).fmt_fields(FieldsWithIds);
        tracing::subscriber::with_default(log.with_ansi(false).finish(), || {
            scope_blocking(correlation(), || tracing::info!(status = 404_u16, "request"));
            tracing::info!(address = 1, "listening");
        });
        let text = lines.text();
        let [inside, outside] = text.lines().collect::<Vec<_>>()[..] else { panic!("{text}") };
        let ids = "request status=404 request_id=\"r-1\" trace_id=\"000000000000000000000000000000ab\"";
        assert!(inside.ends_with(ids), "{inside}");
        assert!(outside.ends_with("listening address=1"), "{outside}");
    }
}
