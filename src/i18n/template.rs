//! What templates may say: of a page or a mail, in its language, whose tag each of them
//! knows as `lang`.

use fluent_bundle::FluentArgs;
use minijinja::value::Kwargs;
use minijinja::{Error, HtmlEscape, State, Value};

use super::{Language, text};

/// `{{ say("key", name=value) }}`: a message, in the language of what is written. With a
/// value that is HTML already, such as [`bdi`]'s, the message is, too.
pub fn t(state: &State<'_, '_>, key: &str, values: Kwargs) -> Result<Value, Error> {
    let named = |name| values.get::<Value>(name).map(|value| (name, value));
    let values: Vec<(&str, Value)> = values.args().map(named).collect::<Result<_, _>>()?;
    let html = values.iter().any(|(_, value)| value.is_safe());
    let mut args = FluentArgs::new();
    for (name, value) in values {
        match value.as_i64() {
            Some(number) if value.is_number() => args.set(name.to_owned(), number),
            _ if html && !value.is_safe() => {
                args.set(name.to_owned(), text(HtmlEscape(&value.to_string()).to_string()));
            }
            _ => args.set(name.to_owned(), text(value.to_string())),
        }
    }
    let message = language(state).format(key, &args);
    Ok(if html { Value::from_safe_string(message) } else { Value::from(message) })
}

/// `{{ name | bdi }}`: a name that somebody chose, which is read in its own direction and
/// turns nothing that stands beside it.
pub fn bdi(name: &str) -> Value {
    Value::from_safe_string(format!("<bdi>{}</bdi>", HtmlEscape(name)))
}

/// The language of what is written.
pub fn language(state: &State<'_, '_>) -> Language {
    let tag = state.lookup("lang");
    tag.and_then(|tag| Language::from_tag(tag.as_str()?)).unwrap_or_default()
}
