//! map
pub mod domain;
