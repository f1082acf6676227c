//! Reads a file line by line for the CSV reader, and counts lines and bytes for error messages
//! and the progress bar.

use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Read};
use std::rc::Rc;

/// Bytes of one record. Without this limit, a missing closing quote would read the rest of the
/// file into memory.
pub const MAX_RECORD_BYTES: u64 = 1 << 20;
const BUFFER_BYTES: usize = 1 << 18;

/// Counts of the input that has been read.
#[derive(Debug, Default)]
pub struct ReadCounter {
    lines: Cell<u64>,
    bytes: Cell<u64>,
    record_bytes: Cell<u64>,
}

impl ReadCounter {
    /// The last line that was read, from 1.
    pub fn line(&self) -> u64 {
        self.lines.get()
    }

    /// The bytes that were read.
    pub fn bytes(&self) -> u64 {
        self.bytes.get()
    }

    /// Marks the end of a record.
    pub fn end_record(&self) {
        self.record_bytes.set(0);
    }
}

/// A reader that returns at most one line per call.
pub struct LineReader<R> {
    input: BufReader<R>,
    counter: Rc<ReadCounter>,
    at_start: bool,
}

impl<R: Read> LineReader<R> {
    /// Reads `input` and counts in `counter`.
    pub fn new(input: R, counter: Rc<ReadCounter>) -> Self {
        Self { input: BufReader::with_capacity(BUFFER_BYTES, input), counter, at_start: true }
    }
}

impl<R: Read> Read for LineReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let ReadCounter { lines, bytes, record_bytes } = &*self.counter;
        if record_bytes.get() > MAX_RECORD_BYTES {
            let text = "a record is longer than 1 MiB; check for a missing closing quote";
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        let buffer = self.input.fill_buf()?;
        let max_length = buffer.len().min(out.len());
        let head = buffer.get(..max_length).unwrap_or_default();
        let end = head.iter().position(|byte| *byte == b'\n');
        let length = end.map_or(max_length, |index| index + 1);
        for (to, from) in out.iter_mut().zip(head.iter().take(length)) {
            *to = *from;
        }
        if self.at_start && length > 0 {
            lines.set(lines.get() + 1);
        }
        self.at_start = if length > 0 { end.is_some() } else { self.at_start };
        self.input.consume(length);
        bytes.set(bytes.get() + length as u64);
        record_bytes.set(record_bytes.get() + length as u64);
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reader_yields_one_line_at_a_time_and_counts() {
        let counter = Rc::new(ReadCounter::default());
        let mut lines = LineReader::new(&b"one\n\nthree"[..], Rc::clone(&counter));
        let mut out = [0; 100];
        for (text, line, bytes) in [("one\n", 1, 4), ("\n", 2, 5), ("three", 3, 10), ("", 3, 10)] {
            let length = lines.read(&mut out).unwrap();
            assert_eq!(std::str::from_utf8(&out[..length]).unwrap(), text);
            assert_eq!((counter.line(), counter.bytes()), (line, bytes));
        }
    }

    #[test]
    fn an_endless_record_is_rejected() {
        let endless = io::repeat(b'x');
        let mut lines = LineReader::new(endless, Rc::default());
        let mut out = [0; 1 << 16];
        let read = (0..100).map_while(|_| lines.read(&mut out).ok()).sum::<usize>();
        assert!(read as u64 <= MAX_RECORD_BYTES + out.len() as u64, "{read}");
    }
}
