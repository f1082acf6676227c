//! The actor: puts all operations in one queue, and answers those that are not executed in time. Everything else is in
//! the database.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;

use super::batch_executor::{BatchExecutor, Waiter};
use super::batch_work::{Commit, LookUp};
use crate::actors::LivenessGuard;
use crate::failpoints;
use crate::store::ledger::AnyOperation;

const TIMEOUT_CHECK_INTERVAL: Duration = Duration::from_millis(100);
/// How long a batch can be in flight before its thread is considered stuck. The process
/// then exits, to be restarted.
const STUCK_THREAD_TIMEOUT: Duration = Duration::from_secs(120);

pub(super) struct TokenRegistry {
    pub operations: Arc<BatchExecutor<Commit>>,
    /// They need no order, so callers submit them without the actor.
    pub lookups: Arc<BatchExecutor<LookUp>>,
    pub _liveness: LivenessGuard,
}

#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Submit {
    pub operation: Arc<dyn AnyOperation>,
    pub waiter: Waiter<()>,
}

impl Actor for TokenRegistry {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(TIMEOUT_CHECK_INTERVAL, Self::check_timeouts);
    }
}

impl Handler<Submit> for TokenRegistry {
    type Result = ();

    fn handle(&mut self, Submit { operation, waiter }: Submit, _: &mut Self::Context) {
        failpoints::fail_point("registry.panic");
        self.operations.submit(operation, waiter);
    }
}

impl TokenRegistry {
    /// Answers the callers whose deadline has passed, and stops the actor if a thread is
    /// stuck.
    fn check_timeouts(&mut self, ctx: &mut Context<Self>) {
        self.operations.check_timeouts();
        self.lookups.check_timeouts();
        let oldest_abandoned = self.operations.oldest_abandoned().max(self.lookups.oldest_abandoned());
        let stuck_timeout = failpoints::timeout("registry.stuck_thread_timeout", STUCK_THREAD_TIMEOUT);
        if oldest_abandoned.is_some_and(|age| age >= stuck_timeout) {
            tracing::error!(seconds = stuck_timeout.as_secs(), "database did not respond; stopping");
            ctx.stop();
        }
    }
}
