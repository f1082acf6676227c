//! A file by its lines: what feeds the CSV reader, so that it can be said on
//! which line a record stands, and how far the reading has come.

use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Read};
use std::rc::Rc;

/// The most bytes that a record may have. A quote that is never closed would
/// otherwise take the rest of the file into memory.
pub const MAX_RECORD_BYTES: u64 = 1 << 20;
/// Bytes that are read at once.
const BUFFER_BYTES: usize = 1 << 18;

/// What has been read so far.
#[derive(Debug, Default)]
pub struct ReadCounter {
    lines: Cell<u64>,
    bytes: Cell<u64>,
    record_bytes: Cell<u64>,
}

impl ReadCounter {
    /// The line, from 1, that was read last.
    pub fn line(&self) -> u64 {
        self.lines.get()
    }

    /// Bytes that were read.
    pub fn bytes(&self) -> u64 {
        self.bytes.get()
    }

    /// Says that a record is complete.
    pub fn end_record(&self) {
        self.record_bytes.set(0);
    }
}

/// A reader that gives no more than one line at a time.
pub struct LineReader<R> {
    input: BufReader<R>,
    counter: Rc<ReadCounter>,
    at_start: bool,
}

impl<R: Read> LineReader<R> {
    /// Reads `input`, and keeps count in `meter`.
    pub fn new(input: R, counter: Rc<ReadCounter>) -> Self {
        Self { input: BufReader::with_capacity(BUFFER_BYTES, input), counter: counter, at_start: true }
    }
}

impl<R: Read> Read for LineReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let ReadCounter { lines, bytes, record_bytes: record } = &*self.counter;
        if record.get() > MAX_RECORD_BYTES {
            let text = "a record is longer than 1 MiB; check for a missing closing quote";
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        let buffer = self.input.fill_buf()?;
        let most = buffer.len().min(out.len());
        let head = buffer.get(..most).unwrap_or_default();
        let end = head.iter().position(|byte| *byte == b'\n');
        let length = end.map_or(most, |at| at + 1);
        for (to, from) in out.iter_mut().zip(head.iter().take(length)) {
            *to = *from;
        }
        if self.at_start && length > 0 {
            lines.set(lines.get() + 1);
        }
        self.at_start = if length > 0 { end.is_some() } else { self.at_start };
        self.input.consume(length);
        bytes.set(bytes.get() + length as u64);
        record.set(record.get() + length as u64);
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reader_yields_one_line_at_a_time_and_counts() {
        let meter = Rc::new(ReadCounter::default());
        let mut lines = LineReader::new(&b"one\n\nthree"[..], Rc::clone(&meter));
        let mut out = [0; 100];
        for (text, line, bytes) in [("one\n", 1, 4), ("\n", 2, 5), ("three", 3, 10), ("", 3, 10)] {
            let length = lines.read(&mut out).unwrap();
            assert_eq!(std::str::from_utf8(&out[..length]).unwrap(), text);
            assert_eq!((meter.line(), meter.bytes()), (line, bytes));
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
