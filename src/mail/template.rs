//! The words of our mail, which an operator may change.
//!
//! Three templates (minijinja, in Jinja's syntax): `request.subject.txt`,
//! `request.txt` and `request.html`. A file of that name in the operator's
//! directory takes the place of the built-in one. What they may use:
//!
//! | name | what it is |
//! |---|---|
//! | `to.name`, `to.email` | who is asked; the name is the address if there is none |
//! | `asks.name`, `asks.email` | who asks |
//! | `bundle.name`, `bundle.description` | what for; the description may be empty |
//! | `bundle.rights` | the rights in words, a list |
//! | `link` | where to approve or decline |
//! | `expires` | until when, in words, UTC |
//! | `server` | the URL of this server |
//!
//! Anything else is an error, and found at the start of the server. What is put
//! into the HTML is escaped; the plain text is wrapped at 78 characters, save
//! what has no blank in it: a link stays in one piece.

use std::path::{Path, PathBuf};

use minijinja::{AutoEscape, Environment, Error, Output, State, UndefinedBehavior, Value, context};

/// The most characters in a line of text, where there are blanks (RFC 5322, 2.1.1).
const LINE: usize = 78;

/// The templates: each with the built-in words.
const SUBJECT: (&str, &str) = ("request.subject.txt", include_str!("templates/request.subject.txt"));
const TEXT: (&str, &str) = ("request.txt", include_str!("templates/request.txt"));
const HTML: (&str, &str) = ("request.html", include_str!("templates/request.html"));

/// The words of our mail, ready for use.
#[derive(Debug)]
pub struct Templates {
    environment: Environment<'static>,
    subject: String,
    text: String,
    html: String,
}

/// A mail's words, with everything in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) subject: String,
    pub(super) text: String,
    pub(super) html: String,
}

