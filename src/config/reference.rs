//! The tests that keep `docs/reference/configuration.md` and `countersign.example.toml` in line
//! with the table of keys. `make config-reference` writes the page.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use super::keys::{self, DefaultValue, Key, ValueType, VariableName};
use super::{CliOverrides, Config};

/// What follows this line in the page is generated.
const MARKER: &str =
    "<!-- Generated from src/config/keys.rs: UPDATE_DOCS=1 cargo test --lib config::reference -->";

/// The title of the section of a key: `[requests]`, or the first words for keys without section.
const SECTIONS: [(Option<&str>, &str); 13] = [
    (None, "Server"),
    (Some("mail"), "`[mail]`"),
    (Some("requests"), "`[requests]`"),
    (Some("permissions"), "`[permissions]`"),
    (Some("mfs"), "`[mfs]`"),
    (Some("cors"), "`[cors]`"),
    (Some("limits"), "`[limits]`"),
    (Some("metrics"), "`[metrics]`"),
    (Some("controller"), "`[controller]`"),
    (Some("audit"), "`[audit]`"),
    (Some("audit.stream"), "`[audit.stream]`"),
    (Some("webhooks"), "`[webhooks]`"),
    (Some("log"), "`[log]`"),
];

fn project_file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn value_type(key: &Key) -> String {
    match key.value_type {
        ValueType::Text(kind) => kind.to_owned(),
        ValueType::Integer(min, max) => format!("whole number, {min} to {max}"),
        ValueType::List(items) => format!("list of {items}"),
    }
}

fn default_value(key: &Key) -> String {
    match key.default {
        DefaultValue::Value(text) => format!("`{text}`"),
        DefaultValue::Described(description) => description.to_owned(),
        DefaultValue::EmptyList => "`[]`".to_owned(),
    }
}

fn reference() -> String {
    let mut page = String::new();
    for (section, title) in SECTIONS {
        writeln!(
            page,
            "\n## {title}\n\n| Key | Value | Default | Variable | Meaning |\n|---|---|---|---|---|"
        )
        .unwrap();
        for key in keys::all().filter(|key| key.section() == section) {
            let name = key.name.rsplit('.').next().unwrap();
            let variable = key.variable_name().map(|name| format!("`{name}`")).unwrap_or_default();
            let (value, default, text) = (value_type(key), default_value(key), key.description);
            writeln!(page, "| `{name}` | {value} | {default} | {variable} | {text} |").unwrap();
        }
    }
    page
}

#[test]
fn every_key_is_in_a_section_of_the_reference() {
    for key in keys::all() {
        assert!(SECTIONS.iter().any(|(section, _)| *section == key.section()), "{}", key.name);
    }
}

#[test]
fn the_reference_page_has_every_key() {
    let path = project_file("docs/reference/configuration.md");
    let page = fs::read_to_string(&path).unwrap();
    let (introduction, generated) = page.split_once(MARKER).expect("the page has no generated part");
    let expected = format!("\n{}", reference());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, format!("{introduction}{MARKER}{expected}")).unwrap();
    } else {
        assert_eq!(generated, expected, "the page is stale; run the command in its comment");
    }
}

/// The keys of the example file, with their values as TOML. Every key is a comment there.
fn example_keys(example: &str) -> Vec<(String, String)> {
    let mut section = String::new();
    let mut keys = Vec::new();
    for line in example.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = format!("{}.", name.trim_end_matches(']'));
        } else if let Some((name, value)) = line.strip_prefix('#').and_then(|rest| rest.split_once(" = "))
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        {
            let value = value.split(" #").next().unwrap_or_default().trim();
            keys.push((format!("{section}{name}"), value.to_owned()));
        }
    }
    keys
}

#[test]
fn the_example_file_has_every_key_with_its_default() {
    let example = fs::read_to_string(project_file("countersign.example.toml")).unwrap();
    let found = example_keys(&example);
    let mut names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    let mut expected: Vec<&str> = keys::all().map(|key| key.name).collect();
    names.sort_unstable();
    expected.sort_unstable();
    assert_eq!(names, expected);
    for (name, value) in &found {
        let key = Key::find(name).unwrap();
        let expected = match (key.default, key.value_type) {
            (DefaultValue::Value(text), ValueType::Integer(..)) => text.to_owned(),
            (DefaultValue::Value(text), _) => format!("\"{text}\""),
            (DefaultValue::EmptyList, _) => "[]".to_owned(),
            (DefaultValue::Described(_), _) => continue,
        };
        assert_eq!(*value, expected, "{name}");
    }
    for key in keys::all() {
        if let VariableName::Named(name) = key.variable {
            assert!(example.contains(name), "{name} is not mentioned");
        }
    }
}

#[test]
fn the_example_file_is_a_valid_configuration() {
    let path = project_file("countersign.example.toml");
    Config::load(Some(&path), |_| None, CliOverrides::default()).unwrap();
}
