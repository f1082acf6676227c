//! The response of a receiver: its status and its `Retry-After`. The body is not used.

use std::time::{Duration, UNIX_EPOCH};

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

use crate::domain::timestamp::Timestamp;
use crate::domain::webhook::{FailureReason, MAX_RETRY_AFTER};

/// The maximum length of a response's head, together with informational responses (1xx) before it.
const MAX_HEAD_BYTES: usize = 16_384;
const MAX_HEADERS: usize = 100;
/// How much of a body is read and thrown away, and for how long, so that small receivers do not see their
/// connection break while they write it.
const MAX_DRAINED_BYTES: u64 = 16_384;
const DRAIN_TIME: Duration = Duration::from_millis(500);

/// The part of a response's head that matters.
pub(super) struct ResponseHead {
    pub(super) status: u16,
    retry_after: Option<String>,
}

/// Reads a response.
pub(super) struct ResponseReader<S> {
    stream: S,
    /// What was read and not parsed yet.
    buffer: Vec<u8>,
}

impl<S: AsyncRead + Unpin> ResponseReader<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    /// Reads the head of the final response.
    pub(super) async fn head(&mut self) -> Result<ResponseHead, FailureReason> {
        let mut room = MAX_HEAD_BYTES;
        loop {
            if let Some((head, length)) = parse_head(&self.buffer)? {
                self.buffer.drain(..length);
                match head.status {
                    // A protocol that was not asked for.
                    101 => return Err(FailureReason::Protocol),
                    100..200 => continue,
                    _ => return Ok(head),
                }
            }
            let mut chunk = [0; 2_048];
            let read = self.stream.read(&mut chunk).await.map_err(|_| FailureReason::Connect)?;
            let chunk = chunk.get(..read).unwrap_or_default();
            if chunk.is_empty() {
                return Err(FailureReason::Connect);
            }
            room = room.checked_sub(chunk.len()).ok_or(FailureReason::Protocol)?;
            self.buffer.extend_from_slice(chunk);
        }
    }

    /// Whether nothing was read after the head.
    pub(super) fn is_at_end(&self) -> bool {
        self.buffer.is_empty()
    }

    /// Throws away the body until its end, for a short time and up to a small length.
    pub(super) async fn drain(self) {
        let mut body = self.stream.take(MAX_DRAINED_BYTES);
        let mut sink = tokio::io::sink();
        // The status has been read: a body that breaks off changes nothing.
        let _ = timeout(DRAIN_TIME, tokio::io::copy(&mut body, &mut sink)).await;
    }
}

/// The head at the start of the text, with its length; `None` if it is incomplete.
fn parse_head(text: &[u8]) -> Result<Option<(ResponseHead, usize)>, FailureReason> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    match response.parse(text) {
        Ok(httparse::Status::Partial) => Ok(None),
        Err(_) => Err(FailureReason::Protocol),
        Ok(httparse::Status::Complete(length)) => {
            let status =
                response.code.filter(|code| (100..600).contains(code)).ok_or(FailureReason::Protocol)?;
            let header =
                response.headers.iter().find(|header| header.name.eq_ignore_ascii_case("retry-after"));
            let retry_after = header
                .and_then(|header| std::str::from_utf8(header.value).ok())
                .map(|text| text.trim().to_owned());
            Ok(Some((ResponseHead { status, retry_after }, length)))
        }
    }
}

impl ResponseHead {
    /// How long the receiver asks to wait (RFC 9110, 10.2.3), at most [`MAX_RETRY_AFTER`].
    pub(super) fn retry_after(&self, now: Timestamp) -> Option<Duration> {
        let text = self.retry_after.as_deref()?;
        let asked = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            // More digits than fit are a long time.
            Duration::from_secs(text.parse().unwrap_or(u64::MAX))
        } else {
            let at = httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
            let now = Duration::from_secs(u64::try_from(now.seconds()).unwrap_or_default());
            at.saturating_sub(now)
        };
        Some(asked.min(MAX_RETRY_AFTER))
    }
}

/// For [`crate::fuzzing::webhook`].
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz(bytes: &[u8]) {
    if let Ok(Some((head, length))) = parse_head(bytes) {
        assert!(length <= bytes.len() && (100..600).contains(&head.status));
        let asked = head.retry_after(Timestamp::from_micros(1_893_456_000_000_000));
        assert!(asked.is_none_or(|asked| asked <= MAX_RETRY_AFTER));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head_of(text: &str) -> Result<Option<ResponseHead>, FailureReason> {
        parse_head(text.as_bytes()).map(|head| head.map(|(head, _)| head))
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = Timestamp::from_rfc3339("2030-01-01T00:00:00Z").unwrap();
        let day = 86_400;
        for (text, seconds) in [
            ("0", Some(0)),
            (" 120 ", Some(120)),
            ("86401", Some(day)),
            ("99999999999999999999999", Some(day)),
            ("Tue, 01 Jan 2030 00:01:00 GMT", Some(60)),
            ("Tue, 01 Jan 2030 00:00:00 GMT", Some(0)),
            ("Mon, 31 Dec 2029 23:59:00 GMT", Some(0)),
            ("Tuesday, 01-Jan-30 00:01:00 GMT", Some(60)),
            ("Fri, 01 Jan 2100 00:00:00 GMT", Some(day)),
            ("", None),
            ("-1", None),
            ("+1", None),
            ("1.5", None),
            ("soon", None),
            ("2030-01-01T00:01:00Z", None),
        ] {
            let head = head_of(&format!("HTTP/1.1 503 x\r\nretry-AFTER: {text}\r\n\r\n")).unwrap().unwrap();
            assert_eq!(head.retry_after(now), seconds.map(Duration::from_secs), "{text}");
        }
        assert_eq!(head_of("HTTP/1.1 503 x\r\n\r\n").unwrap().unwrap().retry_after(now), None);
    }

    #[tokio::test]
    async fn informational_responses_come_before_the_response() {
        let text =
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 204 x\r\n\r\n";
        assert_eq!(ResponseReader::new(text.as_bytes()).head().await.unwrap().status, 204);
    }

    #[tokio::test]
    async fn what_is_not_a_response_is_refused() {
        let long = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "x".repeat(MAX_HEAD_BYTES));
        let headers = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(MAX_HEADERS + 1));
        let informational = "HTTP/1.1 102 x\r\n\r\n".repeat(MAX_HEAD_BYTES);
        for (text, reason) in [
            ("SSH-2.0-OpenSSH_9\r\n", FailureReason::Protocol),
            ("HTTP/2 200\r\n\r\n", FailureReason::Protocol),
            ("HTTP/1.1 999 x\r\n\r\n", FailureReason::Protocol),
            ("HTTP/1.1 101 x\r\n\r\n", FailureReason::Protocol),
            (&long, FailureReason::Protocol),
            (&headers, FailureReason::Protocol),
            (&informational, FailureReason::Protocol),
            ("", FailureReason::Connect),
            ("HTTP/1.1 200 OK\r\nx: y", FailureReason::Connect),
        ] {
            let error = ResponseReader::new(text.as_bytes()).head().await.err();
            assert_eq!(error, Some(reason), "{}", text.get(..20).unwrap_or(text));
        }
    }
}
