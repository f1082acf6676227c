//! A CSV file with column names in its first line.

use std::fmt::Display;
use std::io::{self, Chain, Cursor, Read};
use std::rc::Rc;

use clap::Args;
use csv::{ByteRecord, ErrorKind, Reader, ReaderBuilder};

use super::lines::{LineReader, ReadCounter};
use super::report::LineError;

/// The columns of a file. Any other column is an error, so that a misspelt name is not ignored.
#[derive(Clone, Copy, Debug)]
pub struct CsvColumns {
    pub required: &'static [&'static str],
    pub optional: &'static [&'static str],
}

/// How the names in the first line of a file become columns.
#[derive(Args, Clone, Debug, Default)]
pub struct HeaderRules {
    /// Read the file's column NAME as COLUMN; repeat it for each column to rename
    #[arg(long = "map", value_name = "NAME=COLUMN", value_parser = parse_renaming)]
    renamings: Vec<(String, String)>,
    /// Ignore columns with other names
    #[arg(long)]
    ignore_unknown: bool,
}

/// The value of `--map` has no name or no column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be NAME=COLUMN, for example 'Email Address=email'")]
struct InvalidRenaming;

/// Bytes at the start of a file in which its format and delimiter are looked for.
const SNIFFED_BYTES: usize = 4_096;

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CsvError {
    #[error("{0}")]
    Read(#[from] io::Error),
    #[error("the file is a spreadsheet; save it as `CSV UTF-8` and import that")]
    Spreadsheet,
    #[error("the file is in UTF-16; save it as `CSV UTF-8` and import that")]
    Utf16,
    #[error("the file is empty; its first line must name the columns ({0})")]
    Empty(String),
    #[error("column {0} is missing in the first line")]
    MissingColumn(&'static str),
    #[error("unknown column {name} in the first line; use {known}, --map NAME=COLUMN or --ignore-unknown")]
    UnknownColumn {
        name: String,
        /// The names of all columns.
        known: String,
    },
    #[error("two columns in the first line are {0}")]
    DuplicateColumn(&'static str),
    #[error("--map {name}={column}: there is no column {column}; use {known}")]
    UnknownMapping { name: String, column: String, known: String },
    #[error("--map {0}={1}: the first line has no column {0}")]
    MissingMapping(String, String),
}

/// A reader of a CSV file.
pub struct CsvTable<R> {
    reader: Reader<LineReader<Chain<Cursor<Vec<u8>>, R>>>,
    counter: Rc<ReadCounter>,
    record: ByteRecord,
    /// The columns of this file, in its order. `None` is ignored.
    header: Vec<Option<&'static str>>,
}

/// A row of a file.
#[derive(Clone, Copy)]
pub struct CsvRow<'a> {
    header: &'a [Option<&'static str>],
    record: &'a ByteRecord,
    line: u64,
}

impl<R: Read> CsvTable<R> {
    /// Reads and checks the header. Names are compared without case. A first line without commas may be separated by
    /// semicolons or tabs.
    pub fn open(mut input: R, columns: CsvColumns, rules: &HeaderRules) -> Result<Self, CsvError> {
        let start = read_start(&mut input)?;
        check_format(&start)?;
        let delimiter = find_delimiter(&start);
        let input = Cursor::new(start).chain(input);
        let counter = Rc::new(ReadCounter::default());
        let lines = LineReader::new(input, Rc::clone(&counter));
        let reader =
            ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(lines);
        let mut table = Self { reader, counter, record: ByteRecord::new(), header: Vec::new() };
        if !table.advance()? {
            return Err(CsvError::Empty(columns.list()));
        }
        let last_name = table.record.iter().rposition(|name| !name.trim_ascii().is_empty());
        let names = table.record.iter().take(last_name.map_or(0, |last| last + 1));
        let names: Vec<String> = names.map(|name| String::from_utf8_lossy(name).trim().to_owned()).collect();
        rules.check(&names, columns)?;
        for name in names {
            let column = columns.find(rules.rename(&name));
            match column {
                Some(found) if table.header.contains(&column) => {
                    return Err(CsvError::DuplicateColumn(found));
                }
                None if !rules.ignore_unknown => {
                    return Err(CsvError::UnknownColumn { name, known: columns.list() });
                }
                _ => table.header.push(column),
            }
        }
        match columns.required.iter().find(|column| !table.header.contains(&Some(column))) {
            Some(missing) => Err(CsvError::MissingColumn(missing)),
            None => Ok(table),
        }
    }

    /// Reads the next row that is not blank. Spreadsheets write blank rows as rows of delimiters.
    pub fn next(&mut self) -> Result<Option<CsvRow<'_>>, CsvError> {
        loop {
            if !self.advance()? {
                return Ok(None);
            }
            if !self.record.iter().all(|field| field.trim_ascii().is_empty()) {
                break;
            }
        }
        let record = &self.record;
        // The first line of the record: its last line minus the line feeds in its fields.
        let line_feeds = record.as_slice().iter().filter(|byte| **byte == b'\n').count();
        let line = self.counter.line().saturating_sub(line_feeds as u64);
        Ok(Some(CsvRow { header: &self.header, record, line }))
    }

    /// The bytes that have been read.
    pub fn bytes(&self) -> u64 {
        self.counter.bytes()
    }

    fn advance(&mut self) -> Result<bool, CsvError> {
        self.counter.end_record();
        self.reader.read_byte_record(&mut self.record).map_err(|error| match error.into_kind() {
            ErrorKind::Io(error) => error.into(),
            other => CsvError::Read(io::Error::other(format!("{other:?}"))),
        })
    }
}

