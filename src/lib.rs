//! map
pub mod actors;
pub mod app;
pub mod config;
pub mod domain;
pub mod entropy;
pub mod http;
pub mod mail;
pub mod password;
pub mod store;
