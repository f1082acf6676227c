//! Mails: their composition ([`message`], from [`template`]s) and their transports ([`transport`]).
//!
//! When a mail is sent, and how often that is attempted, is decided by the
//! [outbox](crate::store::outbox) and the [mailer](crate::actors::mailer).

mod daily;
mod directory;
mod error;
mod helo;
mod memory;
pub mod message;
mod samples;
mod smtp;
mod smtp_reply;
pub mod template;
mod tls;
pub mod transport;

pub use lettre::Message;
pub use lettre::message::Mailbox;