/// The start of the input, up to [`SNIFFED_BYTES`].
fn read_start(input: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut start = Vec::with_capacity(SNIFFED_BYTES);
    input.take(SNIFFED_BYTES as u64).read_to_end(&mut start)?;
    Ok(start)
}

/// Refuses formats that spreadsheets save under other names than CSV.
fn check_format(start: &[u8]) -> Result<(), CsvError> {
    // ZIP (xlsx, ods), and OLE (xls).
    if start.starts_with(b"PK\x03\x04") || start.starts_with(b"\xd0\xcf\x11\xe0") {
        return Err(CsvError::Spreadsheet);
    }
    let has_mark = start.starts_with(b"\xff\xfe") || start.starts_with(b"\xfe\xff");
    let is_every_second_zero = matches!(start, [0, ..] | [_, 0, ..]);
    if has_mark || is_every_second_zero { Err(CsvError::Utf16) } else { Ok(()) }
}

/// The delimiter of the first line that is not blank.
fn find_delimiter(start: &[u8]) -> u8 {
    let mut lines = start.split(|byte| matches!(byte, b'\n' | b'\r'));
    let header = lines.find(|line| !line.is_empty()).unwrap_or_default();
    let candidates = [b',', b';', b'\t'];
    candidates.into_iter().find(|delimiter| header.contains(delimiter)).unwrap_or(b',')
}

impl<'a> CsvRow<'a> {
    /// The first line of the row. The header is line 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// An error of this row.
    pub fn error(&self, error: impl Display) -> LineError {
        LineError { line: self.line, error: error.to_string() }
    }

