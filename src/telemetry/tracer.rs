//! The spans: one for each request, for each batch of the registry, and for each attempt to send to a webhook.

use std::borrow::Cow;
use std::time::Duration;

use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{
    Link, Span as _, SpanContext, SpanKind, Status, TraceId, Tracer as _, TracerProvider,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::resource::TelemetryResourceDetector;
use opentelemetry_sdk::trace::{
    Sampler, SamplingResult, SdkTracer, SdkTracerProvider, ShouldSample, Span, TracerProviderBuilder,
};
use secrecy::ExposeSecret;
use tokio::task::spawn_blocking;

use super::exporter::{BlockingClient, TIMEOUT};
use crate::config::TracingConfig;
use crate::domain::webhook::AttemptOutcome;

/// The most requests that a batch span links to.
pub const MAX_LINKS: u32 = 256;
/// How long spans that are not exported yet may delay the end of the process.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);

const TRACEPARENT: &str = "traceparent";
/// The length of version 00. Later versions may be longer.
const MIN_TRACEPARENT_BYTES: usize = 55;

/// The exporter of traces could not be built.
#[derive(Debug, thiserror::Error)]
#[error("traces cannot be exported: {0}")]
pub struct TracerError(String);

/// Starts spans and exports them in the background. Clones share one exporter.
#[derive(Clone, Debug)]
pub struct Tracer {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

/// The span of a request.
#[derive(Debug)]
pub struct RequestSpan(Span);

/// The span of an attempt to send an event to a webhook.
#[derive(Debug)]
pub struct DeliverySpan(Span);

/// The span of a batch. Its drop ends it.
#[derive(Debug)]
pub struct BatchSpan(Span);

impl Tracer {
    /// Starts the thread of the exporter. It connects when there are spans.
    pub fn start(config: &TracingConfig) -> Result<Self, TracerError> {
        let headers = config.headers.iter();
        let headers = headers.map(|(name, value)| (name.clone(), value.expose_secret().to_owned()));
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(BlockingClient::new())
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(config.endpoint.expose_secret())
            .with_headers(headers.collect())
            .with_timeout(TIMEOUT)
            .build()
            .map_err(|error| TracerError(error.to_string()))?;
        let attributes = config.resource.iter().cloned().map(|(name, value)| KeyValue::new(name, value));
        let resource = Resource::builder_empty()
            .with_detector(Box::new(TelemetryResourceDetector))
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .with_attributes(attributes);
        let builder = SdkTracerProvider::builder().with_batch_exporter(exporter);
        Ok(Self::new(builder.with_resource(resource.build()), config.sampler.clone()))
    }

    fn new(builder: TracerProviderBuilder, sampler: Sampler) -> Self {
        let builder = builder.with_sampler(BatchesWithRequests(sampler)).with_max_links_per_span(MAX_LINKS);
        let provider = builder.build();
        Self { tracer: provider.tracer(env!("CARGO_PKG_NAME")), provider }
    }

    /// Starts the span of a request, as a child of the span in this `traceparent` (W3C Trace
    /// Context) if it is valid.
    pub fn start_request(&self, method: &'static str, traceparent: Option<&str>) -> RequestSpan {
        let parent =
            TraceContextPropagator::new().extract_with_context(&Context::new(), &TraceParent(traceparent));
        let builder = self.tracer.span_builder(method).with_kind(SpanKind::Server);
        RequestSpan(self.tracer.build_with_context(builder, &parent))
    }

    /// Starts the span of a batch, with links to its requests; `None` if none of them is recorded.
    pub fn start_batch<'a>(
        &self,
        name: &'static str,
        requests: impl Iterator<Item = &'a SpanContext>,
    ) -> Option<BatchSpan> {
        let links: Vec<Link> = requests.cloned().map(Link::with_context).collect();
        if links.is_empty() {
            return None;
        }
        let builder = self.tracer.span_builder(name).with_links(links);
        Some(BatchSpan(self.tracer.build_with_context(builder, &Context::new())))
    }

    /// Starts the span of an attempt to send an event to a webhook. It begins a trace.
    pub fn start_delivery(&self) -> DeliverySpan {
        let builder = self.tracer.span_builder("webhook.send").with_kind(SpanKind::Client);
        DeliverySpan(self.tracer.build_with_context(builder, &Context::new()))
    }

    /// Exports the spans that have ended, within two seconds. Spans that end later are lost.
    pub async fn shut_down(self) {
        let shut_down = spawn_blocking(move || self.provider.shutdown_with_timeout(SHUTDOWN_TIMEOUT));
        if !matches!(shut_down.await, Ok(Ok(()))) {
            tracing::warn!("traces not exported before shutdown");
        }
    }
}

impl RequestSpan {
    /// What log lines and batches refer to.
    pub fn context(&self) -> SpanContext {
        self.0.span_context().clone()
    }

    /// Ends the span. These are all the attributes that a span has, by the semantic conventions of
    /// HTTP: the pattern of the route, never the path, the query, the caller or an address.
    pub fn end(mut self, method: &'static str, route: Option<&str>, status: u16) {
        if !self.0.is_recording() {
            return;
        }
        // A method that no route has is the client's own word.
        let (method, in_name) = if method == "other" { ("_OTHER", "HTTP") } else { (method, method) };
        let name = route.map_or(Cow::Borrowed(in_name), |route| format!("{in_name} {route}").into());
        self.0.update_name(name);
        self.0.set_attribute(KeyValue::new("http.request.method", method));
        if let Some(route) = route {
            self.0.set_attribute(KeyValue::new("http.route", route.to_owned()));
        }
        self.0.set_attribute(KeyValue::new("http.response.status_code", i64::from(status)));
        if status >= 500 {
            self.0.set_status(Status::error(""));
        }
    }
}

impl DeliverySpan {
    /// What log lines refer to.
    pub fn context(&self) -> SpanContext {
        self.0.span_context().clone()
    }

    /// What the receiver gets as `traceparent` (W3C Trace Context).
    pub fn traceparent(&self) -> String {
        let context = self.0.span_context();
        let flags = u8::from(context.is_sampled());
        format!("00-{}-{}-{flags:02x}", context.trace_id(), context.span_id())
    }

    /// Ends the span. It has no address, no path and no id of the webhook.
    pub fn end(mut self, outcome: AttemptOutcome) {
        self.0.set_attribute(KeyValue::new("http.request.method", "POST"));
        if let Some(status) = outcome.status() {
            self.0.set_attribute(KeyValue::new("http.response.status_code", i64::from(status)));
        }
        if let Some(reason) = outcome.reason() {
            self.0.set_attribute(KeyValue::new("error.type", reason.name()));
            self.0.set_status(Status::error(""));
        }
    }
}

impl BatchSpan {
    /// What log lines refer to.
    pub fn context(&self) -> SpanContext {
        self.0.span_context().clone()
    }

    /// Marks the batch as failed.
    pub fn set_failed(&mut self) {
        self.0.set_status(Status::error(""));
    }
}

/// The header of the request. `tracestate`, which may contain anything, is not read.
struct TraceParent<'a>(Option<&'a str>);