/// Why the words cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// A file or the directory cannot be read.
    #[error("mail_templates: {} cannot be read: {reason}", path.display())]
    Unreadable {
        /// The file, or the directory.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// A template is wrong, or wants what there is not.
    #[error("mail_templates: {file}, line {line}: {reason}")]
    Broken {
        /// The file, or the name of a built-in template.
        file: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
}

impl Templates {
    /// Takes the operator's templates from this directory, and the built-in ones
    /// for what is not there. Each is tried, so that one that is broken shows now
    /// and not with the first mail.
    pub fn load(directory: Option<&Path>) -> Result<Self, TemplateError> {
        if let Some(path) = directory {
            std::fs::read_dir(path).map_err(|error| TemplateError::Unreadable {
                path: path.to_owned(),
                reason: error.to_string(),
            })?;
        }
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_formatter(write_value);
        let mut add = |(name, built_in): (&str, &str)| {
            let (name, source) = choose(directory, name, built_in)?;
            environment.add_template_owned(name.clone(), source).map_err(|error| broken(&name, &error))?;
            Ok(name)
        };
        let (subject, text, html) = (add(SUBJECT)?, add(TEXT)?, add(HTML)?);
        let templates = Self { environment, subject, text, html };
        for description in ["", "Heart rate and breathing"] {
            templates.render(&sample(description))?;
        }
        Ok(templates)
    }

    /// Puts everything in its place.
    pub(super) fn render(&self, values: &Value) -> Result<Words, TemplateError> {
        let render = |name: &str| {
            let template = self.environment.get_template(name);
            let words = template.and_then(|template| template.render(values.clone()));
            words.map(|words| words.replace('\r', "")).map_err(|error| broken(name, &error))
        };
        Ok(Words {
            subject: render(&self.subject)?,
            text: wrap(&render(&self.text)?),
            html: render(&self.html)?,
        })
    }
}

/// The operator's template if there is one: what to call it, and what it says.
fn choose(directory: Option<&Path>, name: &str, built_in: &str) -> Result<(String, String), TemplateError> {
    if let Some(path) = directory.map(|directory| directory.join(name)) {
        match std::fs::read_to_string(&path) {
            Ok(source) => return Ok((path.display().to_string(), source)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(TemplateError::Unreadable { path, reason: error.to_string() }),
        }
    }
    Ok((name.to_owned(), built_in.to_owned()))
}

fn broken(name: &str, error: &Error) -> TemplateError {
    TemplateError::Broken {
        file: error.name().unwrap_or(name).to_owned(),
        line: error.line().unwrap_or(1),
        reason: match error.detail() {
            Some(detail) => format!("{}: {detail}", error.kind()),
            None => error.kind().to_string(),
        },
    }
}

fn sample(description: &str) -> Value {
    context! {
        to => context! { name => "Ada Lovelace", email => "ada@example.org" },
        asks => context! { name => "Grace Hopper", email => "grace@example.org" },
        bundle => context! {
            name => "Research",
            description => description,
            rights => vec!["look at your data", "download your data"],
        },
        link => "https://example.org/requests?token=abc",
        expires => "Tuesday, 1 January 2030 at 00:00 UTC",
        server => "https://example.org",
    }
}

/// Writes a value, escaped where that is called for. minijinja's own escaping
/// does the slash as well, which makes links unreadable in the source.
fn write_value(out: &mut Output, state: &mut State, value: &Value) -> Result<(), Error> {
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

/// Breaks lines at blanks where they are too long. What follows a break is
/// indented as the line is, and two more below a `- `.
fn wrap(text: &str) -> String {
    let mut wrapped = String::with_capacity(text.len() + text.len() / 16);
    for line in text.lines() {
        if line.chars().count() <= LINE {
            wrapped.push_str(line);
        } else {
            let words = line.trim_start();
            let mut indent = " ".repeat(line.len() - words.len());
            let mut column = indent.len();
            wrapped.push_str(&indent);
            if words.starts_with("- ") {
                indent.push_str("  ");
            }
            for (nth, word) in words.split_whitespace().enumerate() {
                let width = word.chars().count();
                if nth > 0 && column + 1 + width > LINE {
                    wrapped.push('\n');
                    wrapped.push_str(&indent);
                    column = indent.len();
                } else if nth > 0 {
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
    fn the_built_in_words_are_whole() {
        let words = Templates::load(None).unwrap().render(&sample("A <b>")).unwrap();
        assert_eq!(words.subject, "Grace Hopper asks for your permission: Research");
        assert!(words.text.contains("\n\nhttps://example.org/requests?token=abc\n\n"));
        assert!(words.html.contains("href=\"https://example.org/requests?token=abc\""));
        assert!(words.html.contains("A &lt;b&gt;"));
        assert!(words.text.is_ascii() && words.html.is_ascii(), "so that the mail stays readable as it is");
    }

    #[test]
    fn an_operators_file_takes_the_place_of_ours_and_the_rest_stays() {
        let templates =
            load(&[("request.subject.txt", "Bitte um {{ bundle.name }}"), ("notes.md", "{{")]).unwrap();
        let words = templates.render(&sample("")).unwrap();
        assert_eq!(words.subject, "Bitte um Research");
        assert_eq!(words.text, Templates::load(None).unwrap().render(&sample("")).unwrap().text);
    }

    #[test]
    fn a_broken_template_is_found_at_the_start_with_its_file_and_line() {
        for (name, text, line, reason) in [
            ("request.txt", "Hello\n\n{{ to.nmae }}", 3, "undefined value"),
            ("request.html", "<p>\n{{ asks.name", 2, "syntax error"),
            ("request.subject.txt", "{% include 'other' %}", 1, "template not found"),
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
    fn a_directory_that_is_not_there_is_an_error() {
        let error = Templates::load(Some(Path::new("nowhere"))).unwrap_err().to_string();
        assert!(error.starts_with("mail_templates: nowhere cannot be read: "));
    }

    #[test]
    fn long_lines_break_at_blanks_and_keep_their_indent() {
        let long = format!("  - {}", "word ".repeat(40).trim_end());
        let wrapped = wrap(&long);
        let lines: Vec<&str> = wrapped.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[0].starts_with("  - word") && lines[1].starts_with("    word"));
    }

    proptest! {
        #[test]
        fn wrapping_loses_nothing_and_breaks_no_word(text in "([a-z]{1,12}[ \n]){0,60}[a-z/:?=]{0,120}") {
            let wrapped = wrap(&text);
            prop_assert_eq!(
                wrapped.split_whitespace().collect::<Vec<_>>(),
                text.split_whitespace().collect::<Vec<_>>()
            );
            for line in wrapped.lines() {
                prop_assert!(line.chars().count() <= LINE || !line.trim().contains(' '), "{}", line);
            }
        }
    }
}
