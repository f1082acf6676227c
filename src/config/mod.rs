//! What the operator decides, parsed once: `countersign.toml`, above it the
//! environment, above that the command line.
//!
//! Past [`Config::load`] nothing looks at a string again: an address is an
//! address, an origin an origin, and a secret one that `Debug` does not print.
//! Paths are relative to the working directory.

mod rate_limits;
mod secret;
mod sources;
mod urls;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use lettre::Address;
use lettre::message::Mailbox;
use secrecy::{ExposeSecret, SecretString};

use crate::domain::permission_request::MAX_REQUEST_TTL_SECONDS;
use crate::domain::timestamp::Timestamp;
use crate::domain::token::{Keyring, ServerKeyTooShort};
use crate::i18n::Language;

pub use rate_limits::RateLimits;
pub(crate) use secret::private_file;
pub use secret::{Secret, SecretFileError};
pub use sources::{CliOverrides, ValueSource};
pub use urls::{
    DatabaseUrl, InvalidDatabaseUrl, InvalidProxyNet, InvalidPublicUrl, InvalidSmtpUrl, InvalidWebOrigin,
    ProxyNet, PublicUrl, SmtpTls, SmtpUrl, WebOrigin, is_loopback_host,
};

use secret::check_length;
use sources::{RequestsTable, SettingKey, Sources};

/// The file that is read from the working directory unless another is named.
pub const DEFAULT_CONFIG_FILE: &str = "countersign.toml";
/// The shortest that a request may live, in seconds.
const MIN_TTL_SECONDS: i64 = 60;
/// What a request lives for unless told, in seconds: 7 days.
const DEFAULT_TTL_SECONDS: i64 = 604_800;

const BIND: SettingKey = SettingKey::new("bind", "BIND");
const DATABASE_URL: SettingKey = SettingKey::new("database_url", "DATABASE_URL");
const SMTP_URL: SettingKey = SettingKey::new("smtp_url", "SMTP_URL");
const MAIL_FROM: SettingKey = SettingKey::new("mail_from", "MAIL_FROM");
const PUBLIC_URL: SettingKey = SettingKey::new("public_url", "PUBLIC_URL");
const LANGUAGE: SettingKey = SettingKey::new("language", "COUNTERSIGN_LANGUAGE");
const SECRET: SettingKey = SettingKey::new("secret", "COUNTERSIGN_SECRET");
const SECRET_PREVIOUS: SettingKey = SettingKey::new("secret_previous", "COUNTERSIGN_SECRET_PREVIOUS");

/// All that the operator decides.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the server listens.
    pub bind: SocketAddr,
    /// The database.
    pub database_url: DatabaseUrl,
    /// The most connections to it: 1..=100.
    pub database_pool: u32,
    /// The mail relay; `None` writes mail to `mail_directory`.
    pub smtp_url: Option<SmtpUrl>,
    /// Whom mail is from.
    pub mail_from: Mailbox,
    /// Where mail goes without a relay.
    pub mail_directory: PathBuf,
    /// Templates that take the place of the built-in ones.
    pub mail_templates: Option<PathBuf>,
    /// What mail speaks to those of whom nothing is known.
    pub language: Language,
    /// What people and mail call this server.
    pub public_url: PublicUrl,
    /// What redeem tokens are derived from.
    pub secret: Secret,
    /// The one before it, while keys rotate.
    pub secret_previous: Option<SecretString>,
    /// What holds for permission requests.
    pub requests: RequestSettings,
    /// What holds for the mfs dialect.
    pub mfs: MfsSettings,
    /// What holds for browsers of other origins.
    pub cors: CorsSettings,
    /// How often what may be done.
    pub limits: RateLimits,
    /// What holds for the audit trail.
    pub audit: AuditSettings,
    /// The proxies that are believed in whom they tell of.
    pub trusted_proxies: Vec<ProxyNet>,
}

/// What holds for permission requests. `default_ttl` is never above `max_ttl`.
#[derive(Clone, Debug)]
pub struct RequestSettings {
    /// Seconds that a request lives unless it says.
    pub default_ttl: i64,
    /// The most seconds that it may ask for: 60..=2592000.
    pub max_ttl: i64,
    /// The origins that a `redeem_url` may have.
    pub redeem_origins: Vec<WebOrigin>,
}