    /// The text of a field; empty if the file does not have the column.
    pub fn text(&self, column: &'static str) -> Result<&'a str, LineError> {
        let has_surplus = self.record.iter().skip(self.header.len()).any(|field| !field.is_empty());
        if self.record.len() < self.header.len() || has_surplus {
            let (found, expected) = (self.record.len(), self.header.len());
            return Err(self.error(format_args!("expected {expected} fields, found {found}")));
        }
        let field = self
            .header
            .iter()
            .position(|name| *name == Some(column))
            .and_then(|index| self.record.get(index));
        std::str::from_utf8(field.unwrap_or_default())
            .map_err(|_| self.error(format_args!("{column}: must be valid UTF-8")))
    }

    /// Parses a field.
    pub fn parse<T, E: Display>(
        &self,
        column: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, LineError> {
        parse(self.text(column)?).map_err(|error| self.error(format_args!("{column}: {error}")))
    }

    /// Parses a field that may be empty.
    pub fn parse_optional<T, E: Display>(
        &self,
        column: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, LineError> {
        if self.text(column)?.is_empty() { Ok(None) } else { self.parse(column, parse).map(Some) }
    }
}

impl HeaderRules {
    /// Checks that each renaming applies to the file.
    fn check(&self, names: &[String], columns: CsvColumns) -> Result<(), CsvError> {
        for (name, column) in &self.renamings {
            if columns.find(column).is_none() {
                let (name, column) = (name.clone(), column.clone());
                return Err(CsvError::UnknownMapping { name, column, known: columns.list() });
            }
            if !names.iter().any(|found| is_same_name(found, name)) {
                return Err(CsvError::MissingMapping(name.clone(), column.clone()));
            }
        }
        Ok(())
    }

    fn rename<'a>(&'a self, name: &'a str) -> &'a str {
        let renaming = self.renamings.iter().find(|(renamed, _)| is_same_name(renamed, name));
        renaming.map_or(name, |(_, column)| column)
    }
}

/// Splits `NAME=COLUMN` at the last `=`: no column has one in its name.
fn parse_renaming(text: &str) -> Result<(String, String), InvalidRenaming> {
    let (name, column) = text.rsplit_once('=').ok_or(InvalidRenaming)?;
    let (name, column) = (name.trim(), column.trim());
    if name.is_empty() || column.is_empty() {
        return Err(InvalidRenaming);
    }
    Ok((name.to_owned(), column.to_owned()))
}

/// Without case, as spreadsheets and people write names.
fn is_same_name(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

impl CsvColumns {
    fn all(&self) -> impl Iterator<Item = &'static str> {
        self.required.iter().chain(self.optional).copied()
    }

    fn find(&self, name: &str) -> Option<&'static str> {
        self.all().find(|column| column.eq_ignore_ascii_case(name))
    }

    fn list(&self) -> String {
        self.all().collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: CsvColumns = CsvColumns { required: &["a"], optional: &["b", "c"] };

    fn open(text: &str) -> Result<CsvTable<&[u8]>, CsvError> {
        CsvTable::open(text.as_bytes(), COLUMNS, &HeaderRules::default())
    }

    fn lines(text: &str) -> Vec<(u64, Result<String, String>)> {
        let mut table = open(text).unwrap();
        let mut rows = Vec::new();
        while let Some(row) = table.next().unwrap() {
            rows.push((row.line(), row.text("b").map(str::to_owned).map_err(|bad| bad.error)));
        }
        rows
    }

    #[test]
    fn columns_are_matched_by_name() {
        let expected = vec![(2, Ok("x".to_owned())), (3, Ok("y,\"z".to_owned()))];
        assert_eq!(lines("a,b\n1,x\n2,\"y,\"\"z\"\n"), expected);
        assert_eq!(lines("\u{feff}b , a\r\nx,1\r\n\"y,\"\"z\",2"), expected);
        assert_eq!(lines("a\n1\n"), [(2, Ok(String::new()))]);
        assert_eq!(lines("a\n"), []);
    }

    #[test]
    fn lines_are_counted_as_an_editor_counts_them() {
        for end in ["\n", "\r\n"] {
            let text = ["", "a,b", "", "1,x", "2,\"y", "", "y\"", "", "3,z", "4"].join(end);
            let lines: Vec<u64> = lines(&text).iter().map(|(line, _)| *line).collect();
            assert_eq!(lines, [4, 5, 9, 10], "{end:?}");
        }
    }

    #[test]
    fn rows_of_wrong_length_or_encoding_are_rejected() {
        let wrong = "expected 2 fields, found 1".to_owned();
        assert_eq!(lines("a,b\n1\n2,x\n"), [(2, Err(wrong)), (3, Ok("x".to_owned()))]);
        assert_eq!(lines("a,b\n1,x,y\n")[0].1, Err("expected 2 fields, found 3".to_owned()));
        let mut table = CsvTable::open(&b"a,b\n1,\xff\n"[..], COLUMNS, &HeaderRules::default()).unwrap();
        let row = table.next().unwrap().unwrap();
        assert_eq!(row.text("b").unwrap_err().error, "b: must be valid UTF-8");
    }

    #[test]
    fn unknown_missing_or_duplicate_columns_are_rejected() {
        assert!(matches!(open(""), Err(CsvError::Empty(_))));
        assert!(matches!(open("b,c\n"), Err(CsvError::MissingColumn("a"))));
        assert!(matches!(open("a,d\n"), Err(CsvError::UnknownColumn { name, .. }) if name == "d"));
        assert!(matches!(open("a,b,b\n"), Err(CsvError::DuplicateColumn("b"))));
    }

    #[test]
    fn columns_are_renamed_and_other_columns_ignored() {
        let rules = |renamings: &[&str], ignore_unknown| HeaderRules {
            renamings: renamings.iter().map(|text| parse_renaming(text).unwrap()).collect(),
            ignore_unknown,
        };
        let open = |text: &'static str, rules| CsvTable::open(text.as_bytes(), COLUMNS, &rules);
        for (text, renamings) in [
            ("Name = 1 [x],other,,Größe\n1,2,3,x\n", &["name = 1 [X]=a", " größe = B "][..]),
            // A renamed column is read in place of one with the name itself only if that is renamed too.
            ("a,c,b\nx,1,2\n", &["a=b", "c=a", "b=c"]),
        ] {
            let mut table = open(text, rules(renamings, true)).unwrap();
            let row = table.next().unwrap().unwrap();
            assert_eq!((row.text("a"), row.text("b")), (Ok("1"), Ok("x")), "{text}");
        }
        let text = "a,colour\n1,red\n";
        for (renamings, ignore_unknown, error) in [
            (&["colour=d"][..], true, "--map colour=d: there is no column d; use a, b, c"),
            (&["color=b"], true, "--map color=b: the first line has no column color"),
            (&["colour=a"], true, "two columns in the first line are a"),
            (&["a=b"], true, "column a is missing in the first line"),
            (
                &[],
                false,
                "unknown column colour in the first line; use a, b, c, --map NAME=COLUMN or --ignore-unknown",
            ),
        ] {
            let refused = open(text, rules(renamings, ignore_unknown)).err().unwrap();
            assert_eq!(refused.to_string(), error);
        }
        for text in ["", "a", "=a", "a=", " = "] {
            assert_eq!(parse_renaming(text), Err(InvalidRenaming), "{text}");
        }
    }

    #[test]
    fn files_of_spreadsheets_are_read_if_there_is_no_doubt() {
        let x = vec![(2, Ok("x".to_owned()))];
        for text in [
            "A, B \n1,x\n",
            "a;b\n1;x\n",
            "a\tb\n1\tx\n",
            "a,b,,\n1,x,,\n",
            "a,b\n1,x,,\n,,\n ,\n",
            "a,b\n1,x\n,\n,,,\n",
        ] {
            assert_eq!(lines(text), x, "{text:?}");
        }
        assert_eq!(lines("a,b\n,\n1,x\n")[0].0, 3, "blank rows are counted");
        assert!(matches!(open("a,,b\n"), Err(CsvError::UnknownColumn { .. })));
        assert!(matches!(open("PK\u{3}\u{4}"), Err(CsvError::Spreadsheet)));
        let utf16: Vec<u8> = "a,b".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for bytes in [utf16.clone(), [vec![0xff, 0xfe], utf16].concat()] {
            assert!(matches!(
                CsvTable::open(&bytes[..], COLUMNS, &HeaderRules::default()),
                Err(CsvError::Utf16)
            ));
        }
        let long = format!("a,b\n{}", "1,x\n".repeat(5_000));
        assert_eq!(lines(&long).len(), 5_000);
    }

    #[test]
    fn an_unclosed_quote_does_not_exhaust_memory() {
        let mut table =
            CsvTable::open(b"a\n\"".chain(io::repeat(b'\n')), COLUMNS, &HeaderRules::default()).unwrap();
        assert!(matches!(table.next(), Err(CsvError::Read(_))));
    }
}
