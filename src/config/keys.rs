//! The table of configuration keys; those of the rate limits are in
//! [`super::rate_limits`]. The file parser, the defaults, the reference page (`docs/reference/configuration.md`) and the check of `countersign.example.toml` use it.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use super::{MIN_TTL_SECONDS, rate_limits};
use crate::domain::approval::{MAX_PERMISSION_TTL_SECONDS, MIN_PERMISSION_TTL_SECONDS};
use crate::domain::permission_request::MAX_REQUEST_TTL_SECONDS;

/// A configuration key.
#[derive(Clone, Copy)]
pub(super) struct Key {
    /// The name in the file, with its section: `requests.max_ttl`.
    pub(super) name: &'static str,
    pub(super) value_type: ValueType,
    pub(super) default: DefaultValue,
    pub(super) variable: VariableName,
    /// What the key does, in Markdown.
    #[cfg_attr(not(test), expect(dead_code, reason = "read by the test that writes the reference page"))]
    pub(super) description: &'static str,
}

/// The type of a value in the file. Texts and lists say what a text is, in words for the
/// reference page.
#[derive(Clone, Copy)]
pub(super) enum ValueType {
    Text(#[cfg_attr(not(test), expect(dead_code, reason = "for the reference page"))] &'static str),
    /// From the first number to the second.
    Integer(i64, i64),
    List(#[cfg_attr(not(test), expect(dead_code, reason = "for the reference page"))] &'static str),
}

/// The name of the environment variable that overrides the file. `{name}_FILE` may name a file that contains the
/// value. Items of lists are separated by commas.
#[derive(Clone, Copy)]
pub(super) enum VariableName {
    /// `COUNTERSIGN_<SECTION>_<KEY>`.
    Derived,
    Named(&'static str),
    /// Only the file has the key.
    None,
}

/// The value of a key that is not set.
#[derive(Clone, Copy)]
pub(super) enum DefaultValue {
    Value(&'static str),
    /// The default depends on other settings, or there is none: the reference page says so.
    Described(#[cfg_attr(not(test), expect(dead_code, reason = "for the reference page"))] &'static str),
    EmptyList,
}

impl Key {
    pub(super) const fn new(name: &'static str, value_type: ValueType, description: &'static str) -> Self {
        Self {
            name,
            value_type,
            default: DefaultValue::EmptyList,
            variable: VariableName::Derived,
            description,
        }
    }

    pub(super) const fn default(self, value: &'static str) -> Self {
        Self { default: DefaultValue::Value(value), ..self }
    }

    const fn described_default(self, description: &'static str) -> Self {
        Self { default: DefaultValue::Described(description), ..self }
    }

    pub(super) const fn variable(self, name: &'static str) -> Self {
        Self { variable: VariableName::Named(name), ..self }
    }

    const fn without_variable(self) -> Self {
        Self { variable: VariableName::None, ..self }
    }

    /// The name of the environment variable.
    pub(super) fn variable_name(&self) -> Option<Cow<'static, str>> {
        match self.variable {
            VariableName::Named(name) => Some(name.into()),
            VariableName::Derived => {
                let name = self.name.replace('.', "_").to_ascii_uppercase();
                Some(format!("COUNTERSIGN_{name}").into())
            }
            VariableName::None => None,
        }
    }

    /// The range of an integer key; any number for other types.
    pub(super) fn range(&self) -> RangeInclusive<i64> {
        match self.value_type {
            ValueType::Integer(min, max) => min..=max,
            ValueType::Text(_) | ValueType::List(_) => i64::MIN..=i64::MAX,
        }
    }

    /// The key with this name.
    pub(super) fn find(name: &str) -> Option<&'static Self> {
        all().find(|key| key.name == name)
    }

    /// Whether any key is in this section.
    pub(super) fn is_section(name: &str) -> bool {
        all().any(|key| key.section() == Some(name))
    }

    /// The section of the file that has the key.
    pub(super) fn section(&self) -> Option<&'static str> {
        self.name.rsplit_once('.').map(|(section, _)| section)
    }
}

/// Declares keys, and their list `KEYS`.
macro_rules! keys {
    ($($constant:ident = $key:expr;)+) => {
        $(pub(super) const $constant: Key = $key;)+

        /// The keys above, in the order of the reference page.
        pub(super) const KEYS: &[Key] = &[$($constant),+];
    };
}
pub(super) use keys;

/// All keys.
pub(super) fn all() -> impl Iterator<Item = &'static Key> {
    KEYS.iter().chain(rate_limits::KEYS)
}

use ValueType::{Integer, List, Text};

keys! {
    BIND = Key::new("bind", Text("IP address and port"), "The address and port to listen on. Flag: `--bind`.")
        .default("127.0.0.1:8080")
        .variable("BIND");
    PUBLIC_URL = Key::new(
        "public_url",
        Text("URL"),
        "The URL that users open. Links in mails start with it. It may have a path, such as `https://example.org/consent`: see [Below a path](../guides/load-balancer.md#below-a-path).",
    )
    .described_default("derived from `bind`")
    .variable("PUBLIC_URL");
    SECURITY_CONTACT = Key::new(
        "security_contact",
        Text("`https://`, `mailto:` or `tel:` URL"),
        "Where to report security problems. `/.well-known/security.txt` (RFC 9116) shows it; without it, the \
         answer is 404.",
    )
    .described_default("none");
    TRUSTED_PROXIES = Key::new(
        "trusted_proxies",
        List("IP addresses and networks"),
        "The proxies whose `X-Forwarded-For` and `traceparent` are trusted.",
    );
    KEEP_ALIVE = Key::new(
        "keep_alive",
        Integer(1, 3_600),
        "Seconds for which a client's connection is kept open between requests. Set more than the load \
         balancer's own idle timeout, which is often 60.",
    )
    .default("75");
    DATABASE_URL = Key::new(
        "database_url",
        Text("URL"),
        "The database: `sqlite://PATH` or `postgres://…`. Flag: `--database-url`.",
    )
    .default("sqlite://data/countersign.db")
    .variable("DATABASE_URL");
    DATABASE_POOL = Key::new(
        "database_pool",
        Integer(1, 100),
        "Database connections. At least four are used: three for redemptions and checks, the others for \
         everything else.",
    )
    .default("8");
    SECRET = Key::new(
        "secret",
        Text("at least 32 bytes"),
        "The secret that redeem links and password links are derived from. Create one with \
         `openssl rand -base64 32`. PostgreSQL requires it, the same on all replicas.",
    )
    .described_default("with SQLite, the content of `secret_file`")
    .variable("COUNTERSIGN_SECRET");
    SECRET_PREVIOUS = Key::new(
        "secret_previous",
        Text("at least 32 bytes"),
        "A second secret whose links are accepted: the next one before a rotation, the previous one for 30 days \
         after it.",
    )
    .described_default("none")
    .variable("COUNTERSIGN_SECRET_PREVIOUS");
    SECRET_FILE = Key::new(
        "secret_file",
        Text("path"),
        "The file with the secret. With SQLite, the server creates it. With PostgreSQL, it must exist. Set \
         either `secret` or `secret_file`.",
    )
    .described_default("with SQLite, `data/secret`")
    // `COUNTERSIGN_SECRET_FILE` names the file of `secret`.
    .without_variable();
    SMTP_URL = Key::new(
        "smtp_url",
        Text("URL"),
        "The mail server: `smtp://`, `smtp+starttls://` or `smtps://`, followed by \
         `user:password@host:port`. `?ca=FILE` names the certificates of a private CA, or the server's own certificate if it is self-signed. A password over `smtp://` to \
         another machine needs `?insecure=1`.",
    )
    .described_default("none: mails are saved as files")
    .variable("SMTP_URL");
    MAIL_FROM = Key::new("mail_from", Text("email address"), "The sender of mails.")
        .default("countersign@localhost")
        .variable("MAIL_FROM");
    MAIL_DIRECTORY = Key::new(
        "mail_directory",
        Text("path"),
        "The directory for mails without `smtp_url`. The link to `/mailbox`, which the server prints at its start, shows them on this machine.",
    )
    .default("data/outbox");
    MAIL_TEMPLATES = Key::new(
        "mail_templates",
        Text("path"),
        "A directory with [mail templates](mail-templates.md) that replace the built-in ones.",
    )
    .described_default("the built-in templates");
    LANGUAGE = Key::new(
        "language",
        Text("`en` or `de`"),
        "The language of mails to users who have not signed in yet.",
    )
    .default("en")
    .variable("COUNTERSIGN_LANGUAGE");
    MAIL_RETRY_DAYS = Key::new(
        "mail.retry_days",
        Integer(1, 365),
        "Days after which a mail that the mail server does not accept is given up. Mails with a link end with the \
         link if that is earlier.",
    )
    .default("5");
    MAIL_KEEP_DAYS = Key::new(
        "mail.keep_days",
        Integer(0, 36_500),
        "Days after which the files of mails in `mail_directory` are deleted. `0` keeps them.",
    )
    .default("30");
    REQUESTS_DEFAULT_TTL = Key::new(
        "requests.default_ttl",
        Integer(MIN_TTL_SECONDS, MAX_REQUEST_TTL_SECONDS),
        "Seconds until a request expires that does not set its own lifetime. At most `requests.max_ttl`.",
    )
    .described_default("`604800` (7 days), or `requests.max_ttl` if that is less");
    REQUESTS_MAX_TTL = Key::new(
        "requests.max_ttl",
        Integer(MIN_TTL_SECONDS, MAX_REQUEST_TTL_SECONDS),
        "The longest lifetime that a request can set, in seconds.",
    )
    .default("2592000");
    REQUESTS_REDEEM_ORIGINS = Key::new(
        "requests.redeem_origins",
        List("origins"),
        "The origins that a request's own `redeem_url` can have.",
    );
    REQUESTS_RETURN_ORIGINS = Key::new(
        "requests.return_origins",
        List("origins"),
        "The origins that a request's `return_url` can have: of the applications to which the page leads \
         back after the decision.",
    );
    PERMISSIONS_MAX_TTL = Key::new(
        "permissions.max_ttl",
        Integer(MIN_PERMISSION_TTL_SECONDS, MAX_PERMISSION_TTL_SECONDS),
        "The longest time in seconds for which a permission can be granted. A request or a grant without an \
         end gets this one.",
    )
    .described_default("none: until revoked");
    MFS_ERROR_STATUS = Key::new(
        "mfs.error_status",
        Text("`http` or `ok`"),
        "The HTTP status of errors of the mfs API: `http` is the status of the error, `ok` is always 200, as \
         in Drumee.",
    )
    .default("http");
    CORS_ORIGINS = Key::new("cors.origins", List("origins"), "The origins whose pages can call the APIs.");
    METRICS_ALLOW = Key::new(
        "metrics.allow",
        List("IP addresses and networks"),
        "The clients that can read `/metrics` in addition to this machine. For others it does not exist.",
    );
    AUDIT_KEEP_DAYS = Key::new(
        "audit.keep_days",
        Integer(0, 36_500),
        "Days for which audit log entries are kept. `0` keeps them until `countersign purge`.",
    )
    .default("0");
    AUDIT_STREAM_TO = Key::new(
        "audit.stream.to",
        Text("`stdout`, `file:/path` or `syslog+tls://host:port`"),
        "Where each audit log entry is written to, as a line of JSON: see [Audit stream](../guides/audit-stream.md). \
         Set the same on all replicas.",
    )
    .described_default("none");
    AUDIT_STREAM_CA = Key::new(
        "audit.stream.ca",
        Text("path"),
        "A file of PEM certificates that are trusted in addition to the public CAs, for a syslog server with a \
         certificate of a private CA.",
    )
    .described_default("the public CAs");
    LOG_FORMAT = Key::new(
        "log.format",
        Text("`text` or `json`"),
        "The form of the log lines on stderr: `json` is one object per line. See [Logs and traces](../guides/tracing.md).",
    )
    .default("text");
    CONTROLLER_NAME = Key::new(
        "controller.name",
        Text("text"),
        "The person or organisation that is responsible for the data (Art. 4 (7) GDPR), as \
         [receipts](receipts.md) name it.",
    )
    .described_default("none");
    CONTROLLER_ADDRESS = Key::new("controller.address", Text("text"), "The controller's postal address, on one line.")
        .described_default("none");
    CONTROLLER_CONTACT = Key::new(
        "controller.contact",
        Text("`https://`, `mailto:` or `tel:` URL"),
        "How to reach the controller.",
    )
    .described_default("none");
    CONTROLLER_POLICY_URL = Key::new(
        "controller.policy_url",
        Text("`https://` or `http://` URL"),
        "The controller's privacy policy.",
    )
    .described_default("none");
    WEBHOOKS_ALLOW = Key::new(
        "webhooks.allow",
        List("IP addresses and networks"),
        "The addresses that are not public and can receive webhooks. To these, `http://` and ports other than 443 \
         are also allowed. Link-local addresses and the metadata services of clouds never receive webhooks.",
    );
    WEBHOOKS_PROXY = Key::new(
        "webhooks.proxy",
        Text("`http://[user:password@]host:port`"),
        "The HTTP proxy that webhooks are sent through, by CONNECT. It resolves the names, so it must itself refuse \
         addresses that are not public. `http://` and ports other than 443 are then allowed only to addresses in \
         `webhooks.allow` that are in the URL. `HTTP_PROXY` and `HTTPS_PROXY` are ignored.",
    )
    .described_default("none");
    WEBHOOKS_CA = Key::new(
        "webhooks.ca",
        Text("path"),
        "A file of PEM certificates that are trusted in addition to the public CAs, for receivers with a \
         certificate of a private CA.",
    )
    .described_default("the public CAs");
}