/// What holds for the mfs dialect.
#[derive(Clone, Copy, Debug)]
pub struct MfsSettings {
    /// The HTTP status of its errors.
    pub error_status: MfsErrorStatus,
}

/// The HTTP status that an error of the mfs dialect has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MfsErrorStatus {
    /// The one that fits.
    #[default]
    Http,
    /// 200, as Drumee itself does.
    Ok,
}

/// What holds for browsers of other origins.
#[derive(Clone, Debug)]
pub struct CorsSettings {
    /// The origins that may read our answers.
    pub origins: Vec<WebOrigin>,
}

/// What holds for the audit trail.
#[derive(Clone, Copy, Debug, Default)]
pub struct AuditSettings {
    /// Days that an entry is kept, 1..=36500; `None` is until `countersign purge`.
    pub keep_days: Option<i64>,
}

impl AuditSettings {
    /// Before when entries are to be deleted now, if any are.
    pub fn cutoff(&self, now: Timestamp) -> Option<Timestamp> {
        self.keep_days.map(|days| now.plus_seconds(-days * 86_400))
    }
}

/// Not an address to listen at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be an IP address and port, for example 127.0.0.1:8080")]
struct InvalidBind;

/// Not an address that mail can be from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be an ASCII email address, for example `a@example.org` or `Name <a@example.org>`")]
struct InvalidMailbox;

/// Why there is no configuration. Each names what is to be mended and never
/// shows a secret.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// The file is not TOML, has a key that nobody knows, or a value of another type.
    #[error("{}, line {line}: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong, with the key.
        reason: String,
    },
    /// A value that cannot be taken.
    #[error("{key} ({value_source}): {reason}")]
    Invalid {
        /// The key, as the file calls it.
        key: &'static str,
        /// Where the value came from.
        value_source: ValueSource,
        /// What is wrong with it.
        reason: String,
    },
    /// A variable and its `_FILE` are both set.
    #[error("{key}: {variable} and {variable}_FILE are both set; set only one of them")]
    VariableAndFile {
        /// The key, as the file calls it.
        key: &'static str,
        /// The variable.
        variable: &'static str,
    },
    /// PostgreSQL without a secret: every replica would make its own.
    #[error(
        "secret: required with PostgreSQL, the same on all replicas; set COUNTERSIGN_SECRET, for example to the output of `openssl rand -base64 32`"
    )]
    MissingSecret,
    /// The file that holds the secret can be neither read nor made.
    #[error("secret_file: {0}")]
    SecretFile(#[from] SecretFileError),
    /// A secret that is too short to be one.
    #[error("secret: {0}")]
    SecretTooShort(#[from] ServerKeyTooShort),
}

impl Config {
    /// Reads the file (`path`, which then must exist, or [`FILE`] if it is
    /// there), lays the environment and the flags over it, and parses the lot.
    ///
    /// Each variable may also come as `NAME_FILE`, the path of a file that holds
    /// it. An empty variable is as good as none.
    pub fn load(
        path: Option<&Path>,
        env: impl Fn(&str) -> Option<String>,
        flags: CliOverrides,
    ) -> Result<Self, ConfigError> {
        let (sources, file) = Sources::load(path, env)?;
        let bind = sources
            .resolve(BIND, flags.bind, file.bind)?
            .parse_with(|text| text.parse().map_err(|_| InvalidBind))?
            .unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)));
        let public_url = sources.resolve(PUBLIC_URL, flags.public_url, file.public_url)?.parse()?;
        let database_url = sources
            .resolve(DATABASE_URL, flags.database_url, file.database_url)?
            .parse()?
            .unwrap_or_else(|| DatabaseUrl::Sqlite("data/countersign.db".into()));
        let previous = sources.resolve(SECRET_PREVIOUS, None, file.secret_previous)?;
        let pool = sources.integer("database_pool", file.database_pool, 1..=100)?;
        Ok(Self {
            bind,
            public_url: public_url.unwrap_or_else(|| PublicUrl::from_bind_address(bind)),
            secret: secret(&sources, &database_url, file.secret, file.secret_file)?,
            secret_previous: previous.parse_with(check_length)?,
            database_url,
            database_pool: pool.and_then(|pool| pool.try_into().ok()).unwrap_or(8),
            smtp_url: sources.resolve(SMTP_URL, flags.smtp_url, file.smtp_url)?.parse()?,
            mail_from: sources
                .resolve(MAIL_FROM, flags.mail_from, file.mail_from)?
                .parse_with(parse_mailbox)?
                .unwrap_or_else(|| Address::new_dangerous("countersign", "localhost").into()),
            mail_directory: flags.mail_directory.or(file.mail_directory).unwrap_or("data/outbox".into()),
            mail_templates: file.mail_templates,
            language: sources.resolve(LANGUAGE, None, file.language)?.parse()?.unwrap_or_default(),
            requests: RequestSettings::parse(&sources, file.requests)?,
            mfs: MfsSettings { error_status: file.mfs.error_status },
            cors: CorsSettings { origins: sources.parse_list("cors.origins", file.cors.origins)? },
            limits: RateLimits::parse(&sources, file.limits)?,
            audit: AuditSettings {
                // A day at least: the ledger finds out by the trail what was committed.
                keep_days: sources
                    .integer("audit.keep_days", file.audit.keep_days, 0..=36_500)?
                    .filter(|days| *days > 0),
            },
            trusted_proxies: sources.parse_list("trusted_proxies", file.trusted_proxies)?,
        })
    }

    /// Whether a request's link may lead to this page: at an origin that the
    /// operator lists, or at our own without a query, lest a link in our own
    /// mail call one of our own services.
    pub fn is_allowed_redeem_url(&self, page: &url::Url) -> bool {
        let origin = page.origin();
        let listed = || self.requests.redeem_origins.iter().any(|listed| *listed.origin() == origin);
        listed() || (*self.public_url.origin() == origin && page.query().is_none())
    }

    /// The server's keys. Where the secret is a file of our own that is not
    /// there yet, this makes it; processes that do so at once agree on one.
    pub fn keyring(&self) -> Result<Keyring, ConfigError> {
        let current = self.secret.read()?;
        let previous = self.secret_previous.as_ref().map(|secret| secret.expose_secret().as_bytes());
        Ok(Keyring::new(current.expose_secret().as_bytes(), previous)?)
    }
}

