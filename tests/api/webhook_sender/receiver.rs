//! Receivers of webhooks, well-behaved and not.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// What a receiver does once it has read the request.
#[derive(Clone)]
pub enum Behaviour {
    /// Sends these bytes and closes the connection.
    Respond(String),
    /// Sends the first text, then the second one again and again.
    Endless(&'static str, &'static str),
    /// Sends the text and nothing more, and keeps the connection open.
    Stall(&'static str),
    /// Closes the connection.
    HangUp,
    /// Sends 200 without reading the request.
    Hasty,
}

/// A request as it was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The first line and the headers.
    pub head: String,
    pub body: String,
}

impl Received {
    /// The value of a header.
    pub fn header(&self, name: &str) -> &str {
        self.head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find_map(|(other, value)| (other == name).then_some(value))
            .unwrap_or_else(|| panic!("no {name} in {}", self.head))
    }
}

/// A receiver that listens until it is dropped.
pub struct Receiver {
    pub address: SocketAddr,
    received: UnboundedReceiver<Received>,
    connections: Arc<AtomicUsize>,
    /// The bytes that it has sent.
    pub sent: Arc<AtomicUsize>,
    task: actix_web::rt::task::JoinHandle<()>,
}

impl Receiver {
    pub async fn start(behaviour: Behaviour) -> Self {
        Self::start_at("127.0.0.1:0", behaviour, None).await
    }

    pub async fn start_at(address: &str, behaviour: Behaviour, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, received) = unbounded_channel();
        let [connections, sent] = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
        let (accepted, written) = (connections.clone(), sent.clone());
        let task = actix_web::rt::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                accepted.fetch_add(1, Ordering::SeqCst);
                let (behaviour, sender, written) = (behaviour.clone(), sender.clone(), written.clone());
                let tls = tls.clone();
                actix_web::rt::spawn(async move {
                    match tls {
                        None => serve(stream, behaviour, sender, written).await,
                        // A handshake that fails is the test's.
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, behaviour, sender, written).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, received, connections, sent, task }
    }

    /// The number of connections so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// The next request.
    pub async fn next(&mut self) -> Received {
        self.received.recv().await.unwrap()
    }

    /// The URL with this host, which must lead to it.
    pub fn url(&self, scheme: &str, host: &str) -> String {
        format!("{scheme}://{host}:{}/hook?from=countersign", self.address.port())
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    behaviour: Behaviour,
    received: UnboundedSender<Received>,
    sent: Arc<AtomicUsize>,
) {
    if !matches!(behaviour, Behaviour::Hasty) {
        let Some(request) = read_request(&mut stream).await else { return };
        // The test may not ask for it.
        let _ = received.send(request);
    }
    match behaviour {
        Behaviour::Respond(response) => {
            let _ = stream.write_all(response.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
        Behaviour::Endless(start, text) => {
            let mut next = start;
            while stream.write_all(next.as_bytes()).await.is_ok() {
                sent.fetch_add(next.len(), Ordering::SeqCst);
                next = text;
                actix_web::rt::task::yield_now().await;
            }
        }
        Behaviour::Stall(text) => {
            let _ = stream.write_all(text.as_bytes()).await;
            let _ = stream.flush().await;
            // Until the sender gives up.
            let _ = stream.read(&mut [0; 1]).await;
        }
        Behaviour::HangUp => {}
        Behaviour::Hasty => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
            let _ = read_request(&mut stream).await;
        }
    }
}

/// Reads a request with `Content-Length`.
pub async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<Received> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return Some(Received { head: head.to_owned(), body: body.to_owned() });
            }
        }
        let mut chunk = [0; 4_096];
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return None,
            Ok(read) => bytes.extend_from_slice(&chunk[..read]),
        }
    }
}

/// A private CA, with its certificate in a file.
pub struct TestCa {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: TempDir,
}

impl TestCa {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, directory }
    }

    /// The file for `webhooks.ca`.
    pub fn file(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// A TLS server with a certificate for this name.
    pub fn server(&self, name: &str) -> TlsAcceptor {
        self.server_until(name, 4_000)
    }

    /// A TLS server with a certificate that is valid until this year.
    pub fn server_until(&self, name: &str, year: i32) -> TlsAcceptor {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        acceptor(&certificate.pem(), &key)
    }
}

/// A TLS server with a certificate that it has signed itself.
pub fn self_signed_server(name: &str) -> TlsAcceptor {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().self_signed(&key).unwrap();
    acceptor(&certificate.pem(), &key)
}

fn acceptor(certificate: &str, key: &KeyPair) -> TlsAcceptor {
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}
