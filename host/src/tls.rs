//! HTTPS of custom domains: certificates, and the choice of one by the name that a client asks for.
//!
//! The plain listener knows nothing of this. A handshake reads the client's first message, looks the name up in the catalog
//! in force, and goes on with what that domain has: a certificate, a range of versions, HTTP/2 or HTTP/1.1 by ALPN.

use std::{fmt, io, sync::Arc, time::Duration};

use rustls::{
    ServerConfig, SupportedProtocolVersion,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::{Acceptor, ResolvesServerCertUsingSni},
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tokio_rustls::{LazyConfigAcceptor, server::TlsStream};

use crate::host::FunctionHost;

/// Time that a client has for its part of a handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// In the order of preference.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// What a domain proves its name with. It has no form that shows the key.
#[derive(Clone)]
pub struct Certificate(Arc<ServerConfig>);

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Certificate(***)")
    }
}

/// The versions of TLS that a domain speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsVersions {
    /// 1.2 and 1.3.
    #[default]
    Both,
    /// 1.2 alone.
    Only12,
    /// 1.3 alone.
    Only13,
}

impl TlsVersions {
    fn supported(self) -> Vec<&'static SupportedProtocolVersion> {
        match self {
            Self::Both => vec![&TLS13, &TLS12],
            Self::Only12 => vec![&TLS12],
            Self::Only13 => vec![&TLS13],
        }
    }
}

/// Why a certificate cannot be served. No message has anything of the key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// The certificate's text.
    #[error("the certificate cannot be read as PEM: {0}")]
    Certificate(String),
    /// The key's text.
    #[error("the private key cannot be read as PEM: {0}")]
    PrivateKey(String),
    /// Each can be read, but not used.
    #[error("the certificate and the private key cannot be used: {0}")]
    Unusable(String),
}

impl Certificate {
    /// Of a chain in PEM, the domain's own certificate first, and its private key in PEM (PKCS#8, PKCS#1 or SEC1).
    ///
    /// # Errors
    /// See [`CertificateError`]; also if the key is not the certificate's.
    pub fn new(certificate: &str, private_key: &str, versions: TlsVersions) -> Result<Self, CertificateError> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificate.as_bytes()).collect();
        let chain = chain.map_err(|error| CertificateError::Certificate(error.to_string()))?;
        if chain.is_empty() {
            return Err(CertificateError::Certificate("there is no certificate in it".into()));
        }
        let key = PrivateKeyDer::from_pem_slice(private_key.as_bytes())
            .map_err(|error| CertificateError::PrivateKey(error.to_string()))?;
        let unusable = |error: rustls::Error| CertificateError::Unusable(error.to_string());
        let provider = provider();
        CertifiedKey::from_der(chain.clone(), key.clone_key(), &provider).map_err(unusable)?;
        let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(&versions.supported());
        let mut config =
            builder.and_then(|it| it.with_no_client_auth().with_single_cert(chain, key)).map_err(unusable)?;
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
        Ok(Self(Arc::new(config)))
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Shakes hands by the certificate of the domain that the client names.
///
/// # Errors
/// If the client does not speak TLS, takes too long, or names no domain with a certificate, which it is told.
pub(crate) async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
    host: &FunctionHost,
    stream: S,
) -> io::Result<TlsStream<S>> {
    let handshake = async {
        let hello = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        let name = hello.client_hello().server_name().map(str::to_ascii_lowercase);
        let certificate = name.and_then(|name| host.catalog().domain(&name)?.certificate().cloned());
        let config = match certificate {
            Some(Certificate(config)) => config,
            None => nobody().map_err(io::Error::other)?,
        };
        hello.into_stream(config).await
    };
    timeout(HANDSHAKE, handshake).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

/// Has no certificate for any name: the handshake ends with an alert rather than with silence.
fn nobody() -> Result<Arc<ServerConfig>, rustls::Error> {
    let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    Ok(Arc::new(builder.with_no_client_auth().with_cert_resolver(Arc::new(ResolvesServerCertUsingSni::new()))))
}
