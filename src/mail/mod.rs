//! Mails: their composition ([`message`], from [`template`]s), their transports ([`transport`]),
//! and a reader of the files that the directory transport writes ([`mail_directory`]).
//!
//! When a mail is sent, and how often that is attempted, is decided by the
//! [outbox](crate::store::outbox) and the [mailer](crate::actors::mailer).

mod directory;
mod error;
pub mod mail_directory;
mod memory;
pub mod message;
mod smtp;
pub mod template;
pub mod transport;

pub use lettre::Message;
pub use lettre::message::Mailbox;
