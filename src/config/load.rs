//! Loads the configuration from its [sources](super::sources).

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use lettre::message::Mailbox;

use super::keys::Key;
use super::rate_limits::{Enforcement, parse_limit};
use super::secret::{self, check_length};
use super::sources::{Sources, integer};
use super::{
    AuditSettings, AuditStreamSettings, CliOverrides, Config, ConfigError, Controller, CorsSettings,
    DEFAULT_TTL_SECONDS, DatabaseUrl, MIN_TTL_SECONDS, MailSettings, MfsSettings, PermissionSettings,
    PublicUrl, RateLimits, RequestSettings, Secret, StreamTarget, TracingConfig, WebhookSettings, keys,
    rate_limits,
};
use crate::domain::rate_limit::{PasswordResetLimits, RequestLimits, SignInLimits, WriteLimits};
use crate::domain::validated_text::validate_optional;

/// The maximum length of the controller's name and address.
const MAX_LINE_CHARS: usize = 300;

/// The text is not a socket address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be an IP address and port, for example 127.0.0.1:8080")]
struct InvalidBind;

/// The text is not a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must not be empty")]
struct EmptyPath;

/// Why the certificates for the audit stream are rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum InvalidStreamCa {
    #[error(transparent)]
    Empty(EmptyPath),
    #[error("requires `syslog+tls://` in audit.stream.to")]
    WithoutTls,
}

/// The text is not a sender's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be an ASCII email address, for example `a@example.org` or `Name <a@example.org>`")]
struct InvalidMailbox;

impl Config {
    /// Loads and parses all settings. `path` must exist; without it, [`super::DEFAULT_CONFIG_FILE`]
    /// is read if it exists. Flags override variables, and variables override the file.
    ///
    /// Each variable may also be given as `NAME_FILE`, the path of a file that contains the value.
    /// A blank variable counts as unset. White space around a value does not belong to it.
    pub fn load(
        path: Option<&Path>,
        env: impl Fn(&str) -> Option<String>,
        flags: CliOverrides,
    ) -> Result<Self, ConfigError> {
        let sources = Sources::load(path, env)?;
        let bind = sources.get_or_flag(&keys::BIND, flags.bind)?.parse_with(parse_bind)?;
        let public_url = sources.get_or_flag(&keys::PUBLIC_URL, flags.public_url)?;
        let database_url = sources.get_or_flag(&keys::DATABASE_URL, flags.database_url)?.parse()?;
        let pool = sources.get(&keys::DATABASE_POOL)?.parse_with(integer(keys::DATABASE_POOL.range()))?;
        let keep_alive = sources.get(&keys::KEEP_ALIVE)?.parse_with(integer(keys::KEEP_ALIVE.range()))?;
        let smtp_url = sources.get_or_flag(&keys::SMTP_URL, flags.smtp_url)?;
        let mail_directory = match flags.mail_directory {
            Some(path) => path,
            None => sources.get(&keys::MAIL_DIRECTORY)?.parse_with(parse_path)?,
        };
        Ok(Self {
            bind,
            public_url: public_url
                .parse_optional(str::parse)?
                .unwrap_or_else(|| PublicUrl::from_bind_address(bind)),
            secret: load_secret(&sources, &database_url)?,
            secret_previous: sources.get(&keys::SECRET_PREVIOUS)?.parse_optional(check_length)?,
            database_url,
            database_pool: u32::try_from(pool).unwrap_or(u32::MAX),
            smtp_url: smtp_url.parse_optional(str::parse)?,
            mail_from: sources.get_or_flag(&keys::MAIL_FROM, flags.mail_from)?.parse_with(parse_mailbox)?,
            mail_directory,
            mail_templates: sources.get(&keys::MAIL_TEMPLATES)?.parse_optional(parse_path)?,
            mail: MailSettings::load(&sources)?,
            language: sources.get(&keys::LANGUAGE)?.parse()?,
            requests: RequestSettings::load(&sources)?,
            permissions: PermissionSettings::load(&sources)?,
            mfs: MfsSettings { error_status: sources.get(&keys::MFS_ERROR_STATUS)?.parse()? },
            cors: CorsSettings { origins: sources.list(&keys::CORS_ORIGINS)? },
            limits: RateLimits::load(&sources)?,
            audit: AuditSettings::load(&sources)?,
            audit_stream: AuditStreamSettings::load(&sources)?,
            controller: Controller::load(&sources)?,
            webhooks: WebhookSettings::load(&sources)?,
            security_contact: sources.get(&keys::SECURITY_CONTACT)?.parse_optional(str::parse)?,
            trusted_proxies: sources.list(&keys::TRUSTED_PROXIES)?,
            metrics_allow: sources.list(&keys::METRICS_ALLOW)?,
            keep_alive_seconds: u64::try_from(keep_alive).unwrap_or_default(),
            log_format: sources.get(&keys::LOG_FORMAT)?.parse()?,
            tracing: TracingConfig::load(|name| sources.variable(name))?,
        })
    }
}

