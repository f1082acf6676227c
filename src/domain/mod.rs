//! What countersign decides, as pure functions on plain structs: no SQL, no
//! HTTP, no clock and no randomness of their own. `now` is always an argument.

pub mod block;
pub mod bundle;
pub mod clock;
pub mod event;
pub mod export;
pub mod grant;
pub mod hub;
pub mod limit;
pub mod password_link;
pub mod permission;
pub mod request;
pub mod text;
pub mod token;
pub mod user;
