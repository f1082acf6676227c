//! The configuration file: TOML with the keys of the [table](super::keys).

use std::collections::HashMap;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeArray, DeInteger, DeTable, DeValue};

use super::ConfigError;
use super::keys::{self, Key, ValueType};

/// The values of a file, by the names of their keys. Numbers are decimal texts, so that they are
/// parsed like those of an environment variable.
#[derive(Default)]
pub(super) struct ConfigFile {
    texts: HashMap<&'static str, String>,
    lists: HashMap<&'static str, Vec<String>>,
}

impl ConfigFile {
    /// Parses the text of a file. Errors never contain a value: it may be a secret.
    pub(super) fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let malformed = |start: usize, reason: String| ConfigError::Malformed {
            path: path.to_owned(),
            line: text.bytes().take(start).filter(|byte| *byte == b'\n').count() + 1,
            reason,
        };
        let document = DeTable::parse(text).map_err(|mut error| {
            let start = error.span().map_or(0, |span| span.start);
            // Without its input, the error does not quote the line.
            error.set_input(None);
            malformed(start, error.to_string().trim_end().replace('\n', " "))
        })?;
        let mut file = Self::default();
        for (name, value) in document.get_ref() {
            file.add_value(name.get_ref(), name.span().start, value)
                .map_err(|(start, reason)| malformed(start, reason))?;
        }
        Ok(file)
    }

    /// The value of a text or integer key.
    pub(super) fn text(&self, key: &Key) -> Option<&str> {
        self.texts.get(key.name).map(String::as_str)
    }

    /// The values of a list key; empty if the file does not have it.
    pub(super) fn list(&self, key: &Key) -> &[String] {
        self.lists.get(key.name).map_or(&[], Vec::as_slice)
    }

    /// Adds a key, or the keys of a section. An error comes with its place in the text.
    fn add_value(
        &mut self,
        name: &str,
        start: usize,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<(), (usize, String)> {
        match value.get_ref() {
            DeValue::Table(section) if Key::is_section(name) => {
                section.iter().try_for_each(|(key, value)| {
                    self.add_value(&format!("{name}.{}", key.get_ref()), key.span().start, value)
                })
            }
            _ if Key::is_section(name) => Err((start, format!("`{name}` must be a section: [{name}]"))),
            _ => self.add(name, value).map_err(|reason| (start, reason)),
        }
    }

    fn add(&mut self, name: &str, value: &Spanned<DeValue<'_>>) -> Result<(), String> {
        let key = Key::find(name).ok_or_else(|| unknown_key(name))?;
        match (key.value_type, value.get_ref()) {
            (ValueType::Text(_), DeValue::String(text)) => {
                self.texts.insert(key.name, text.to_string());
            }
            (ValueType::Integer(..), DeValue::Integer(number)) => {
                let number = parse_integer(number).ok_or_else(|| wrong_type(key))?;
                self.texts.insert(key.name, number.to_string());
            }
            (ValueType::List(_), DeValue::Array(items)) => {
                let texts = parse_texts(items).ok_or_else(|| wrong_type(key))?;
                self.lists.insert(key.name, texts);
            }
            _ => return Err(wrong_type(key)),
        }
        Ok(())
    }
}

fn parse_integer(number: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

fn parse_texts(items: &DeArray<'_>) -> Option<Vec<String>> {
    items.iter().map(|item| item.get_ref().as_str().map(str::to_owned)).collect()
}

fn wrong_type(key: &Key) -> String {
    let name = key.name;
    match key.value_type {
        ValueType::Text(_) => format!("{name} must be a text in quotes"),
        ValueType::Integer(min, max) => format!("{name} must be a whole number from {min} to {max}"),
        ValueType::List(_) => format!("{name} must be a list of texts, for example [\"a\", \"b\"]"),
    }
}

fn unknown_key(name: &str) -> String {
    let section = name.rsplit_once('.').map(|(section, _)| section);
    let known: Vec<&str> = keys::all().filter(|key| key.section() == section).map(|key| key.name).collect();
    format!("unknown key `{name}`; use one of {}", known.join(", "))
}
