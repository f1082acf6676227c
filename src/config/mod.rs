//! The configuration: the command line, the environment and `countersign.toml`, parsed once.
//!
//! [`Config`] has parsed values: addresses, origins, and secrets that `Debug` does not print.
//! Relative paths start at the working directory.

mod audit_stream;
mod error;
mod file;
mod keys;
pub(crate) mod libpq_errors;
mod load;
pub mod postgres_url;
mod rate_limits;
#[cfg(test)]
mod reference;
mod secret;
mod smtp_url;
mod sources;
mod trace_export;
mod urls;
mod webhooks;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use lettre::message::Mailbox;
use secrecy::{ExposeSecret, SecretString};

use crate::domain::approval::{MAX_PERMISSION_TTL_SECONDS, MIN_PERMISSION_TTL_SECONDS};
use crate::domain::timestamp::Timestamp;
use crate::domain::token::Keyring;
use crate::i18n::Language;

pub use audit_stream::{AuditStreamSettings, InvalidStreamTarget, StreamTarget};
pub use error::ConfigError;
#[cfg(any(test, fuzzing))]
pub(crate) use load::fuzz;
pub use rate_limits::RateLimits;
pub(crate) use secret::private_file;
pub use secret::{Secret, SecretFileError};
pub use smtp_url::{InvalidSmtpUrl, SmtpTls, SmtpUrl};
pub use sources::{CliOverrides, ValueSource};
pub use trace_export::TracingConfig;
pub use urls::{
    ContactUrl, DatabaseUrl, InvalidContactUrl, InvalidDatabaseUrl, InvalidPolicyUrl, InvalidProxyNet,
    InvalidPublicUrl, InvalidWebOrigin, PolicyUrl, ProxyNet, PublicUrl, WebOrigin, is_loopback_host,
};
pub use webhooks::{InvalidWebhookProxy, WebhookProxy, WebhookSettings};

/// The file in the working directory that is read if the command line names no other.
pub const DEFAULT_CONFIG_FILE: &str = "countersign.toml";
/// The shortest lifetime of a request.
const MIN_TTL_SECONDS: i64 = 60;
/// The lifetime of a request that does not set its own: 7 days.
const DEFAULT_TTL_SECONDS: i64 = 604_800;

/// All settings. `docs/reference/configuration.md` describes the keys.
#[derive(Clone, Debug)]
pub struct Config {
    /// The address that the server listens on.
    pub bind: SocketAddr,
    pub database_url: DatabaseUrl,
    /// Connections to the database, 1 to 100.
    pub database_pool: u32,
    /// The mail server; `None` saves mail to `mail_directory`.
    pub smtp_url: Option<SmtpUrl>,
    pub mail_from: Mailbox,
    pub mail_directory: PathBuf,
    /// A directory with templates that replace the built-in ones.
    pub mail_templates: Option<PathBuf>,
    pub mail: MailSettings,
    /// The language of mails to users whose language is unknown.
    pub language: Language,
    pub public_url: PublicUrl,
    /// Redeem tokens and password links are derived from it.
    pub secret: Secret,
    /// The previous secret, during a rotation.
    pub secret_previous: Option<SecretString>,
    pub requests: RequestSettings,
    pub permissions: PermissionSettings,
    pub mfs: MfsSettings,
    pub cors: CorsSettings,
    pub limits: RateLimits,
    pub audit: AuditSettings,
    /// Where audit log entries are written to; `None` if the stream is off.
    pub audit_stream: Option<AuditStreamSettings>,
    /// Who is responsible for the data.
    pub controller: Controller,
    pub webhooks: WebhookSettings,
    /// Where to report security problems.
    pub security_contact: Option<ContactUrl>,
    /// The proxies whose `X-Forwarded-For` and `traceparent` are trusted.
    pub trusted_proxies: Vec<ProxyNet>,
    /// The clients that can read `/metrics`, in addition to this machine.
    pub metrics_allow: Vec<ProxyNet>,
    /// How long a client's connection is kept open between requests.
    pub keep_alive_seconds: u64,
    pub log_format: LogFormat,
    /// The export of traces; `None` if it is off.
    pub tracing: Option<TracingConfig>,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    #[default]
    Text,
    /// A JSON object.
    Json,
}

/// The text is not the name of a [`LogFormat`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be `text` or `json`")]
pub struct InvalidLogFormat;

impl FromStr for LogFormat {
    type Err = InvalidLogFormat;

    fn from_str(text: &str) -> Result<Self, InvalidLogFormat> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(InvalidLogFormat),
        }
    }
}

/// Settings of the delivery of mails.
#[derive(Clone, Copy, Debug)]
pub struct MailSettings {
    /// Days after which an unsent mail is given up.
    pub retry_days: i64,
    /// Days for which the files of mails are kept; `None` keeps them forever.
    pub keep_days: Option<i64>,
}

