//! The places that a setting may come from, and which of them counts.

use std::fmt;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Deserializer};

use super::{ConfigError, DEFAULT_CONFIG_FILE, MfsErrorStatus};

/// What the command line says; it counts above all else.
#[derive(Clone, Default)]
pub struct CliOverrides {
    /// `--bind`
    pub bind: Option<String>,
    /// `--database-url`
    pub database_url: Option<String>,
    /// `--smtp-url`
    pub smtp_url: Option<String>,
    /// `--mail-from`
    pub mail_from: Option<String>,
    /// `--mail-directory`
    pub mail_directory: Option<PathBuf>,
    /// `--public-url`
    pub public_url: Option<String>,
}

/// URLs hold passwords: which flags there are is shown, not what they say.
impl fmt::Debug for CliOverrides {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Overrides(…)")
    }
}

/// The names of a setting that has more places than the file.
#[derive(Clone, Copy)]
pub(super) struct SettingKey {
    name: &'static str,
    variable: &'static str,
}

impl SettingKey {
    pub(super) const fn new(name: &'static str, variable: &'static str) -> Self {
        Self { name, variable }
    }
}

/// Where a value came from, as an error says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueSource {
    /// The configuration file.
    File(PathBuf),
    /// An environment variable.
    EnvVar(&'static str),
    /// The file that an environment variable names.
    EnvVarFile(&'static str),
    /// A flag of the command line, by the key's name.
    Flag(&'static str),
}

impl fmt::Display for ValueSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "in {}", path.display()),
            Self::EnvVar(name) => write!(f, "environment variable {name}"),
            Self::EnvVarFile(name) => write!(f, "environment variable {name}_FILE"),
            Self::Flag(key) => write!(f, "flag --{}", key.replace('_', "-")),
        }
    }
}

/// The file as it is written: which keys there are, and of what type.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ConfigFile {
    pub(super) bind: Option<String>,
    #[serde(deserialize_with = "secret_text")]
    pub(super) database_url: Option<String>,
    pub(super) database_pool: Option<i64>,
    #[serde(deserialize_with = "secret_text")]
    pub(super) smtp_url: Option<String>,
    pub(super) mail_from: Option<String>,
    pub(super) mail_directory: Option<PathBuf>,
    pub(super) mail_templates: Option<PathBuf>,
    pub(super) language: Option<String>,
    pub(super) public_url: Option<String>,
    #[serde(deserialize_with = "secret_text")]
    pub(super) secret: Option<String>,
    #[serde(deserialize_with = "secret_text")]
    pub(super) secret_previous: Option<String>,
    pub(super) secret_file: Option<PathBuf>,
    pub(super) trusted_proxies: Vec<String>,
    pub(super) requests: RequestsTable,
    pub(super) mfs: MfsTable,
    pub(super) cors: CorsTable,
    pub(super) limits: LimitsTable,
    pub(super) audit: AuditTable,
}

