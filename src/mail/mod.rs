//! Mail: what it says ([`message`], in the words of [`template`]) and how it
//! leaves ([`transport`]).
//!
//! When it leaves, how often it is tried and what became of it is the outbox's
//! affair, not ours.

mod memory;
pub mod message;
mod smtp;
pub mod template;
pub mod transport;

pub use lettre::Message;
pub use lettre::message::Mailbox;
