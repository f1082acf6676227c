//! The rules of countersign, as pure functions on plain structs: no SQL, no HTTP, no clock and
//! no source of randomness. `now` is always an argument.

pub mod approval;
pub mod audit;
pub mod block;
pub mod bundle;
pub mod bundle_permission;
pub mod creation_key;
pub mod daily_mail;
pub mod decisions_mail;
pub mod export_token;
pub mod hub;
pub mod jws;
pub mod mail_kinds;
pub mod notice;
pub mod password_link;
pub mod permission_request;
pub mod rate_limit;
pub mod rights;
pub mod seal;
pub mod terms;
pub mod timestamp;
pub mod token;
pub mod user;
pub mod validated_text;
pub mod webhook;
