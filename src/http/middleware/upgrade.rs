//! Requests for another protocol. The server ignores `Upgrade` (RFC 9110, 7.8), as clients and
//! proxies expect that send it with every request. actix does not: it closes the connection
//! without announcing that, and reads a body until the end of the connection.

use actix_web::HttpMessage;
use actix_web::dev::{Payload, ServiceRequest};
use actix_web::error::PayloadError;
use actix_web::http::ConnectionType;
use actix_web::http::header::{CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE};
use actix_web::web::Bytes;
use futures_util::{Stream, StreamExt, stream};

/// Ends the body where `Content-Length` says. Returns whether the response must announce that the
/// connection is closed.
pub fn ignore_upgrade(request: &mut ServiceRequest) -> bool {
    let is_upgrade = request.head().connection_type() == ConnectionType::Upgrade;
    let headers = request.headers();
    if !headers.contains_key(UPGRADE) || headers.contains_key(TRANSFER_ENCODING) {
        return is_upgrade;
    }
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.trim().parse().ok());
    let body = request.take_payload();
    request.set_payload(match length.unwrap_or(0) {
        0 => Payload::None,
        length => Payload::Stream { payload: Box::pin(limit_body(body, length)) },
    });
    // Only `websocket` makes actix read on, with or without `Connection: upgrade`.
    true
}

/// The first `length` bytes of a body.
fn limit_body(body: Payload, length: u64) -> impl Stream<Item = Result<Bytes, PayloadError>> {
    stream::unfold((body, length), |(mut body, left)| async move {
        if left == 0 {
            return None;
        }
        match body.next().await {
            Some(Ok(mut bytes)) => {
                bytes.truncate(usize::try_from(left).unwrap_or(usize::MAX));
                let left = left - bytes.len() as u64;
                Some((Ok(bytes), (body, left)))
            }
            Some(Err(error)) => Some((Err(error), (body, 0))),
            None => Some((Err(PayloadError::Incomplete(None)), (body, 0))),
        }
    })
}
