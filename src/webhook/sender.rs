//! One attempt to deliver an event.

use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls;
use uuid::Uuid;

use super::address::AddressPolicy;
use super::connect::{Resolver, by_proxy, direct};
use super::response::{ResponseHead, ResponseReader};
use crate::config::{WebhookProxy, WebhookSettings};
use crate::domain::timestamp::Timestamp;
use crate::domain::webhook::{AttemptOutcome, FailureReason, WebhookSecret, WebhookUrl, signature_header};
use crate::tls::{self, TlsError};

/// The time for an attempt, from the resolution of the name to the head of the response.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(15);
const USER_AGENT: &str = concat!("countersign/", env!("CARGO_PKG_VERSION"));

/// Sends deliveries. It keeps no connection between them.
pub struct WebhookSender {
    policy: AddressPolicy,
    resolver: Resolver,
    proxy: Option<WebhookProxy>,
    tls: TlsConnector,
    timeout: Duration,
}

/// An event for one webhook.
pub struct Delivery<'a> {
    pub url: &'a WebhookUrl,
    /// The current secret and, for some time after a rotation, the previous one.
    pub secrets: &'a [WebhookSecret],
    /// The event's id, the same in each attempt.
    pub id: Uuid,
    /// The [body](crate::domain::webhook::payload).
    pub body: &'a str,
    /// The span of the attempt, for the header `traceparent`.
    pub traceparent: Option<&'a str>,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    pub outcome: AttemptOutcome,
    /// The time to the head of the response, or to the failure.
    pub duration: Duration,
}

impl WebhookSender {
    /// Reads the certificates that the settings name.
    pub fn new(settings: &WebhookSettings, resolver: Resolver) -> Result<Self, TlsError> {
        Ok(Self {
            policy: AddressPolicy::new(settings),
            resolver,
            proxy: settings.proxy.clone(),
            tls: tls::connector(settings.ca.as_deref(), "webhooks.ca", &[b"http/1.1"])?,
            timeout: ATTEMPT_TIMEOUT,
        })
    }

    /// The same sender with another time for an attempt, for tests.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Makes one attempt, which starts `now`. It takes at most half a second longer than its timeout.
    pub async fn send(&self, delivery: &Delivery<'_>, now: Timestamp) -> Report {
        let started = Instant::now();
        let answer = timeout(self.timeout, self.exchange(delivery, now)).await;
        let duration = started.elapsed();
        let outcome = match answer {
            Err(_) => AttemptOutcome::failed(FailureReason::Timeout),
            Ok(Err(reason)) => AttemptOutcome::failed(reason),
            Ok(Ok((head, reader))) => {
                reader.drain().await;
                outcome(&head, now)
            }
        };
        Report { outcome, duration }
    }

    /// Sends the request and reads the head of the response.
    async fn exchange(
        &self,
        delivery: &Delivery<'_>,
        now: Timestamp,
    ) -> Result<(ResponseHead, ResponseReader<Box<dyn Stream>>), FailureReason> {
        let url = delivery.url;
        let stream = match &self.proxy {
            Some(proxy) => by_proxy(url, &self.policy, proxy).await?,
            None => direct(url, &self.policy, &self.resolver).await?,
        };
        let mut stream: Box<dyn Stream> =
            if url.is_https() { self.encrypt(url, stream).await? } else { Box::new(stream) };
        let sent = stream.write_all(request(delivery, now).as_bytes()).await;
        sent.map_err(|_| FailureReason::Connect)?;
        stream.flush().await.map_err(|_| FailureReason::Connect)?;
        let mut reader = ResponseReader::new(stream);
        let head = reader.head().await?;
        Ok((head, reader))
    }

    async fn encrypt(&self, url: &WebhookUrl, stream: TcpStream) -> Result<Box<dyn Stream>, FailureReason> {
        let name = tls::server_name(&url.host()).ok_or(FailureReason::Certificate)?;
        match self.tls.connect(name, stream).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error) => match error.get_ref().and_then(|source| source.downcast_ref::<rustls::Error>()) {
                Some(rustls::Error::InvalidCertificate(_)) => Err(FailureReason::Certificate),
                _ => Err(FailureReason::Tls),
            },
        }
    }
}

/// A connection, encrypted or not.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

fn request(delivery: &Delivery<'_>, now: Timestamp) -> String {
    let Delivery { url, secrets, id, body, traceparent } = delivery;
    let traceparent = traceparent.map(|context| format!("traceparent: {context}\r\n")).unwrap_or_default();
    format!(
        "POST {target} HTTP/1.1\r\n\
         Host: {host}\r\n\
         User-Agent: {USER_AGENT}\r\n\
         Content-Type: application/json\r\n\
         Content-Length: {length}\r\n\
         Connection: close\r\n\
         webhook-id: {id}\r\n\
         webhook-timestamp: {timestamp}\r\n\
         webhook-signature: {signature}\r\n\
         {traceparent}\
         \r\n\
         {body}",
        target = url.request_target(),
        host = url.authority(),
        length = body.len(),
        timestamp = now.seconds(),
        signature = signature_header(secrets, *id, now, body.as_bytes()),
    )
}

fn outcome(head: &ResponseHead, now: Timestamp) -> AttemptOutcome {
    let failed = |reason| AttemptOutcome::Failed {
        reason,
        status: Some(head.status),
        retry_after: head.retry_after(now),
    };
    match head.status {
        status @ 200..300 => AttemptOutcome::Delivered { status },
        410 => AttemptOutcome::Gone,
        300..400 => failed(FailureReason::Redirect),
        _ => failed(FailureReason::Status),
    }
}
