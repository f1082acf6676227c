//! The templates of mails, which the operator can override.
//!
//! Each kind of mail has three templates in Jinja syntax (minijinja): `request.subject.txt`,
//! `request.txt` and `request.html` for a request, `password.*` for a password link, `decision.*` for the
//! decision of a request, `daily.*` for the daily mail, and `notice.*` for what happened to an account or a user's data. A file with that name in the operator's directory
//! overrides the built-in template in all languages; a file with a language in its name
//! (`request.de.txt`) overrides it in that language. `layout.html` is the layout of the built-in
//! HTML templates. Templates can use these values:
//!
//! | name | value |
//! |---|---|
//! | `to.name`, `to.email` | the recipient; without a name, `to.name` is the address |
//! | `link` | the link with the token; of a notice, a page of this server |
//! | `expires` | when the link expires, as text, in UTC; none in a notice |
//! | `server_url` | the URL of this server |
//! | `lang` | the recipient's language: `en` or `de` |
//! | `t("key", name=value)` | a message in that language (`src/i18n`) |
//! | request: `requester.name`, `requester.email` | the requester |
//! | request: `bundle.name`, `bundle.description` | the bundle; the description may be empty |
//! | request: `bundle.rights` | the rights that are asked for, as a list of texts |
//! | request: `purpose` | why the requester asks, or none |
//! | request: `duration` | how long the permission should last, as text; none: until revoked |
//! | notice: `notice` | its name, such as `password-changed` |
//! | notice: `permission` | none, or `target`, `grantee` and `bundle` of a permission |
//! | decision: `approved` | true if the request was approved, false if it was declined |
//! | decision: `target.name`, `target.email` | the user who decided |
//! | decision: `bundle` | as in a request, with the granted rights |
//! | decision: `until`, `reason` | the end of the permission, and why the request was declined; or none |
//! | daily: `count`, `more` | the number of items, and of those that are not in the lists |
//! | daily: `pending`, `expired` | requests: `name` and `email` of the other party, `bundle`, `until`; and the `link` of pending ones |
//! | daily: `granted`, `received` | permissions that end soon: `name` and `email` of the other party, `bundle`, `until` |
//! | daily: `exports` | export tokens: `hub`, `node`, `until` |
//! | daily, decision: `unsubscribe` | the link that turns off the mail |
//! | password link: `new_account` | true for a new account, false for a forgotten password |
//!
//! Other values are errors, which the server reports at startup. Values are escaped in HTML.
//! Plain text is wrapped at 78 characters, except at places without a blank, so that links stay
//! intact.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use minijinja::value::Kwargs;
use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior, Value, context,
};

use super::samples::{
    DailyItem, sample_daily, sample_decisions, sample_notice, sample_password, sample_request,
};
use crate::domain::notice::Notice;
use crate::i18n::{Language, template};

/// The maximum length of a line of plain text in characters (RFC 5322, 2.1.1).
const MAX_LINE_CHARS: usize = 78;

/// The layout of the built-in HTML templates.
const LAYOUT_TEMPLATE: (&str, &str) = ("layout.html", include_str!("templates/layout.html"));

/// A kind of mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum TemplateKind {
    Request,
    Password,
    Notice,
    Decisions,
    Daily,
}

/// A part of a mail: the suffix of its template's name, and the built-in template.
type TemplatePart = (&'static str, &'static str);

impl TemplateKind {
    const ALL: [Self; 5] = [Self::Request, Self::Password, Self::Notice, Self::Decisions, Self::Daily];

    const fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Password => "password",
            Self::Notice => "notice",
            Self::Decisions => "decisions",
            Self::Daily => "daily",
        }
    }

    /// The subject, the plain text and the HTML.
    const fn parts(self) -> [TemplatePart; 3] {
        match self {
            Self::Request => [
                ("subject.txt", include_str!("templates/request.subject.txt")),
                ("txt", include_str!("templates/request.txt")),
                ("html", include_str!("templates/request.html")),
            ],
            Self::Password => [
                ("subject.txt", include_str!("templates/password.subject.txt")),
                ("txt", include_str!("templates/password.txt")),
                ("html", include_str!("templates/password.html")),
            ],
            Self::Notice => [
                ("subject.txt", include_str!("templates/notice.subject.txt")),
                ("txt", include_str!("templates/notice.txt")),
                ("html", include_str!("templates/notice.html")),
            ],
            Self::Decisions => [
                ("subject.txt", include_str!("templates/decisions.subject.txt")),
                ("txt", include_str!("templates/decisions.txt")),
                ("html", include_str!("templates/decisions.html")),
            ],
            Self::Daily => [
                ("subject.txt", include_str!("templates/daily.subject.txt")),
                ("txt", include_str!("templates/daily.txt")),
                ("html", include_str!("templates/daily.html")),
            ],
        }
    }
}

