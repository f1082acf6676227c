//! `countersign webhook test` and `countersign webhook replay`. A running server sends the events.

use std::thread::sleep;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;
use uuid::Uuid;

use super::output::Output;
use super::{CliError, args};
use crate::domain::timestamp::Timestamp;
use crate::domain::webhook::WebhookId;
use crate::services::webhooks::{self, QueueError};
use crate::store::Store;
use crate::store::webhook_deliveries::{DeliveryId, DeliveryStatus, ReplayRange, WebhookDelivery};

/// How long a test waits for its outcome: an attempt takes at most 15 seconds.
const PATIENCE: Duration = Duration::from_secs(20);
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// The arguments of `countersign webhook replay`.
#[derive(Args)]
pub struct ReplayArgs {
    /// The webhook's number
    #[arg(value_parser = clap::value_parser!(i64).range(1..))]
    id: i64,
    /// Only deliveries that were queued at this time or later, e.g. 2030-01-31T00:00:00Z
    #[arg(long, value_name = "TIME", value_parser = args::timestamp)]
    since: Option<Timestamp>,
    /// Also deliveries that succeeded
    #[arg(long)]
    all: bool,
    /// Only this delivery
    #[arg(long, value_name = "ID", conflicts_with_all = ["since", "all"])]
    delivery: Option<Uuid>,
}

/// Queues a test and waits until a server has sent it.
pub(super) fn test(id: WebhookId, store: &Store, output: &Output) -> Result<(), CliError> {
    let queued = store.write(webhooks::test(id, None))?.map_err(|error| queue_error(error, id, None))?;
    let started_at = Instant::now();
    loop {
        let delivery = store.read(webhooks::delivery(id, queued.id))?.ok_or(CliError::NoSuchWebhook(id))?;
        match delivery.status {
            DeliveryStatus::Delivered => return report(id, &delivery, output),
            DeliveryStatus::Waiting if delivery.attempts == 0 => {}
            DeliveryStatus::Sending => {}
            DeliveryStatus::Waiting | DeliveryStatus::Failed | DeliveryStatus::Cancelled => {
                return Err(CliError::WebhookTestFailed(id, failure(&delivery)));
            }
        }
        if started_at.elapsed() >= PATIENCE {
            return Err(CliError::WebhookTestNotSent(id));
        }
        sleep(POLL_INTERVAL);
    }
}

fn report(id: WebhookId, delivery: &WebhookDelivery, output: &Output) -> Result<(), CliError> {
    let (status, duration) = (delivery.http_status, delivery.duration_ms);
    let document =
        json!({ "id": id.0, "status": "delivered", "http_status": status, "duration_ms": duration });
    let sentence = format!(
        "Webhook {id} responded {} after {} ms.",
        status.unwrap_or_default(),
        duration.unwrap_or_default()
    );
    output.success(&document, &sentence)
}

/// Why a test failed: the reason of the API, and the receiver's status.
fn failure(delivery: &WebhookDelivery) -> String {
    let reason = delivery.reason.as_deref().unwrap_or("cancelled");
    match delivery.http_status {
        Some(status) => format!("{reason} ({status})"),
        None => reason.to_owned(),
    }
}

/// Queues deliveries again.
pub(super) fn replay(args: &ReplayArgs, store: &Store, output: &Output) -> Result<(), CliError> {
    let id = WebhookId(args.id);
    let queued = match args.delivery {
        Some(delivery) => {
            let replayed = store.write(webhooks::replay(id, None, DeliveryId(delivery)))?;
            replayed.map_err(|error| queue_error(error, id, Some(delivery)))?;
            1
        }
        None => {
            let since = args.since.unwrap_or(Timestamp::from_micros(0));
            let (mut queued, mut rest) = (0, Some(ReplayRange::new(since, args.all)));
            while let Some(range) = rest {
                let step = store.write(webhooks::replay_step(id, None, range))?;
                let (number, left) = step.map_err(|error| queue_error(error, id, None))?;
                queued += number;
                rest = left;
            }
            queued
        }
    };
    let deliveries = if queued == 1 { "delivery" } else { "deliveries" };
    output.success(
        &json!({ "id": id.0, "queued": queued }),
        &format!("Queued {queued} {deliveries} of webhook {id} again. A running server sends them."),
    )
}

fn queue_error(error: QueueError, id: WebhookId, delivery: Option<Uuid>) -> CliError {
    match (error, delivery) {
        (QueueError::Disabled, _) => CliError::WebhookDisabled(id),
        (QueueError::NotFound, Some(delivery)) => CliError::NoSuchDelivery(id, delivery),
        (QueueError::NotFound, None) => CliError::NoSuchWebhook(id),
    }
}
