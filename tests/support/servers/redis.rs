//! Redis.

use super::{Server, first_words, program};

/// A Redis server without a password.
pub struct Redis(Server);

impl Redis {
    /// Starts one: blocking, for a moment. What it holds survives [`Server::stop`] and [`Server::kill`].
    ///
    /// # Panics
    /// If it is not installed or does not come up.
    pub fn start() -> Self {
        let start = Box::new(|port: u16, directory: &std::path::Path| {
            let mut server = std::process::Command::new(program("redis-server"));
            server.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "yes"]);
            server.args(["--port", &port.to_string()]).arg("--dir").arg(directory);
            server
        });
        let directory = tempfile::tempdir().unwrap();
        Self(Server::launch("redis-server", directory, start, |port| {
            first_words(port, b"PING\r\n").starts_with(b"+PONG")
        }))
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
