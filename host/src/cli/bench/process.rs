//! A measured host: this program, started once more with what it is to serve, and ended with its standard input. A process
//! of its own, so that a client that does not sleep costs it nothing: within one process, each page that an instance gives
//! back interrupts the other processors.

use std::{
    env,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    process::{Child, Command, ExitCode, Stdio},
    time::Instant,
};

use anyhow::{Context as _, bail};
use serde::{Serialize, de::DeserializeOwned};

use crate::cli::Failure;

/// The process; it ends when this is dropped.
pub(super) struct Process {
    child: Child,
    /// When it was started.
    pub(super) began: Instant,
}

impl Process {
    /// Starts this program once more with the same arguments and these, and waits for what it says when it serves. `what` is
    /// its name in an error.
    pub(super) fn start<T: DeserializeOwned>(arguments: &[&str], what: &str) -> anyhow::Result<(Self, T)> {
        let mut program = Command::new(env::current_exe().context("this program cannot be started once more")?);
        program.args(env::args_os().skip(1)).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let began = Instant::now();
        let mut child = program.spawn().with_context(|| format!("{what} cannot be started"))?;
        let said = child.stdout.take();
        let mut process = Self { child, began };
        let mut line = String::new();
        if let Some(said) = said {
            BufReader::new(said).read_line(&mut line)?;
        }
        if line.is_empty() {
            bail!("{what} does not start: {}", process.child.wait()?);
        }
        let said = serde_json::from_str(&line)?;
        Ok((process, said))
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // There is nothing in it that would have to be put away.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Says that this process serves, and waits until its standard input ends, which it also does when whoever measures is
/// killed.
pub(super) async fn serve_until_end(said: &impl Serialize) -> Result<ExitCode, Failure> {
    let said = serde_json::to_string(said).map_err(anyhow::Error::from)?;
    writeln!(std::io::stdout(), "{said}")?;
    let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    ended.await.map_err(anyhow::Error::from)??;
    Ok(ExitCode::SUCCESS)
}