impl MailSettings {
    fn load<E: Fn(&str) -> Option<String>>(sources: &Sources<E>) -> Result<Self, ConfigError> {
        let number = |key: &Key| sources.get(key)?.parse_with(integer(key.range()));
        let keep_days = Some(number(&keys::MAIL_KEEP_DAYS)?).filter(|days| *days > 0);
        Ok(Self { retry_days: number(&keys::MAIL_RETRY_DAYS)?, keep_days })
    }
}

impl RequestSettings {
    fn load<E: Fn(&str) -> Option<String>>(sources: &Sources<E>) -> Result<Self, ConfigError> {
        let max_ttl =
            sources.get(&keys::REQUESTS_MAX_TTL)?.parse_with(integer(keys::REQUESTS_MAX_TTL.range()))?;
        let default_ttl =
            sources.get(&keys::REQUESTS_DEFAULT_TTL)?.parse_optional(integer(MIN_TTL_SECONDS..=max_ttl))?;
        Ok(Self {
            default_ttl: default_ttl.unwrap_or(DEFAULT_TTL_SECONDS.min(max_ttl)),
            max_ttl,
            redeem_origins: sources.list(&keys::REQUESTS_REDEEM_ORIGINS)?,
            return_origins: sources.list(&keys::REQUESTS_RETURN_ORIGINS)?,
        })
    }
}

impl PermissionSettings {
    fn load<E: Fn(&str) -> Option<String>>(sources: &Sources<E>) -> Result<Self, ConfigError> {
        let range = keys::PERMISSIONS_MAX_TTL.range();
        Ok(Self { max_ttl: sources.get(&keys::PERMISSIONS_MAX_TTL)?.parse_optional(integer(range))? })
    }
}

impl AuditSettings {
    fn load<E: Fn(&str) -> Option<String>>(sources: &Sources<E>) -> Result<Self, ConfigError> {
        let keep_days =
            sources.get(&keys::AUDIT_KEEP_DAYS)?.parse_with(integer(keys::AUDIT_KEEP_DAYS.range()))?;
        // At least one day: after a lost COMMIT, the ledger reads the outcome from the audit log.
        Ok(Self { keep_days: Some(keep_days).filter(|days| *days > 0) })
    }
}

impl AuditStreamSettings {
    fn load<E: Fn(&str) -> Option<String>>(sources: &Sources<E>) -> Result<Option<Self>, ConfigError> {
        let to = sources.get(&keys::AUDIT_STREAM_TO)?.parse_optional(str::parse)?;
        let ca = sources.get(&keys::AUDIT_STREAM_CA)?.parse_optional(|text| match to {
            Some(StreamTarget::Syslog { .. }) => parse_path(text).map_err(InvalidStreamCa::Empty),
            _ => Err(InvalidStreamCa::WithoutTls),
        })?;
        Ok(to.map(|to| Self { to, ca }))
    }
}

impl Controller {
    fn load<E: Fn(&str) -> Option<String>>(sources: &Sources<E>) -> Result<Self, ConfigError> {
        let line =
            |key: &Key| sources.get(key)?.parse_optional(|text| validate_optional(text, MAX_LINE_CHARS));
        Ok(Self {
            name: line(&keys::CONTROLLER_NAME)?,
            address: line(&keys::CONTROLLER_ADDRESS)?,
            contact: sources.get(&keys::CONTROLLER_CONTACT)?.parse_optional(str::parse)?,
            policy_url: sources.get(&keys::CONTROLLER_POLICY_URL)?.parse_optional(str::parse)?,
        })
    }
}

