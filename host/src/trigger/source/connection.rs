//! What sources with a broker share: TLS, names of consumers, errors.

use std::fmt::Display;

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use sha2::{Digest as _, Sha256};

use super::SourceError;
use crate::config::{Broker, TriggerConfig};

/// The longest names that all brokers take: those of PostgreSQL's replication slots.
const NAME: usize = 63;

/// How TLS is spoken to a broker.
///
/// # Errors
/// If the authorities' certificates cannot be read.
pub(super) fn tls(broker: &Broker) -> Result<ClientConfig, SourceError> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.into() };
    if let Some(pem) = &broker.authorities {
        roots.roots.clear();
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let certificate =
                certificate.map_err(|error| failed("the file of `ca_file` is not PEM", format!("{error:?}")))?;
            roots.add(certificate).map_err(|error| failed("the file of `ca_file` has a bad certificate", error))?;
        }
        if roots.is_empty() {
            return Err(SourceError("the file of `ca_file` has no certificate".into()));
        }
    }
    Ok(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}

/// What the consumer of a trigger is called at a broker: lower-case letters, digits and `_`, 63 at most. Every trigger reads
/// for itself, so names that look alike once they are cut are told apart by a digest.
pub(super) fn consumer_name(prefix: &str, trigger: &TriggerConfig) -> String {
    let digest = Sha256::digest(trigger.id());
    let suffix = format!("_{:02x}{:02x}{:02x}{:02x}", digest[0], digest[1], digest[2], digest[3]);
    let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '_' };
    let name = format!("{prefix}_{}_{}", trigger.function, trigger.name);
    let name: String = name.chars().map(plain).take(NAME - suffix.len()).collect();
    name + &suffix
}

/// What cannot be done, and why.
pub(super) fn failed(what: &str, reason: impl Display) -> SourceError {
    let reason = reason.to_string();
    let way_out = WAYS_OUT.iter().find(|(sign, _)| reason.contains(sign)).map_or("", |(_, way_out)| way_out);
    SourceError(format!("{what}: {reason}{way_out}"))
}

/// What to do about certificates, by what rustls calls what is wrong with them.
const WAYS_OUT: [(&str, &str); 3] = [
    ("UnknownIssuer", "; give the certificates that vouch for it in `ca_file`"),
    ("not valid for", "; give the host in `url` by a name that the certificate has"),
    ("certificate expired", "; give the broker a certificate that is valid now, and look at this machine's clock"),
];

/// A connection is gone without a reason.
pub(super) fn lost(broker: &Broker) -> SourceError {
    SourceError(format!("the connection to {broker} is lost"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trigger::settings::TriggerSettings;

    fn trigger(function: &str, name: &str) -> TriggerConfig {
        TriggerConfig {
            name: name.into(),
            service: "default".into(),
            function: function.into(),
            qualifier: "LATEST".into(),
            source: Some("s".into()),
            enabled: true,
            settings: TriggerSettings::DataHub,
        }
    }

    #[test]
    fn names_are_plain_short_and_a_triggers_own() {
        let name = consumer_name("wisp", &trigger("Orders-eu", "new_ones"));
        assert!(name.starts_with("wisp_orders_eu_new_ones_"), "{name}");
        assert_eq!(name, consumer_name("wisp", &trigger("Orders-eu", "new_ones")));
        assert_ne!(name, consumer_name("wisp", &trigger("orders_eu", "new_ones")));
        assert_eq!(consumer_name("wisp", &trigger(&"x".repeat(128), "t")).len(), NAME);
    }

    #[test]
    fn a_certificate_of_nobody_known_is_told_with_the_way_out() {
        let error = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let told = failed("cannot connect to tls://h", error).0;
        assert!(told.ends_with("UnknownIssuer; give the certificates that vouch for it in `ca_file`"), "{told}");
    }

    #[test]
    fn authorities_must_be_certificates() {
        let mut broker = Broker::parse("tls://host", &["tls"]).unwrap();
        assert!(tls(&broker).is_ok());
        broker.authorities = Some("no certificate".into());
        assert_eq!(tls(&broker).unwrap_err().0, "the file of `ca_file` has no certificate");
    }
}