impl RequestSettings {
    /// Seconds that a request lives which asks for so many, or does not say;
    /// `None` when that is out of bounds.
    pub fn allowed_lifetime(&self, asked: Option<i64>) -> Option<i64> {
        let seconds = asked.unwrap_or(self.default_ttl);
        (MIN_TTL_SECONDS..=self.max_ttl).contains(&seconds).then_some(seconds)
    }

    /// Whether a request made now may live until then.
    pub fn is_allowed_expiry(&self, then: Timestamp, now: Timestamp) -> bool {
        (now.plus_seconds(MIN_TTL_SECONDS)..=now.plus_seconds(self.max_ttl)).contains(&then)
    }

    fn parse<E: Fn(&str) -> Option<String>>(
        sources: &Sources<E>,
        file: RequestsTable,
    ) -> Result<Self, ConfigError> {
        let max_ttl =
            sources.integer("requests.max_ttl", file.max_ttl, MIN_TTL_SECONDS..=MAX_REQUEST_TTL_SECONDS)?;
        let max_ttl = max_ttl.unwrap_or(MAX_REQUEST_TTL_SECONDS);
        let default_ttl =
            sources.integer("requests.default_ttl", file.default_ttl, MIN_TTL_SECONDS..=max_ttl)?;
        Ok(Self {
            default_ttl: default_ttl.unwrap_or(DEFAULT_TTL_SECONDS.min(max_ttl)),
            max_ttl,
            redeem_origins: sources.parse_list("requests.redeem_origins", file.redeem_origins)?,
        })
    }
}

