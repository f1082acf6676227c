//! Deliveries of webhooks: which [addresses](AddressPolicy) are allowed, and [one attempt](WebhookSender::send).
//!
//! URLs, secrets and the schedule of attempts are in [`crate::domain::webhook`].

mod address;
mod connect;
mod response;
mod sender;

pub use address::{AddressPolicy, UnusableUrl};
pub use connect::Resolver;
#[cfg(any(test, fuzzing))]
pub(crate) use response::fuzz;
pub use sender::{Delivery, Report, WebhookSender};
