//! TLS to the mail server: what is trusted.

use std::error::Error as _;

use lettre::transport::smtp::Error;
use lettre::transport::smtp::client::{Certificate, CertificateStore, TlsParameters};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::error::TransportError;
use crate::config::{SmtpTls, SmtpUrl};

/// What to do about a certificate of the mail server that is a CA's.
pub(super) const CA_AS_SERVER_HINT: &str = "; the mail server's certificate is marked as a CA's: name this certificate in \
    `ca`, or create it again with `openssl req -x509 -addext basicConstraints=critical,CA:FALSE`";

/// Whether the mail server has presented a certificate that is marked as a CA's, which rustls does not take for a
/// server's. `openssl req -x509` creates such certificates.
pub(super) fn is_ca_as_server(error: &Error) -> bool {
    error.source().is_some_and(|source| source.to_string().contains("CaUsedAsEndEntity"))
}

/// How the connection to the mail server is encrypted.
pub(super) struct Tls {
    pub(super) kind: SmtpTls,
    /// Trusts the public certificate authorities or, instead, the certificates in `ca`.
    pub(super) parameters: TlsParameters,
    /// Accepts every certificate for the server's name: the caller compares it with `certificates` before it trusts
    /// the server. `None` without `ca`.
    pub(super) pinned_parameters: Option<TlsParameters>,
    /// The certificates in `ca`, in DER.
    pub(super) certificates: Vec<Vec<u8>>,
}

impl Tls {
    /// `None` if the URL demands no encryption.
    pub(super) fn new(url: &SmtpUrl) -> Result<Option<Self>, TransportError> {
        if url.tls == SmtpTls::None {
            return Ok(None);
        }
        let mut builder = TlsParameters::builder(url.host.clone());
        let (mut certificates, mut pinned_parameters) = (Vec::new(), None);
        if let Some(path) = &url.ca {
            let error = TransportError::Certificates;
            let pem = std::fs::read(path).map_err(|reason| error(reason.to_string()))?;
            let roots = Certificate::from_pem(&pem).map_err(|reason| error(reason.to_string()))?;
            builder = builder.certificate_store(CertificateStore::None).add_root_certificate(roots);
            certificates = CertificateDer::pem_slice_iter(&pem).flatten().map(|der| der.to_vec()).collect();
            let pinned = TlsParameters::builder(url.host.clone()).dangerous_accept_invalid_certs(true);
            pinned_parameters = Some(pinned.build().map_err(tls_error)?);
        }
        let parameters = builder.build().map_err(tls_error)?;
        Ok(Some(Self { kind: url.tls, parameters, pinned_parameters, certificates }))
    }
}

fn tls_error(error: Error) -> TransportError {
    TransportError::Tls(error.to_string())
}
