//! map
pub mod actors;
pub mod config;
pub mod domain;
pub mod store;
