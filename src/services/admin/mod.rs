//! Administration: what the operator does at the command line, and staff on the pages and
//! with the API. Every change writes its audit log entry in the same transaction. A change
//! that is refused leaves the database as it was.

pub mod api_keys;
pub mod bundles;
pub mod export_tokens;
pub mod hubs;
pub mod mail;
pub mod overview;
pub mod permissions;
pub mod purge;
pub mod requests;
pub mod sessions;
pub mod users;
