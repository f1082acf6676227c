//! The connection to a receiver. A name is resolved once for each attempt, each of its addresses is checked, and the
//! connection is made to one of these addresses: nothing can change between the check and the connection.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use url::Host;

use super::address::{AddressPolicy, fixed_address};
use super::response::ResponseReader;
use crate::config::WebhookProxy;
use crate::domain::webhook::{FailureReason, WebhookUrl};

/// The time for a connection to one address, so that the next one is also tried.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How many addresses of a name are tried.
const MAX_CONNECTS: usize = 3;

/// The addresses of a name.
type Lookup = dyn Fn(&str) -> Vec<IpAddr> + Send + Sync;

/// Finds the addresses of names.
#[derive(Clone, Default)]
pub enum Resolver {
    /// The operating system's.
    #[default]
    System,
    /// Set by tests.
    Manual(Arc<Lookup>),
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::System => "System",
            Self::Manual(_) => "Manual",
        })
    }
}

impl Resolver {
    async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, FailureReason> {
        let addresses: Vec<IpAddr> = match self {
            Self::System => {
                let found = lookup_host((name, 0)).await.map_err(|_| FailureReason::Name)?;
                found.map(|address| address.ip()).collect()
            }
            Self::Manual(resolve) => resolve(name),
        };
        if addresses.is_empty() { Err(FailureReason::Name) } else { Ok(addresses) }
    }
}

/// Connects to the receiver itself.
pub(super) async fn direct(
    url: &WebhookUrl,
    policy: &AddressPolicy,
    resolver: &Resolver,
) -> Result<TcpStream, FailureReason> {
    policy.check_url(url)?;
    let addresses = match fixed_address(url) {
        Some(address) => vec![address],
        None => resolver.resolve(&url.host().to_string()).await?,
    };
    for address in &addresses {
        policy.check_address(*address, url)?;
    }
    first_that_connects(&addresses, url.port()).await
}

/// Connects to the receiver through a proxy, which resolves its name.
pub(super) async fn by_proxy(
    url: &WebhookUrl,
    policy: &AddressPolicy,
    proxy: &WebhookProxy,
) -> Result<TcpStream, FailureReason> {
    policy.check_url(url)?;
    let addresses = match &proxy.host {
        Host::Ipv4(address) => vec![(*address).into()],
        Host::Ipv6(address) => vec![(*address).into()],
        Host::Domain(name) => Resolver::System.resolve(name).await.map_err(|_| FailureReason::Proxy)?,
    };
    let connected = first_that_connects(&addresses, proxy.port).await;
    let mut stream = connected.map_err(|_| FailureReason::Proxy)?;
    let target = format!("{}:{}", url.host(), url.port());
    let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
    if let Some(credentials) = &proxy.credentials {
        request += &format!("Proxy-Authorization: Basic {}\r\n", credentials.expose_secret());
    }
    request += "\r\n";
    stream.write_all(request.as_bytes()).await.map_err(|_| FailureReason::Proxy)?;
    let mut reader = ResponseReader::new(&mut stream);
    let head = reader.head().await.map_err(|_| FailureReason::Proxy)?;
    // The receiver does not send first.
    if (200..300).contains(&head.status) && reader.is_at_end() {
        Ok(stream)
    } else {
        Err(FailureReason::Proxy)
    }
}

async fn first_that_connects(addresses: &[IpAddr], port: u16) -> Result<TcpStream, FailureReason> {
    for address in addresses.iter().take(MAX_CONNECTS) {
        let address = SocketAddr::new(address.to_canonical(), port);
        if let Ok(Ok(stream)) = timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
            return Ok(stream);
        }
    }
    Err(FailureReason::Connect)
}
