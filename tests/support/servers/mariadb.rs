//! MariaDB.

use std::fs;

use super::{Server, command_as, directory_of, first_words, program, set_up};

/// Whom Debian's package made for it.
const USER: &str = "mysql";

/// Run at each start; the data may be there already.
const SET_UP: &str = "CREATE DATABASE IF NOT EXISTS wisp CHARACTER SET utf8mb4;
CREATE USER IF NOT EXISTS wisp@'127.0.0.1' IDENTIFIED BY 'wisp';
GRANT ALL ON *.* TO wisp@'127.0.0.1';
";

/// A MariaDB server with user, password and database `wisp`.
pub struct MariaDb(Server);

impl MariaDb {
    /// Starts one: blocking, for seconds.
    ///
    /// # Panics
    /// If it is not installed or does not come up.
    pub fn start() -> Self {
        let directory = directory_of(USER);
        let data = directory.path().join("data");
        let mut install = command_as(USER, &program("mariadb-install-db"));
        install.args(["--no-defaults", "--skip-test-db", "--auth-root-authentication-method=normal"]);
        set_up(install.arg(format!("--datadir={}", data.display())));
        fs::write(directory.path().join("set-up.sql"), SET_UP).unwrap();
        let start = Box::new(|port: u16, directory: &std::path::Path| {
            let mut server = command_as(USER, &program("mariadbd"));
            let within = |name: &str| directory.join(name).display().to_string();
            server.args(["--no-defaults", "--bind-address=127.0.0.1", "--skip-name-resolve"]);
            server.args(["--innodb-buffer-pool-size=16M", "--innodb-flush-log-at-trx-commit=0"]);
            server.arg(format!("--datadir={}", within("data")));
            server.arg(format!("--socket={}", within("socket")));
            server.arg(format!("--pid-file={}", within("pid")));
            server.arg(format!("--init-file={}", within("set-up.sql")));
            server.arg(format!("--port={port}"));
            server
        });
        // It speaks first.
        Self(Server::launch("mariadbd", directory, start, |port| !first_words(port, b"").is_empty()))
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.0.port()
    }
}
