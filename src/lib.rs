//! countersign: a self-hosted token and consent server.
//!
//! **Export tokens** give their bearer access to one node of a hub, within a mask of rights,
//! until they expire or are revoked. **Consent requests** ask a user for the rights of a bundle:
//! the user gets a mail with a link and can approve the request once.
//!
//! # Layers
//!
//! A layer uses only the layers below it.
//!
//! | layer | task | modules |
//! |---|---|---|
//! | start | build a server or a command from the configuration | [`cli`], [`app`] |
//! | HTTP | parse requests, call one use case, render responses | [`http`]: the APIs [`http::mfs`] and [`http::hexo`], [`http::resource_server`], the pages ([`http::pages`]), [`http::health`] |
//! | use cases | one function each, one transaction each | [`services`] |
//! | actors and tasks | order writes, send mail, clean up | [`actors::registry`] commits commands in batches; [`actors::mailer`] delivers the outbox; [`tasks`] run at intervals |
//! | authentication | credentials, passwords, the sign-in throttle | [`auth`] |
//! | receipts | compose, sign and verify receipts of consents | [`receipt`] |
//! | mail | compose and send mails | [`mail`] |
//! | webhooks | sign deliveries, guard their targets and send them | [`webhook`] |
//! | database | one file per table; [`store::ledger`] commits a batch of commands in one transaction | [`store`] |
//! | domain | rules without I/O: masks, tokens, requests, rate limits | [`domain`] |
//!
//! Every layer may use [`config`], [`i18n`], [`deadline`], [`entropy`], [`tls`] and
//! [`failpoints`], and all above [`config`] use [`telemetry`]. Only [`store`] uses `diesel`, only [`actors`] and [`app`] use `actix`.
//! `lettre` sends mail in [`mail`] and parses addresses in [`config`].
//!
//! `ARCHITECTURE.md` follows one redemption and one mail through the layers.

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
pub mod receipt;
pub mod services;
pub mod store;
pub mod tasks;
pub mod telemetry;
pub mod tls;
pub mod webhook;
