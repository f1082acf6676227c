//! HTTP requests, written down before the clock runs.

/// Requests as bytes, one after the other, and the status that each wants.
#[derive(Clone, Debug)]
pub struct Requests {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// The only status that is right.
    pub status: u16,
    /// Whether to start over at the end; requests that work once must last.
    pub repeatable: bool,
}

impl Requests {
    /// Requests that all succeed with this status, and may be repeated.
    pub fn new(status: u16) -> Self {
        Self { bytes: Vec::new(), ends: Vec::new(), status, repeatable: true }
    }

    /// Requests of which each works once.
    pub fn single_use(status: u16) -> Self {
        Self { repeatable: false, ..Self::new(status) }
    }

    /// Adds one: `GET`, a path with its query, header lines, a body.
    pub fn push(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) {
        let head = format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: {USER_AGENT}\r\n");
        self.bytes.extend_from_slice(head.as_bytes());
        for (name, value) in headers {
            self.bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        if method != "GET" {
            self.bytes.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
        }
        self.bytes.extend_from_slice(b"\r\n");
        self.bytes.extend_from_slice(body.as_bytes());
        self.ends.push(self.bytes.len());
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// The nth, from 0; `None` when there are no more.
    pub fn get(&self, nth: usize) -> Option<&[u8]> {
        let nth = if self.repeatable { nth % self.ends.len() } else { nth };
        let end = *self.ends.get(nth)?;
        let start = nth.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some(&self.bytes[start..end])
    }
}

/// What the generator calls itself, and the audit trail keeps.
pub const USER_AGENT: &str = "countersign-bench";