/// Settings of permission requests. `default_ttl` is at most `max_ttl`.
#[derive(Clone, Debug)]
pub struct RequestSettings {
    /// The lifetime in seconds of a request that does not set its own.
    pub default_ttl: i64,
    /// The longest lifetime that a request can set, in seconds.
    pub max_ttl: i64,
    /// The origins that a `redeem_url` can have.
    pub redeem_origins: Vec<WebOrigin>,
    /// The origins that a `return_url` can have.
    pub return_origins: Vec<WebOrigin>,
}

/// Settings of permissions.
#[derive(Clone, Copy, Debug, Default)]
pub struct PermissionSettings {
    /// The longest time in seconds for which a permission can be granted; `None`: until revoked.
    pub max_ttl: Option<i64>,
}

impl PermissionSettings {
    /// The time in seconds for a permission that is asked for `requested`, or for no limited time.
    /// `None`: it is out of range.
    pub fn allowed_ttl(self, requested: Option<i64>) -> Option<Option<i64>> {
        let allowed = MIN_PERMISSION_TTL_SECONDS..=self.longest_ttl();
        match requested {
            None => Some(self.max_ttl),
            Some(seconds) => allowed.contains(&seconds).then_some(Some(seconds)),
        }
    }

    /// The longest limited time in seconds.
    pub fn longest_ttl(self) -> i64 {
        self.max_ttl.unwrap_or(MAX_PERMISSION_TTL_SECONDS)
    }
}

/// Settings of the mfs API.
#[derive(Clone, Copy, Debug)]
pub struct MfsSettings {
    pub error_status: MfsErrorStatus,
}

/// The HTTP status of errors of the mfs API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MfsErrorStatus {
    /// The status of the error.
    #[default]
    Http,
    /// 200, as in Drumee.
    Ok,
}

/// The text is not the name of an [`MfsErrorStatus`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be `http` or `ok`")]
pub struct InvalidMfsErrorStatus;

impl FromStr for MfsErrorStatus {
    type Err = InvalidMfsErrorStatus;

    fn from_str(text: &str) -> Result<Self, InvalidMfsErrorStatus> {
        match text {
            "http" => Ok(Self::Http),
            "ok" => Ok(Self::Ok),
            _ => Err(InvalidMfsErrorStatus),
        }
    }
}

/// Settings of cross-origin requests.
#[derive(Clone, Debug)]
pub struct CorsSettings {
    /// The origins whose pages can read the APIs' responses.
    pub origins: Vec<WebOrigin>,
}

/// Who is responsible for the data, as receipts name them.
#[derive(Clone, Debug, Default)]
pub struct Controller {
    pub name: Option<String>,
    /// The postal address, on one line.
    pub address: Option<String>,
    pub contact: Option<ContactUrl>,
    pub policy_url: Option<PolicyUrl>,
}

/// Settings of the audit log.
#[derive(Clone, Copy, Debug, Default)]
pub struct AuditSettings {
    /// Days for which an entry is kept, at least 1; `None` keeps it until `countersign purge`.
    pub keep_days: Option<i64>,
}

impl AuditSettings {
    /// Entries from before this time are to be deleted now; `None` keeps all.
    pub fn cutoff(&self, now: Timestamp) -> Option<Timestamp> {
        self.keep_days.map(|days| now.plus_seconds(-days * 86_400))
    }
}

impl Config {
    /// Whether the link of a request can lead to this page. It can if the page has a listed
    /// origin. It also can if the page has our own origin and no query: with a query, a link in
    /// our mail could call one of our own services.
    pub fn is_allowed_redeem_url(&self, page: &url::Url) -> bool {
        let origin = page.origin();
        let is_listed = || self.requests.redeem_origins.iter().any(|listed| *listed.origin() == origin);
        is_listed() || (*self.public_url.origin() == origin && page.query().is_none())
    }

    /// Whether a request's application can get its user back at this URL.
    pub fn is_allowed_return_url(&self, url: &url::Url) -> bool {
        self.requests.return_origins.iter().any(|listed| *listed.origin() == url.origin())
    }

    /// The path of the secret file if [`Self::keyring`] would create it.
    pub fn missing_secret_file(&self) -> Option<&Path> {
        match &self.secret {
            Secret::File(path) if !path.exists() => Some(path),
            Secret::File(_) | Secret::Value(_) | Secret::Missing => None,
        }
    }

    /// The keys of the server. If the secret is a file that does not exist yet, this creates it.
    /// Processes that do so at the same time get the same secret.
    pub fn keyring(&self) -> Result<Keyring, ConfigError> {
        let current = self.secret.read()?;
        let previous = self.secret_previous.as_ref().map(|secret| secret.expose_secret().as_bytes());
        Ok(Keyring::new(current.expose_secret().as_bytes(), previous)?)
    }
}

