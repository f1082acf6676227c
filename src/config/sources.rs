//! Where settings come from: the command line, the environment, the file, the default. The first
//! of them that has a value decides.

use std::borrow::Cow;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::file::ConfigFile;
use super::keys::{DefaultValue, Key};
use super::{ConfigError, DEFAULT_CONFIG_FILE};

/// Settings from the command line.
#[derive(Clone, Default)]
pub struct CliOverrides {
    pub bind: Option<String>,
    pub database_url: Option<String>,
    pub smtp_url: Option<String>,
    pub mail_from: Option<String>,
    pub mail_directory: Option<PathBuf>,
    pub public_url: Option<String>,
}

/// Shows no value: URLs contain passwords.
impl fmt::Debug for CliOverrides {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CliOverrides").finish_non_exhaustive()
    }
}

/// Where a value came from, for error messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueSource {
    /// The configuration file.
    File(PathBuf),
    /// The environment variable with this name.
    EnvVar(Cow<'static, str>),
    /// The file that the environment variable `…_FILE` names.
    EnvVarFile(Cow<'static, str>),
    /// The flag of the command line for this key.
    Flag(&'static str),
    /// The default of the key.
    Default,
}

impl fmt::Display for ValueSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "in {}", path.display()),
            Self::EnvVar(name) => write!(f, "environment variable {name}"),
            Self::EnvVarFile(name) => write!(f, "environment variable {name}_FILE"),
            Self::Flag(key) => write!(f, "flag --{}", key.replace('_', "-")),
            Self::Default => f.write_str("default"),
        }
    }
}

/// Why a value is invalid. As a `Copy` type it has no text of its own, so it cannot quote the value, which may be
/// a password that was set for the wrong key.
pub(super) trait ValueError: fmt::Display + Copy + 'static {}

impl<E: fmt::Display + Copy + 'static> ValueError for E {}

/// A setting before it is parsed.
pub(super) struct Setting {
    key: &'static str,
    value: Option<(String, ValueSource)>,
}

impl Setting {
    /// Parses the value; `None` if no source has one.
    pub(super) fn parse_optional<T, E: ValueError>(
        self,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, ConfigError> {
        let Some((text, value_source)) = self.value else { return Ok(None) };
        let invalid =
            |error: E| ConfigError::Invalid { key: self.key, value_source, reason: error.to_string() };
        parse(&text).map(Some).map_err(invalid)
    }

    /// Parses the value of a key that has a default.
    pub(super) fn parse_with<T, E: ValueError>(
        self,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, ConfigError> {
        let key = self.key;
        self.parse_optional(parse)?.ok_or(ConfigError::Missing { key })
    }

    /// [`Self::parse_with`] the type's own parser.
    pub(super) fn parse<T: FromStr<Err: ValueError>>(self) -> Result<T, ConfigError> {
        self.parse_with(T::from_str)
    }
}

/// The environment and the configuration file.
pub(super) struct Sources<E> {
    path: PathBuf,
    file: ConfigFile,
    env: E,
}

impl<E: Fn(&str) -> Option<String>> Sources<E> {
    /// Reads the file: `path`, which must exist, or [`DEFAULT_CONFIG_FILE`], if it exists.
    pub(super) fn load(path: Option<&Path>, env: E) -> Result<Self, ConfigError> {
        let (path, is_optional) = (path.unwrap_or(Path::new(DEFAULT_CONFIG_FILE)), path.is_none());
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if is_optional && error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => {
                return Err(ConfigError::Unreadable { path: path.to_owned(), reason: error.to_string() });
            }
        };
        Ok(Self { path: path.to_owned(), file: ConfigFile::parse(path, &text)?, env })
    }

    /// The setting of a key that has no flag.
    pub(super) fn get(&self, key: &Key) -> Result<Setting, ConfigError> {
        self.get_or_flag(key, None)
    }

    /// The setting of a key that has a flag.
    pub(super) fn get_or_flag(&self, key: &Key, flag: Option<String>) -> Result<Setting, ConfigError> {
        let value = match (flag, self.env_value(key)?, self.file.text(key), key.default) {
            (Some(flag), ..) => Some((trim(&flag).to_owned(), ValueSource::Flag(key.name))),
            (None, Some(variable), ..) => Some(variable),
            (None, None, Some(text), _) => {
                Some((trim(text).to_owned(), ValueSource::File(self.path.clone())))
            }
            (None, None, None, DefaultValue::Value(text)) => Some((text.to_owned(), ValueSource::Default)),
            (None, None, None, DefaultValue::Described(_) | DefaultValue::EmptyList) => None,
        };
        Ok(Setting { key: key.name, value })
    }

    /// A list of the environment, with commas between the items, or of the file; each item is parsed.
    pub(super) fn list<T: FromStr<Err: ValueError>>(&self, key: &Key) -> Result<Vec<T>, ConfigError> {
        let (texts, value_source) = match self.env_value(key)? {
            Some((text, source)) => (split_items(&text), source),
            None => (self.file.list(key).to_vec(), ValueSource::File(self.path.clone())),
        };
        let parse = |(index, text): (usize, &String)| {
            trim(text).parse().map_err(|error| ConfigError::Invalid {
                key: key.name,
                value_source: value_source.clone(),
                reason: format!("item {}: {error}", index + 1),
            })
        };
        texts.iter().enumerate().map(parse).collect()
    }

    /// Whether the file has a value for a text or integer key.
    pub(super) fn has_file_value(&self, key: &Key) -> bool {
        self.file.text(key).is_some()
    }

    /// The error for a value of the file.
    pub(super) fn invalid_file_value(&self, key: &Key, reason: String) -> ConfigError {
        ConfigError::Invalid { key: key.name, value_source: ValueSource::File(self.path.clone()), reason }
    }

    /// A variable that is not blank.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        (self.env)(name).map(|text| trim(&text).to_owned()).filter(|text| !text.is_empty())
    }

