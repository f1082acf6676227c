//! The output of a command: text for people, or one JSON document.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

use serde::Serialize;
use serde_json::json;

use super::CliError;

/// Writes results to stdout and errors to stderr, as text or as JSON.
pub struct Output {
    json: bool,
}

/// A row of a list.
pub trait ListItem: Serialize {
    /// The column titles.
    const HEADERS: &'static [&'static str];

    /// The cells, one for each title.
    fn cells(&self) -> Vec<String>;
}

impl Output {
    /// JSON if `json`, otherwise text.
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    /// Prints a whole list.
    pub fn list<L: ListItem>(&self, items: &[L]) -> Result<(), CliError> {
        if self.json { self.json_document(&items) } else { write_stdout(&format_table(items)) }
    }

    /// Prints the first `limit` items. The caller passes one item more, if there is one, so that the
    /// output can say that there are more.
    pub fn list_newest<L: ListItem>(&self, mut items: Vec<L>, limit: i64) -> Result<(), CliError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = items.len() > limit;
        items.truncate(limit);
        self.list(&items)?;
        if more {
            self.note(&format!("Showing the newest {limit}. Use --limit to see more."));
        }
        Ok(())
    }

    /// Prints the result of a change: as a JSON document or as a sentence.
    pub fn success(&self, document: &impl Serialize, sentence: &str) -> Result<(), CliError> {
        if self.json {
            self.json_document(document)
        } else {
            write_stdout(&format!("{}\n", escape_for_terminal(sentence)))
        }
    }

    /// Prints a line of JSON.
    pub fn line(&self, json: &str) -> Result<(), CliError> {
        write_stdout(&format!("{json}\n"))
    }

    /// Prints a secret alone on stdout, for scripts, and the note on stderr.
    pub fn secret(&self, document: &impl Serialize, secret: &str, note: &str) -> Result<(), CliError> {
        if self.json {
            return self.json_document(document);
        }
        self.note(note);
        write_stdout(&format!("{secret}\n"))
    }

    /// Prints an error.
    pub fn error(&self, error: &impl Display) {
        let error = error.to_string();
        if self.json {
            write_stderr(&json!({ "error": error }).to_string());
        } else {
            write_stderr(&format!("error: {}", escape_for_terminal(&error)));
        }
    }

    /// Prints an error after its details. `more` is the number of details that are left out.
    pub fn error_with_details<D: Serialize + Display>(&self, error: &impl Display, details: &[D], more: u64) {
        if self.json {
            let document = json!({ "error": error.to_string(), "lines": details, "more": more });
            return write_stderr(&document.to_string());
        }
        for detail in details {
            self.note(&detail.to_string());
        }
        if more > 0 {
            self.note(&format!("and {more} more"));
        }
        self.error(error);
    }

    /// Prints a note on stderr, in text mode.
    fn note(&self, text: &str) {
        if !self.json {
            write_stderr(&escape_for_terminal(text));
        }
    }

    fn json_document(&self, document: &impl Serialize) -> Result<(), CliError> {
        let text = serde_json::to_string(document).map_err(|error| CliError::Output(error.into()))?;
        write_stdout(&format!("{text}\n"))
    }
}

fn write_stdout(text: &str) -> Result<(), CliError> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        // The reader has closed the pipe, as in `… | head`.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(CliError::Output),
    }
}

fn write_stderr(line: &str) {
    // If stderr is closed, nothing can be reported.
    let _ = writeln!(io::stderr(), "{line}");
}

/// Formats a list as a table, each column as wide as its widest cell.
fn format_table<L: ListItem>(items: &[L]) -> String {
    let titles = L::HEADERS.iter().map(|title| (*title).to_owned()).collect();
    let cells = |item: &L| item.cells().iter().map(|cell| escape_for_terminal(cell)).collect();
    let rows: Vec<Vec<String>> = std::iter::once(titles).chain(items.iter().map(cells)).collect();
    let mut widths = vec![0; L::HEADERS.len()];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for row in &rows {
        let padded: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}", width = *width)).collect();
        text.push_str(padded.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// Escapes control and direction characters: IDs of hubs and nodes and the responses of mail
/// servers are untrusted input. An empty text becomes `-`, so that scripts can count columns.
fn escape_for_terminal(text: &str) -> String {
    if text.is_empty() {
        return "-".to_owned();
    }
    let mut printable = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => printable.push(' '),
            // Direction marks, which reorder the text around them.
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                printable.extend(c.escape_unicode());
            }
            c if c.is_control() => printable.extend(c.escape_unicode()),
            c => printable.push(c),
        }
    }
    printable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Pair(&'static str, &'static str);

    impl ListItem for Pair {
        const HEADERS: &'static [&'static str] = &["LEFT", "RIGHT"];

        fn cells(&self) -> Vec<String> {
            vec![self.0.to_owned(), self.1.to_owned()]
        }
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let text = format_table(&[Pair("a", "b"), Pair("ångström", "")]);
        assert_eq!(text, "LEFT      RIGHT\na         b\nångström  -\n");
    }

    #[test]
    fn control_characters_are_escaped_for_the_terminal() {
        assert_eq!(escape_for_terminal("a\u{1b}[2Jb\nc\u{202e}d"), "a\\u{1b}[2Jb c\\u{202e}d");
    }
}