impl RequestSettings {
    /// The lifetime in seconds of a request that asks for `requested`, or for none. `None` if the
    /// lifetime is out of range.
    pub fn allowed_lifetime(&self, requested: Option<i64>) -> Option<i64> {
        let seconds = requested.unwrap_or(self.default_ttl);
        (MIN_TTL_SECONDS..=self.max_ttl).contains(&seconds).then_some(seconds)
    }

    /// Whether a request that is created `now` can expire at `expires_at`.
    pub fn is_allowed_expiry(&self, expires_at: Timestamp, now: Timestamp) -> bool {
        (now.plus_seconds(MIN_TTL_SECONDS)..=now.plus_seconds(self.max_ttl)).contains(&expires_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    const KEY: &str = "0123456789abcdef0123456789abcdef";
    const OTHER_KEY: &str = "fedcba9876543210fedcba9876543210";

    /// Loads from a file with this text, these variables and these flags.
    fn load(file: &str, env: &[(&str, &str)], flags: CliOverrides) -> Result<Config, ConfigError> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("our.toml");
        std::fs::write(&path, file).unwrap();
        let env: HashMap<&str, &str> = env.iter().copied().collect();
        Config::load(Some(&path), |name| env.get(name).map(|text| (*text).to_owned()), flags)
    }

    fn error(file: &str, env: &[(&str, &str)]) -> String {
        load(file, env, CliOverrides::default()).unwrap_err().to_string()
    }

    #[test]
    fn the_defaults_are_sqlite_and_mail_files() {
        let config = load("", &[], CliOverrides::default()).unwrap();
        assert_eq!(config.bind.to_string(), "127.0.0.1:8080");
        assert_eq!(config.public_url.as_str(), "http://127.0.0.1:8080");
        assert!(
            matches!(&config.database_url, DatabaseUrl::Sqlite(path) if path.ends_with("data/countersign.db"))
        );
        assert_eq!(config.database_pool, 8);
        assert!(config.smtp_url.is_none() && config.mail_templates.is_none());
        assert!(config.security_contact.is_none());
        assert_eq!(config.language, Language::English);
        assert_eq!(config.mail_from.to_string(), "countersign@localhost");
        assert_eq!(config.mail_directory, Path::new("data/outbox"));
        assert_eq!((config.mail.retry_days, config.mail.keep_days), (5, Some(30)));
        assert!(matches!(&config.secret, Secret::File(path) if path == Path::new("data/secret")));
        assert_eq!((config.requests.default_ttl, config.requests.max_ttl), (604_800, 2_592_000));
        assert!(config.requests.redeem_origins.is_empty() && config.cors.origins.is_empty());
        assert_eq!(config.mfs.error_status, MfsErrorStatus::Http);
        let (requests, sign_in) = (config.limits.requests, config.limits.sign_in);
        let limit = |text: &str| Some(text.parse().unwrap());
        assert_eq!((requests.pair, requests.requester), (limit("10/d"), limit("1000/d")));
        assert_eq!((requests.target, requests.unknown_references), (limit("50/d"), limit("30/h")));
        assert_eq!((sign_in.account, sign_in.address), (limit("10/h"), limit("100/h")));
        let password_reset = config.limits.password_reset;
        assert_eq!((password_reset.account, password_reset.address), (limit("3/h"), limit("30/h")));
        assert!(config.trusted_proxies.is_empty());
    }

    #[test]
    fn every_key_of_the_file_counts() {
        let text = format!(
            r#"
            bind = "[::1]:9000"
            database_url = "postgres://u:p@h/d"
            database_pool = 20
            smtp_url = "smtps://u:p@mail.example.org"
            mail_from = "Countersign <no-reply@example.org>"
            mail_directory = "out"
            mail_templates = "templates"
            language = "de"
            public_url = "https://consent.example.org/"
            secret = "{KEY}"
            secret_previous = "{OTHER_KEY}"
            security_contact = "mailto:security@example.org"
            trusted_proxies = ["10.0.0.0/8", "::1"]
            [mail]
            retry_days = 3
            keep_days = 0
            [requests]
            default_ttl = 3600
            max_ttl = 7200
            redeem_origins = ["https://app.example", "http://localhost:3000"]
            [mfs]
            error_status = "ok"
            [cors]
            origins = ["https://App.Example"]
            [limits]
            enforce = "on"
            requests_per_pair = "1/s"
            requests_per_requester = "2/m"
            requests_per_target = "3/15m"
            unknown_references = "off"
            failed_sign_ins_per_account = "5/d"
            failed_sign_ins_per_address = "6/31d"
            password_mails_per_account = "7/d"
            password_mails_per_address = "off"
            "#
        );
        let config = load(&text, &[], CliOverrides::default()).unwrap();
        assert_eq!(config.bind.to_string(), "[::1]:9000");
        assert!(
            matches!(&config.database_url, DatabaseUrl::Postgres(url) if url.expose_secret() == "postgres://u:p@h/d")
        );
        assert_eq!(config.database_pool, 20);
        assert_eq!(config.smtp_url.as_ref().unwrap().host, "mail.example.org");
        assert_eq!(config.mail_from.to_string(), "Countersign <no-reply@example.org>");
        assert_eq!(config.mail_directory, Path::new("out"));
        assert_eq!(config.mail_templates.as_deref(), Some(Path::new("templates")));
        assert_eq!((config.mail.retry_days, config.mail.keep_days), (3, None));
        assert_eq!(config.language, Language::German);
        assert_eq!(config.security_contact.as_ref().unwrap().as_str(), "mailto:security@example.org");
        assert_eq!(config.public_url.as_str(), "https://consent.example.org");
        assert!(matches!(&config.secret, Secret::Value(secret) if secret.expose_secret() == KEY));
        assert_eq!(config.secret_previous.as_ref().unwrap().expose_secret(), OTHER_KEY);
        assert_eq!((config.requests.default_ttl, config.requests.max_ttl), (3_600, 7_200));
        assert_eq!(config.requests.redeem_origins[1].as_str(), "http://localhost:3000");
        assert_eq!(config.cors.origins[0].as_str(), "https://app.example");
        assert_eq!(config.mfs.error_status, MfsErrorStatus::Ok);
        let (requests, sign_in) = (config.limits.requests, config.limits.sign_in);
        let limit = |text: &str| Some(text.parse().unwrap());
        assert_eq!((requests.pair, requests.requester), (limit("1/s"), limit("2/m")));
        assert_eq!((requests.target, requests.unknown_references), (limit("3/15m"), None));
        assert_eq!((sign_in.account, sign_in.address), (limit("5/d"), limit("6/31d")));
        let password_reset = config.limits.password_reset;
        assert_eq!((password_reset.account, password_reset.address), (limit("7/d"), None));
        assert!(config.trusted_proxies[1].contains("::1".parse().unwrap()));
        for (file, env) in [("limits = { enforce = 'off' }", ""), ("limits = { enforce = 'on' }", "off")] {
            let config = load(file, &[("COUNTERSIGN_LIMITS", env)], CliOverrides::default()).unwrap();
            assert_eq!((config.limits.requests, config.limits.sign_in), Default::default());
        }
        assert!(config.keyring().is_ok());
    }

    #[test]
    fn flags_override_variables_override_the_file() {
        let file = "bind = '127.0.0.1:1'\ndatabase_url = 'sqlite://file.db'\nmail_from = 'file@example.org'";
        let env = [("BIND", "127.0.0.1:2"), ("DATABASE_URL", "sqlite://env.db"), ("MAIL_FROM", "")];
        let flags = CliOverrides { bind: Some("127.0.0.1:3".to_owned()), ..CliOverrides::default() };
        let config = load(file, &env, flags).unwrap();
        assert_eq!(config.bind.port(), 3);
        assert!(matches!(&config.database_url, DatabaseUrl::Sqlite(path) if path == Path::new("env.db")));
        assert_eq!(config.mail_from.email.to_string(), "file@example.org", "an empty variable is none");
    }

    #[test]
    fn the_public_url_follows_the_address_unless_it_is_set() {
        let config = load("", &[("BIND", "0.0.0.0:9000")], CliOverrides::default()).unwrap();
        assert_eq!(config.public_url.as_str(), "http://localhost:9000");
        let env = [("BIND", "0.0.0.0:9000"), ("PUBLIC_URL", "https://example.org")];
        assert_eq!(
            load("", &env, CliOverrides::default()).unwrap().public_url.as_str(),
            "https://example.org"
        );
    }

    #[test]
    fn the_default_lifetime_stays_under_a_lower_cap() {
        let config = load("[requests]\nmax_ttl = 3600", &[], CliOverrides::default()).unwrap();
        assert_eq!(config.requests.default_ttl, 3_600);
    }

    /// A value for each key that has a variable, different from its default.
    const VALUES: [(&str, &str); 46] = [
        ("bind", "127.0.0.1:9000"),
        ("public_url", "https://consent.example.org"),
        ("security_contact", "mailto:security@example.org"),
        ("trusted_proxies", "10.0.0.0/8,::1"),
        ("keep_alive", "76"),
        ("database_url", "sqlite://our.db"),
        ("database_pool", "9"),
        ("secret", KEY),
        ("secret_previous", OTHER_KEY),
        ("smtp_url", "smtps://u:p@mail.example.org"),
        ("mail_from", "Us <us@example.org>"),
        ("mail_directory", "out"),
        ("mail_templates", "templates"),
        ("mail.keep_days", "31"),
        ("mail.retry_days", "6"),
        ("language", "de"),
        ("requests.default_ttl", "61"),
        ("requests.max_ttl", "3601"),
        ("requests.redeem_origins", "https://app.example"),
        ("requests.return_origins", "https://app.example"),
        ("permissions.max_ttl", "3601"),
        ("mfs.error_status", "ok"),
        ("cors.origins", "https://app.example,https://other.example"),
        ("metrics.allow", "192.0.2.0/24"),
        ("audit.keep_days", "31"),
        ("audit.stream.to", "syslog+tls://other.example.org"),
        ("audit.stream.ca", "ca.pem"),
        ("log.format", "json"),
        ("controller.name", "Our Institute"),
        ("controller.address", "Our Street 1, Our Town"),
        ("controller.contact", "mailto:privacy@example.org"),
        ("controller.policy_url", "https://example.org/privacy"),
        ("webhooks.allow", "10.2.0.0/16,::1"),
        ("webhooks.proxy", "http://u:p@proxy.example.org:3128"),
        ("webhooks.ca", "ca.pem"),
        ("limits.enforce", "off"),
        ("limits.requests_per_pair", "1/s"),
        ("limits.requests_per_requester", "1/s"),
        ("limits.requests_per_target", "1/s"),
        ("limits.unknown_references", "1/s"),
        ("limits.unlinked_references", "1/s"),
        ("limits.failed_sign_ins_per_account", "1/s"),
        ("limits.failed_sign_ins_per_address", "1/s"),
        ("limits.password_mails_per_account", "1/s"),
        ("limits.password_mails_per_address", "1/s"),
        ("limits.writes_per_user", "1/s"),
    ];

    /// Everything that a configuration contains, secrets too.
    fn exposed(config: &Config) -> String {
        let secret = match &config.secret {
            Secret::Value(secret) => secret.expose_secret(),
            Secret::File(_) | Secret::Missing => "",
        };
        let previous = config.secret_previous.as_ref().map(|secret| secret.expose_secret());
        format!("{config:?} {secret} {previous:?}")
    }

    #[test]
    fn white_space_around_a_value_does_not_belong_to_it_whatever_its_key_and_source() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("value");
        let path_text = path.to_str().unwrap();
        // `audit.stream.ca` needs a server.
        let file = "audit.stream.to = 'syslog+tls://log.example.org'";
        let load = |env: &[(&str, &str)]| load(file, env, CliOverrides::default());
        let default = exposed(&load(&[]).unwrap());
        for key in keys::all().filter(|key| key.name != "secret_file") {
            let value = VALUES.iter().find(|(name, _)| *name == key.name).map_or("1/s", |(_, value)| value);
            let (variable, name) = (key.variable_name().unwrap(), key.name);
            let file_variable = format!("{variable}_FILE");
            let plain = exposed(&load(&[(&variable, value)]).unwrap());
            assert_ne!(plain, default, "{name}: the test sets another value than the default");
            for (before, after) in [
                ("", "\n"),
                ("", "\r\n"),
                ("", "\n\n"),
                (" ", " \n"),
                ("\t", "\t"),
                ("\u{feff}", "\n"),
                ("\n\u{feff} ", "\u{a0}"),
            ] {
                let text = format!("{before}{value}{after}");
                std::fs::write(&path, &text).unwrap();
                let path_text = format!("{before}{path_text}{after}");
                for env in [(&*variable, text.as_str()), (&file_variable, &path_text)] {
                    assert_eq!(exposed(&load(&[env]).unwrap()), plain, "{name}: {env:?}");
                }
            }
            for blank in ["", " ", "\n\n", "\u{feff}", "\u{feff}\r\n"] {
                std::fs::write(&path, blank).unwrap();
                assert_eq!(exposed(&load(&[(&variable, blank)]).unwrap()), default, "{name}: unset");
                assert_eq!(exposed(&load(&[(&file_variable, blank)]).unwrap()), default, "{name}: unset");
                let refused = load(&[(&file_variable, path_text)]).unwrap_err().to_string();
                let expected =
                    format!("{name} (environment variable {file_variable}): the file that it names is empty");
                assert_eq!(refused, expected);
            }
            let refused = load(&[(&variable, "x\u{fffd}")]).unwrap_err().to_string();
            assert_eq!(refused, format!("{name} (environment variable {variable}): must be UTF-8"));
        }
        std::fs::write(&path, KEY).unwrap();
        let both = error("", &[("BIND", "127.0.0.1:1"), ("BIND_FILE", path_text)]);
        assert_eq!(both, "bind: BIND and BIND_FILE are both set; set only one of them");
        let missing = error("", &[("BIND_FILE", "/nowhere/bind")]);
        let expected = "bind (environment variable BIND_FILE): cannot read the file that it names: ";
        assert!(missing.starts_with(expected), "{missing}");
    }