/// The loaded templates.
#[derive(Debug)]
pub struct Templates {
    environment: Environment<'static>,
    /// The names of the templates of each kind's parts in each language.
    template_names: BTreeMap<(TemplateKind, &'static str), [String; 3]>,
}

/// The rendered parts of a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RenderedMail {
    pub(super) subject: String,
    pub(super) text: String,
    pub(super) html: String,
}

/// The reason why templates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    #[error("mail_templates: cannot read {}: {reason}", path.display())]
    Unreadable {
        /// The file or the directory.
        path: PathBuf,
        reason: String,
    },
    /// A template has a syntax error, or uses an unknown value.
    #[error("mail_templates: {file}, line {line}: {reason}")]
    Invalid {
        /// The file or the name of a built-in template.
        file: String,
        /// Counted from 1.
        line: usize,
        reason: String,
    },
}

impl Templates {
    /// Loads the operator's templates from a directory, and the built-in ones for the others.
    /// Renders each with sample values, so that a broken template is reported now and not with
    /// the first mail.
    pub fn load(directory: Option<&Path>) -> Result<Self, TemplateError> {
        if let Some(path) = directory {
            std::fs::read_dir(path).map_err(|error| TemplateError::Unreadable {
                path: path.to_owned(),
                reason: error.to_string(),
            })?;
        }
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_formatter(write_escaped);
        environment.add_function("t", t);
        let mut add = |name: &str, source: String| {
            environment
                .add_template_owned(name.to_owned(), source)
                .map_err(|error| template_error(name, &error))
        };
        let (name, built_in) = LAYOUT_TEMPLATE;
        let layout =
            read_override(directory, name)?.map_or_else(|| built_in.to_owned(), |(_, source)| source);
        add(name, layout)?;
        let mut names = BTreeMap::new();
        for (kind, language) in
            TemplateKind::ALL.into_iter().flat_map(|kind| Language::ALL.map(|all| (kind, all)))
        {
            let mut chosen = [const { String::new() }; 3];
            for (chosen, part) in chosen.iter_mut().zip(kind.parts()) {
                let (name, source) = resolve_template(directory, kind, language, part)?;
                add(&name, source)?;
                *chosen = name;
            }
            names.insert((kind, language.tag()), chosen);
        }
        let templates = Self { environment, template_names: names };
        for language in Language::ALL {
            for flag in [false, true] {
                templates.render(TemplateKind::Request, language, sample_request(flag))?;
                templates.render(TemplateKind::Password, language, sample_password(flag))?;
                templates.render(TemplateKind::Decisions, language, sample_decisions(&[flag]))?;
            }
            templates.render(TemplateKind::Decisions, language, sample_decisions(&[true, false]))?;
            for item in DailyItem::ALL {
                templates.render(TemplateKind::Daily, language, sample_daily(&[item]))?;
            }
            templates.render(TemplateKind::Daily, language, sample_daily(&DailyItem::ALL))?;
            for notice in Notice::ALL {
                templates.render(TemplateKind::Notice, language, sample_notice(notice))?;
            }
        }
        Ok(templates)
    }

    /// Renders the parts of a mail.
    pub(super) fn render(
        &self,
        kind: TemplateKind,
        language: Language,
        values: Value,
    ) -> Result<RenderedMail, TemplateError> {
        let values = context! { lang => language.tag(), ..values };
        let render = |name: &str| {
            let template = self.environment.get_template(name);
            let text = template.and_then(|template| template.render(values.clone()));
            text.map(|text| text.replace('\r', "")).map_err(|error| template_error(name, &error))
        };
        let missing = || TemplateError::Invalid {
            file: kind.name().to_owned(),
            line: 1,
            reason: "template not found".to_owned(),
        };
        let [subject, text, html] = self.template_names.get(&(kind, language.tag())).ok_or_else(missing)?;
        Ok(RenderedMail { subject: render(subject)?, text: wrap_lines(&render(text)?), html: render(html)? })
    }
}

