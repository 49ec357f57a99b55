//! A certificate for servers on loopback, made for one test.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A certificate for `localhost` and `127.0.0.1` that vouches for itself.
pub struct Certificate {
    directory: tempfile::TempDir,
    key: String,
}

impl Default for Certificate {
    fn default() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        let certificate = Self { directory: tempfile::tempdir().unwrap(), key: made.signing_key.serialize_pem() };
        fs::write(certificate.file(), made.cert.pem()).unwrap();
        certificate
    }
}

impl Certificate {
    /// The certificate, in PEM: what a client that trusts it reads.
    pub fn file(&self) -> PathBuf {
        self.directory.path().join("certificate.pem")
    }

    /// Copies the certificate and its key into a server's directory, and says where they are.
    ///
    /// # Panics
    /// If they cannot be written.
    pub fn put(&self, directory: &Path) -> (PathBuf, PathBuf) {
        let (certificate, key) = (directory.join("certificate.pem"), directory.join("key.pem"));
        fs::copy(self.file(), &certificate).unwrap();
        fs::write(&key, &self.key).unwrap();
        (certificate, key)
    }
}