    #[test]
    fn white_space_in_the_file_does_not_belong_to_a_value_either() {
        for blank in [" ", "\u{feff}", "\\n"] {
            let file = format!(
                "secret = \"{blank}{KEY}{blank}\"\nlanguage = \"de{blank}\"\ntrusted_proxies = [\"{blank}::1\"]"
            );
            let config = load(&file, &[], CliOverrides::default()).unwrap();
            assert!(matches!(&config.secret, Secret::Value(secret) if secret.expose_secret() == KEY));
            assert_eq!(config.language, Language::German);
            assert_eq!(config.trusted_proxies, ["::1".parse().unwrap()]);
            for key in ["mail_directory", "mail_templates", "secret_file"] {
                assert!(error(&format!("{key} = \"{blank}\""), &[]).ends_with("must not be empty"), "{key}");
            }
        }
    }

    #[test]
    fn every_error_names_the_key_and_the_reason() {
        for (file, key, reason) in [
            ("bind = 'localhost'", "bind (in ", "must be an IP address and port, for example 127.0.0.1:8080"),
            ("database_url = 'mysql://h/d'", "database_url (in ", "must be `postgres://…`"),
            ("database_pool = 0", "database_pool (in ", "must be a whole number from 1 to 100"),
            ("database_pool = 101", "database_pool (in ", "must be a whole number from 1 to 100"),
            ("database_pool = 'x'", "line 1", "database_pool must be a whole number from 1 to 100"),
            ("smtp_url = 'http://h'", "smtp_url (in ", "must be `smtp://`"),
            ("mail_from = 'nobody'", "mail_from (in ", "must be an ASCII email address"),
            ("mail_from = 'a@b.c, d@e.f'", "mail_from (in ", "must be an ASCII email address"),
            ("mail_from = 'ä@example.org'", "mail_from (in ", "must be an ASCII email address"),
            ("public_url = 'example.org'", "public_url (in ", "must be `http://host"),
            ("secret = 'hunter2'", "secret (in ", "must be at least 32 bytes long"),
            ("secret_previous = 'hunter2'", "secret_previous (in ", "must be at least 32 bytes long"),
            ("limits = 'off'", "line 1", "`limits` must be a section: [limits]"),
            ("audit.stream = 'stdout'", "line 1", "`audit.stream` must be a section: [audit.stream]"),
            (
                "[audit.stream]\npath = '/x'",
                "line 2",
                "unknown key `audit.stream.path`; use one of audit.stream.to, audit",
            ),
            ("audit.stream.to = 'audit.log'", "audit.stream.to (in ", "must be `stdout`, `file:/path` or"),
            ("audit.stream.ca = 'x'", "audit.stream.ca (in ", "requires `syslog+tls://` in audit.stream.to"),
            ("limits.enforce = 'of'", "limits.enforce (in ", "must be `on` or `off`"),
            ("limits.requests_per_pair = '0/d'", "limits.requests_per_pair (in ", "must be `off` or a rate"),
            (
                "limits.failed_sign_ins_per_address = '9/w'",
                "limits.failed_sign_ins_per_address (in ",
                "such as `10/h`",
            ),
            (
                "limits.requests_per_target = 9",
                "line 1",
                "limits.requests_per_target must be a text in quotes",
            ),
            ("limits.failures = '9/h'", "line 1", "unknown key `limits.failures`"),
            (
                "trusted_proxies = ['10.0.0.0/8', 'lb']",
                "trusted_proxies (in ",
                "item 2: must be an IP address or",
            ),
            (
                "trusted_proxies = '::1'",
                "line 1",
                "trusted_proxies must be a list of texts, for example [\"a\", \"b\"]",
            ),
            ("cors.origins = [1]", "line 1", "cors.origins must be a list of texts"),
            ("secret = 1", "line 1", "secret must be a text in quotes"),
            (
                "\nrequests.default_ttl = '7d'",
                "line 2",
                "requests.default_ttl must be a whole number from 60 to",
            ),
            ("requests.max_ttl = 2592001", "requests.max_ttl (in ", "from 60 to 2592000"),
            ("requests.max_ttl = 59", "requests.max_ttl (in ", "from 60 to 2592000"),
            (
                "requests = { max_ttl = 600, default_ttl = 601 }",
                "requests.default_ttl (in ",
                "from 60 to 600",
            ),
            ("requests.redeem_origins = ['https://a/x']", "requests.redeem_origins (in ", "item 1: must be"),
            ("cors.origins = ['*']", "cors.origins (in ", "item 1: must be"),
            ("controller.name = \"a\\nb\"", "controller.name (in ", "must not contain control characters"),
            (
                "controller.contact = 'us'",
                "controller.contact (in ",
                "must be an https:, mailto: or tel: URL",
            ),
            (
                "controller.policy_url = 'mailto:a@b.c'",
                "controller.policy_url (in ",
                "must be an https:// or http:// URL",
            ),
            ("mfs.error_status = 'teapot'", "mfs.error_status (in ", "must be `http` or `ok`"),
            ("bnid = 'x'", "line 1", "unknown key `bnid`"),
            ("\n[requests]\nttl = 60", "line 3", "unknown key `requests.ttl`"),
            ("[request]\nmax_ttl = 60", "line 1", "unknown key `request`"),
            ("bind = ", "line 1", "our.toml"),
        ] {
            let error = error(file, &[]);
            assert!(error.contains(key) && error.contains(reason), "{file}: {error}");
            assert!(!error.contains('\n') && error.contains("our.toml"), "{file}: {error}");
        }
        for (variable, value, key) in [
            ("BIND", "8080", "bind"),
            ("DATABASE_URL", "x", "database_url"),
            ("SMTP_URL", "x", "smtp_url"),
            ("MAIL_FROM", "x", "mail_from"),
            ("PUBLIC_URL", "x", "public_url"),
            ("COUNTERSIGN_LANGUAGE", "fr", "language"),
            ("COUNTERSIGN_SECRET", "x", "secret"),
            ("COUNTERSIGN_SECRET_PREVIOUS", "x", "secret_previous"),
            ("COUNTERSIGN_LIMITS", "x", "limits.enforce"),
        ] {
            let error = error("", &[(variable, value)]);
            assert!(
                error.starts_with(&format!("{key} (environment variable {variable}): must be ")),
                "{error}"
            );
        }
        let flags = CliOverrides { database_url: Some("x".to_owned()), ..CliOverrides::default() };
        let error = load("", &[], flags).unwrap_err().to_string();
        assert!(error.starts_with("database_url (flag --database-url): must be "), "{error}");
    }

