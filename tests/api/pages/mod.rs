//! The pages.

mod headers;
mod redeem;
mod session;
mod timeline;
mod trail;
