//! Use cases that are neither HTTP nor one table: one function per use case, one transaction
//! each. `http` and `cli` call them and render their results.

pub(crate) mod audit_log;
pub(crate) mod blocks;
pub(crate) mod bundles;
pub(crate) mod filters;
pub(crate) mod permissions;
pub(crate) mod requests;
pub(crate) mod users;
