//! The pages.

mod headers;
mod redeem;
mod session;
