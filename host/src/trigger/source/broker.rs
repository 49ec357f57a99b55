//! What sources with a broker share: where it is, who they are there, TLS.

use std::{fmt, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use url::Url;

use crate::config::Secret;

/// Where a broker is, and who wisp is there.
#[derive(Clone, PartialEq, Eq)]
pub struct Broker {
    /// Its URL without user and password.
    url: Url,
    /// The user, if the broker asks for one.
    pub user: Option<String>,
    /// The password.
    pub password: Option<Secret>,
    /// The certificates, in PEM, that vouch for the broker's; default: the public ones.
    pub authorities: Option<Arc<str>>,
}

impl Broker {
    /// A broker by its URL, which may have a user and a password.
    ///
    /// # Errors
    /// If it is no URL of one of `schemes`, or names no host. No error repeats the URL: it may hold a password.
    pub fn parse(url: &str, schemes: &[&str]) -> Result<Self, String> {
        let form = format!("give {}://[user:password@]host[:port]", schemes.join(":// or "));
        let mut url = Url::parse(url).map_err(|error| format!("is no URL: {error}; {form}"))?;
        if !schemes.contains(&url.scheme()) {
            return Err(format!("has the scheme {:?}; {form}", url.scheme()));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(format!("names no host; {form}"));
        }
        let user = (!url.username().is_empty()).then(|| unescaped(url.username()));
        let password = url.password().map(|password| Secret::new(unescaped(password)));
        let cleared = url.set_username("").and_then(|()| url.set_password(None));
        cleared.map_err(|()| format!("names no host; {form}"))?;
        Ok(Self { url, user, password, authorities: None })
    }

    /// The host's name or address; IPv6 without brackets.
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default().trim_matches(['[', ']'])
    }

    /// The port, or the protocol's own.
    pub fn port(&self, default: u16) -> u16 {
        self.url.port().unwrap_or(default)
    }

    /// What follows the host, without the first `/`.
    pub fn path(&self) -> String {
        unescaped(self.url.path().trim_start_matches('/'))
    }

    /// The URL's scheme.
    pub fn scheme(&self) -> &str {
        self.url.scheme()
    }

    /// How TLS is spoken to the broker.
    ///
    /// # Errors
    /// If the authorities' certificates cannot be read.
    pub fn tls(&self) -> Result<ClientConfig, String> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.into() };
        if let Some(pem) = &self.authorities {
            roots.roots.clear();
            for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                let certificate = certificate.map_err(|error| format!("the CA's file is not PEM: {error:?}"))?;
                roots.add(certificate).map_err(|error| format!("the CA's file has a bad certificate: {error}"))?;
            }
            if roots.is_empty() {
                return Err("the CA's file has no certificate".into());
            }
        }
        Ok(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
    }
}

/// The URL without user and password.
impl fmt::Display for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.url.fmt(f)
    }
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Broker({})", self.url)
    }
}

fn unescaped(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_password_are_taken_out_of_the_url() {
        let broker = Broker::parse("redis://me:s%40cret@localhost:7000/2", &["redis", "rediss"]).unwrap();
        assert_eq!(broker.to_string(), "redis://localhost:7000/2");
        assert_eq!((broker.host(), broker.port(6379), broker.path().as_str()), ("localhost", 7000, "2"));
        assert_eq!(broker.user.as_deref(), Some("me"));
        assert_eq!(broker.password.as_ref().map(Secret::expose), Some("s@cret"));
        assert!(!format!("{broker:?}").contains("cret"), "{broker:?}");
    }

    #[test]
    fn the_port_is_the_protocols_unless_it_is_given() {
        let broker = Broker::parse("nats://[::1]", &["nats"]).unwrap();
        assert_eq!((broker.host(), broker.port(4222)), ("::1", 4222));
        assert_eq!((broker.user, broker.password), (None, None));
    }

    #[test]
    fn what_is_wrong_with_a_url_is_said_without_it() {
        for (url, reason) in [
            ("http://me:hidden@host", "has the scheme \"http\"; give nats://"),
            ("nats:hidden", "names no host"),
            ("hidden", "is no URL: relative URL without a base"),
        ] {
            let error = Broker::parse(url, &["nats", "tls"]).unwrap_err();
            assert!(error.contains(reason) && !error.contains("hidden"), "{error}");
        }
    }

    #[test]
    fn authorities_must_be_certificates() {
        let mut broker = Broker::parse("tls://host", &["tls"]).unwrap();
        assert!(broker.tls().is_ok());
        broker.authorities = Some("no certificate".into());
        assert_eq!(broker.tls().unwrap_err(), "the CA's file has no certificate");
    }
}
