//! map
pub mod config;
pub mod domain;
