//! The request that a task works for. It is task-local, so that no function has to pass it on.

use std::fmt;
use std::sync::Arc;

use opentelemetry::trace::SpanContext;

tokio::task_local! {
    static CURRENT: Correlation;
}

/// The ids in the log lines of a request or a batch.
#[derive(Clone, Debug, Default)]
pub struct Correlation {
    /// A batch has none.
    pub request_id: Option<Arc<str>>,
    /// `None` if traces are off.
    pub span: Option<SpanContext>,
}

/// The ids in the current log line, with their names. They contain only letters, digits and `-_.`.
pub(super) fn try_for_each_id(
    mut each: impl FnMut(&'static str, &dyn fmt::Display) -> fmt::Result,
) -> fmt::Result {
    let visited = CURRENT.try_with(|Correlation { request_id, span }| {
        request_id.iter().try_for_each(|id| each("request_id", id))?;
        span.iter().try_for_each(|span| each("trace_id", &span.trace_id()))
    });
    // Outside a request there are none.
    visited.unwrap_or(Ok(()))
}

/// Runs a future as work of this request.
pub fn scope<F: Future>(correlation: Correlation, work: F) -> impl Future<Output = F::Output> {
    CURRENT.scope(correlation, work)
}

/// Runs a function on a blocking thread as work of this request.
pub fn scope_blocking<T>(correlation: Correlation, work: impl FnOnce() -> T) -> T {
    CURRENT.sync_scope(correlation, work)
}

/// The request of the current task; empty outside a request.
pub fn current() -> Correlation {
    CURRENT.try_with(Clone::clone).unwrap_or_default()
}

/// The span of the current request, if it is recorded.
pub fn current_span() -> Option<SpanContext> {
    let recorded = |current: &Correlation| current.span.clone().filter(SpanContext::is_sampled);
    CURRENT.try_with(recorded).ok().flatten()
}