    fn env_value(&self, key: &Key) -> Result<Option<(String, ValueSource)>, ConfigError> {
        let Some(variable) = key.variable_name() else { return Ok(None) };
        let values = (self.variable(&variable), self.variable(&format!("{variable}_FILE")));
        let (text, value_source) = match values {
            (Some(_), Some(_)) => return Err(ConfigError::VariableAndFile { key: key.name, variable }),
            (None, None) => return Ok(None),
            (Some(text), None) => (Ok(text), ValueSource::EnvVar(variable)),
            (None, Some(path)) => (read_value(&path), ValueSource::EnvVarFile(variable)),
        };
        // In a variable, the replacement character stands for what is not UTF-8.
        let text = text.and_then(|text| match text.contains(char::REPLACEMENT_CHARACTER) {
            true => Err("must be UTF-8".to_owned()),
            false => Ok(text),
        });
        match text {
            Ok(text) => Ok(Some((text, value_source))),
            Err(reason) => Err(ConfigError::Invalid { key: key.name, value_source, reason }),
        }
    }
}

/// The value in a file that a variable names. The path is not quoted: the variable may contain the
/// secret itself by mistake.
fn read_value(path: &str) -> Result<String, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("cannot read the file that it names: {error}"))?;
    match trim(&text) {
        "" => Err("the file that it names is empty".to_owned()),
        text => Ok(text.to_owned()),
    }
}

/// The text is not a whole number in the range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a whole number from {min} to {max}")]
pub(super) struct OutOfRange {
    min: i64,
    max: i64,
}

/// A parser of whole numbers in this range.
pub(super) fn integer(range: RangeInclusive<i64>) -> impl Fn(&str) -> Result<i64, OutOfRange> {
    move |text| {
        let number = text.parse().ok().filter(|number| range.contains(number));
        number.ok_or(OutOfRange { min: *range.start(), max: *range.end() })
    }
}

fn split_items(text: &str) -> Vec<String> {
    text.split(',').map(trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

/// A value without byte order marks and white space around it, which editors, `echo` and secret
/// stores add. This holds for the values of all keys from all sources.
pub(super) fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}')
}