/// The name and the source of a part's template in a language.
fn resolve_template(
    directory: Option<&Path>,
    kind: TemplateKind,
    language: Language,
    (part, built_in): TemplatePart,
) -> Result<(String, String), TemplateError> {
    let (kind, tag) = (kind.name(), language.tag());
    let default_name = format!("{kind}.{part}");
    for name in [&format!("{kind}.{tag}.{part}"), &default_name] {
        if let Some(override_template) = read_override(directory, name)? {
            return Ok(override_template);
        }
    }
    Ok((default_name, built_in.to_owned()))
}

/// The path and the source of the operator's template with this name, if there is one.
fn read_override(directory: Option<&Path>, name: &str) -> Result<Option<(String, String)>, TemplateError> {
    let Some(path) = directory.map(|directory| directory.join(name)) else { return Ok(None) };
    match std::fs::read_to_string(&path) {
        Ok(source) => Ok(Some((path.display().to_string(), source))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(TemplateError::Unreadable { path, reason: error.to_string() }),
    }
}

/// [`template::t`], for which an unknown message is an error.
fn t(state: &State<'_, '_>, key: &str, values: Kwargs) -> Result<Value, Error> {
    if !template::language(state).contains(key) {
        return Err(Error::new(ErrorKind::InvalidOperation, format!("unknown message `{key}`")));
    }
    template::t(state, key, values)
}

fn template_error(name: &str, error: &Error) -> TemplateError {
    TemplateError::Invalid {
        file: error.name().unwrap_or(name).to_owned(),
        line: error.line().unwrap_or(1),
        reason: match error.detail() {
            Some(detail) => format!("{}: {detail}", error.kind()),
            None => error.kind().to_string(),
        },
    }
}

/// Writes a value, escaped in HTML. minijinja's own escaping includes the slash, which makes links
/// unreadable in the source.
fn write_escaped(out: &mut Output, state: &mut State, value: &Value) -> Result<(), Error> {
    if value.is_safe() || matches!(state.auto_escape(), AutoEscape::None) {
        return Ok(write!(out, "{value}")?);
    }
    for c in value.to_string().chars() {
        match c {
            '&' => out.write_str("&amp;")?,
            '<' => out.write_str("&lt;")?,
            '>' => out.write_str("&gt;")?,
            '"' => out.write_str("&quot;")?,
            '\'' => out.write_str("&#39;")?,
            c => write!(out, "{c}")?,
        }
    }
    Ok(())
}

/// Wraps long lines at blanks. The continuation is indented like the line, and by two more after
/// `- `.
fn wrap_lines(text: &str) -> String {
    let mut wrapped = String::with_capacity(text.len() + text.len() / 16);
    for line in text.lines() {
        if line.chars().count() <= MAX_LINE_CHARS {
            wrapped.push_str(line);
        } else {
            let text = line.trim_start();
            let mut indent = " ".repeat(line.len() - text.len());
            let mut column = indent.len();
            wrapped.push_str(&indent);
            if text.starts_with("- ") {
                indent.push_str("  ");
            }
            for (index, word) in text.split_whitespace().enumerate() {
                let width = word.chars().count();
                if index > 0 && column + 1 + width > MAX_LINE_CHARS {
                    wrapped.push('\n');
                    wrapped.push_str(&indent);
                    column = indent.len();
                } else if index > 0 {
                    wrapped.push(' ');
                    column += 1;
                }
                wrapped.push_str(word);
                column += width;
            }
        }
        wrapped.push('\n');
    }
    wrapped
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn load(files: &[(&str, &str)]) -> Result<Templates, TemplateError> {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        Templates::load(Some(directory.path()))
    }

    #[test]
    fn built_in_templates_render() {
        let templates = Templates::load(None).unwrap();
        let mail = templates.render(TemplateKind::Request, Language::English, sample_request(true)).unwrap();
        assert_eq!(mail.subject, "Grace Hopper asks for your permission: Research");
        assert!(mail.text.contains("\n\nhttps://example.org/redeem?token=abc\n\n"));
        assert!(mail.html.contains("href=\"https://example.org/redeem?token=abc\""));
        assert!(mail.html.contains("A &lt;b&gt;"));
        assert!(mail.text.is_ascii() && mail.html.is_ascii(), "readable without decoding");
    }

    #[test]
    fn operator_template_overrides_the_built_in_one() {
        let templates =
            load(&[("request.subject.txt", "Bitte um {{ bundle.name }}"), ("notes.md", "{{")]).unwrap();
        let built_in = Templates::load(None).unwrap();
        for language in Language::ALL {
            let [overridden, original] = [&templates, &built_in]
                .map(|each| each.render(TemplateKind::Request, language, sample_request(false)).unwrap());
            assert_eq!(overridden.subject, "Bitte um Research");
            assert_eq!((overridden.text, overridden.html), (original.text, original.html));
        }
    }

    #[test]
    fn operator_template_for_one_language_leaves_the_others_unchanged() {
        let files = [("password.de.txt", "Los: {{ link }}"), ("password.txt", "{{ lang }}: {{ link }}")];
        let templates = load(&files).unwrap();
        let text = |language| {
            templates.render(TemplateKind::Password, language, sample_password(true)).unwrap().text
        };
        assert_eq!(text(Language::German), "Los: https://example.org/set-password?token=abc\n");
        assert_eq!(text(Language::English), "en: https://example.org/set-password?token=abc\n");
    }

    #[test]
    fn operator_layout_applies_to_every_html_mail() {
        let templates = load(&[("layout.html", "<p>{% block content %}{% endblock %}</p>")]).unwrap();
        for (kind, sample) in
            [(TemplateKind::Request, sample_request(true)), (TemplateKind::Password, sample_password(false))]
        {
            let html = templates.render(kind, Language::German, sample).unwrap().html;
            assert!(html.starts_with("<p>") && html.ends_with("</p>"), "{html}");
        }
    }

    #[test]
    fn invalid_template_is_reported_at_startup_with_file_and_line() {
        for (name, text, line, reason) in [
            ("request.txt", "Hello\n\n{{ to.nmae }}", 3, "undefined value"),
            ("request.html", "<p>\n{{ requester.name", 2, "syntax error"),
            ("request.subject.txt", "{% include 'other' %}", 1, "template not found"),
            ("password.txt", "{{ requester.name }}", 1, "undefined value"),
            ("password.de.html", "\n{{ t('nonsense') }}", 2, "invalid operation: unknown message `nonsense`"),
            (
                "request.txt",
                "{% if bundle.description == '' %}\n{{ nothing }}{% endif %}",
                2,
                "undefined value",
            ),
        ] {
            let error = load(&[(name, text)]).unwrap_err().to_string();
            assert!(error.contains(&format!("{name}, line {line}: {reason}")), "{error}");
        }
    }

    #[test]
    fn missing_template_directory_is_an_error() {
        let error = Templates::load(Some(Path::new("nowhere"))).unwrap_err().to_string();
        assert!(error.starts_with("mail_templates: cannot read nowhere: "));
    }

    #[test]
    fn long_lines_break_at_blanks_and_keep_their_indent() {
        let long = format!("  - {}", "word ".repeat(40).trim_end());
        let wrapped = wrap_lines(&long);
        let lines: Vec<&str> = wrapped.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[0].starts_with("  - word") && lines[1].starts_with("    word"));
    }

    proptest! {
        #[test]
        fn wrapping_keeps_every_word_whole(text in "([a-z]{1,12}[ \n]){0,60}[a-z/:?=]{0,120}") {
            let wrapped = wrap_lines(&text);
            prop_assert_eq!(
                wrapped.split_whitespace().collect::<Vec<_>>(),
                text.split_whitespace().collect::<Vec<_>>()
            );
            for line in wrapped.lines() {
                prop_assert!(line.chars().count() <= MAX_LINE_CHARS || !line.trim().contains(' '), "{}", line);
            }
        }
    }
}
