//! The commands, one file per group: the rows that each needs, and how it is decided.

pub(super) mod blocks;
pub(super) mod export_tokens;
pub(super) mod permissions;
pub(super) mod requests;
pub(super) mod user_lookups;
