//! NATS.

use std::{path::Path, process::Command};

use super::{Certificate, Server, first_words, program};

/// A NATS server with JetStream, its streams in files.
pub struct Nats(Server);

impl Nats {
    /// Starts one: blocking, for a moment.
    ///
    /// # Panics
    /// If it is not installed or does not come up.
    pub fn start() -> Self {
        Self::with(tempfile::tempdir().unwrap(), Vec::new())
    }

    /// Starts one that speaks TLS alone, once it has greeted.
    ///
    /// # Panics
    /// If it is not installed or does not come up.
    pub fn secure(certificate: &Certificate) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (certificate, key) = certificate.put(directory.path());
        let path = |path: &Path| path.to_str().unwrap().to_owned();
        let options =
            ["--tls".to_owned(), "--tlscert".to_owned(), path(&certificate), "--tlskey".to_owned(), path(&key)];
        Self::with(directory, options.into())
    }

    fn with(directory: tempfile::TempDir, options: Vec<String>) -> Self {
        let start = Box::new(move |port: u16, directory: &Path| {
            let mut server = Command::new(program("nats-server"));
            server
                .args(["--addr", "127.0.0.1", "--port", &port.to_string(), "--jetstream", "--store_dir"])
                .arg(directory)
                .args(&options);
            server
        });
        // It greets whoever connects, once its streams are recovered.
        Self(Server::launch("nats-server", directory, start, |port| first_words(port, b"").starts_with(b"INFO ")))
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.0.port()
    }

    /// Where to connect to.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.0.port())
    }

    /// The server itself, to stop and to start it.
    pub fn server(&mut self) -> &mut Server {
        &mut self.0
    }
}
