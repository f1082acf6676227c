//! The HTTP client of the export. It blocks: the SDK exports from a thread of its own, on which an
//! asynchronous client panics.

use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use tracing::dispatcher::{Dispatch, with_default};
use ureq::Agent;

/// How long the collector may take to answer. The default of the specification.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);
/// The longest response that is read.
const MAX_RESPONSE_BYTES: u64 = 64 * 1_024;

#[derive(Debug)]
pub(super) struct BlockingClient {
    agent: Agent,
    /// Whether the last request failed: an outage is logged once.
    is_failing: AtomicBool,
}

impl BlockingClient {
    pub(super) fn new() -> Self {
        let config = Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .max_redirects(0)
            .http_status_as_error(false);
        Self { agent: config.build().into(), is_failing: AtomicBool::new(false) }
    }

    fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (head, mut body) = self.agent.run(request.map(|body| body.to_vec()))?.into_parts();
        let body = body.with_config().limit(MAX_RESPONSE_BYTES).read_to_vec()?;
        Ok(Response::from_parts(head, body.into()))
    }

    fn log_change(&self, result: &Result<Response<Bytes>, HttpError>) {
        let error = match result {
            Ok(response) if response.status().is_success() => None,
            Ok(response) => Some(format!("status {}", response.status().as_u16())),
            Err(error) => Some(error.to_string()),
        };
        let was_failing = self.is_failing.swap(error.is_some(), Ordering::Relaxed);
        match error {
            Some(error) if !was_failing => {
                tracing::warn!(error, "traces not exported; spans are lost until the collector accepts them");
            }
            None if was_failing => tracing::info!("traces are exported again"),
            Some(_) | None => {}
        }
    }
}

/// Without the crate `async-trait`, whose macro would write these lifetimes.
impl HttpClient for BlockingClient {
    fn send_bytes<'client, 'sent>(
        &'client self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'sent>>
    where
        'client: 'sent,
        Self: 'sent,
    {
        // ureq logs the URL, which may contain a key.
        let result = with_default(&Dispatch::none(), || self.send(request));
        self.log_change(&result);
        Box::pin(ready(result))
    }
}