    #[test]
    fn a_named_config_file_must_exist() {
        let error =
            Config::load(Some(Path::new("nowhere.toml")), |_| None, CliOverrides::default()).unwrap_err();
        assert!(error.to_string().starts_with("cannot read nowhere.toml: "));
    }

    #[test]
    fn every_key_has_an_environment_variable_that_overrides_the_file() {
        let mut names = std::collections::HashSet::new();
        for key in keys::all().filter(|key| key.name != "secret_file") {
            let name = key.variable_name().unwrap();
            // Read for every type of value, before the value is parsed.
            let error = error("", &[(&format!("{name}_FILE"), "/nowhere")]);
            let expected = format!("{} (environment variable {name}_FILE): cannot read the file", key.name);
            assert!(error.starts_with(&expected), "{error}");
            assert!(names.insert(name.into_owned()), "{} is not unique", key.name);
        }
        assert!(names.iter().all(|name| !names.contains(&format!("{name}_FILE"))));
        let file = "trusted_proxies = ['192.0.2.1']\ndatabase_pool = 9\n[limits]\nrequests_per_pair = '9/d'";
        let env = [
            ("COUNTERSIGN_TRUSTED_PROXIES", "10.0.0.0/8, ::1"),
            ("COUNTERSIGN_DATABASE_POOL", "12"),
            ("COUNTERSIGN_LIMITS_REQUESTS_PER_PAIR", "1/s"),
            ("COUNTERSIGN_CORS_ORIGINS", "https://app.example"),
            ("COUNTERSIGN_MAIL_DIRECTORY", "out"),
        ];
        let config = load(file, &env, CliOverrides::default()).unwrap();
        assert_eq!(config.trusted_proxies, ["10.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()]);
        assert_eq!(config.database_pool, 12);
        assert_eq!(config.limits.requests.pair, Some("1/s".parse().unwrap()));
        assert_eq!(config.cors.origins[0].as_str(), "https://app.example");
        assert_eq!(config.mail_directory, Path::new("out"));
        let invalid = error(file, &[("COUNTERSIGN_TRUSTED_PROXIES", "::1,lb")]);
        assert!(
            invalid
                .starts_with("trusted_proxies (environment variable COUNTERSIGN_TRUSTED_PROXIES): item 2: "),
            "{invalid}"
        );
    }

    #[test]
    fn no_error_quotes_the_value_of_any_setting() {
        const CANARY: &str = "hunter2";
        let shapes = [
            "{}",
            "x:{}",
            "smtp://u:?{}@h",
            "smtps://u:?ca={}@h",
            "smtps://u:{}/x@h",
            "smtp://u:{}@h",
            "smtps://h?{}",
            "smtps://h?{}=1",
            "smtp://h:{}",
            "postgres://u:{}/x@h/d",
            "postgres://u:a@{}@h/d",
            "postgres://u:{}%@h/d",
            "postgres://h:{}/d",
            "postgres://h/d?password=a&{}",
            "mysql://u:{}@h/d",
            "https://u:{}@h",
            "https://h?{}",
            "{}@",
            "<{}>",
            "9/{}",
            "::1/{}",
            "{}\u{0}",
            "\u{feff}{}",
        ];
        let mut refused = std::collections::HashSet::new();
        for key in keys::all() {
            for shape in shapes {
                let value = shape.replace("{}", CANARY);
                let in_file = match key.name.split_once('.') {
                    Some((section, name)) => format!("[{section}]\n{name} = "),
                    None => format!("{} = ", key.name),
                };
                let quoted = toml::Value::String(value.clone()).to_string();
                let files = [
                    format!("{in_file}{quoted}"),
                    format!("{in_file}[{quoted}]"),
                    format!("{in_file}{value}"),
                    format!("{in_file}{{ {value} = 1 }}"),
                ];
                let mut loads: Vec<_> =
                    files.iter().map(|file| load(file, &[], CliOverrides::default())).collect();
                if let Some(variable) = key.variable_name() {
                    let file_variable = format!("{variable}_FILE");
                    for name in [&*variable, &file_variable] {
                        loads.push(load("", &[(name, &value)], CliOverrides::default()));
                    }
                }
                for error in loads.into_iter().filter_map(Result::err) {
                    refused.insert(key.name);
                    for shown in [error.to_string(), format!("{error:?}")] {
                        assert!(!shown.contains(CANARY), "{}: {value}: {shown}", key.name);
                    }
                }
            }
        }
        assert_eq!(refused.len(), keys::all().count(), "each key refuses some of these values");
    }

    #[test]
    fn no_secret_is_shown() {
        let file = format!(
            "database_url = 'postgres://u:hunter2@h/d'\nsmtp_url = 'smtps://u:hunter3@h'\nsecret = '{KEY}'\nsecret_previous = '{OTHER_KEY}'"
        );
        let shown = format!("{:?}", load(&file, &[], CliOverrides::default()).unwrap());
        for secret in ["hunter2", "hunter3", KEY, OTHER_KEY] {
            assert!(!shown.contains(secret), "{shown}");
        }
        let flags =
            CliOverrides { smtp_url: Some("smtp://u:hunter2@h".to_owned()), ..CliOverrides::default() };
        assert!(!format!("{flags:?}").contains("hunter2"));
    }

    #[test]
    fn no_error_shows_a_secret() {
        for file in [
            "secret = 'hunter2'",
            "secret = 'hunter2",
            "secret = hunter2",
            "secret = 42424242",
            "database_url = 'mysql://u:hunter2@h'",
            "database_url = ['hunter2']",
            "smtp_url = 'smtp://u:hunter2@h/x'",
            "smtp_url = 'smtp://u:hunter2@h:99999'",
        ] {
            let error = error(file, &[]);
            assert!(!error.contains("hunter2") && !error.contains("42424242"), "{error}");
        }
    }

    #[test]
    fn a_server_on_postgres_requires_a_secret() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        let file = format!("database_url = 'postgres://h/d'\nsecret_file = '{}'", path.display());
        assert!(
            error(&file, &[]).contains("secret_file: cannot read the file that it names: "),
            "a replica makes no file of its own"
        );
        std::fs::write(&path, KEY).unwrap();
        assert!(load(&file, &[], CliOverrides::default()).unwrap().keyring().is_ok());

        let config = load("database_url = 'postgres://h/d'", &[], CliOverrides::default()).unwrap();
        let error = config.keyring().unwrap_err().to_string();
        assert!(error.contains("COUNTERSIGN_SECRET") && error.contains("openssl rand -base64 32"));
    }

    #[test]
    fn a_server_on_sqlite_makes_its_secret_and_keeps_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("data/secret");
        let config =
            load(&format!("secret_file = '{}'", path.display()), &[], CliOverrides::default()).unwrap();
        let id = crate::domain::token::RedeemId(uuid::Uuid::nil());
        let token = config.keyring().unwrap().redeem_token(id).expose();
        assert_eq!(config.keyring().unwrap().verify_redeem_token(&token), Ok(id));

        let moved = load("", &[("COUNTERSIGN_SECRET_FILE", path.to_str().unwrap())], CliOverrides::default())
            .unwrap();
        assert_eq!(
            moved.keyring().unwrap().verify_redeem_token(&token),
            Ok(id),
            "the same key wherever the text stands"
        );
        assert!(error("secret = 'x'\nsecret_file = 'y'", &[]).contains("secret_file (in "));
    }

    #[test]
    fn audit_retention_is_unlimited_or_at_least_a_day() {
        let keep_days =
            |text: &str| load(text, &[], CliOverrides::default()).map(|config| config.audit.keep_days);
        assert_eq!(keep_days("").unwrap(), None);
        assert_eq!(keep_days("[audit]\nkeep_days = 0").unwrap(), None);
        assert_eq!(keep_days("[audit]\nkeep_days = 1").unwrap(), Some(1));
        assert_eq!(keep_days("[audit]\nkeep_days = 36500").unwrap(), Some(36_500));
        for bad in ["-1", "36501", "0.5", "\"1\""] {
            assert!(keep_days(&format!("[audit]\nkeep_days = {bad}")).is_err(), "{bad}");
        }
        let now = Timestamp::from_micros(0);
        assert_eq!(AuditSettings { keep_days: Some(1) }.cutoff(now), Some(now.plus_seconds(-86_400)));
        assert_eq!(AuditSettings::default().cutoff(now), None);
    }
}
