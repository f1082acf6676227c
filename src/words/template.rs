//! What templates may say: of a page or a mail, in its language, whose tag each of them
//! knows as `lang`.

use fluent_bundle::FluentArgs;
use minijinja::value::Kwargs;
use minijinja::{Error, State, Value};

use super::{Language, text};

/// `{{ say("key", name=value) }}`: a message, in the language of what is written.
pub fn say(state: &State<'_, '_>, key: &str, values: Kwargs) -> Result<String, Error> {
    let mut args = FluentArgs::new();
    for name in values.args() {
        let value: Value = values.get(name)?;
        match value.as_i64() {
            Some(number) if value.is_number() => args.set(name.to_owned(), number),
            _ => args.set(name.to_owned(), text(value.to_string())),
        }
    }
    Ok(language(state).format(key, &args))
}

/// The language of what is written.
pub fn language(state: &State<'_, '_>) -> Language {
    let tag = state.lookup("lang");
    tag.and_then(|tag| Language::of_tag(tag.as_str()?)).unwrap_or_default()
}
