//! The functions and filters that localize templates. The variable `lang` of a template is the
//! tag of its language.

use fluent_bundle::FluentArgs;
use minijinja::value::Kwargs;
use minijinja::{Error, HtmlEscape, State, Value};

use super::{Language, text};

/// `{{ t("key", name=value) }}`: a message in the language of the template. If an argument is
/// safe HTML, such as the result of [`bdi`], the message is safe HTML and the other arguments are
/// escaped.
pub fn t(state: &State<'_, '_>, key: &str, values: Kwargs) -> Result<Value, Error> {
    let argument = |name| values.get::<Value>(name).map(|value| (name, value));
    let values: Vec<(&str, Value)> = values.args().map(argument).collect::<Result<_, _>>()?;
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

/// `{{ name | bdi }}`: a user-supplied name, isolated from the text direction around it.
pub fn bdi(name: &str) -> Value {
    Value::from_safe_string(format!("<bdi>{}</bdi>", HtmlEscape(name)))
}

/// The language of the template.
pub fn language(state: &State<'_, '_>) -> Language {
    let tag = state.lookup("lang");
    tag.and_then(|tag| Language::from_tag(tag.as_str()?)).unwrap_or_default()
}
