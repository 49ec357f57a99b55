//! Mosquitto, the MQTT broker.

use std::{fs, net::TcpStream, path::Path, process::Command};

use super::{Certificate, Server, program};

/// A Mosquitto that lets everybody in, and keeps its sessions in a file.
pub struct Mosquitto(Server);

impl Mosquitto {
    /// Starts one: blocking, for a moment. Sessions, and what waits for them, survive [`Server::stop`].
    ///
    /// # Panics
    /// If it is not installed or does not come up.
    pub fn start() -> Self {
        Self::with(tempfile::tempdir().unwrap(), String::new())
    }

    /// Starts one that speaks TLS alone.
    ///
    /// # Panics
    /// If it is not installed or does not come up.
    pub fn secure(certificate: &Certificate) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (certificate, key) = certificate.put(directory.path());
        let options = format!("certfile {}\nkeyfile {}\n", certificate.display(), key.display());
        Self::with(directory, options)
    }

    fn with(directory: tempfile::TempDir, options: String) -> Self {
        let start = Box::new(move |port: u16, directory: &Path| {
            let file = directory.join("mosquitto.conf");
            // Started by root it would become a user that may not write here.
            let text = format!(
                "user root\nlistener {port} 127.0.0.1\n{options}allow_anonymous true\npersistence true\n\
                 persistence_location {}/\n",
                directory.display()
            );
            fs::write(&file, text).unwrap();
            let mut server = Command::new(program("mosquitto"));
            server.arg("-c").arg(file);
            server
        });
        // It listens once it has read its sessions.
        Self(Server::launch("mosquitto", directory, start, |port| TcpStream::connect(("127.0.0.1", port)).is_ok()))
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.0.port()
    }

    /// Where to connect to.
    pub fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port())
    }

    /// The server itself, to stop and to start it.
    pub fn server(&mut self) -> &mut Server {
        &mut self.0
    }
}