impl Extractor for TraceParent<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        // The SDK accepts a value that was cut off.
        self.0.filter(|value| key == TRACEPARENT && value.len() >= MIN_TRACEPARENT_BYTES)
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACEPARENT]
    }
}

/// The configured sampler for requests. A batch, the only span with links, is recorded if one of its
/// requests is.
#[derive(Clone, Debug)]
struct BatchesWithRequests(Sampler);

impl ShouldSample for BatchesWithRequests {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let sampler = if links.is_empty() { &self.0 } else { &Sampler::AlwaysOn };
        sampler.should_sample(parent, trace, name, kind, attributes, links)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use opentelemetry_sdk::error::OTelSdkResult;
    use opentelemetry_sdk::trace::{SpanData, SpanProcessor};

    use super::*;

    const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[derive(Clone, Debug, Default)]
    struct Ended(Arc<Mutex<Vec<SpanData>>>);

    impl SpanProcessor for Ended {
        fn on_start(&self, _: &mut Span, _: &Context) {}

        fn on_end(&self, span: SpanData) {
            self.0.lock().unwrap().push(span);
        }

        fn force_flush(&self) -> OTelSdkResult {
            Ok(())
        }

        fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
            Ok(())
        }
    }

    fn tracer(sampler: Sampler) -> (Tracer, Ended) {
        let ended = Ended::default();
        (Tracer::new(SdkTracerProvider::builder().with_span_processor(ended.clone()), sampler), ended)
    }

    #[test]
    fn a_batch_links_to_each_of_its_requests() {
        let (tracer, ended) = tracer(Sampler::AlwaysOn);
        let requests: Vec<RequestSpan> = (0..MAX_LINKS).map(|_| tracer.start_request("PUT", None)).collect();
        let contexts: Vec<SpanContext> = requests.iter().map(RequestSpan::context).collect();
        drop(tracer.start_batch("registry.commit", contexts.iter()).unwrap());
        let ended = ended.0.lock().unwrap();
        let [batch] = ended.as_slice() else { panic!("{ended:?}") };
        let linked: Vec<_> = batch.links.iter().map(|link| link.span_context.clone()).collect();
        assert_eq!((linked, batch.links.dropped_count), (contexts, 0));
    }

    #[test]
    fn a_batch_is_recorded_if_one_of_its_requests_is() {
        let (tracer, ended) = tracer(Sampler::ParentBased(Box::new(Sampler::AlwaysOff)));
        assert!(!tracer.start_request("GET", None).context().is_sampled());
        let request = tracer.start_request("GET", Some(TRACEPARENT)).context();
        assert!(request.is_sampled());
        assert!(tracer.start_batch("registry.look_up", std::iter::empty()).is_none());
        drop(tracer.start_batch("registry.look_up", std::iter::once(&request)));
        let names: Vec<_> = ended.0.lock().unwrap().iter().map(|span| span.name.clone()).collect();
        assert_eq!(names, ["GET", "registry.look_up"]);
    }

    #[test]
    fn an_invalid_traceparent_begins_a_new_trace() {
        let (tracer, ended) = tracer(Sampler::AlwaysOn);
        for invalid in [
            "",
            "00",
            "xx-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            &TRACEPARENT[..54],
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        ] {
            drop(tracer.start_request("GET", Some(invalid)));
            assert_eq!(ended.0.lock().unwrap().pop().unwrap().parent_span_id.to_string(), "0000000000000000");
        }
        drop(tracer.start_request("GET", Some(TRACEPARENT)));
        let span = ended.0.lock().unwrap().pop().unwrap();
        assert_eq!(span.span_context.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(span.parent_span_id.to_string(), "00f067aa0ba902b7");
    }
}
