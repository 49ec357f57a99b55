//! Redis.

use std::{net::TcpStream, path::Path, process::Command};

use super::{Certificate, Server, first_words, program};

/// A Redis server without a password.
pub struct Redis(Server);

impl Redis {
    /// Starts one: blocking, for a moment. What it holds survives [`Server::stop`] and [`Server::kill`].
    ///
    /// # Panics
    /// If it is not installed or does not come up.
    pub fn start() -> Self {
        let start = Box::new(|port: u16, directory: &Path| {
            let mut server = command(directory);
            server.args(["--port", &port.to_string()]);
            server
        });
        let directory = tempfile::tempdir().unwrap();
        Self(Server::launch("redis-server", directory, start, |port| {
            first_words(port, b"PING\r\n").starts_with(b"+PONG")
        }))
    }

    /// Starts one that speaks TLS alone.
    ///
    /// # Panics
    /// If it is not installed or does not come up.
    pub fn secure(certificate: &Certificate) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (certificate, key) = certificate.put(directory.path());
        let start = Box::new(move |port: u16, directory: &Path| {
            let mut server = command(directory);
            server.args(["--port", "0", "--tls-port", &port.to_string(), "--tls-auth-clients", "no"]);
            server.arg("--tls-cert-file").arg(&certificate).arg("--tls-key-file").arg(&key);
            server.arg("--tls-ca-cert-file").arg(&certificate);
            server
        });
        let answers = |port| TcpStream::connect(("127.0.0.1", port)).is_ok();
        Self(Server::launch("redis-server", directory, start, answers))
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.0.port()
    }

    /// Where to connect to.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port())
    }

    /// The server itself, to stop and to start it.
    pub fn server(&mut self) -> &mut Server {
        &mut self.0
    }
}

fn command(directory: &Path) -> Command {
    let mut server = Command::new(program("redis-server"));
    server.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "yes"]).arg("--dir").arg(directory);
    server
}
