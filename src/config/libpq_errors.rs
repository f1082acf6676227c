//! The errors of libpq and of a server that refuses a connection, without the values that they
//! quote: a value may be a password that was set for the wrong parameter. Values of the URL become
//! the names of their parameters, and everything else in quotation marks is left out.

use super::postgres_url::{Conninfo, PARAMETERS};

/// Shorter values are replaced only in quotation marks: they may be a part of any word.
const MIN_UNQUOTED_BYTES: usize = 4;
/// The quotation marks of libpq's and PostgreSQL's messages in several languages.
const QUOTATION_MARKS: [(char, char); 5] = [('"', '"'), ('»', '«'), ('«', '»'), ('“', '”'), ('„', '“')];

/// The error without values.
pub fn redact(conninfo: &Conninfo, error: &str) -> String {
    let mut values: Vec<(String, &str)> =
        conninfo.iter().flat_map(|(name, value)| pieces(name, value)).collect();
    values.sort_by_key(|(_, value)| std::cmp::Reverse(value.len()));
    let mut text = error.to_owned();
    for (placeholder, value) in values {
        if value.len() >= MIN_UNQUOTED_BYTES && placeholder != "<port>" {
            text = text.replace(value, &placeholder);
        } else {
            for (open, close) in QUOTATION_MARKS {
                let quoted = format!("{open}{value}{close}");
                text = text.replace(&quoted, &format!("{open}{placeholder}{close}"));
            }
        }
    }
    redact_quoted(&text)
}

/// The texts of a parameter that an error may contain, with what replaces each of them.
fn pieces<'a>(name: &'static str, value: &'a str) -> Vec<(String, &'a str)> {
    let whole = [(format!("<{name}>"), value)];
    let pieces: Vec<(String, &str)> = match name {
        // One of several, by its number.
        "host" | "hostaddr" if value.contains(',') => {
            (1..).zip(value.split(',')).map(|(number, part)| (format!("<{name} {number}>"), part)).collect()
        }
        // The server reads them as a command line.
        "options" => {
            let words = value.split(|c: char| c.is_whitespace() || c == '=');
            let words = words.map(|word| word.strip_prefix("-c").unwrap_or(word).trim_start_matches('-'));
            whole.into_iter().chain(words.map(|word| (format!("<{name}>"), word))).collect()
        }
        _ => whole.into(),
    };
    pieces.into_iter().filter(|(_, piece)| !piece.is_empty()).collect()
}

/// Leaves out what is in quotation marks, except names of parameters and placeholders.
fn redact_quoted(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, (open, close), after)) = split_at_quote(rest) {
        let (quoted, after) = after.split_once(close).unwrap_or((after, ""));
        let is_shown = PARAMETERS.contains(&quoted) || quoted.starts_with('<');
        kept.push_str(before);
        kept.push(open);
        kept.push_str(if is_shown { quoted } else { "…" });
        kept.push(close);
        rest = after;
    }
    kept + rest
}

fn split_at_quote(text: &str) -> Option<(&str, (char, char), &str)> {
    let is_open = |c: char| QUOTATION_MARKS.into_iter().find(|(open, _)| *open == c);
    let (index, marks) = text.char_indices().find_map(|(index, c)| Some((index, is_open(c)?)))?;
    let (before, rest) = text.split_at(index);
    Some((before, marks, rest.strip_prefix(marks.0)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_become_the_names_of_their_parameters() {
        for (url, error, shown) in [
            (
                "postgres://h/d?sslmode=hunter2",
                "invalid sslmode value: \"hunter2\"",
                "invalid sslmode value: \"<sslmode>\"",
            ),
            (
                "postgres://h/d?connect_timeout=hunter2",
                "invalid integer value \"hunter2\" for connection option \"connect_timeout\"",
                "invalid integer value \"<connect_timeout>\" for connection option \"connect_timeout\"",
            ),
            (
                "postgres://u:hunter2@h/d",
                "connection to server at \"h\" (10.0.0.1), port 5432 failed: FATAL:  database \"d\" does not exist",
                "connection to server at \"<host>\" (10.0.0.1), port 5432 failed: FATAL:  database \"<dbname>\" does not exist",
            ),
            (
                "postgres://u@/d?host=/run/a,/run/b&port=5433",
                "connection to server on socket \"/run/b/.s.PGSQL.5433\" failed: No such file or directory",
                "connection to server on socket \"<host 2>/.s.PGSQL.5433\" failed: No such file or directory",
            ),
            (
                "postgres://h/d?options=-c%20hunter2",
                "FATAL:  -c hunter2 requires a value",
                "FATAL:  <options> requires a value",
            ),
            (
                "postgres://h/d?options=-chunter2%3Dx%20--hunter3",
                "-c hunter2 is not --hunter3",
                "-c <options> is not --<options>",
            ),
            // A value of a service file or a variable.
            ("postgres:///d", "invalid sslmode value: \"hunter2\"", "invalid sslmode value: \"…\""),
            ("postgres:///d", "ungültiger sslmode-Wert: »hunter2«", "ungültiger sslmode-Wert: »…«"),
            ("postgres:///d", "\"a\" and \"hunter2", "\"…\" and \"…\""),
            ("postgres:///d", "could not receive data: timeout", "could not receive data: timeout"),
        ] {
            assert_eq!(redact(&Conninfo::from_url(url).unwrap(), error), shown, "{url}");
        }
    }
}
