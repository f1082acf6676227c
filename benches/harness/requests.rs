//! HTTP requests that are prepared before the measurement.

/// The bytes of requests, and the expected status.
#[derive(Clone, Debug)]
pub struct Requests {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// The expected status.
    pub status: u16,
    /// Whether to start over after the last request. False for single-use requests.
    pub repeatable: bool,
}

impl Requests {
    /// Requests that succeed with this status and can be repeated.
    pub fn new(status: u16) -> Self {
        Self { bytes: Vec::new(), ends: Vec::new(), status, repeatable: true }
    }

    /// Requests that succeed only once.
    pub fn single_use(status: u16) -> Self {
        Self { repeatable: false, ..Self::new(status) }
    }

    /// Adds a request with a method, a path and query, header lines and a body.
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

    /// The number of requests.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// The request with this index, from 0. `None` after the last one.
    pub fn get(&self, nth: usize) -> Option<&[u8]> {
        let nth = if self.repeatable { nth % self.ends.len() } else { nth };
        let end = *self.ends.get(nth)?;
        let start = nth.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some(&self.bytes[start..end])
    }
}

/// The `User-Agent`, which the audit log contains.
pub const USER_AGENT: &str = "countersign-bench";
