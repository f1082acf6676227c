//! Use cases that are neither HTTP nor one table: one function per use case, one transaction each.

pub mod export_tokens;
