//! The pages.

mod headers;
mod mailbox;
mod redeem;
mod session;
mod staff;
