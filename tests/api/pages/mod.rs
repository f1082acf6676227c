//! The pages.

mod account;
mod headers;
mod password;
mod redeem;
mod session;