/// The secret that is set, else the file that is named or usual. With
/// PostgreSQL there are replicas, which have to share it: then a file is read,
/// and never made.
fn secret<E: Fn(&str) -> Option<String>>(
    sources: &Sources<E>,
    database: &DatabaseUrl,
    text: Option<String>,
    path: Option<PathBuf>,
) -> Result<Secret, ConfigError> {
    if text.is_some() && path.is_some() {
        return Err(sources
            .invalid_file_value("secret_file", "`secret` is also set; set only one of them".to_owned()));
    }
    if let Some(secret) = sources.resolve(SECRET, None, text)?.parse_with(check_length)? {
        return Ok(Secret::Value(secret));
    }
    Ok(match (database, path) {
        (DatabaseUrl::Sqlite(_), path) => Secret::File(path.unwrap_or("data/secret".into())),
        (DatabaseUrl::Postgres(_), Some(path)) => Secret::Value(secret::read_file(&path)?),
        (DatabaseUrl::Postgres(_), None) => Secret::Missing,
    })
}

/// Reads whom mail is from. Relays that take other letters than ASCII are few.
fn parse_mailbox(text: &str) -> Result<Mailbox, InvalidMailbox> {
    let mailbox: Mailbox = text.parse().map_err(|_| InvalidMailbox)?;
    let ascii = AsRef::<str>::as_ref(&mailbox.email).is_ascii();
    if ascii { Ok(mailbox) } else { Err(InvalidMailbox) }
}

