//! PostgreSQL.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Stdio,
};

use super::{Certificate, Server, command_as, directory_of, first_words, give, program, set_up};

/// Whom Debian's package made for it.
const USER: &str = "postgres";

/// The start of a session for user and database `wisp`, by protocol 3.0.
const HELLO: &[u8] = b"\0\0\0\x21\0\x03\0\0user\0wisp\0database\0wisp\0\0";

/// A PostgreSQL server with the superuser `wisp`, the password and the database of that name, and logical replication.
pub struct Postgres(Server);

impl Postgres {
    /// Starts one: blocking, for seconds.
    ///
    /// # Panics
    /// If it is not installed or does not come up.
    pub fn start() -> Self {
        Self::with(None)
    }

    /// Starts one that speaks TLS as well.
    ///
    /// # Panics
    /// If it is not installed or does not come up.
    pub fn secure(certificate: &Certificate) -> Self {
        Self::with(Some(certificate))
    }

    fn with(certificate: Option<&Certificate>) -> Self {
        let directory = directory_of(USER);
        let options = certificate.map(|certificate| tls_options(certificate, directory.path())).unwrap_or_default();
        let data = directory.path().join("data");
        let password = directory.path().join("password");
        fs::write(&password, "wisp").unwrap();
        let mut init = command_as(USER, &tool("initdb"));
        init.args(["--username=wisp", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]);
        init.arg(format!("--pwfile={}", password.display()));
        set_up(init.arg(format!("--pgdata={}", data.display())));
        create_database(&data);
        let start = Box::new(move |port: u16, directory: &Path| {
            let mut server = command_as(USER, &tool("postgres"));
            server.arg("-D").arg(directory.join("data")).arg("-k").arg(directory).args(["-h", "127.0.0.1"]);
            server.args(["-p", &port.to_string(), "-c", "fsync=off", "-c", "shared_buffers=16MB"]);
            server
                .args(["-c", "wal_level=logical", "-c", "max_replication_slots=16", "-c", "max_wal_senders=16"])
                .args(&options);
            server
        });
        // It asks for the password as soon as it takes sessions, and sends an error before.
        Self(Server::launch("postgres", directory, start, |port| first_words(port, HELLO).starts_with(b"R")))
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.0.port()
    }

    /// Where to connect to: with user, password and database.
    pub fn url(&self) -> String {
        format!("postgres://wisp:wisp@127.0.0.1:{}/wisp", self.port())
    }

    /// The server itself, to stop and to start it.
    pub fn server(&mut self) -> &mut Server {
        &mut self.0
    }
}

fn tls_options(certificate: &Certificate, directory: &Path) -> Vec<String> {
    let (certificate, key) = certificate.put(directory);
    for file in [&certificate, &key] {
        fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
        give(USER, file);
    }
    let files = [("ssl_cert_file", certificate), ("ssl_key_file", key)];
    let files = files.iter().map(|(setting, file)| format!("{setting}={}", file.display()));
    ["ssl=on".to_owned()].into_iter().chain(files).flat_map(|setting| ["-c".to_owned(), setting]).collect()
}

fn create_database(data: &Path) {
    let mut single = command_as(USER, &tool("postgres"));
    single.arg("--single").arg("-D").arg(data).arg("postgres").stdout(Stdio::null()).stderr(Stdio::null());
    let mut single = single.stdin(Stdio::piped()).spawn().unwrap();
    single.stdin.take().unwrap().write_all(b"CREATE DATABASE wisp;\n").unwrap();
    assert!(single.wait().unwrap().success(), "PostgreSQL makes no database");
}

/// A program of PostgreSQL: Debian keeps those of each version in a directory of its own; the newest is taken.
fn tool(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = versions.map(|version| version.path().join("bin").join(name)).collect();
    files.retain(|file| file.is_file());
    files.sort();
    files.pop().unwrap_or_else(|| program(name))
}
