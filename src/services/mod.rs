//! Use cases that are neither HTTP nor one table: one function per use case, one transaction
//! each. `http` and `cli` call them and render their results.

pub(crate) mod accounts;
pub(crate) mod api_keys;
pub(crate) mod audit_log;
pub(crate) mod export_tokens;
pub(crate) mod password_links;
pub(crate) mod permissions;
pub(crate) mod requests;
pub(crate) mod sessions;
