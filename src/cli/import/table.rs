//! A CSV file: a header that names the columns, and rows of fields.

use std::fmt::Display;
use std::io::{self, Read};
use std::rc::Rc;

use csv::{ByteRecord, ErrorKind, Reader, ReaderBuilder};

use super::lines::{Lines, Meter};
use super::report::BadLine;

/// The names of columns. There are no others, lest a misspelt one be lost.
#[derive(Clone, Copy, Debug)]
pub struct Columns {
    /// Those that must be there.
    pub required: &'static [&'static str],
    /// Those that may be.
    pub optional: &'static [&'static str],
}

/// Why a file cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The system refuses.
    #[error("{0}")]
    Read(#[from] io::Error),
    /// There is nothing in it.
    #[error("the file is empty; its first line must name the columns ({0})")]
    Empty(String),
    /// A column that must be there is not.
    #[error("column {0} is missing in the first line")]
    Missing(&'static str),
    /// A column that nobody knows.
    #[error("unknown column {name} in the first line; use {known}")]
    Unknown {
        /// As the file has it.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// A column that is there twice.
    #[error("column {0} appears twice in the first line")]
    Twice(&'static str),
}

/// A file that is being read.
pub struct Table<R> {
    reader: Reader<Lines<R>>,
    meter: Rc<Meter>,
    record: ByteRecord,
    /// The names of the file's columns, in their order.
    header: Vec<&'static str>,
}

/// One row.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    header: &'a [&'static str],
    record: &'a ByteRecord,
    line: u64,
}

impl<R: Read> Table<R> {
    /// Reads the header.
    pub fn open(input: R, columns: Columns) -> Result<Self, TableError> {
        let meter = Rc::new(Meter::default());
        let lines = Lines::new(input, Rc::clone(&meter));
        let reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(lines);
        let mut table = Self { reader, meter, record: ByteRecord::new(), header: Vec::new() };
        if !table.advance()? {
            return Err(TableError::Empty(columns.list()));
        }
        for name in &table.record {
            let name = String::from_utf8_lossy(name);
            let column = columns
                .find(name.trim())
                .ok_or_else(|| TableError::Unknown { name: name.trim().to_owned(), known: columns.list() })?;
            if table.header.contains(&column) {
                return Err(TableError::Twice(column));
            }
            table.header.push(column);
        }
        match columns.required.iter().find(|column| !table.header.contains(column)) {
            Some(missing) => Err(TableError::Missing(missing)),
            None => Ok(table),
        }
    }

    /// The next row, if there is one.
    pub fn next(&mut self) -> Result<Option<Row<'_>>, TableError> {
        if !self.advance()? {
            return Ok(None);
        }
        let record = &self.record;
        // The line on which it ended, less the line feeds in its fields.
        let within = record.as_slice().iter().filter(|byte| **byte == b'\n').count();
        let line = self.meter.line().saturating_sub(within as u64);
        Ok(Some(Row { header: &self.header, record, line }))
    }

    /// How many bytes have been read.
    pub fn bytes(&self) -> u64 {
        self.meter.bytes()
    }

    fn advance(&mut self) -> Result<bool, TableError> {
        self.meter.end_record();
        self.reader.read_byte_record(&mut self.record).map_err(|error| match error.into_kind() {
            ErrorKind::Io(error) => error.into(),
            other => TableError::Read(io::Error::other(format!("{other:?}"))),
        })
    }
}

impl<'a> Row<'a> {
    /// The line that it stands on, the header's being 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// What is wrong with this row.
    pub fn wrong(&self, what: impl Display) -> BadLine {
        BadLine { line: self.line, error: what.to_string() }
    }

    /// A field's text; empty when the file has no such column.
    pub fn text(&self, column: &'static str) -> Result<&'a str, BadLine> {
        if self.record.len() != self.header.len() {
            let (found, wanted) = (self.record.len(), self.header.len());
            return Err(self.wrong(format_args!("expected {wanted} fields, found {found}")));
        }
        let field = self.header.iter().position(|name| *name == column).and_then(|at| self.record.get(at));
        std::str::from_utf8(field.unwrap_or_default())
            .map_err(|_| self.wrong(format_args!("{column}: must be valid UTF-8")))
    }

    /// A field that `read` takes.
    pub fn read<T, E: Display>(
        &self,
        column: &'static str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, BadLine> {
        read(self.text(column)?).map_err(|error| self.wrong(format_args!("{column}: {error}")))
    }

    /// A field that `read` takes, unless it is empty.
    pub fn read_filled<T, E: Display>(
        &self,
        column: &'static str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, BadLine> {
        if self.text(column)?.is_empty() { Ok(None) } else { self.read(column, read).map(Some) }
    }
}

impl Columns {
    fn all(&self) -> impl Iterator<Item = &'static str> {
        self.required.iter().chain(self.optional).copied()
    }

    fn find(&self, name: &str) -> Option<&'static str> {
        self.all().find(|column| *column == name)
    }

    fn list(&self) -> String {
        self.all().collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: Columns = Columns { required: &["a"], optional: &["b", "c"] };

    fn open(text: &str) -> Result<Table<&[u8]>, TableError> {
        Table::open(text.as_bytes(), COLUMNS)
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
    fn columns_go_by_their_names() {
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
    fn a_row_that_is_too_short_too_long_or_not_text_is_wrong() {
        let wrong = "expected 2 fields, found 1".to_owned();
        assert_eq!(lines("a,b\n1\n2,x\n"), [(2, Err(wrong)), (3, Ok("x".to_owned()))]);
        assert_eq!(lines("a,b\n1,x,y\n")[0].1, Err("expected 2 fields, found 3".to_owned()));
        let mut table = Table::open(&b"a,b\n1,\xff\n"[..], COLUMNS).unwrap();
        let row = table.next().unwrap().unwrap();
        assert_eq!(row.text("b").unwrap_err().error, "b: must be valid UTF-8");
    }

    #[test]
    fn a_header_is_taken_at_its_word() {
        assert!(matches!(open(""), Err(TableError::Empty(_))));
        assert!(matches!(open("b,c\n"), Err(TableError::Missing("a"))));
        assert!(matches!(open("a,d\n"), Err(TableError::Unknown { name, .. }) if name == "d"));
        assert!(matches!(open("a,b,b\n"), Err(TableError::Twice("b"))));
    }

    #[test]
    fn a_quote_that_is_not_closed_is_no_way_to_fill_the_memory() {
        let mut table = Table::open(b"a\n\"".chain(io::repeat(b'\n')), COLUMNS).unwrap();
        assert!(matches!(table.next(), Err(TableError::Read(_))));
    }
}