/// For [`crate::fuzzing::config`].
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz(text: &str) {
    if let Err(error) = sources::ConfigFile::read(Path::new(DEFAULT_CONFIG_FILE), text) {
        assert!(!error.to_string().contains('\n'));
    }
    if let Ok(from) = parse_mailbox(text) {
        assert!(AsRef::<str>::as_ref(&from.email).is_ascii());
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
        assert_eq!(config.language, Language::English);
        assert_eq!(config.mail_from.to_string(), "countersign@localhost");
        assert_eq!(config.mail_directory, Path::new("data/outbox"));
        assert!(matches!(&config.secret, Secret::File(path) if path == Path::new("data/secret")));
        assert_eq!((config.requests.default_ttl, config.requests.max_ttl), (604_800, 2_592_000));
        assert!(config.requests.redeem_origins.is_empty() && config.cors.origins.is_empty());
        assert_eq!(config.mfs.error_status, MfsErrorStatus::Http);
        let (asking, signing_in) = (config.limits.requests, config.limits.sign_in);
        let limit = |text: &str| Some(text.parse().unwrap());
        assert_eq!((asking.pair, asking.requester), (limit("10/d"), limit("1000/d")));
        assert_eq!((asking.target, asking.unknown_references), (limit("50/d"), limit("30/h")));
        assert_eq!((signing_in.account, signing_in.address), (limit("10/h"), limit("100/h")));
        let forgetting = config.limits.password_reset;
        assert_eq!((forgetting.account, forgetting.address), (limit("3/h"), limit("30/h")));
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
            trusted_proxies = ["10.0.0.0/8", "::1"]
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
        assert_eq!(config.language, Language::German);
        assert_eq!(config.public_url.as_str(), "https://consent.example.org");
        assert!(matches!(&config.secret, Secret::Value(secret) if secret.expose_secret() == KEY));
        assert_eq!(config.secret_previous.as_ref().unwrap().expose_secret(), OTHER_KEY);
        assert_eq!((config.requests.default_ttl, config.requests.max_ttl), (3_600, 7_200));
        assert_eq!(config.requests.redeem_origins[1].as_str(), "http://localhost:3000");
        assert_eq!(config.cors.origins[0].as_str(), "https://app.example");
        assert_eq!(config.mfs.error_status, MfsErrorStatus::Ok);
        let (asking, signing_in) = (config.limits.requests, config.limits.sign_in);
        let limit = |text: &str| Some(text.parse().unwrap());
        assert_eq!((asking.pair, asking.requester), (limit("1/s"), limit("2/m")));
        assert_eq!((asking.target, asking.unknown_references), (limit("3/15m"), None));
        assert_eq!((signing_in.account, signing_in.address), (limit("5/d"), limit("6/31d")));
        let forgetting = config.limits.password_reset;
        assert_eq!((forgetting.account, forgetting.address), (limit("7/d"), None));
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

    #[test]
    fn a_variable_may_come_as_a_file_without_its_last_newline() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        for (ending, kept) in [("", ""), ("\n", ""), ("\r\n", ""), ("\n\n", "\n"), (" \n", " ")] {
            std::fs::write(&path, format!("{KEY}{ending}")).unwrap();
            let config =
                load("", &[("COUNTERSIGN_SECRET_FILE", path.to_str().unwrap())], CliOverrides::default())
                    .unwrap();
            let Secret::Value(secret) = config.secret else { panic!("{ending:?}") };
            assert_eq!(secret.expose_secret(), format!("{KEY}{kept}"));
        }
        let both = error("", &[("BIND", "127.0.0.1:1"), ("BIND_FILE", path.to_str().unwrap())]);
        assert_eq!(both, "bind: BIND and BIND_FILE are both set; set only one of them");
        let missing = error("", &[("BIND_FILE", "/nowhere/bind")]);
        assert!(missing.starts_with("bind (environment variable BIND_FILE): cannot read /nowhere/bind: "));
    }

    #[test]
    fn every_error_names_the_key_and_the_reason() {
        for (file, key, reason) in [
            ("bind = 'localhost'", "bind (in ", "must be an IP address and port, for example 127.0.0.1:8080"),
            ("database_url = 'mysql://h/d'", "database_url (in ", "must be `postgres://…`"),
            ("database_pool = 0", "database_pool (in ", "must be a whole number from 1 to 100, not 0"),
            ("database_pool = 101", "database_pool (in ", "must be a whole number from 1 to 100, not 101"),
            ("database_pool = 'x'", "database_pool", "invalid type: string"),
            ("smtp_url = 'http://h'", "smtp_url (in ", "must be `smtp://`"),
            ("mail_from = 'nobody'", "mail_from (in ", "must be an ASCII email address"),
            ("mail_from = 'a@b.c, d@e.f'", "mail_from (in ", "must be an ASCII email address"),
            ("mail_from = 'ä@example.org'", "mail_from (in ", "must be an ASCII email address"),
            ("public_url = 'example.org'", "public_url (in ", "must be `http://host"),
            ("secret = 'hunter2'", "secret (in ", "must be at least 32 bytes long"),
            ("secret_previous = 'hunter2'", "secret_previous (in ", "must be at least 32 bytes long"),
            ("limits = 'off'", "limits", "invalid type: string"),
            ("limits.enforce = 'of'", "limits.enforce (in ", "must be `on` or `off`"),
            ("limits.requests_per_pair = '0/d'", "limits.requests_per_pair (in ", "must be `off` or a rate"),
            (
                "limits.failed_sign_ins_per_address = '9/w'",
                "limits.failed_sign_ins_per_address (in ",
                "such as `10/h`",
            ),
            ("limits.requests_per_target = 9", "limits.requests_per_target", "invalid type: integer"),
            ("limits.failures = '9/h'", "line 1", "unknown field `failures`"),
            (
                "trusted_proxies = ['10.0.0.0/8', 'lb']",
                "trusted_proxies (in ",
                "`lb`: must be an IP address or",
            ),
            ("trusted_proxies = '::1'", "trusted_proxies", "invalid type: string"),
            ("requests.max_ttl = 2592001", "requests.max_ttl (in ", "from 60 to 2592000, not 2592001"),
            ("requests.max_ttl = 59", "requests.max_ttl (in ", "from 60 to 2592000, not 59"),
            (
                "requests = { max_ttl = 600, default_ttl = 601 }",
                "requests.default_ttl (in ",
                "from 60 to 600, not 601",
            ),
            (
                "requests.redeem_origins = ['https://a/x']",
                "requests.redeem_origins (in ",
                "`https://a/x`: must be",
            ),
            ("cors.origins = ['*']", "cors.origins (in ", "`*`: must be"),
            ("mfs.error_status = 'teapot'", "mfs.error_status", "expected `http` or `ok`"),
            ("bnid = 'x'", "line 1", "unknown field `bnid`"),
            ("\n[requests]\nttl = 60", "line 3", "unknown field `ttl`"),
            ("[request]\nmax_ttl = 60", "line 1", "unknown field `request`"),
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
    fn no_secret_is_shown() {
        let file = format!(
            "database_url = 'postgres://u:hunter2@h/d'\nsmtp_url = 'smtp://u:hunter3@h'\nsecret = '{KEY}'\nsecret_previous = '{OTHER_KEY}'"
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
            error(&file, &[]).contains(&format!("cannot read {}", path.display())),
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
