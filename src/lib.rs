//! countersign: a self-hosted token and consent server.
//!
//! It does two things over one core. **Export tokens** let their bearer use one
//! node of a hub, within a mask, until they expire or are revoked. **Consent
//! requests** ask a user for a bundle of rights; the target gets a mail with a
//! single-use link, and redeems it once, or not at all.
//!
//! # The map
//!
//! Five floors; nothing knows the floor above it.
//!
//! | floor | what it does | who lives there |
//! |---|---|---|
//! | [`cli`], [`app`] | wire it all together | the command line; the running server |
//! | [`http`] | translate | the two dialects ([`http::mfs`], [`http::hexo`]), what resource servers ask ([`http::resource_server`]), what people use in a browser ([`http::pages`]), probes ([`http::health`]) |
//! | [`actors`], [`mail`] | order, send | [`actors::registry`] puts every deed in one order, a batch at a time; [`actors::mailer`] empties the outbox |
//! | [`store`] | record | [`store::ledger`] makes one transaction of a batch; a file per table group |
//! | [`domain`] | decide | pure functions on plain structs: masks, tokens, requests |
//!
//! Beside them stand [`config`], [`deadline`], [`password`], [`entropy`], [`faults`], and [`words`], which
//! people read. `diesel` is used in
//! [`store`] alone, `actix` in [`actors`] and [`app`]; `lettre` sends in [`mail`], and
//! parses addresses in [`config`].
//!
//! `ARCHITECTURE.md` walks one redemption and one mail through the house.

pub mod actors;
pub mod app;
pub mod auth;
pub mod cli;
pub mod config;
pub mod deadline;
pub mod domain;
pub mod entropy;
pub mod failpoints;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod http;
pub mod i18n;
pub mod mail;
pub mod services;
pub mod store;
