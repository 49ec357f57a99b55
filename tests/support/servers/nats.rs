//! NATS.

use super::{Server, first_words, program};

/// A NATS server with JetStream, its streams in files.
pub struct Nats(Server);

impl Nats {
    /// Starts one: blocking, for a moment.
    ///
    /// # Panics
    /// If it is not installed or does not come up.
    pub fn start() -> Self {
        let start = Box::new(|port: u16, directory: &std::path::Path| {
            let mut server = std::process::Command::new(program("nats-server"));
            server
                .args(["--addr", "127.0.0.1", "--port", &port.to_string(), "--jetstream", "--store_dir"])
                .arg(directory);
            server
        });
        let directory = tempfile::tempdir().unwrap();
        // It greets whoever connects, once its streams are recovered.
        Self(Server::launch("nats-server", directory, start, |port| first_words(port, b"").starts_with(b"INFO ")))
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