impl ConfigFile {
    /// Reads what stands in the file of this path.
    pub(super) fn read(path: &Path, text: &str) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|error| malformed_toml(path.to_owned(), text, error))
    }
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RequestsTable {
    pub(super) default_ttl: Option<i64>,
    pub(super) max_ttl: Option<i64>,
    pub(super) redeem_origins: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct MfsTable {
    pub(super) error_status: MfsErrorStatus,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct CorsTable {
    pub(super) origins: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct LimitsTable {
    pub(super) enforce: Option<String>,
    pub(super) requests_per_pair: Option<String>,
    pub(super) requests_per_requester: Option<String>,
    pub(super) requests_per_target: Option<String>,
    pub(super) unknown_references: Option<String>,
    pub(super) failed_sign_ins_per_account: Option<String>,
    pub(super) failed_sign_ins_per_address: Option<String>,
    pub(super) password_mails_per_account: Option<String>,
    pub(super) password_mails_per_address: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct AuditTable {
    pub(super) keep_days: Option<i64>,
}

/// A string whose value no error may show: serde's own would, for a number.
fn secret_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    match toml::Value::deserialize(deserializer)? {
        toml::Value::String(text) => Ok(Some(text)),
        _ => Err(serde::de::Error::custom("must be a string")),
    }
}

/// One setting, from the uppermost place that has it.
pub(super) struct Setting {
    key: &'static str,
    value: Option<(String, ValueSource)>,
}

impl Setting {
    /// The value, parsed; `None` if no place has it.
    pub(super) fn parse<T: FromStr<Err: fmt::Display>>(self) -> Result<Option<T>, ConfigError> {
        self.parse_with(T::from_str)
    }

    /// As [`Setting::parse`], with a parser of its own.
    pub(super) fn parse_with<T, E: fmt::Display>(
        self,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, ConfigError> {
        let Some((text, given)) = self.value else { return Ok(None) };
        match parse(&text) {
            Ok(value) => Ok(Some(value)),
            Err(reason) => {
                Err(ConfigError::Invalid { key: self.key, value_source: given, reason: reason.to_string() })
            }
        }
    }
}

/// The environment, and which file was read.
pub(super) struct Sources<E> {
    path: PathBuf,
    env: E,
}

impl<E: Fn(&str) -> Option<String>> Sources<E> {
    /// Reads the file: `path`, which must exist, or [`FILE`], which may not.
    pub(super) fn load(path: Option<&Path>, env: E) -> Result<(Self, ConfigFile), ConfigError> {
        let sources = Self { path: path.unwrap_or(Path::new(DEFAULT_CONFIG_FILE)).to_owned(), env };
        let text = match std::fs::read_to_string(&sources.path) {
            Ok(text) => text,
            Err(error) if path.is_none() && error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => {
                return Err(ConfigError::Unreadable { path: sources.path, reason: error.to_string() });
            }
        };
        let file = ConfigFile::read(&sources.path, &text)?;
        Ok((sources, file))
    }

    /// The flag, else the variable, else what the file says.
    pub(super) fn resolve(
        &self,
        key: SettingKey,
        flag: Option<String>,
        file: Option<String>,
    ) -> Result<Setting, ConfigError> {
        let value = match (flag, self.env_value(key)?) {
            (Some(flag), _) => Some((flag, ValueSource::Flag(key.name))),
            (None, Some(variable)) => Some(variable),
            (None, None) => file.map(|text| (text, ValueSource::File(self.path.clone()))),
        };
        Ok(Setting { key: key.name, value })
    }

    /// Refuses a value of the file.
    pub(super) fn invalid_file_value(&self, key: &'static str, reason: String) -> ConfigError {
        ConfigError::Invalid { key, value_source: ValueSource::File(self.path.clone()), reason }
    }

    /// A number of the file, if it is in range.
    pub(super) fn integer(
        &self,
        key: &'static str,
        value: Option<i64>,
        range: RangeInclusive<i64>,
    ) -> Result<Option<i64>, ConfigError> {
        match value {
            Some(value) if !range.contains(&value) => Err(self.invalid_file_value(
                key,
                format!("must be a whole number from {} to {}, not {value}", range.start(), range.end()),
            )),
            value => Ok(value),
        }
    }

    /// A list of the file, each of it parsed.
    pub(super) fn parse_list<T: FromStr<Err: fmt::Display>>(
        &self,
        key: &'static str,
        texts: Vec<String>,
    ) -> Result<Vec<T>, ConfigError> {
        let parse = |text: &String| {
            text.parse().map_err(|reason| self.invalid_file_value(key, format!("`{text}`: {reason}")))
        };
        texts.iter().map(parse).collect()
    }

    fn env_value(&self, key: SettingKey) -> Result<Option<(String, ValueSource)>, ConfigError> {
        let set = |name: &str| (self.env)(name).filter(|text| !text.is_empty());
        match (set(key.variable), set(&format!("{}_FILE", key.variable))) {
            (Some(_), Some(_)) => Err(ConfigError::VariableAndFile { key: key.name, variable: key.variable }),
            (Some(text), None) => Ok(Some((text, ValueSource::EnvVar(key.variable)))),
            (None, None) => Ok(None),
            (None, Some(path)) => {
                let value_source = ValueSource::EnvVarFile(key.variable);
                match std::fs::read_to_string(&path) {
                    Ok(text) => Ok(Some((strip_trailing_newline(&text).to_owned(), value_source))),
                    Err(error) => Err(ConfigError::Invalid {
                        key: key.name,
                        value_source,
                        reason: format!("cannot read {path}: {error}"),
                    }),
                }
            }
        }
    }
}

/// What a file holds, without the newline that editors and `echo` put at its end.
pub(super) fn strip_trailing_newline(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

/// What TOML has to say, without the line that it would quote: that may hold a secret.
fn malformed_toml(path: PathBuf, text: &str, mut error: toml::de::Error) -> ConfigError {
    let start = error.span().map_or(0, |span| span.start);
    let line = text.bytes().take(start).filter(|byte| *byte == b'\n').count() + 1;
    // Without its input, the error names the key instead of quoting the line.
    error.set_input(None);
    let reason = error.to_string().trim_end().replace('\n', " ");
    ConfigError::Malformed { path, line, reason }
}
