//! TLS to other servers: which certificates are trusted.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};
use url::Host;

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{key}: cannot read certificates from {}: {reason}", path.display())]
    Certificates {
        /// The key of the configuration.
        key: &'static str,
        path: PathBuf,
        reason: String,
    },
    #[error("cannot set up TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// TLS that trusts the public CAs, as the mail transport does, and the certificates in the file that `key` of the
/// configuration names. `protocols` are offered by ALPN.
pub fn connector(
    ca: Option<&Path>,
    key: &'static str,
    protocols: &[&[u8]],
) -> Result<TlsConnector, TlsError> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(path) = ca {
        let invalid = |reason: String| TlsError::Certificates { key, path: path.to_owned(), reason };
        let pem = std::fs::read(path).map_err(|error| invalid(error.to_string()))?;
        let public = roots.len();
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.map_err(|error| invalid(error.to_string()))?;
            roots.add(certificate).map_err(|error| invalid(error.to_string()))?;
        }
        if roots.len() == public {
            return Err(invalid("the file contains no certificate".to_owned()));
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// The name that the certificate of this host must have. `None`: no certificate can have it.
pub fn server_name<S: AsRef<str>>(host: &Host<S>) -> Option<ServerName<'static>> {
    match host {
        Host::Domain(name) => ServerName::try_from(name.as_ref().to_owned()).ok(),
        Host::Ipv4(address) => Some(ServerName::from(IpAddr::from(*address))),
        Host::Ipv6(address) => Some(ServerName::from(IpAddr::from(*address))),
    }
}
