//! Metrics for Prometheus, in the OpenMetrics text format.

use std::fmt::{self, Write};
use std::time::Duration;

use actix_web::dev::Extensions;
use actix_web::http::{Method, StatusCode};
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::error::RefusedAsBusy;
use super::rate_limit::headers::RefusedBy;
use super::state::AppState;
use crate::actors::registry::LabelledCounts;
use crate::domain::rate_limit::RateLimitKey;
use crate::services::webhooks;
use crate::store::audit_log::AuditReader;
use crate::store::webhook_deliveries::WaitingDeliveries;

/// The content type of the OpenMetrics text format.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The upper bounds of the latency buckets. The last one is the longest time that a request may
/// take.
const LATENCY_BUCKETS_SECONDS: [f64; 12] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0];

/// Counters of this process.
#[derive(Clone, Debug)]
pub struct Metrics {
    requests: Family<RequestLabels, Histogram, fn() -> Histogram>,
    refusals: LabelledCounts,
    busy_refusals: Counter,
}

/// The labels of the request histogram. None of them contains a value that the client chose, so
/// their number is bounded.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    route: RouteLabel,
    status: u16,
}

/// The pattern of a route, such as `/api/user/{name}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct RouteLabel(String);

impl EncodeLabelValue for RouteLabel {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        encoder.write_str(&self.0)
    }
}

impl Default for Metrics {
    /// Each limit starts at 0, so that `/metrics` has all of them.
    fn default() -> Self {
        let refusals = LabelledCounts::default();
        for limit in RateLimitKey::POLICY_NAMES {
            drop(refusals.get_or_create(&[("limit", limit)]));
        }
        let requests =
            Family::new_with_constructor((|| Histogram::new(LATENCY_BUCKETS_SECONDS)) as fn() -> _);
        Self { requests, refusals, busy_refusals: Counter::default() }
    }
}

impl Metrics {
    /// Records a finished request to a route, by the route's pattern.
    pub fn record_request(&self, method: &Method, route: &str, status: StatusCode, took: Duration) {
        let request = RequestLabels {
            method: method_label(method),
            route: RouteLabel(route.to_owned()),
            status: status.as_u16(),
        };
        self.requests.get_or_create(&request).observe(took.as_secs_f64());
    }

    /// Records the refusal of a request by a limit or by a busy server, if the extensions of its response say so.
    pub fn record_refusal(&self, response: &Extensions) {
        if let Some(RefusedBy(limit)) = response.get() {
            self.refusals.get_or_create(&[("limit", *limit)]).inc();
        }
        if response.contains::<RefusedAsBusy>() {
            self.busy_refusals.inc();
        }
    }

    /// Renders the counters, and gauges of the actors and the database.
    pub async fn render(&self, state: &AppState) -> Result<String, fmt::Error> {
        let AppState { registry: token_registry, mailer, webhooks: worker, store, .. } = state;
        let mut registry = Registry::with_prefix("countersign");
        registry.register_with_unit(
            "http_request_duration",
            "Request duration, from the request head to the response",
            Unit::Seconds,
            self.requests.clone(),
        );
        registry.register("mail_attempts", "Attempts to deliver a mail", mailer.stats().attempts());
        registry.register("webhook_attempts", "Attempts to send an event to a webhook", worker.attempts());
        registry.register(
            "webhook_in_flight",
            "Attempts to send an event that are running",
            worker.in_flight(),
        );
        let decisions = token_registry.decision_counts();
        registry.register(
            "request_decisions",
            "Decisions of users about requests",
            decisions.requests.clone(),
        );
        registry.register(
            "access_decisions",
            "Decisions about accesses by export tokens and permissions",
            decisions.accesses.clone(),
        );
        registry.register(
            "sign_ins",
            "Passwords and API keys that were checked",
            state.authenticator.counts(),
        );
        registry.register("rate_limit_refusals", "Responses that a limit has refused", self.refusals.clone());
        registry.register(
            "busy_refusals",
            "Requests that were refused because the server was busy",
            self.busy_refusals.clone(),
        );
        registry.register(
            "audit_stream_lines",
            "Lines written to the audit stream",
            state.audit_stream.lines.clone(),
        );
        registry.register(
            "audit_stream_failures",
            "Failed attempts to write to the audit stream",
            state.audit_stream.failures.clone(),
        );
        let mut add_gauge = |name: &str, help: &str, value: i64| {
            let gauge: Gauge = Gauge::default();
            gauge.set(value);
            registry.register(name, help, gauge);
        };
        let [operations, lookups] = token_registry.in_use();
        add_gauge("registry_operations", "Commands that are queued or running in the registry", operations);
        add_gauge("registry_lookups", "Lookups that are queued or running in the registry", lookups);
        add_gauge("registry_alive", "Whether the registry is running", token_registry.is_alive().into());
        add_gauge("mailer_alive", "Whether the mailer is running", mailer.is_alive().into());
        let report = store.check_readiness().await;
        add_gauge("database_ready", "Whether the database accepts writes", report.is_some().into());
        if let Some(report) = report {
            add_gauge(
                "mail_oldest_unsent_seconds",
                "Age of the oldest pending mail; 0 if there is none",
                report.oldest_unsent_seconds,
            );
            add_gauge(
                "mail_failed",
                "Mails to addresses that do not exist, and mails that were given up",
                report.failed_mails,
            );
        }
        if let Ok(WaitingDeliveries { count, oldest_due_seconds, disabled }) =
            store.read(webhooks::waiting()).await
        {
            add_gauge("webhook_waiting", "Events that wait for webhooks, at most 100,000", count);
            add_gauge(
                "webhook_oldest_due_seconds",
                "For how long the oldest event has been due, not counting webhooks that fail",
                oldest_due_seconds,
            );
            add_gauge("webhook_disabled", "Webhooks that the server has disabled", disabled);
        }
        if let Some(report) = report {
            let lags = Family::<[(&'static str, &'static str); 1], Gauge>::default();
            for (reader, lag) in AuditReader::ALL.into_iter().zip(report.audit_lag_seconds) {
                if let Some(lag) = lag {
                    lags.get_or_create(&[("reader", reader.name())]).set(lag);
                }
            }
            registry.register(
                "audit_lag_seconds",
                "Age of the oldest audit entry that a reader has not read",
                lags,
            );
        }
        let mut text = String::new();
        encode(&mut text, &registry)?;
        Ok(text)
    }
}

/// The label of a method. Methods that no route supports share one label.
pub fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
