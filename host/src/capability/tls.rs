//! TLS of guests' HTTPS requests.

use std::sync::{Arc, LazyLock};

use rustls::pki_types::CertificateDer;
use tokio_rustls::TlsConnector;

/// For all guests of a host that trusts nobody else: it holds the well-known root certificates and no secret.
static WELL_KNOWN: LazyLock<TlsConnector> = LazyLock::new(|| with_roots(well_known()));

/// A client that knows servers by the well-known root certificates, and by `more`.
pub(crate) fn connector(more: &[CertificateDer<'static>]) -> TlsConnector {
    if more.is_empty() {
        return WELL_KNOWN.clone();
    }
    let mut roots = well_known();
    // What is none was told when the configuration was read.
    roots.add_parsable_certificates(more.iter().cloned());
    with_roots(roots)
}

fn well_known() -> rustls::RootCertStore {
    rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.into() }
}

fn with_roots(roots: rustls::RootCertStore) -> TlsConnector {
    let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}