impl WebhookSettings {
    fn load<E: Fn(&str) -> Option<String>>(sources: &Sources<E>) -> Result<Self, ConfigError> {
        Ok(Self {
            allow: sources.list(&keys::WEBHOOKS_ALLOW)?,
            proxy: sources.get(&keys::WEBHOOKS_PROXY)?.parse_optional(str::parse)?,
            ca: sources.get(&keys::WEBHOOKS_CA)?.parse_optional(parse_path)?,
        })
    }
}

impl RateLimits {
    fn load<E: Fn(&str) -> Option<String>>(sources: &Sources<E>) -> Result<Self, ConfigError> {
        let enforce: Enforcement = sources.get(&rate_limits::ENFORCE)?.parse()?;
        let limit = |key: &Key| sources.get(key)?.parse_with(parse_limit);
        let limits = Self {
            requests: RequestLimits {
                pair: limit(&rate_limits::REQUESTS_PER_PAIR)?,
                requester: limit(&rate_limits::REQUESTS_PER_REQUESTER)?,
                target: limit(&rate_limits::REQUESTS_PER_TARGET)?,
                unknown_references: limit(&rate_limits::UNKNOWN_REFERENCES)?,
                unlinked_references: limit(&rate_limits::UNLINKED_REFERENCES)?,
            },
            sign_in: SignInLimits {
                account: limit(&rate_limits::FAILED_SIGN_INS_PER_ACCOUNT)?,
                address: limit(&rate_limits::FAILED_SIGN_INS_PER_ADDRESS)?,
            },
            password_reset: PasswordResetLimits {
                account: limit(&rate_limits::PASSWORD_MAILS_PER_ACCOUNT)?,
                address: limit(&rate_limits::PASSWORD_MAILS_PER_ADDRESS)?,
            },
            writes: WriteLimits {
                writes: limit(&rate_limits::WRITES_PER_USER)?,
                password_changes: limit(&rate_limits::PASSWORD_CHANGES_PER_USER)?,
            },
        };
        Ok(match enforce {
            Enforcement::On => limits,
            Enforcement::Off => Self::default(),
        })
    }
}

/// The secret that is set, or its file. PostgreSQL has replicas that share one secret, so its file
/// is read and never created.
fn load_secret<E: Fn(&str) -> Option<String>>(
    sources: &Sources<E>,
    database: &DatabaseUrl,
) -> Result<Secret, ConfigError> {
    let path = sources.get(&keys::SECRET_FILE)?.parse_optional(parse_path)?;
    if path.is_some() && sources.has_file_value(&keys::SECRET) {
        let reason = "`secret` is also set; set only one of them".to_owned();
        return Err(sources.invalid_file_value(&keys::SECRET_FILE, reason));
    }
    if let Some(secret) = sources.get(&keys::SECRET)?.parse_optional(check_length)? {
        return Ok(Secret::Value(secret));
    }
    Ok(match (database, path) {
        (DatabaseUrl::Sqlite(_), path) => Secret::File(path.unwrap_or(secret::DEFAULT_FILE.into())),
        (DatabaseUrl::Postgres(_), Some(path)) => Secret::Value(secret::read_file(&path)?),
        (DatabaseUrl::Postgres(_), None) => Secret::Missing,
    })
}

fn parse_bind(text: &str) -> Result<SocketAddr, InvalidBind> {
    text.parse().map_err(|_| InvalidBind)
}

fn parse_path(text: &str) -> Result<PathBuf, EmptyPath> {
    if text.is_empty() { Err(EmptyPath) } else { Ok(text.into()) }
}

/// Parses the sender of mails. Few mail servers accept an address that is not ASCII.
fn parse_mailbox(text: &str) -> Result<Mailbox, InvalidMailbox> {
    let mailbox: Mailbox = text.parse().map_err(|_| InvalidMailbox)?;
    let is_ascii = AsRef::<str>::as_ref(&mailbox.email).is_ascii();
    if is_ascii { Ok(mailbox) } else { Err(InvalidMailbox) }
}

/// For [`crate::fuzzing::config`].
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz(text: &str) {
    let path = Path::new(super::DEFAULT_CONFIG_FILE);
    if let Err(error) = super::file::ConfigFile::parse(path, text) {
        assert!(!error.to_string().contains('\n'));
    }
    if let Ok(from) = parse_mailbox(text) {
        assert!(AsRef::<str>::as_ref(&from.email).is_ascii());
    }
}
