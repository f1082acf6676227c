//! The pages.

mod account;
mod headers;
mod mailbox;
mod password;
mod redeem;
mod session;
mod staff;
mod timeline;
mod trail;
